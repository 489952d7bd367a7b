//! What users are promised, end to end.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod counts;
mod endings;
mod init;
mod logs;
mod memory;
mod metrics;
mod nesting;
mod propagation;
mod record;
mod recording;
mod sampling;
mod sdk;
mod secrets;
mod support;
