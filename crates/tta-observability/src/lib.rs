//! Records what workflows do.
#![expect(dead_code, reason = "wired by the recorder")]

mod counts;
pub mod export;

pub use counts::{DropReason, SpanCounts};
