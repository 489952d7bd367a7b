//! Typed async primitives that compose into workflows, and the seam through which they are watched.
//!
//! - [`step`] and [`Primitive`] make a [`Flow`]; `>>` and `|` compose flows; [`Flow::run`] runs one.
//! - [`WorkflowContext`] says on whose behalf a flow runs, and carries what its steps share.
//! - [`Error`] is what goes wrong, with the facts on which recovery decides.
//! - [`observe`] is the seam: what an observer of runs is told.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

#[cfg(feature = "cache")]
mod cache;
pub mod clock;
mod compose;
mod context;
mod error;
pub mod flow;
#[cfg(feature = "cache")]
mod memory;
pub mod observe;
mod primitive;
pub mod random;
mod recovery;
mod step;
mod sync;
#[cfg(feature = "test-kit")]
pub mod testkit;

#[cfg(feature = "cache")]
pub use cache::{Cache, CacheKey, CacheStats, CacheStore, Entry, Memory, Remembered, RememberedFailure};
pub use compose::{
    Agent, Approver, Cases, Condition, Decision, Expiry, Gather, HumanGate, NotPending, PendingApproval,
    Repeat, Route, Router, RouterError, Saga, Strategy, SwitchKey, Then, Until, Validation, conditional,
    conditional_async, delegate, delegate_to, fan_out, first_success, gate, gate_within, parallel, quorum,
    repeat, router, saga, switch, switch_async, validate,
};
pub use context::{
    CHECKPOINT_LIMIT, Checkpoint, MicroUsd, ModelTier, Reservation, Spend, State, WorkflowContext,
    WorkflowContextBuilder,
};
pub use error::{Error, ErrorKind, Result};
pub use flow::{Child, Flow, Leaf, Lint, LintKind, Role};
#[cfg(feature = "cache")]
pub use memory::{ConversationMemory, Keep, MemoryStats, MemoryStore};
pub use primitive::{Description, Primitive};
pub use recovery::{
    Backoff, Bulkhead, BulkheadBuilder, CircuitBreaker, CircuitBreakerBuilder, CircuitState, Elapsed, Hedge,
    IdleTimeout, RateLimit, RateLimitBuilder, Retry, RetryBudget, TimeoutSource, Waits, idle_timeout,
};
pub use step::{step, step_with};
