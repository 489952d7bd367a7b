//! A trace goes on from process to process, as W3C Trace Context and W3C Baggage say, and baggage stays where
//! it may be. Every case goes through the example service over HTTP.

mod baggage;
mod grpc;
mod hop;
mod nesting;
#[path = "../../examples/propagation_service/mod.rs"]
mod propagation_service;
mod trace_context;
