//! What went wrong with a server.

use std::sync::atomic::{AtomicU64, Ordering};

/// What went wrong with a server since its [`Redis`](crate::Redis) was opened, by cause. Each was an operation that
/// failed, and each is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedisStats {
    /// How often what lay under a key was not of use: garbage, cut off, of another type or version.
    pub garbage: u64,
    /// How often a value was larger than allowed, and was not stored or not read.
    pub too_large: u64,
    /// How often the server did not answer in time.
    pub timeouts: u64,
    /// How often there was no connection, or it broke.
    pub unavailable: u64,
    /// How often an operation failed at once, because others had just found no server.
    pub refused: u64,
    /// How often the server answered with an error, as when it is out of memory.
    pub rejected: u64,
}

/// The counters behind [`RedisStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    garbage: AtomicU64,
    too_large: AtomicU64,
    timeouts: AtomicU64,
    unavailable: AtomicU64,
    refused: AtomicU64,
    rejected: AtomicU64,
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Garbage,
    TooLarge,
    Timeout,
    Unavailable,
    Refused,
    Rejected,
}

impl Counters {
    pub(crate) fn count(&self, cause: Cause) {
        let counter = match cause {
            Cause::Garbage => &self.garbage,
            Cause::TooLarge => &self.too_large,
            Cause::Timeout => &self.timeouts,
            Cause::Unavailable => &self.unavailable,
            Cause::Refused => &self.refused,
            Cause::Rejected => &self.rejected,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> RedisStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RedisStats {
            garbage: read(&self.garbage),
            too_large: read(&self.too_large),
            timeouts: read(&self.timeouts),
            unavailable: read(&self.unavailable),
            refused: read(&self.refused),
            rejected: read(&self.rejected),
        }
    }
}
