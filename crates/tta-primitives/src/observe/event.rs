//! What can happen in a node.

use std::fmt;
use std::time::Duration;

use tta_model::{Key, Text, Value};

use crate::error::Error;

/// Something that happened in a node, with its data.
///
/// Only the observer turns events into span events, attributes, counters or log lines.
#[non_exhaustive]
pub enum Event<'a> {
    /// A checkpoint was set.
    CheckpointReached {
        /// Its name.
        name: &'a Text,
    },
    /// An attempt failed.
    AttemptFailed {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// How many attempts there may be.
        max_attempts: u32,
        /// Why it failed.
        error: &'a Error,
        /// The wait before the next attempt; none if there is no next one.
        backoff: Option<Duration>,
        /// The name of the backoff strategy.
        strategy: &'static str,
    },
    /// No further attempt is made, and the retry fails.
    RetriesExhausted {
        /// How many attempts were made.
        attempts: u32,
        /// How many attempts there might have been.
        max_attempts: u32,
        /// Why there is no other: `attempts`, `deadline`, `budget` or `not_retryable`.
        reason: &'static str,
        /// Why the last attempt failed.
        error: &'a Error,
    },
    /// A retry ended, in whatever way, after this many retries.
    RetriesCounted {
        /// Attempts beyond the first.
        retries: u32,
        /// Whether the last attempt succeeded.
        succeeded: bool,
    },
    /// A fallback takes over from what failed.
    FallbackTriggered {
        /// The position of the alternative in the chain, from 1.
        index: usize,
        /// The name of the alternative.
        name: &'a Text,
        /// Why it was needed.
        error: &'a Error,
    },
    /// An alternative of a fallback has ended.
    FallbackFinished {
        /// The position of the alternative in the chain, from 1.
        index: usize,
        /// Whether it stood in with success.
        succeeded: bool,
    },
    /// A time limit passed.
    TimeoutElapsed {
        /// The limit.
        limit: Duration,
        /// Which limit it was: `own`, `deadline` or `idle`.
        source: &'static str,
    },
    /// A circuit breaker changed its state.
    CircuitStateChanged {
        /// The name of the breaker.
        breaker: &'a Text,
        /// The state before.
        from: &'static str,
        /// The state now.
        to: &'static str,
        /// The rate of failures that was seen, in `0.0..=1.0`.
        failure_rate: f64,
    },
    /// A circuit breaker was asked.
    CircuitChecked {
        /// The name of the breaker.
        breaker: &'a Text,
        /// The state in which it answered.
        state: &'static str,
        /// The rate of failures that was seen, in `0.0..=1.0`.
        failure_rate: f64,
        /// The rate of failures at which it opens, in `0.0..=1.0`, where it has one.
        threshold: f64,
        /// Whether it let the call through.
        admitted: bool,
    },
    /// A bulkhead was asked.
    BulkheadChecked {
        /// The name of the bulkhead.
        bulkhead: &'a Text,
        /// How many calls may run at once.
        limit: usize,
        /// How many calls were waiting.
        queued: usize,
        /// Whether it let the call through.
        admitted: bool,
    },
    /// A rate limiter let a call through, or refused it.
    RateLimitChecked {
        /// The name of the rate limit.
        limit: &'a Text,
        /// How long the call waited.
        waited: Duration,
        /// Whether it was let through.
        admitted: bool,
    },
    /// Another attempt was started beside a slow one.
    HedgeLaunched {
        /// The number of the attempt, from 1; the first hedge is 2.
        attempt: u32,
        /// How long the one before had not answered.
        after: Duration,
    },
    /// A cache was asked.
    CacheLookedUp {
        /// The name of the cache.
        cache: &'a Text,
        /// What holds its entries, such as `memory`.
        backend: &'static str,
        /// A hash of the key.
        key_hash: u64,
        /// What was found.
        outcome: CacheOutcome,
        /// How old the entry was.
        age: Option<Duration>,
        /// How long entries live.
        time_to_live: Option<Duration>,
        /// How long the look-up took.
        took: Duration,
        /// How many entries the cache holds, about.
        entries: u64,
        /// The policy by which entries are evicted.
        policy: &'static str,
        /// What the hit saved, in millionths of a US dollar.
        saved_micro_usd: i64,
    },
    /// The store of a cache or a memory failed. The run goes on without it.
    StoreFailed {
        /// The name of the cache or memory.
        store: &'a Text,
        /// What the store is, such as `redis`.
        backend: &'static str,
        /// What was asked of it: `get`, `insert` or `remove` by a cache, `read`, `write` or `forget` by a memory.
        operation: &'static str,
        /// Why it failed.
        error: &'a Error,
    },
    /// A router chose a route.
    RouteDecided {
        /// The route.
        route: &'a Text,
        /// Why.
        reason: &'a Text,
        /// The name of the strategy.
        strategy: &'static str,
        /// How much less the route costs than the dearest one, in millionths of a US dollar, where the costs are known
        /// beforehand; zero where [`RouteSaved`](Self::RouteSaved) will tell it.
        saved_micro_usd: i64,
    },
    /// What was chosen has cost less than the dearest choice would have, which is known after the fact.
    RouteSaved {
        /// The difference, in millionths of a US dollar.
        saved_micro_usd: i64,
    },
    /// A branch of a conditional or a case of a switch was chosen.
    BranchChosen {
        /// The branch or case; none if the input passes through.
        branch: Option<&'a Text>,
    },
    /// A saga begins to undo what was done.
    CompensationTriggered {
        /// The step after which it began.
        step: &'a Text,
        /// How many steps will be undone.
        steps: usize,
        /// Why: the error, or none if the saga was cancelled.
        error: Option<&'a Error>,
    },
    /// A saga has undone what could be undone.
    CompensationFinished {
        /// How many steps were undone.
        undone: usize,
        /// How many could not be undone.
        failed: usize,
    },
    /// A parallel ended with failed branches.
    BranchesFailed {
        /// How many branches failed.
        failed: usize,
        /// How many there were.
        total: usize,
    },
    /// A gate decided.
    GateDecided {
        /// Whether it approved.
        approved: bool,
        /// Who or what decided.
        approver: &'a Text,
        /// Why.
        reason: Option<&'a Text>,
    },
    /// A validation ended.
    ValidationFinished {
        /// The rule or schema.
        rule: &'a Text,
        /// What is wrong; empty if nothing is.
        errors: &'a [Text],
        /// What is doubtful.
        warnings: &'a [Text],
    },
    /// An iteration of a loop ended.
    IterationFinished {
        /// Its number, from 1.
        iteration: u32,
    },
    /// Money was spent.
    Spent {
        /// How much, in millionths of a US dollar; not below zero.
        amount_micro_usd: i64,
        /// The provider of the model, if a model was paid.
        provider: Option<&'a Text>,
        /// The name of the model, if a model was paid.
        model: Option<&'a Text>,
    },
    /// A piece of a streamed answer has come.
    ModelChunkReceived {
        /// The provider of the model.
        provider: &'a Text,
        /// The name of the model.
        model: &'a Text,
        /// What was asked of it, in the words of OpenTelemetry, such as `chat`.
        operation: &'static str,
        /// Whether it is the first one.
        is_first: bool,
        /// The time since the request was sent, for the first one, or else since the one before.
        after: Duration,
    },
    /// A call of a model has ended. What it cost is told of [apart](Self::Spent).
    ModelCallFinished {
        /// The provider of the model.
        provider: &'a Text,
        /// The name of the model.
        model: &'a Text,
        /// What was asked of it, in the words of OpenTelemetry, such as `chat` or `embeddings`.
        operation: &'static str,
        /// How many tokens the prompt had.
        prompt_tokens: u64,
        /// How many tokens the answer had.
        completion_tokens: u64,
        /// How long it took.
        took: Duration,
        /// The class of the error, if it failed.
        error_type: Option<&'static str>,
        /// Whether its price is not known, so that it counts as free.
        unpriced: bool,
    },
    /// Something that a step of the application wants recorded.
    Custom {
        /// What happened.
        name: Text,
        /// Its data.
        attributes: &'a [(Key, Value)],
    },
}

/// Shows the variant of an event with these fields.
macro_rules! shown {
    ($event:ident, $f:ident: $($variant:ident { $($field:ident),* })*) => {
        match $event {
            $(Self::$variant { $($field),* } => {
                $f.debug_struct(stringify!($variant))$(.field(stringify!($field), $field))*.finish()
            })*
            Self::Custom { name, attributes } => {
                let names: Vec<&str> = attributes.iter().map(|(name, _)| &**name).collect();
                $f.debug_struct("Custom").field("name", name).field("attributes", &names).finish()
            }
        }
    };
}

impl fmt::Debug for Event<'_> {
    /// Shows all but the values of attributes: they may be secret, and debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown!(self, f:
            CheckpointReached { name }
            AttemptFailed { attempt, max_attempts, error, backoff, strategy }
            RetriesExhausted { attempts, max_attempts, reason, error }
            RetriesCounted { retries, succeeded }
            FallbackTriggered { index, name, error }
            FallbackFinished { index, succeeded }
            TimeoutElapsed { limit, source }
            CircuitStateChanged { breaker, from, to, failure_rate }
            CircuitChecked { breaker, state, failure_rate, threshold, admitted }
            BulkheadChecked { bulkhead, limit, queued, admitted }
            RateLimitChecked { limit, waited, admitted }
            HedgeLaunched { attempt, after }
            CacheLookedUp { cache, backend, key_hash, outcome, age, time_to_live, took, entries, policy, saved_micro_usd }
            RouteDecided { route, reason, strategy, saved_micro_usd }
            RouteSaved { saved_micro_usd }
            BranchChosen { branch }
            CompensationTriggered { step, steps, error }
            CompensationFinished { undone, failed }
            BranchesFailed { failed, total }
            GateDecided { approved, approver, reason }
            ValidationFinished { rule, errors, warnings }
            IterationFinished { iteration }
            Spent { amount_micro_usd, provider, model }
            ModelChunkReceived { provider, model, operation, is_first, after }
            StoreFailed { store, backend, operation, error }
            ModelCallFinished { provider, model, operation, prompt_tokens, completion_tokens, took, error_type, unpriced }
        )
    }
}

/// What a cache found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheOutcome {
    /// A fresh entry.
    Hit,
    /// An entry beyond its time that may still be used while it is renewed.
    Stale,
    /// The remembered failure of an earlier call.
    NegativeHit,
    /// Nothing of use; this call computes the value.
    Miss,
    /// Nothing of use, but another call was computing the value.
    Shared,
}

impl CacheOutcome {
    /// Whether the value came without a call of this caller's.
    #[must_use]
    pub const fn is_hit(self) -> bool {
        !matches!(self, Self::Miss)
    }

    /// The word for this outcome in attributes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::NegativeHit => "negative_hit",
            Self::Miss => "miss",
            Self::Shared => "shared",
        }
    }
}
