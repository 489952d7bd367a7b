//! Workflows that are observable by construction.
//!
//! Compose small typed async steps; every run then is one connected trace, without another line of code.
//!
//! ```
//! use tta::prelude::*;
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     // With `tta::init()` spans go where the OTEL_* variables say; keep its guard until the end.
//!     let double = step("double", |n: i64| async move { Ok(n * 2) });
//!     let square = step("square", |n: i64| async move { Ok(n * n) });
//!     let flow = (double | square) >> step("sum", |(a, b): (i64, i64)| async move { Ok(a + b) });
//!     assert_eq!(flow.run(3, &WorkflowContext::new()).await?, 15);
//!     Ok(())
//! }
//! ```
//!
//! - [`step`] and [`Primitive`] make a [`Flow`]; `>>` and `|` compose flows; [`Flow::run`] runs one.
//! - [`init`] records every run of the process, as the standard `OTEL_*` variables say, until its [`Guard`] is
//!   dropped; [`Telemetry`] sets the same in code.
//! - [`prelude`] has what most programs need.
//!
//! This crate holds no logic: it puts [`tta_primitives`] and `tta_observability` behind one door.

#[cfg(feature = "llm")]
pub use tta_llm as llm;
pub use tta_model as model;
pub use tta_model::{Text, Value};
#[cfg(feature = "observability")]
pub use tta_observability::{
    DROP_TIMEOUT, DropReason, Guard, InitError, LogCounts, SpanCounts, Telemetry, config, cost, doctor,
    export, init, logs, metrics, propagation, recorder, redact, resource, sampling, slo,
};
pub use tta_primitives::*;
#[cfg(feature = "redis")]
pub use tta_redis as redis;
#[cfg(feature = "server")]
pub use tta_server as server;

/// What most programs need: `use tta::prelude::*`.
pub mod prelude {
    #[cfg(feature = "observability")]
    pub use crate::Telemetry;
    pub use crate::{
        Cache, Description, Error, ErrorKind, Flow, Primitive, Result, Retry, Role, WorkflowContext,
        conditional, fan_out, parallel, step, step_with, switch,
    };
}

/// The program of the README is compiled and run as a test.
#[cfg(all(doctest, feature = "llm", feature = "observability"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
