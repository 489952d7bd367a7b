//! The words of TTA: what a trace is made of, and what every part of it is called.
//!
//! Three things live here and nowhere else: identifiers and typed values, the plain records that
//! travel from a running workflow to a backend, and every name of a span, attribute, metric and
//! event. The [W3C](w3c) headers that carry a trace between processes are parsed and printed here
//! too. Nothing in this crate does I/O, reads a clock or draws a random number.

mod ids;
pub mod name;
mod record;
pub mod slo;
mod value;
pub mod w3c;

pub use ids::{IdError, SpanContext, SpanId, TraceFlags, TraceId};
pub use record::{EventRecord, ExecutionStatus, LinkRecord, LogRecord, SpanKind, SpanRecord, SpanStatus};
pub use value::{Attributes, Key, Text, Value};
