//! What the crate promises, by promise.

mod agents;
mod config;
mod console;
mod cost;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "http")]
mod prometheus;
mod propagation;
mod recorder;
mod sampling;
mod slo;
mod stores;
