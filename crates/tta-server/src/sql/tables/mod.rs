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
        Bound::<spans::Spans>::new(source),
        Bound::<traces::Traces>::new(source),
        Bound::<logs::Logs>::new(source),
        Bound::<metrics::Metrics>::new(source),
        Bound::<minutes::Red>::new(source),
        Bound::<minutes::Edges>::new(source),
        Bound::<model_calls::ModelCalls>::new(source),
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
