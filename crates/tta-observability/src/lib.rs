//! Records what workflows do.
//!
//! [`init`] starts recording as the standard `OTEL_*` variables say, [`Telemetry`] as the program says; both give a
//! [`Guard`] that sends what is left when it is dropped. In between, the [recorder] turns what happens in
//! runs into spans, and a thread of its own hands them to the [exporters](export). [Propagation](propagation)
//! carries a trace from one process to the next.

mod clean;
pub mod config;
mod convert;
pub mod cost;
mod counts;
pub mod doctor;
pub mod export;
mod init;
pub mod logs;
pub mod metrics;
pub mod propagation;
pub mod recorder;
mod report;
pub mod resource;
pub mod sampling;
pub mod slo;
mod ticker;
mod ways;

pub use counts::{DropReason, LogCounts, SpanCounts};
/// What takes secrets out of what is told, and the rule that an application may add.
pub use tta_redact as redact;

pub use init::{DROP_TIMEOUT, Guard, InitError, Telemetry, init};
