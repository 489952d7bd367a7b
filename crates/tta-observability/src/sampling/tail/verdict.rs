//! What was decided about a trace, and what its spans say of it.

use tta_model::name::attribute;
use tta_model::w3c::TraceState;
use tta_model::{ExecutionStatus, SpanRecord, SpanStatus};

use crate::sampling::decision;

/// What becomes of the spans of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are left out.
    Out,
    /// They are kept for what they are, which any such trace is: they stand for as many as the head said.
    Kept,
    /// They are kept at this threshold.
    KeptAt(u64),
}

/// Whether something failed or ran out of time.
///
/// What was cancelled says it ended in error, as that is all OpenTelemetry can say, and is none.
pub(super) fn failed(span: &SpanRecord) -> bool {
    let status = span.attribute(attribute::EXECUTION_STATUS.key).and_then(|status| status.as_text());
    let is = |known: ExecutionStatus| status == Some(known.as_str());
    let says_so = matches!(span.status, SpanStatus::Error(_)) && !is(ExecutionStatus::Cancelled);
    says_so || is(ExecutionStatus::Error) || is(ExecutionStatus::Timeout)
}

/// Writes into spans what the tail's decision says they stand for.
///
/// The spans of a trace mostly have the same state, so that of the last one is kept for the next.
#[derive(Debug)]
pub(super) struct Marker {
    /// Whether a trace without a threshold stands for itself alone; if not, nobody knows for how many.
    pub(super) head_counts: bool,
    last: Option<(TraceState, u64, TraceState)>,
}

impl Marker {
    pub(super) fn new(head_counts: bool) -> Self {
        Self { head_counts, last: None }
    }

    /// Raises the threshold of a span to that of the tail: of two, the stricter one says what it stands for.
    pub(super) fn raise(&mut self, state: &mut TraceState, threshold: u64) {
        if let Some((from, at, to)) = &self.last
            && (from, *at) == (&*state, threshold)
        {
            *state = to.clone();
            return;
        }
        let from = state.clone();
        match from.threshold() {
            Some(head) if head >= threshold => {}
            None if !self.head_counts => {}
            _ => decision::write(state, Some(threshold)),
        }
        self.last = Some((from, threshold, state.clone()));
    }
}
