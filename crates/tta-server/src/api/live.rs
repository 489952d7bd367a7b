//! What is written, told as it happens.

use tokio::sync::broadcast;
use tta_model::TraceId;

/// How many summaries wait for the slowest listener before it loses the oldest.
const WAITING: usize = 1_024;

/// What one batch brought of one trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTrace {
    /// The trace.
    pub trace_id: TraceId,
    /// The service of its root, or of the first span that came.
    pub service: String,
    /// The name of its root, or of the first span that came.
    pub name: String,
    /// Whether the root was among them: then the trace is as long as it says, and most of it is there.
    pub has_root: bool,
    /// The start of the root, or of the earliest of the spans, in nanoseconds since 1970.
    pub start_unix_nanos: i64,
    /// How long the root took, or else all of them, in nanoseconds.
    pub duration_nanos: i64,
    /// How many spans came.
    pub spans: u64,
    /// How many of them failed.
    pub errors: u64,
}

/// Tells listeners of traces after they were committed. Clones tell the same listeners.
///
/// Nobody waits for a listener: one that is slow loses the oldest summaries, and is told how many.
#[derive(Clone, Debug)]
pub struct Live {
    sender: broadcast::Sender<LiveTrace>,
}

impl Default for Live {
    fn default() -> Self {
        Self { sender: broadcast::channel(WAITING).0 }
    }
}

impl Live {
    /// Whether anybody listens: otherwise summaries need not be made.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Tells of traces that were committed. To be called after the commit, and not before.
    pub fn tell(&self, traces: impl IntoIterator<Item = LiveTrace>) {
        for summary in traces {
            // Without listeners there is nothing to tell.
            let _ = self.sender.send(summary);
        }
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<LiveTrace> {
        self.sender.subscribe()
    }
}
