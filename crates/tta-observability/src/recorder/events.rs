//! Turns events of nodes into span events and attributes.

use std::time::Duration;

use tta_model::name::{attribute, event};
use tta_model::{Attributes, EventRecord, Key, Text, Value};
use tta_primitives::Error;
use tta_primitives::observe::{CacheOutcome, Event};

use super::said;
use tta_redact::{self as redact, MAX_MESSAGE_BYTES};

/// Sets an attribute of the span.
type Set<'a> = &'a mut dyn FnMut(Key, Value);

/// The span event of an event, if it has one; what belongs on the span itself is set there.
pub(super) fn record(happened: &Event<'_>, time_unix_nanos: u64, set: Set<'_>) -> Option<EventRecord> {
    let (name, attributes) = describe(happened, set)?;
    Some(EventRecord { name, time_unix_nanos, attributes })
}

fn describe(happened: &Event<'_>, set: Set<'_>) -> Option<(Text, Attributes)> {
    use attribute as a;
    match happened {
        Event::CheckpointReached { name } => {
            Some((event::CHECKPOINT.name(), vec![(a::CHECKPOINT_NAME.key(), text(name))]))
        }
        Event::RouteDecided { route, reason, strategy, .. } => {
            let attributes = vec![
                (a::ROUTER_ROUTE.key(), text(route)),
                (a::ROUTER_REASON.key(), text(reason)),
                (a::ROUTER_STRATEGY.key(), (*strategy).into()),
            ];
            attributes.iter().for_each(|(key, value)| set(key.clone(), value.clone()));
            Some((event::ROUTE_DECIDED.name(), attributes))
        }
        Event::BranchesFailed { failed, .. } => {
            set(a::PARALLEL_FAILED.key(), (*failed).into());
            None
        }
        Event::StoreFailed { store, backend, operation, error } => {
            let mut attributes = vec![
                (a::STORE_NAME.key(), text(store)),
                (a::STORE_TYPE.key(), (*backend).into()),
                (a::STORE_OPERATION.key(), (*operation).into()),
            ];
            attributes.extend(error_attributes(error));
            Some((event::STORE_FAILED.name(), attributes))
        }
        Event::Custom { name, attributes } => Some((name.clone(), attributes.to_vec())),
        other => attempt(other, set).or_else(|| guard(other, set)).or_else(|| outcome(other, set)),
    }
}

/// Retries, fallbacks, timeouts and hedges.
fn attempt(happened: &Event<'_>, set: Set<'_>) -> Option<(Text, Attributes)> {
    use attribute as a;
    let (event, attributes) = match happened {
        Event::AttemptFailed { attempt, max_attempts, error, backoff, strategy } => {
            let mut attributes = vec![
                (a::RETRY_ATTEMPT.key(), (*attempt).into()),
                (a::RETRY_MAX_ATTEMPTS.key(), (*max_attempts).into()),
                (a::RETRY_STRATEGY.key(), (*strategy).into()),
            ];
            attributes.extend(error_attributes(error));
            attributes.extend(backoff.map(|wait| (a::RETRY_BACKOFF_MS.key(), millis(wait))));
            (event::RETRY_ATTEMPT_FAILED, attributes)
        }
        Event::RetriesExhausted { attempts, max_attempts, reason, error } => {
            let counts = [(a::RETRY_ATTEMPT, attempts), (a::RETRY_MAX_ATTEMPTS, max_attempts)];
            let mut attributes: Attributes = counts.map(|(key, count)| (key.key(), (*count).into())).into();
            attributes.push((a::RETRY_REASON.key(), (*reason).into()));
            attributes.push((a::ERROR_TYPE.key(), error.type_name().into()));
            (event::RETRY_EXHAUSTED, attributes)
        }
        Event::RetriesCounted { retries, .. } => {
            set(a::EXECUTION_RETRY_COUNT.key(), (*retries).into());
            return None;
        }
        Event::FallbackTriggered { index, name, error } => {
            set(a::FALLBACK_TRIGGERED.key(), true.into());
            set(a::FALLBACK_STRATEGY_USED.key(), text(name));
            let mut attributes = vec![(a::FALLBACK_INDEX.key(), (*index).into())];
            attributes.push((a::FALLBACK_STRATEGY_USED.key(), text(name)));
            attributes.extend(error_attributes(error));
            (event::FALLBACK_TRIGGERED, attributes)
        }
        Event::TimeoutElapsed { limit, source } => {
            let limit = (a::TIMEOUT_LIMIT_MS.key(), millis(*limit));
            (event::TIMEOUT_ELAPSED, vec![limit, (a::TIMEOUT_SOURCE.key(), (*source).into())])
        }
        Event::HedgeLaunched { attempt, after } => {
            let number = (a::HEDGE_ATTEMPT.key(), (*attempt).into());
            (event::HEDGE_LAUNCHED, vec![number, (a::HEDGE_DELAY_MS.key(), millis(*after))])
        }
        _ => return None,
    };
    Some((event.name(), attributes))
}

/// Circuit breakers, bulkheads and rate limiters.
fn guard(happened: &Event<'_>, set: Set<'_>) -> Option<(Text, Attributes)> {
    use attribute as a;
    match happened {
        Event::CircuitStateChanged { breaker, from, to, failure_rate } => Some((
            event::CIRCUIT_BREAKER_STATE_CHANGED.name(),
            vec![
                (a::CIRCUIT_BREAKER_NAME.key(), text(breaker)),
                (a::CIRCUIT_BREAKER_PREVIOUS_STATE.key(), (*from).into()),
                (a::CIRCUIT_BREAKER_STATE.key(), (*to).into()),
                (a::CIRCUIT_BREAKER_FAILURE_RATE.key(), (*failure_rate).into()),
            ],
        )),
        Event::CircuitChecked { breaker, state, failure_rate, threshold, admitted } => {
            set(a::CIRCUIT_BREAKER_NAME.key(), text(breaker));
            set(a::CIRCUIT_BREAKER_STATE.key(), (*state).into());
            set(a::CIRCUIT_BREAKER_FAILURE_RATE.key(), (*failure_rate).into());
            set(a::CIRCUIT_BREAKER_THRESHOLD.key(), (*threshold).into());
            let rejected = vec![
                (a::CIRCUIT_BREAKER_NAME.key(), text(breaker)),
                (a::CIRCUIT_BREAKER_STATE.key(), (*state).into()),
            ];
            (!admitted).then(|| (event::CIRCUIT_BREAKER_REJECTED.name(), rejected))
        }
        Event::BulkheadChecked { limit, queued, admitted, .. } => {
            set(a::BULKHEAD_LIMIT.key(), (*limit).into());
            set(a::BULKHEAD_QUEUED.key(), (*queued).into());
            let rejected = vec![
                (a::BULKHEAD_LIMIT.key(), (*limit).into()),
                (a::BULKHEAD_QUEUED.key(), (*queued).into()),
            ];
            (!admitted).then(|| (event::BULKHEAD_REJECTED.name(), rejected))
        }
        Event::RateLimitChecked { waited, .. } => {
            set(a::RATE_LIMIT_WAIT_MS.key(), millis(*waited));
            let waits = vec![(a::RATE_LIMIT_WAIT_MS.key(), millis(*waited))];
            (!waited.is_zero()).then(|| (event::RATE_LIMIT_WAITED.name(), waits))
        }
        _ => None,
    }
}

/// Caches, sagas, gates and validations.
fn outcome(happened: &Event<'_>, set: Set<'_>) -> Option<(Text, Attributes)> {
    use attribute as a;
    match happened {
        Event::CacheLookedUp { .. } => {
            let attributes = cache_lookup(happened);
            attributes.iter().for_each(|(key, value)| set(key.clone(), value.clone()));
            Some((event::CACHE_LOOKUP.name(), attributes))
        }
        Event::CompensationTriggered { step, steps, error } => {
            set(a::SAGA_COMPENSATION_TRIGGERED.key(), true.into());
            let mut attributes =
                vec![(a::SAGA_STEP.key(), text(step)), (a::SAGA_STEPS_COMPLETED.key(), (*steps).into())];
            attributes.extend(error.map(|error| (a::ERROR_TYPE.key(), error.type_name().into())));
            Some((event::SAGA_COMPENSATION_TRIGGERED.name(), attributes))
        }
        Event::CompensationFinished { undone, failed } => {
            set(a::SAGA_COMPENSATIONS_FAILED.key(), (*failed).into());
            let attributes = vec![
                (a::SAGA_STEPS_COMPLETED.key(), (*undone).into()),
                (a::SAGA_COMPENSATIONS_FAILED.key(), (*failed).into()),
            ];
            Some((event::SAGA_COMPENSATION_FINISHED.name(), attributes))
        }
        Event::GateDecided { approved, approver, reason } => {
            let decision = if *approved { "approved" } else { "rejected" };
            let mut attributes =
                vec![(a::GATE_DECISION.key(), decision.into()), (a::GATE_APPROVER.key(), text(approver))];
            attributes.extend(reason.map(|reason| (a::GATE_REASON.key(), text(reason))));
            attributes.iter().for_each(|(key, value)| set(key.clone(), value.clone()));
            Some((event::GATE_DECIDED.name(), attributes))
        }
        Event::ValidationFinished { rule, errors, warnings } => {
            let attributes = vec![
                (a::VALIDATION_PASSED.key(), errors.is_empty().into()),
                (a::VALIDATION_RULE.key(), text(rule)),
                (a::VALIDATION_ERRORS.key(), errors.len().into()),
                (a::VALIDATION_WARNINGS.key(), warnings.len().into()),
            ];
            attributes.iter().for_each(|(key, value)| set(key.clone(), value.clone()));
            Some((event::VALIDATION_FINISHED.name(), attributes))
        }
        _ => None,
    }
}

fn cache_lookup(happened: &Event<'_>) -> Attributes {
    use attribute as a;
    let Event::CacheLookedUp {
        cache,
        key_hash,
        outcome,
        age,
        time_to_live,
        took,
        policy,
        saved_micro_usd,
        ..
    } = happened
    else {
        return Vec::new();
    };
    let mut attributes = vec![
        (a::CACHE_HIT.key(), outcome.is_hit().into()),
        (a::CACHE_NAME.key(), text(cache)),
        (a::CACHE_KEY.key(), format!("{key_hash:016x}").into()),
        (a::CACHE_EVICTION_POLICY.key(), (*policy).into()),
        (a::CACHE_LOOKUP_TIME_MS.key(), millis(*took)),
    ];
    attributes.extend(time_to_live.map(|live| (a::CACHE_TTL_SECONDS.key(), live.as_secs_f64().into())));
    attributes.extend(age.map(|age| (a::CACHE_AGE_SECONDS.key(), age.as_secs_f64().into())));
    if *outcome == CacheOutcome::Stale {
        attributes.push((a::CACHE_STALE.key(), true.into()));
    }
    if *outcome == CacheOutcome::Shared {
        attributes.push((a::CACHE_SHARED_FLIGHT.key(), true.into()));
    }
    if outcome.is_hit() {
        attributes.push((a::CACHE_SAVINGS_USD.key(), (*saved_micro_usd as f64 / 1e6).into()));
    }
    attributes
}

fn error_attributes(error: &Error) -> [(Key, Value); 2] {
    [
        (attribute::ERROR_TYPE.key(), error.type_name().into()),
        (
            attribute::ERROR_MESSAGE.key(),
            redact::bounded(&said(|| error.message()), MAX_MESSAGE_BYTES).into(),
        ),
    ]
}

fn text(text: &Text) -> Value {
    Value::Text(text.clone())
}

fn millis(duration: Duration) -> Value {
    Value::Float(duration.as_secs_f64() * 1e3)
}
