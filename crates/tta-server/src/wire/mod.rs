//! Scans OTLP's protobuf without decoding it.
//!
//! Decoding a span makes some fifty allocations; to store it, eight of its fields and the place of its bytes are enough.
//! So a request is walked once. What every decoder would accept is kept as it came; what one would refuse, and what the
//! specification calls invalid, is left out with a reason, and the rest of the request stays.

#[cfg(test)]
mod differential;
mod envelope;
pub(crate) mod field;
pub(crate) mod fingerprint;
mod gen_ai;
mod glance;
mod logs;
mod metrics;
pub(crate) mod parts;
pub(crate) mod schema;
pub(crate) mod span;
mod traces;

use std::fmt;

pub(crate) use envelope::{Group, attributes, first_group};
pub(crate) use glance::{Glance, glance};
pub use logs::Logs;
pub use metrics::Metrics;
pub(crate) use span::{SpanRef, Word};
pub use traces::Traces;

/// A request that is no protobuf, or not of OTLP: none of it can be kept, and sending it again does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request is not valid protobuf of OTLP: {0}")]
pub struct Malformed(pub(crate) &'static str);

/// Why a record of a request is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The trace id has not 16 bytes, or is zero.
    #[error("the trace id is not 16 bytes with one that is not zero")]
    TraceId,
    /// The span id has not 8 bytes, or is zero.
    #[error("the span id is not 8 bytes with one that is not zero")]
    SpanId,
    /// The parent's id is there and has not 8 bytes.
    #[error("the parent's span id is not 8 bytes")]
    ParentId,
    /// The start or the end is missing.
    #[error("the start or the end is missing")]
    NoTime,
    /// A time lies beyond the year 2262.
    #[error("a time lies beyond the year 2262")]
    Time,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A field has another type than OTLP's.
    #[error("a field has the wrong type")]
    WrongType,
    /// Values lie too deep in each other.
    #[error("values are nested too deep")]
    TooDeep,
    /// The bytes are no protobuf.
    #[error("the bytes are no protobuf: {0}")]
    Broken(&'static str),
    /// The resource or the scope that it comes with is not valid.
    #[error("its resource or its scope is not valid")]
    Envelope,
    /// A metric has no name.
    #[error("the metric has no name")]
    NoName,
}

impl From<Malformed> for Rejection {
    fn from(malformed: Malformed) -> Self {
        Self::Broken(malformed.0)
    }
}

/// How many records of a request are left out, and why: what OTLP's partial success tells the sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    counts: Vec<(Rejection, u64)>,
}

impl Rejected {
    pub(crate) fn add(&mut self, why: Rejection) {
        self.add_all(why, 1);
    }

    /// Adds several records for one reason.
    pub(crate) fn add_all(&mut self, why: Rejection, records: u64) {
        match self.counts.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, count)) => *count += records,
            None => self.counts.push((why, records)),
        }
    }

    /// How many records are left out: spans, log records, or points of metrics.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// The reasons, each with the number of its records.
    pub fn reasons(&self) -> impl Iterator<Item = (Rejection, u64)> + '_ {
        self.counts.iter().copied()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (why, count)) in self.counts.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{count}: {why}")?;
        }
        Ok(())
    }
}
