//! The table of metrics.

use super::super::attribute::{label, *};
use super::{Metric, MetricKind, metrics};

/// The buckets of durations in milliseconds, from 0.05 ms to 60 s.
pub const BUCKETS_MS: &[f64] = &[
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0,
    10_000.0, 30_000.0, 60_000.0,
];

/// The buckets of durations in seconds, the same as [`BUCKETS_MS`].
pub const BUCKETS_S: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];

/// The buckets that the GenAI conventions ask for where a duration is measured, in seconds.
pub const BUCKETS_GEN_AI_DURATION: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// The buckets that the GenAI conventions ask for where tokens are counted.
pub const BUCKETS_GEN_AI_TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

metrics! {
    PRIMITIVE_EXECUTION_COUNT = "primitive.execution.count": Counter, "{execution}", None, "executions of primitives"
        [PRIMITIVE_NAME, PRIMITIVE_TYPE, EXECUTION_STATUS, AGENT_TYPE, ERROR_TYPE, WORKFLOW_NAME];
    PRIMITIVE_EXECUTION_DURATION = "primitive.execution.duration": Histogram, "ms", Some(BUCKETS_MS), "the time that primitives take"
        [PRIMITIVE_NAME, PRIMITIVE_TYPE, AGENT_TYPE, WORKFLOW_NAME];
    PRIMITIVE_CONNECTION_COUNT = "primitive.connection.count": Counter, "{call}", None, "calls from one primitive to the next"
        [SOURCE_PRIMITIVE, SOURCE_TYPE, TARGET_PRIMITIVE, TARGET_TYPE, CONNECTION_TYPE];
    LLM_TOKENS_TOTAL = "llm.tokens.total": Counter, "{token}", None, "tokens of model calls"
        [LLM_PROVIDER, LLM_MODEL_NAME, LLM_TOKEN_TYPE, AGENT_TYPE];
    LLM_COST_TOTAL = "llm.cost.total": Counter, "{USD}", None, "the cost of model calls"
        [LLM_PROVIDER, LLM_MODEL_NAME, PRIMITIVE_NAME, WORKFLOW_NAME, AGENT_TYPE];
    COST_SAVINGS_TOTAL = "cost.savings.total": Counter, "{USD}", None, "the cost that a cache or a router saved"
        [SAVINGS_SOURCE, PRIMITIVE_NAME, WORKFLOW_NAME, AGENT_TYPE];
    CACHE_HITS = "cache.hits": Counter, "{lookup}", None, "lookups that found a value"
        [PRIMITIVE_NAME, CACHE_TYPE];
    CACHE_TOTAL = "cache.total": Counter, "{lookup}", None, "lookups"
        [PRIMITIVE_NAME, CACHE_TYPE];
    AGENT_WORKFLOWS_ACTIVE = "agent.workflows.active": UpDownCounter, "{run}", None, "runs at this moment"
        [AGENT_TYPE, WORKFLOW_NAME];
    SLO_COMPLIANCE = "slo.compliance": Gauge, "1", None, "the part of events that were good, 0 to 1"
        [SLO_NAME, SLO_TARGET, PRIMITIVE_NAME, WORKFLOW_NAME, SLO_WINDOW];
    SLO_ERROR_BUDGET_REMAINING = "slo.error_budget.remaining": Gauge, "1", None, "the part of the error budget that is left, below 0 when overspent"
        [SLO_NAME, SLO_TARGET, PRIMITIVE_NAME, WORKFLOW_NAME, SLO_WINDOW];
    SLO_BURN_RATE = "slo.burn_rate": Gauge, "1", None, "how many times faster than allowed the error budget is spent"
        [SLO_NAME, SLO_TARGET, PRIMITIVE_NAME, WORKFLOW_NAME, SLO_WINDOW];

    TTA_REQUESTS_TOTAL = "tta_requests_total": Counter, "{execution}", None, "executions of primitives"
        [label::PRIMITIVE_TYPE, label::STATUS];
    TTA_EXECUTION_DURATION_SECONDS = "tta_execution_duration_seconds": Histogram, "s", Some(BUCKETS_S), "the time that primitives take"
        [label::PRIMITIVE_TYPE];
    TTA_WORKFLOW_DURATION_SECONDS = "tta_workflow_duration_seconds": Histogram, "s", Some(BUCKETS_S), "the time that runs take"
        [label::WORKFLOW_TYPE];
    TTA_WORKFLOW_EXECUTIONS_TOTAL = "tta_workflow_executions_total": Counter, "{run}", None, "runs"
        [label::WORKFLOW_TYPE, label::STATUS];
    TTA_ACTIVE_REQUESTS = "tta_active_requests": Gauge, "{execution}", None, "executions at this moment"
        [label::PRIMITIVE_TYPE];
    TTA_CACHE_HITS_TOTAL = "tta_cache_hits_total": Counter, "{lookup}", None, "lookups that found a value"
        [label::CACHE];
    TTA_CACHE_MISSES_TOTAL = "tta_cache_misses_total": Counter, "{lookup}", None, "lookups that found none"
        [label::CACHE];
    TTA_CACHE_HIT_RATE = "tta_cache_hit_rate": Gauge, "{ratio}", None, "the part of lookups that found a value, 0 to 1"
        [label::CACHE];
    TTA_STORE_ERRORS_TOTAL = "tta_store_errors_total": Counter, "{error}", None, "operations that the store of a cache or a memory failed at"
        [label::STORE, label::BACKEND, label::OPERATION];
    TTA_LLM_TOKENS_TOTAL = "tta_llm_tokens_total": Counter, "{token}", None, "tokens of model calls"
        [label::PROVIDER, label::MODEL, label::TOKEN_TYPE];
    TTA_LLM_COST_USD_TOTAL = "tta_llm_cost_usd_total": Counter, "{USD}", None, "the cost of model calls"
        [label::PROVIDER, label::MODEL];
    TTA_ROUTER_DECISIONS_TOTAL = "tta_router_decisions_total": Counter, "{decision}", None, "choices of a router"
        [label::ROUTE, label::REASON];
    TTA_RETRIES_TOTAL = "tta_retries_total": Counter, "{attempt}", None, "attempts after the first"
        [label::PRIMITIVE_NAME, label::OUTCOME];
    TTA_FALLBACKS_TOTAL = "tta_fallbacks_total": Counter, "{fallback}", None, "primaries that an alternative stood in for"
        [label::PRIMITIVE_NAME, label::OUTCOME];
    TTA_TIMEOUTS_TOTAL = "tta_timeouts_total": Counter, "{timeout}", None, "executions whose time ran out"
        [label::PRIMITIVE_NAME];
    TTA_COMPENSATIONS_TOTAL = "tta_compensations_total": Counter, "{step}", None, "steps that were undone"
        [label::PRIMITIVE_NAME, label::OUTCOME];
    TTA_CIRCUIT_BREAKER_STATE = "tta_circuit_breaker_state": Gauge, "{state}", None, "the state of the circuit: 0 closed, 1 half open, 2 open"
        [label::PRIMITIVE_NAME];

    GEN_AI_CLIENT_TOKEN_USAGE = "gen_ai.client.token.usage": Histogram, "{token}", Some(BUCKETS_GEN_AI_TOKENS), "tokens of a model call"
        [GEN_AI_OPERATION_NAME, GEN_AI_PROVIDER_NAME, GEN_AI_TOKEN_TYPE, GEN_AI_REQUEST_MODEL, GEN_AI_RESPONSE_MODEL, SERVER_ADDRESS, SERVER_PORT];
    GEN_AI_CLIENT_OPERATION_DURATION = "gen_ai.client.operation.duration": Histogram, "s", Some(BUCKETS_GEN_AI_DURATION), "the time that a model call takes"
        [GEN_AI_OPERATION_NAME, GEN_AI_PROVIDER_NAME, ERROR_TYPE, GEN_AI_REQUEST_MODEL, GEN_AI_RESPONSE_MODEL, SERVER_ADDRESS, SERVER_PORT];
    GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk": Histogram, "s", Some(BUCKETS_GEN_AI_DURATION), "the time from the request to the first chunk of a stream"
        [GEN_AI_OPERATION_NAME, GEN_AI_PROVIDER_NAME, GEN_AI_REQUEST_MODEL, GEN_AI_RESPONSE_MODEL, SERVER_ADDRESS, SERVER_PORT];
    GEN_AI_CLIENT_OPERATION_TIME_PER_OUTPUT_CHUNK = "gen_ai.client.operation.time_per_output_chunk": Histogram, "s", Some(BUCKETS_GEN_AI_DURATION), "the time between two chunks of a stream"
        [GEN_AI_OPERATION_NAME, GEN_AI_PROVIDER_NAME, GEN_AI_REQUEST_MODEL, GEN_AI_RESPONSE_MODEL, SERVER_ADDRESS, SERVER_PORT];

    TTA_TELEMETRY_SPANS_RECORDED_TOTAL = "tta_telemetry_spans_recorded_total": Counter, "{span}", None, "spans that were recorded"
        [];
    TTA_TELEMETRY_DROPPED_TOTAL = "tta_telemetry_dropped_total": Counter, "{record}", None, "records that were dropped"
        [TELEMETRY_SIGNAL, TELEMETRY_DROP_REASON];
    TTA_TELEMETRY_QUEUE_LENGTH = "tta_telemetry_queue_length": Gauge, "{record}", None, "records that wait for an exporter"
        [TELEMETRY_SIGNAL];
    TTA_TELEMETRY_EXPORT_ERRORS_TOTAL = "tta_telemetry_export_errors_total": Counter, "{error}", None, "batches that an exporter could not deliver"
        [TELEMETRY_SIGNAL, TELEMETRY_EXPORTER];
    TTA_TELEMETRY_SERIES_FOLDED_TOTAL = "tta_telemetry_series_folded_total": Counter, "{fold}", None, "measurements whose labels were folded into `__other__`"
        [TELEMETRY_METRIC];
    TTA_TELEMETRY_BAGGAGE_DROPPED_TOTAL = "tta_telemetry_baggage_dropped_total": Counter, "{member}", None, "members of baggage that were left out"
        [];
    TTA_TELEMETRY_UNPRICED_CALLS_TOTAL = "tta_telemetry_unpriced_calls_total": Counter, "{call}", None, "model calls whose model the price table does not know"
        [LLM_PROVIDER, LLM_MODEL_NAME];
}
