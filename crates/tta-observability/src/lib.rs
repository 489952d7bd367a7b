//! Records what workflows do.

pub mod config;
mod convert;
mod counts;
pub mod export;
pub mod init;
pub mod recorder;
mod redact;
pub mod resource;
pub mod sampling;
pub mod summary;

pub use counts::{DropReason, SpanCounts};
pub use init::{Guard, InitError, init};
