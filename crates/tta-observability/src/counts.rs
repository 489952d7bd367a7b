//! What became of spans and log records: each one recorded is exported, left out by tail sampling, or counted as
//! dropped with a reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why records were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// More spans ended than the drain thread could take over.
    RecorderFull,
    /// The exporter did not keep up, so its queue was full.
    QueueFull,
    /// The receiver refused them, or could not be reached until the attempts were used up.
    ExportFailed,
    /// Recording had ended, or the time to flush was over, before they were sent.
    Shutdown,
}

impl DropReason {
    const COUNT: usize = 4;

    /// Every reason.
    pub const ALL: [Self; Self::COUNT] =
        [Self::RecorderFull, Self::QueueFull, Self::ExportFailed, Self::Shutdown];

    /// The word for this reason in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecorderFull => "recorder_full",
            Self::QueueFull => "queue_full",
            Self::ExportFailed => "export_failed",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Counts of spans, shared by everything that handles them.
#[derive(Debug, Default)]
pub struct SpanCounts {
    recorded: AtomicU64,
    /// Spans that the drain thread has handed to the exporters.
    handed_over: AtomicU64,
    /// How many of them had been by the last flush that succeeded.
    settled: AtomicU64,
    exported: AtomicU64,
    sampled_out: AtomicU64,
    dropped: [AtomicU64; DropReason::COUNT],
}

impl SpanCounts {
    /// Spans that ended and were recorded.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Spans that a receiver acknowledged.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Spans that tail sampling left out. That is no loss: it is what it is for.
    #[must_use]
    pub fn sampled_out(&self) -> u64 {
        self.sampled_out.load(Ordering::Relaxed)
    }

    /// Spans that were dropped for a reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Ordering::Relaxed)
    }

    /// Spans that were dropped for whatever reason.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        DropReason::ALL.into_iter().map(|reason| self.dropped(reason)).sum()
    }

    /// Recorded spans of which no flush has said yet that they were sent.
    pub(crate) fn unsettled(&self) -> u64 {
        let left_out = self.dropped(DropReason::RecorderFull) + self.sampled_out();
        self.recorded().saturating_sub(self.settled.load(Ordering::Relaxed) + left_out)
    }

    /// Recorded spans that no exporter has got yet.
    pub(crate) fn waiting_for_exporters(&self) -> u64 {
        let done = self.handed_over.load(Ordering::Relaxed) + self.sampled_out();
        self.recorded().saturating_sub(done + self.dropped(DropReason::RecorderFull))
    }

    /// A flush has succeeded.
    pub(crate) fn settle(&self) {
        self.settled.store(self.handed_over.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(crate) fn add_handed_over(&self, spans: usize) {
        self.handed_over.fetch_add(spans as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_recorded(&self, spans: usize) {
        self.recorded.fetch_add(spans as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_sampled_out(&self, spans: usize) {
        self.sampled_out.fetch_add(spans as u64, Ordering::Relaxed);
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn add_exported(&self, spans: usize) {
        self.exported.fetch_add(spans as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_dropped(&self, reason: DropReason, spans: usize) {
        self.dropped[reason as usize].fetch_add(spans as u64, Ordering::Relaxed);
    }
}

/// Counts of log records, shared by everything that handles them.
#[derive(Debug, Default)]
pub struct LogCounts {
    recorded: AtomicU64,
    exported: AtomicU64,
    dropped: [AtomicU64; DropReason::COUNT],
}

impl LogCounts {
    /// Records that were handed over to be sent.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Records that a receiver acknowledged.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Records that were dropped for a reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Ordering::Relaxed)
    }

    /// Records that were dropped for whatever reason.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        DropReason::ALL.into_iter().map(|reason| self.dropped(reason)).sum()
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn add_recorded(&self, records: usize) {
        self.recorded.fetch_add(records as u64, Ordering::Relaxed);
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn add_exported(&self, records: usize) {
        self.exported.fetch_add(records as u64, Ordering::Relaxed);
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn add_dropped(&self, reason: DropReason, records: usize) {
        self.dropped[reason as usize].fetch_add(records as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_needs_no_sending_and_what_waits_does() {
        let counts = SpanCounts::default();
        let check = |unsettled| assert_eq!(counts.unsettled(), unsettled, "{counts:?}");
        counts.add_recorded(10);
        counts.add_handed_over(3);
        counts.add_sampled_out(4);
        check(6);
        counts.settle();
        check(3);
        counts.add_sampled_out(1);
        check(2);
        counts.add_handed_over(2);
        counts.settle();
        check(0);
        assert_eq!((counts.sampled_out(), counts.dropped_total()), (5, 0));
    }
}
