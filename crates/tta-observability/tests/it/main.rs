//! What the crate promises, by promise.

mod config;
#[cfg(feature = "otlp")]
mod otlp;
