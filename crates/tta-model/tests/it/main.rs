//! The promises of the model, one module each.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod asserted;
mod baggage;
mod carrier;
mod name;
mod seeds;
mod traceparent;
mod tracestate;
