//! What the tail keeps, and how much it holds meanwhile.

use std::time::Duration;

use crate::sampling::{Adaptive, Ratio};

/// Which of the recorded traces are exported, decided when they have ended.
///
/// A trace is kept if it has an error, if it is slow, or if the ratio keeps it. Until that is known its spans
/// wait in memory, within three bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct TailConfig {
    /// Whether traces in which anything failed or ran out of time are kept: yes by default. What was merely
    /// cancelled, such as the slower of two hedged calls, has not failed.
    pub keep_errors: bool,
    /// How long a span lasts at least, of a trace that is kept because it is slow; none by default.
    pub slow: Option<Duration>,
    /// The part of all other traces that is kept.
    pub ratio: TailRatio,
    /// How many spans wait at most: 50,000 by default. When another one comes, the oldest trace is decided early,
    /// with what is known of it.
    pub max_spans: usize,
    /// How many bytes the waiting spans take at most: 64 MiB by default. It is an estimate, counted from the sizes
    /// of records and of the texts in them.
    pub max_bytes: usize,
    /// How long a trace waits for its end at most, from its first span that has ended: 30 s by default. The end
    /// is that of a span without a parent, or with one in another process; runs below a span of the application
    /// have none that is seen here, and wait this long.
    pub max_wait: Duration,
}

/// The part of the traces that is kept whatever they are.
#[derive(Clone, Debug, PartialEq)]
pub enum TailRatio {
    /// Always the same.
    Fixed(Ratio),
    /// As large as the overhead allows. What is left out here has been recorded, so less is saved than by an
    /// adaptive [sampler](crate::sampling::Sampler) at the head.
    Adaptive(Adaptive),
}

impl TailConfig {
    /// Keeps errors and a part of the other traces, within the default bounds.
    #[must_use]
    pub fn new(ratio: impl Into<TailRatio>) -> Self {
        Self {
            keep_errors: true,
            slow: None,
            ratio: ratio.into(),
            max_spans: 50_000,
            max_bytes: 64 << 20,
            max_wait: Duration::from_secs(30),
        }
    }
}

impl TailRatio {
    pub(super) fn threshold(&self) -> u64 {
        match self {
            Self::Fixed(ratio) => ratio.threshold(),
            Self::Adaptive(adaptive) => adaptive.threshold(),
        }
    }

    /// The part that follows the overhead, if it does.
    pub(crate) fn adaptive(&self) -> Option<&Adaptive> {
        match self {
            Self::Fixed(_) => None,
            Self::Adaptive(adaptive) => Some(adaptive),
        }
    }
}

impl From<Ratio> for TailRatio {
    fn from(ratio: Ratio) -> Self {
        Self::Fixed(ratio)
    }
}

impl From<Adaptive> for TailRatio {
    fn from(adaptive: Adaptive) -> Self {
        Self::Adaptive(adaptive)
    }
}
