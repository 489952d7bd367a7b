//! Records what workflows do.
#![expect(dead_code, reason = "wired by the recorder")]

pub mod config;
mod counts;
pub mod export;
pub mod resource;
pub mod sampling;

pub use counts::{DropReason, SpanCounts};
