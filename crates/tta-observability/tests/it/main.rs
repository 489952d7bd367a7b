//! What the crate promises, by promise.

mod config;
mod console;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "http")]
mod prometheus;
mod propagation;
mod recorder;
mod slo;
