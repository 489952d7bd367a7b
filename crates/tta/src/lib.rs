//! Workflows that are observable by construction.
//!
//! Compose small typed async steps; every run then is one connected trace, without another line of code.
//!
//! - [`step`] and [`Primitive`] make a [`Flow`]; `>>` and `|` compose flows; [`Flow::run`] runs one.
//! - [`init`] records every run of the process, as the standard `OTEL_*` variables say, until its [`Guard`] is
//!   dropped; [`Telemetry`] sets the same in code.
//! - [`prelude`] has what most programs need.
//!
//! This crate holds no logic: it puts [`tta_primitives`] and `tta_observability` behind one door.

pub use tta_model as model;
#[cfg(feature = "observability")]
pub use tta_observability::{
    DROP_TIMEOUT, DropReason, Guard, InitError, SpanCounts, Telemetry, config, export, init, propagation,
    recorder, resource, sampling, summary,
};
pub use tta_primitives::*;

/// What most programs need: `use tta::prelude::*`.
pub mod prelude {
    pub use crate::{
        Cache, Error, ErrorKind, Flow, Primitive, Result, Retry, WorkflowContext, parallel, step, step_with,
    };
}

/// The program of the README is compiled and run as a test.
#[cfg(all(doctest, feature = "observability"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
