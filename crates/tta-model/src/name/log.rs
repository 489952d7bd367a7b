//! Names of log events, and how loud each is.

use crate::value::Text;

/// What the target of every log event begins with.
pub const TARGET_PREFIX: &str = "tta::";

/// One log event: its name and its severity.
#[derive(Clone, Copy, Debug)]
pub struct LogEvent {
    /// The name, as it is written.
    pub name: &'static str,
    /// How loud it is.
    pub severity: Severity,
    /// What happened.
    pub meaning: &'static str,
}

impl LogEvent {
    /// The name of the event, free to clone.
    #[must_use]
    pub const fn name(&self) -> Text {
        Text::Static(self.name)
    }
}

/// How loud a log event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For whoever looks for the cause of something.
    Debug,
    /// Work began or ended well.
    Info,
    /// Recovery was needed.
    Warn,
    /// Work failed.
    Error,
}

impl Severity {
    /// The severity number of OpenTelemetry: 5 debug, 9 info, 13 warn, 17 error.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
        }
    }
}

macro_rules! log_events {
    ($($name:ident = $text:literal: $severity:ident, $meaning:literal;)*) => {
        $(
            #[doc = concat!("`", $text, "`: ", $meaning, ".")]
            pub const $name: LogEvent =
                LogEvent { name: $text, severity: Severity::$severity, meaning: $meaning };
        )*

        /// Every log event.
        pub const ALL: &[&LogEvent] = &[$(&$name),*];
    };
}

log_events! {
    WORKFLOW_START = "workflow_start": Info, "a run began";
    WORKFLOW_COMPLETE = "workflow_complete": Info, "a run ended well";
    WORKFLOW_FAILED = "workflow_failed": Error, "a run ended with an error";
    WORKFLOW_CANCELLED = "workflow_cancelled": Warn, "a run was dropped or told to stop";
    PRIMITIVE_START = "primitive_start": Debug, "a primitive began";
    PRIMITIVE_COMPLETE = "primitive_complete": Info, "a primitive ended well";
    PRIMITIVE_FAILED = "primitive_failed": Error, "a primitive ended with an error that arose in it";
    SEQUENTIAL_STEP_START = "sequential_step_start": Info, "a step began";
    SEQUENTIAL_STEP_COMPLETE = "sequential_step_complete": Info, "a step ended well";
    SEQUENTIAL_STEP_FAILED = "sequential_step_failed": Error, "a step ended with an error";
    PARALLEL_EXECUTION_START = "parallel_execution_start": Info, "the branches began";
    PARALLEL_EXECUTION_COMPLETE = "parallel_execution_complete": Info, "the branches ended well";
    PARALLEL_EXECUTION_FAILED = "parallel_execution_failed": Error, "too many branches ended with an error";
    PARALLEL_BRANCH_FAILED = "parallel_branch_failed": Warn, "a branch ended with an error";
    CONDITIONAL_DECISION = "conditional_decision": Info, "a condition was decided";
    SWITCH_DECISION = "switch_decision": Info, "a case was taken";
    ROUTING_DECISION = "routing_decision": Info, "a router chose";
    LOOP_EXHAUSTED = "loop_exhausted": Warn, "a loop reached its bound before it was done";
    RETRY_ATTEMPT_FAILED = "retry_attempt_failed": Warn, "an attempt failed and another follows";
    RETRY_EXHAUSTED = "retry_exhausted": Error, "no further attempt is made";
    FALLBACK_TRIGGERED = "fallback_triggered": Warn, "an alternative takes over";
    FALLBACK_EXHAUSTED = "fallback_exhausted": Error, "the last alternative failed";
    TIMEOUT_ELAPSED = "timeout_elapsed": Warn, "the time ran out and the work was cancelled";
    CIRCUIT_BREAKER_STATE_CHANGED = "circuit_breaker_state_changed": Warn, "the circuit opened, closed or half opened";
    CIRCUIT_BREAKER_REJECTED = "circuit_breaker_rejected": Warn, "a call was not let through";
    BULKHEAD_REJECTED = "bulkhead_rejected": Warn, "a call found no place, not even to wait";
    RATE_LIMIT_WAITED = "rate_limit_waited": Debug, "a call waited for its permit";
    HEDGE_LAUNCHED = "hedge_launched": Info, "a second attempt began because the first was slow";
    SAGA_COMPENSATION_TRIGGERED = "saga_compensation_triggered": Warn, "the steps that were done are undone";
    SAGA_COMPENSATION_COMPLETE = "saga_compensation_complete": Warn, "every step was undone";
    SAGA_COMPENSATION_FAILED = "saga_compensation_failed": Error, "a step could not be undone";
    CACHE_HIT = "cache_hit": Debug, "a value was there";
    CACHE_MISS = "cache_miss": Debug, "a value was not there";
    CACHE_EVICTED = "cache_evicted": Debug, "a value was thrown out";
    STORE_FAILED = "store_failed": Warn, "the store of a cache or a memory failed, and the run went on without it";
    VALIDATION_FAILED = "validation_failed": Warn, "a value is not valid";
    GATE_DECIDED = "gate_decided": Info, "someone or something approved or rejected";
    LLM_CALL_COMPLETE = "llm_call_complete": Info, "a model answered";
    LLM_CALL_FAILED = "llm_call_failed": Error, "a model did not answer";
    BUDGET_EXCEEDED = "budget_exceeded": Error, "a run would have spent more than it may";
    SLO_BURN_RATE_HIGH = "slo_burn_rate_high": Warn, "an error budget is spent too fast";
    ANOMALY_DETECTED = "anomaly_detected": Warn, "a value is outside what was expected";
    TELEMETRY_DROPPED = "telemetry_dropped": Warn, "records were dropped";
    TELEMETRY_EXPORT_FAILED = "telemetry_export_failed": Warn, "an exporter could not deliver";
    PANIC_CAUGHT = "panic_caught": Error, "a step panicked and became an error";
}
