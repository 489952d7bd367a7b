//! Records what workflows do.

mod convert;
mod counts;
pub mod export;
pub mod recorder;
mod redact;
pub mod sampling;
pub mod summary;

pub use counts::{DropReason, SpanCounts};
