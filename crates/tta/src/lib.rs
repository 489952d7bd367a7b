//! Workflows that are observable by construction.
//!
//! Compose small typed async steps; every run then is one connected trace, without another line of code.
//!
#![doc = include_str!("../README.md")]

pub use tta_model as model;
#[cfg(feature = "observability")]
pub use tta_observability::{
    DROP_TIMEOUT, DropReason, Guard, InitError, SpanCounts, Telemetry, config, export, init, recorder,
    resource, sampling, summary,
};
pub use tta_primitives::*;

/// What most programs need: `use tta::prelude::*`.
pub mod prelude {
    pub use crate::{
        Cache, Error, ErrorKind, Flow, Primitive, Result, Retry, WorkflowContext, parallel, step, step_with,
    };
}
