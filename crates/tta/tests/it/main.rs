//! What users are promised, end to end.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod counts;
mod endings;
mod init;
#[cfg(feature = "llm")]
mod llm;
mod logs;
mod memory;
mod metrics;
mod nesting;
mod propagation;
mod record;
mod recording;
#[cfg(feature = "redis")]
mod redis;
mod sampling;
mod sdk;
mod secrets;
mod support;
