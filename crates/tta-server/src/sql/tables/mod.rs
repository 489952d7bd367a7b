//! The tables, one file for each, or for those that are alike.

mod logs;
mod metrics;
mod minutes;
mod model_calls;
mod spans;
mod traces;

use std::sync::Arc;

use super::source::Source;
use super::table::{Bound, Scannable, TableInfo};

/// All tables, over a source.
pub(super) fn all(source: &Arc<Source>) -> Vec<Arc<dyn Scannable>> {
    vec![
        Bound::<spans::Spans>::over(source),
        Bound::<traces::Traces>::over(source),
        Bound::<logs::Logs>::over(source),
        Bound::<metrics::Metrics>::over(source),
        Bound::<minutes::Red>::over(source),
        Bound::<minutes::Edges>::over(source),
        Bound::<model_calls::ModelCalls>::over(source),
    ]
}

/// Tells of each table.
#[must_use]
pub fn tables() -> Vec<TableInfo> {
    use super::table::info;
    vec![
        info::<spans::Spans>(),
        info::<traces::Traces>(),
        info::<logs::Logs>(),
        info::<metrics::Metrics>(),
        info::<minutes::Red>(),
        info::<minutes::Edges>(),
        info::<model_calls::ModelCalls>(),
    ]
}
