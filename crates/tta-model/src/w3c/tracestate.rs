//! `tracestate`.
use serde::{Deserialize, Serialize};

/// What other tracing systems added to a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceState {}

impl TraceState {
    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }
}
