//! Names of span events: what happened at one moment, with its data.

use super::attribute::{self as a, Attribute};
use crate::value::Text;

/// One span event: its name, and the attributes that it carries.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The name, as it is written.
    pub name: &'static str,
    /// The attributes; one that has no value is left out.
    pub attributes: &'static [&'static Attribute],
    /// What happened.
    pub meaning: &'static str,
}

impl Event {
    /// The name of the event, free to clone.
    #[must_use]
    pub const fn name(&self) -> Text {
        Text::Static(self.name)
    }
}

macro_rules! events {
    ($($name:ident = $text:literal: $meaning:literal [$($attribute:ident),*];)*) => {
        $(
            #[doc = concat!("`", $text, "`: ", $meaning, ".")]
            pub const $name: Event =
                Event { name: $text, attributes: &[$(&a::$attribute),*], meaning: $meaning };
        )*

        /// Every span event.
        pub const ALL: &[&Event] = &[$(&$name),*];
    };
}

events! {
    RETRY_ATTEMPT_FAILED = "retry.attempt_failed": "an attempt failed and another follows"
        [RETRY_ATTEMPT, RETRY_MAX_ATTEMPTS, RETRY_BACKOFF_MS, RETRY_STRATEGY, ERROR_TYPE, ERROR_MESSAGE];
    RETRY_EXHAUSTED = "retry.exhausted": "no further attempt is made"
        [RETRY_ATTEMPT, RETRY_MAX_ATTEMPTS, RETRY_REASON, ERROR_TYPE];
    FALLBACK_TRIGGERED = "fallback.triggered": "an alternative takes over"
        [FALLBACK_STRATEGY_USED, FALLBACK_INDEX, ERROR_TYPE, ERROR_MESSAGE];
    TIMEOUT_ELAPSED = "timeout.elapsed": "the time ran out and the work was cancelled"
        [TIMEOUT_LIMIT_MS, TIMEOUT_SOURCE];
    CIRCUIT_BREAKER_STATE_CHANGED = "circuit_breaker.state_changed": "the circuit opened, closed or half opened"
        [CIRCUIT_BREAKER_NAME, CIRCUIT_BREAKER_PREVIOUS_STATE, CIRCUIT_BREAKER_STATE, CIRCUIT_BREAKER_FAILURE_RATE, CIRCUIT_BREAKER_THRESHOLD];
    CIRCUIT_BREAKER_REJECTED = "circuit_breaker.rejected": "a call was not let through"
        [CIRCUIT_BREAKER_NAME, CIRCUIT_BREAKER_STATE];
    CACHE_LOOKUP = "cache.lookup": "a value was looked for"
        [CACHE_HIT, CACHE_NAME, CACHE_KEY, CACHE_AGE_SECONDS, CACHE_STALE, CACHE_SHARED_FLIGHT, CACHE_LOOKUP_TIME_MS, CACHE_SAVINGS_USD];
    CACHE_EVICTED = "cache.evicted": "a value was thrown out"
        [CACHE_NAME, CACHE_EVICTION_POLICY];
    STORE_FAILED = "store.failed": "the store of a cache or a memory failed, and the run went on without it"
        [STORE_NAME, STORE_TYPE, STORE_OPERATION, ERROR_TYPE, ERROR_MESSAGE];
    ROUTE_DECIDED = "route.decided": "a router chose"
        [ROUTER_ROUTE, ROUTER_REASON, ROUTER_STRATEGY];
    SAGA_COMPENSATION_TRIGGERED = "saga.compensation_triggered": "the steps that were done are undone"
        [SAGA_STEP, SAGA_STEPS_COMPLETED, ERROR_TYPE];
    SAGA_COMPENSATION_FINISHED = "saga.compensation_finished": "there is no step left to undo"
        [SAGA_STEPS_COMPLETED, SAGA_COMPENSATIONS_FAILED];
    HEDGE_LAUNCHED = "hedge.launched": "a second attempt began because the first was slow"
        [HEDGE_ATTEMPT, HEDGE_DELAY_MS];
    RATE_LIMIT_WAITED = "rate_limit.waited": "a call waited for its permit"
        [RATE_LIMIT_WAIT_MS];
    BULKHEAD_REJECTED = "bulkhead.rejected": "a call found no place, not even to wait"
        [BULKHEAD_LIMIT, BULKHEAD_QUEUED];
    GATE_DECIDED = "gate.decided": "someone or something approved or rejected"
        [GATE_DECISION, GATE_APPROVER, GATE_REASON, GATE_WAIT_MS];
    VALIDATION_FINISHED = "validation.finished": "a value was checked"
        [VALIDATION_PASSED, VALIDATION_RULE, VALIDATION_SCHEMA, VALIDATION_ERRORS, VALIDATION_WARNINGS];
    CHECKPOINT = "checkpoint": "the run reached a named point"
        [CHECKPOINT_NAME, CHECKPOINT_ELAPSED_MS];
    EXCEPTION = "exception": "an error arose here; its ancestors carry only its type"
        [EXCEPTION_TYPE, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE];
}
