//! The headers that carry a trace and its baggage from one process to another.
//!
//! A trace stays connected only if every process on its way reads and writes these three headers
//! alike, so they are parsed strictly: [`traceparent`](TraceParent) and [`tracestate`](TraceState)
//! by W3C Trace Context levels 1 and 2, [`baggage`](Baggage) by W3C Baggage. A header that breaks
//! the rules is ignored and never an error of the caller's request. [`extract`] and [`inject`] do
//! that over any [carrier](Extract): headers, the metadata of a message, environment variables.

mod baggage;
mod carrier;
mod opentelemetry;
mod traceparent;
mod tracestate;

pub use baggage::{Baggage, BaggageError, Dropped, MAX_BAGGAGE_BYTES, MAX_BAGGAGE_MEMBERS, Member};
pub use carrier::{Environment, Extract, Extracted, Inject, environment_name, extract, inject};
pub use opentelemetry::MAX_ADJUSTED_COUNT;
pub use traceparent::{TraceParent, TraceParentError};
pub use tracestate::{MAX_PROPAGATED_CHARS, MAX_TRACESTATE_MEMBERS, TraceState, TraceStateError};

/// The name of the header that carries the position in the trace.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the header that carries what other tracing systems added.
pub const TRACESTATE: &str = "tracestate";
/// The name of the header that carries the baggage.
pub const BAGGAGE: &str = "baggage";

/// Takes optional white space, as HTTP defines it, off both ends.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
