//! What the crate promises, by promise.

mod config;
mod console;
#[cfg(feature = "otlp")]
mod otlp;
mod propagation;
mod recorder;
