//! W3C headers.
mod tracestate;
pub use tracestate::TraceState;
