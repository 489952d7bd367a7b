//! The table of attributes. One line each, so that it reads as a table.

use super::{Attribute, Bound::*, ValueKind, attributes};

/// The words for how an execution ended.
const STATUSES: &[&str] = &["success", "error", "timeout", "cancelled"];
/// The words for the tiers of models.
const TIERS: &[&str] = &["fast", "balanced", "quality"];
/// The words for how neighbours in a flow are joined.
const CONNECTIONS: &[&str] = &["sequential", "parallel", "conditional", "router", "fallback"];
/// The words for the state of a circuit breaker.
const CIRCUITS: &[&str] = &["closed", "open", "half_open"];
/// The words for how a router chooses.
const ROUTINGS: &[&str] = &["function", "tier", "cost", "latency", "weighted", "round_robin"];
/// The words for how a retry waits.
const BACKOFFS: &[&str] = &["constant", "linear", "exponential", "decorrelated"];
/// The words for what a cache throws out first.
const EVICTIONS: &[&str] = &["lru", "lfu", "ttl", "server"];
/// The words for what is asked of a store.
const STORE_OPERATIONS: &[&str] = &["get", "insert", "remove", "read", "write", "forget"];
/// The words for what a gate decides.
const DECISIONS: &[&str] = &["approved", "rejected", "expired"];
/// The words for why a record was dropped.
const DROPS: &[&str] = &["recorder_full", "queue_full", "rate_limited", "export_failed", "shutdown", "limit"];
/// The words for the signals of telemetry.
const SIGNALS: &[&str] = &["traces", "metrics", "logs"];
/// The words for the operations of the GenAI conventions.
const OPERATIONS: &[&str] = &[
    "chat",
    "create_agent",
    "embeddings",
    "execute_tool",
    "generate_content",
    "invoke_agent",
    "invoke_workflow",
    "text_completion",
];

attributes! {
    // Every primitive.
    PRIMITIVE_NAME = "primitive.name": Text, "", ByCode, "the name that the author gave the primitive";
    PRIMITIVE_TYPE = "primitive.type": Text, "", ByCode, "the type of the primitive, as in `sequential`";
    PRIMITIVE_ACTION = "primitive.action": Text, "", ByCode, "what the primitive does, as in `execute`";
    PRIMITIVE_PATH = "primitive.path": Text, "", ByCode, "the address of the primitive in its workflow";
    EXECUTION_STATUS = "execution.status": Text, "", Enumerated(STATUSES), "how the execution ended";
    EXECUTION_DURATION_MS = "execution.duration_ms": Float, "ms", Unbounded, "how long the execution took, by a monotonic clock";
    EXECUTION_RETRY_COUNT = "execution.retry_count": Int, "{retry}", Unbounded, "how many attempts followed the first";

    // The run.
    WORKFLOW_ID = "workflow.id": Text, "", Unbounded, "the identifier of the run";
    WORKFLOW_NAME = "workflow.name": Text, "", ByCode, "the name of the workflow";
    WORKFLOW_SESSION_ID = "workflow.session_id": Text, "", Unbounded, "the session, under the name of the run's context";
    WORKFLOW_CORRELATION_ID = "workflow.correlation_id": Text, "", Unbounded, "the correlation id, under the name of the run's context";
    WORKFLOW_ELAPSED_MS = "workflow.elapsed_ms": Float, "ms", Unbounded, "the time since the run began";
    SESSION_ID = "session.id": Text, "", Unbounded, "the session that the run belongs to";
    CORRELATION_ID = "correlation.id": Text, "", Unbounded, "what the runs of one cause have in common";
    CAUSATION_ID = "causation.id": Text, "", Unbounded, "the correlation id of the run that caused this one";
    AGENT_ID = "agent.id": Text, "", Unbounded, "the instance of the agent";
    AGENT_TYPE = "agent.type": Text, "", ByCode, "the kind of the agent, as in `coordinator`";
    CHECKPOINT_NAME = "checkpoint.name": Text, "", ByCode, "the name of the checkpoint";
    CHECKPOINT_ELAPSED_MS = "checkpoint.elapsed_ms": Float, "ms", Unbounded, "the time from the start of the run to the checkpoint";

    // Errors.
    ERROR_TYPE = "error.type": Text, "", ByCode, "the class of the error, of few values";
    ERROR_MESSAGE = "error.message": Text, "", Unbounded, "the message of the error, redacted and cut";
    ERROR_KIND = "error.kind": Text, "", ByCode, "the kind that recovery decided on";
    ERROR_RECOVERABLE = "error.recoverable": Bool, "", Enumerated(&["true", "false"]), "whether another attempt could succeed";
    ERROR_PATH = "error.path": Text, "", ByCode, "the address of the primitive in which the error arose";
    EXCEPTION_TYPE = "exception.type": Text, "", ByCode, "the type of the error that was recorded";
    EXCEPTION_MESSAGE = "exception.message": Text, "", Unbounded, "the message of the error that was recorded, redacted and cut";
    EXCEPTION_STACKTRACE = "exception.stacktrace": Text, "", Unbounded, "the chain of causes, or the stack of a panic";

    // Composition.
    STEP_INDEX = "step.index": Int, "", ByCode, "the position of the step, from zero";
    STEP_NAME = "step.name": Text, "", ByCode, "the name of the step";
    STEP_PRIMITIVE_TYPE = "step.primitive_type": Text, "", ByCode, "the type of the primitive that the step runs";
    STEP_TOTAL_STEPS = "step.total_steps": Int, "{step}", ByCode, "how many steps the sequence has";
    BRANCH_INDEX = "branch.index": Int, "", Unbounded, "the position of the branch, from zero; data may decide how many there are";
    BRANCH_NAME = "branch.name": Text, "", ByCode, "the name of the branch";
    BRANCH_TOTAL_BRANCHES = "branch.total_branches": Int, "{branch}", Unbounded, "how many branches there are";
    PARALLEL_POLICY = "parallel.policy": Text, "", Enumerated(&["fail_fast", "wait_all", "first_success", "quorum"]), "when the parallel is done";
    PARALLEL_FAILED = "parallel.failed": Int, "{branch}", Unbounded, "how many branches failed";
    QUORUM_NEEDED = "quorum.needed": Int, "{branch}", ByCode, "how many branches must succeed";
    CONDITION_RESULT = "condition.result": Bool, "", Enumerated(&["true", "false"]), "what the condition was";
    SWITCH_CASE = "switch.case": Text, "", ByCode, "the case that was taken";
    ROUTER_ROUTE = "router.route": Text, "", ByCode, "the route that was taken";
    ROUTER_REASON = "router.reason": Text, "", Unbounded, "why the route was taken";
    ROUTER_STRATEGY = "router.strategy": Text, "", Enumerated(ROUTINGS), "how the router chooses";
    LOOP_ITERATION = "loop.iteration": Int, "", Unbounded, "the number of the iteration, from one";
    LOOP_MAX_ITERATIONS = "loop.max_iterations": Int, "{iteration}", ByCode, "how many iterations are allowed";
    MAP_ITEMS = "map.items": Int, "{item}", Unbounded, "how many items there are";
    MAP_CONCURRENCY = "map.concurrency": Int, "{item}", ByCode, "how many items are worked on at once";
    DELEGATE_WORKFLOW = "delegate.workflow": Text, "", ByCode, "the name of the workflow that was called";
    SOURCE_PRIMITIVE = "source.primitive": Text, "", ByCode, "the name of the primitive that hands on";
    SOURCE_TYPE = "source.type": Text, "", ByCode, "the type of the primitive that hands on";
    TARGET_PRIMITIVE = "target.primitive": Text, "", ByCode, "the name of the primitive that is handed to";
    TARGET_TYPE = "target.type": Text, "", ByCode, "the type of the primitive that is handed to";
    CONNECTION_TYPE = "connection.type": Text, "", Enumerated(CONNECTIONS), "how the two are joined";

    // Recovery.
    RETRY_ATTEMPT = "retry.attempt": Int, "", Unbounded, "the number of the attempt, from one";
    RETRY_MAX_ATTEMPTS = "retry.max_attempts": Int, "{attempt}", ByCode, "how many attempts are allowed";
    RETRY_BACKOFF_MS = "retry.backoff_ms": Float, "ms", Unbounded, "the wait before the next attempt";
    RETRY_STRATEGY = "retry.strategy": Text, "", Enumerated(BACKOFFS), "how the wait grows";
    RETRY_REASON = "retry.reason": Text, "", Enumerated(&["attempts", "deadline", "budget", "not_retryable"]), "why no further attempt is made";
    RETRY_ATTEMPT_TIMEOUT_MS = "retry.attempt_timeout_ms": Float, "ms", ByCode, "the time that each attempt is allowed";
    RETRY_DEADLINE_MS = "retry.deadline_ms": Float, "ms", ByCode, "the time that all attempts and waits together are allowed";
    RETRY_BACKOFF_TOTAL_MS = "retry.backoff_total_ms": Float, "ms", ByCode, "the sum of the waits if every attempt fails, on average";
    FALLBACK_TRIGGERED = "fallback.triggered": Bool, "", Enumerated(&["true", "false"]), "whether the primary failed";
    FALLBACK_STRATEGY_USED = "fallback.strategy_used": Text, "", ByCode, "the name of the alternative that was used";
    FALLBACK_INDEX = "fallback.index": Int, "", ByCode, "the position of the alternative, from one; the primary is zero";
    TIMEOUT_LIMIT_MS = "timeout.limit_ms": Float, "ms", ByCode, "the time that was allowed";
    TIMEOUT_SOURCE = "timeout.source": Text, "", Enumerated(&["own", "deadline", "idle"]), "which limit ran out";
    CIRCUIT_BREAKER_NAME = "circuit_breaker.name": Text, "", ByCode, "the name of the circuit breaker, which several flows may share";
    CIRCUIT_BREAKER_STATE = "circuit_breaker.state": Text, "", Enumerated(CIRCUITS), "the state of the circuit";
    CIRCUIT_BREAKER_PREVIOUS_STATE = "circuit_breaker.previous_state": Text, "", Enumerated(CIRCUITS), "the state before the change";
    CIRCUIT_BREAKER_FAILURE_RATE = "circuit_breaker.failure_rate": Float, "1", Unbounded, "the part of the calls in the window that failed, 0 to 1";
    CIRCUIT_BREAKER_THRESHOLD = "circuit_breaker.threshold": Float, "1", ByCode, "the failure rate that opens the circuit, 0 to 1";
    SAGA_STEP = "saga.step": Text, "", ByCode, "the name of the step that is done or undone";
    SAGA_STEPS_COMPLETED = "saga.steps_completed": Int, "{step}", ByCode, "how many steps were done";
    SAGA_COMPENSATION_TRIGGERED = "saga.compensation_triggered": Bool, "", Enumerated(&["true", "false"]), "whether steps are undone";
    SAGA_COMPENSATIONS_FAILED = "saga.compensations_failed": Int, "{step}", ByCode, "how many steps could not be undone";
    HEDGE_ATTEMPT = "hedge.attempt": Int, "", ByCode, "the number of the attempt, from one";
    HEDGE_MAX_ATTEMPTS = "hedge.max_attempts": Int, "{attempt}", ByCode, "how many attempts may race";
    HEDGE_DELAY_MS = "hedge.delay_ms": Float, "ms", Unbounded, "the wait before the attempt was launched";
    HEDGE_WINNER = "hedge.winner": Int, "", ByCode, "the number of the attempt that was used";
    BULKHEAD_NAME = "bulkhead.name": Text, "", ByCode, "the name of the bulkhead, which several flows may share";
    BULKHEAD_LIMIT = "bulkhead.limit": Int, "{call}", ByCode, "how many calls may run at once";
    BULKHEAD_QUEUED = "bulkhead.queued": Int, "{call}", Unbounded, "how many calls waited";
    RATE_LIMIT_NAME = "rate_limit.name": Text, "", ByCode, "the name of the rate limit, which several flows may share";
    RATE_LIMIT_WAIT_MS = "rate_limit.wait_ms": Float, "ms", Unbounded, "the wait for a permit";

    // Cache.
    CACHE_HIT = "cache.hit": Bool, "", Enumerated(&["true", "false"]), "whether the value was there";
    CACHE_NAME = "cache.name": Text, "", ByCode, "the name of the cache";
    CACHE_TYPE = "cache.type": Text, "", ByCode, "what the cache keeps its values in, as in `memory`";
    CACHE_KEY = "cache.key": Text, "", Unbounded, "a hash of the key, never the key";
    CACHE_TTL_SECONDS = "cache.ttl_seconds": Float, "s", ByCode, "how long a value is kept";
    CACHE_AGE_SECONDS = "cache.age_seconds": Float, "s", Unbounded, "how old the value is";
    CACHE_EVICTION_POLICY = "cache.eviction_policy": Text, "", Enumerated(EVICTIONS), "what is thrown out first";
    CACHE_LOOKUP_TIME_MS = "cache.lookup_time_ms": Float, "ms", Unbounded, "how long the lookup took";
    CACHE_SIZE_BYTES = "cache.size_bytes": Int, "By", Unbounded, "the size of the value";
    CACHE_SAVINGS_USD = "cache.savings_usd": Float, "{USD}", Unbounded, "what the call would have cost";
    CACHE_STALE = "cache.stale": Bool, "", Enumerated(&["true", "false"]), "whether an expired value was served while a new one is made";
    CACHE_SHARED_FLIGHT = "cache.shared_flight": Bool, "", Enumerated(&["true", "false"]), "whether the value came from a call that another caller had begun";
    SAVINGS_SOURCE = "savings.source": Text, "", Enumerated(&["cache", "router"]), "what saved the cost";

    // Memory, and the stores behind caches and memories.
    MEMORY_NAME = "memory.name": Text, "", ByCode, "the name of the memory";
    MEMORY_TYPE = "memory.type": Text, "", ByCode, "what the memory keeps its messages in, as in `memory`";
    MEMORY_KEY = "memory.key": Text, "", Unbounded, "a hash of the key of the conversation, never the key";
    MEMORY_MESSAGES = "memory.messages": Int, "{message}", Unbounded, "how many messages were read or written";
    MEMORY_EVICTED = "memory.evicted": Int, "{message}", Unbounded, "how many messages were thrown out for want of room";
    STORE_NAME = "store.name": Text, "", ByCode, "the name of the cache or memory whose store it is";
    STORE_TYPE = "store.type": Text, "", ByCode, "what the store is, as in `redis`";
    STORE_OPERATION = "store.operation": Text, "", Enumerated(STORE_OPERATIONS), "what was asked of the store";

    // Validation and approval.
    VALIDATION_PASSED = "validation.passed": Bool, "", Enumerated(&["true", "false"]), "whether the value is valid";
    VALIDATION_RULE = "validation.rule": Text, "", ByCode, "the rule that decided";
    VALIDATION_SCHEMA = "validation.schema": Text, "", ByCode, "the schema that the value was held against";
    VALIDATION_ERRORS = "validation.errors": Int, "{error}", Unbounded, "how many errors were found";
    VALIDATION_WARNINGS = "validation.warnings": Int, "{warning}", Unbounded, "how many warnings were found";
    GATE_DECISION = "gate.decision": Text, "", Enumerated(DECISIONS), "what was decided";
    GATE_APPROVER = "gate.approver": Text, "", Unbounded, "who or what decided";
    GATE_REASON = "gate.reason": Text, "", Unbounded, "why it was decided so";
    GATE_WAIT_MS = "gate.wait_ms": Float, "ms", Unbounded, "the wait for the decision";

    // Model calls, by the names of this project.
    LLM_PROVIDER = "llm.provider": Text, "", ByConfiguration, "the provider of the model";
    LLM_MODEL_NAME = "llm.model_name": Text, "", ByConfiguration, "the name of the model";
    LLM_MODEL_TIER = "llm.model_tier": Text, "", Enumerated(TIERS), "the tier of the model";
    LLM_TEMPERATURE = "llm.temperature": Float, "1", Unbounded, "the temperature of the request";
    LLM_MAX_TOKENS = "llm.max_tokens": Int, "{token}", Unbounded, "how many tokens the answer may have";
    LLM_PROMPT_TOKENS = "llm.prompt_tokens": Int, "{token}", Unbounded, "how many tokens the prompt had";
    LLM_COMPLETION_TOKENS = "llm.completion_tokens": Int, "{token}", Unbounded, "how many tokens the answer had";
    LLM_TOTAL_TOKENS = "llm.total_tokens": Int, "{token}", Unbounded, "how many tokens the call had";
    LLM_TOKENS_ESTIMATED = "llm.tokens_estimated": Bool, "", Enumerated(&["true", "false"]), "whether the tokens were counted here and not by the provider";
    LLM_TOKEN_TYPE = "llm.token_type": Text, "", Enumerated(&["prompt", "completion"]), "which side of the call the tokens are on";
    LLM_COST_USD = "llm.cost_usd": Float, "{USD}", Unbounded, "what the call cost by the price table";
    LLM_STREAMING = "llm.streaming": Bool, "", Enumerated(&["true", "false"]), "whether the answer was streamed";
    LLM_CHUNKS_RECEIVED = "llm.chunks_received": Int, "{chunk}", Unbounded, "how many chunks were received";
    LLM_STREAM_OUTCOME = "llm.stream.outcome": Text, "", Enumerated(&["completed", "cancelled", "failed"]), "how a streamed answer ended";
    LLM_OUTPUT_TOKENS_PER_SECOND = "llm.output_tokens_per_second": Float, "{token}/s", Unbounded, "how fast the answer came once it had begun";
    LLM_UNPRICED = "llm.unpriced": Bool, "", Enumerated(&["true", "false"]), "whether the price of the model is not known";
    ROUTER_CANDIDATES = "router.candidates": List, "", Unbounded, "the models that a router chooses from";
    LLM_ROUTER_SAVINGS_USD = "llm.router.savings_usd": Float, "{USD}", Unbounded, "how much less the call cost than the dearest model in question would have";
    LLM_TIME_TO_FIRST_TOKEN_MS = "llm.time_to_first_token_ms": Float, "ms", Unbounded, "the time from the request to the first token";

    // Model calls, by the names of the OpenTelemetry GenAI conventions.
    GEN_AI_OPERATION_NAME = "gen_ai.operation.name": Text, "", Enumerated(OPERATIONS), "what was asked of the model";
    GEN_AI_PROVIDER_NAME = "gen_ai.provider.name": Text, "", ByConfiguration, "the provider of the model";
    GEN_AI_SYSTEM = "gen_ai.system": Text, "", ByConfiguration, "the provider of the model, as older versions of the conventions call it";
    GEN_AI_REQUEST_MODEL = "gen_ai.request.model": Text, "", ByConfiguration, "the model that was asked for";
    GEN_AI_REQUEST_TEMPERATURE = "gen_ai.request.temperature": Float, "1", Unbounded, "the temperature of the request";
    GEN_AI_REQUEST_TOP_P = "gen_ai.request.top_p": Float, "1", Unbounded, "the nucleus of the sampling";
    GEN_AI_REQUEST_TOP_K = "gen_ai.request.top_k": Float, "1", Unbounded, "how many candidates the sampling has";
    GEN_AI_REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens": Int, "{token}", Unbounded, "how many tokens the answer may have";
    GEN_AI_REQUEST_SEED = "gen_ai.request.seed": Int, "", Unbounded, "the seed of the sampling";
    GEN_AI_REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences": List, "", Unbounded, "what ends the answer";
    GEN_AI_REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty": Float, "1", Unbounded, "the penalty on frequent tokens";
    GEN_AI_REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty": Float, "1", Unbounded, "the penalty on tokens that were used";
    GEN_AI_REQUEST_CHOICE_COUNT = "gen_ai.request.choice.count": Int, "{choice}", Unbounded, "how many answers were asked for";
    GEN_AI_REQUEST_STREAM = "gen_ai.request.stream": Bool, "", Enumerated(&["true", "false"]), "whether a stream was asked for";
    GEN_AI_RESPONSE_MODEL = "gen_ai.response.model": Text, "", ByConfiguration, "the model that answered";
    GEN_AI_RESPONSE_ID = "gen_ai.response.id": Text, "", Unbounded, "the identifier of the answer";
    GEN_AI_RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons": List, "", Unbounded, "why each answer ended";
    GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk": Float, "s", Unbounded, "the time from the request to the first chunk";
    GEN_AI_USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens": Int, "{token}", Unbounded, "how many tokens the request had, cached ones included";
    GEN_AI_USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens": Int, "{token}", Unbounded, "how many tokens the answer had";
    GEN_AI_USAGE_PROMPT_TOKENS = "gen_ai.usage.prompt_tokens": Int, "{token}", Unbounded, "how many tokens the request had, as older versions of the conventions call it";
    GEN_AI_USAGE_COMPLETION_TOKENS = "gen_ai.usage.completion_tokens": Int, "{token}", Unbounded, "how many tokens the answer had, as older versions of the conventions call it";
    GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens": Int, "{token}", Unbounded, "how many tokens the provider had cached";
    GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS = "gen_ai.usage.cache_creation.input_tokens": Int, "{token}", Unbounded, "how many tokens the provider put into its cache";
    GEN_AI_USAGE_REASONING_OUTPUT_TOKENS = "gen_ai.usage.reasoning.output_tokens": Int, "{token}", Unbounded, "how many tokens of the answer were reasoning";
    GEN_AI_TOKEN_TYPE = "gen_ai.token.type": Text, "", Enumerated(&["input", "output"]), "which side of the call the tokens are on";
    GEN_AI_OUTPUT_TYPE = "gen_ai.output.type": Text, "", Enumerated(&["text", "json", "image", "speech"]), "the kind of answer that was asked for";
    GEN_AI_CONVERSATION_ID = "gen_ai.conversation.id": Text, "", Unbounded, "the conversation that the call belongs to";
    GEN_AI_AGENT_ID = "gen_ai.agent.id": Text, "", Unbounded, "the instance of the agent";
    GEN_AI_AGENT_NAME = "gen_ai.agent.name": Text, "", ByCode, "the name of the agent";
    GEN_AI_WORKFLOW_NAME = "gen_ai.workflow.name": Text, "", ByCode, "the name of the workflow";
    GEN_AI_TOOL_NAME = "gen_ai.tool.name": Text, "", ByCode, "the name of the tool";
    GEN_AI_TOOL_TYPE = "gen_ai.tool.type": Text, "", Enumerated(&["function", "extension", "datastore"]), "the kind of the tool";
    GEN_AI_TOOL_DESCRIPTION = "gen_ai.tool.description": Text, "", Unbounded, "what the tool says of itself";
    GEN_AI_TOOL_CALL_ID = "gen_ai.tool.call.id": Text, "", Unbounded, "the identifier of the call of the tool";
    GEN_AI_TOOL_CALL_ARGUMENTS = "gen_ai.tool.call.arguments": Text, "", Unbounded, "what the tool was called with; only with capture on";
    GEN_AI_TOOL_CALL_RESULT = "gen_ai.tool.call.result": Text, "", Unbounded, "what the tool returned; only with capture on";
    GEN_AI_SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions": Text, "", Unbounded, "the system prompt; only with capture on";
    GEN_AI_INPUT_MESSAGES = "gen_ai.input.messages": Text, "", Unbounded, "the messages of the request; only with capture on";
    GEN_AI_OUTPUT_MESSAGES = "gen_ai.output.messages": Text, "", Unbounded, "the messages of the answer; only with capture on";
    SERVER_ADDRESS = "server.address": Text, "", ByConfiguration, "the host that was called";
    SERVER_PORT = "server.port": Int, "", ByConfiguration, "the port that was called";

    // Objectives and anomalies.
    SLO_NAME = "slo.name": Text, "", ByConfiguration, "the name of the objective";
    SLO_TARGET = "slo.target": Float, "1", ByConfiguration, "the part of events that must be good, 0 to 1";
    SLO_WINDOW = "slo.window": Text, "", ByConfiguration, "the window that is looked at, as in `5m`";
    ANOMALY_SIGNAL = "anomaly.signal": Text, "", Enumerated(&["latency", "error_rate", "cost", "throughput"]), "what is unusual";
    ANOMALY_VALUE = "anomaly.value": Float, "1", Unbounded, "the value that is unusual, in the unit of its signal";
    ANOMALY_LOWER = "anomaly.lower": Float, "1", Unbounded, "the least value that was expected";
    ANOMALY_UPPER = "anomaly.upper": Float, "1", Unbounded, "the greatest value that was expected";

    // Sampling and the library's own telemetry.
    SAMPLING_REASON = "sampling.reason": Text, "", Enumerated(&["ratio", "error", "slow", "rate_limit", "parent", "always"]), "why the trace was kept";
    LOG_TARGET = "log.target": Text, "", ByCode, "the part of the program that wrote the line";
    TELEMETRY_SIGNAL = "telemetry.signal": Text, "", Enumerated(SIGNALS), "which signal it is about";
    TELEMETRY_DROP_REASON = "telemetry.drop_reason": Text, "", Enumerated(DROPS), "why a record was dropped";
    TELEMETRY_EXPORTER = "telemetry.exporter": Text, "", ByConfiguration, "the name of the exporter";
    TELEMETRY_METRIC = "telemetry.metric": Text, "", ByCode, "the metric whose series were folded";

    // What Jaeger shows as tags and OTLP has in fields of their own.
    OTEL_SCOPE_NAME = "otel.scope.name": Text, "", ByCode, "the library that made the span";
    OTEL_SCOPE_VERSION = "otel.scope.version": Text, "", ByCode, "the version of the library that made the span";
    OTEL_STATUS_CODE = "otel.status_code": Text, "", Enumerated(&["OK", "ERROR"]), "the status of the span, unless it is unset";
    OTEL_STATUS_DESCRIPTION = "otel.status_description": Text, "", Unbounded, "what the status of the span says";
    SPAN_STATUS = "span.status": Text, "", Enumerated(&["UNSET", "OK", "ERROR"]), "the status of the span, in searches";
    SPAN_KIND = "span.kind": Text, "", Enumerated(&["internal", "server", "client", "producer", "consumer"]), "the kind of the span";
    W3C_TRACESTATE = "w3c.tracestate": Text, "", Unbounded, "what other tracing systems added";

    // Log lines.
    TRACE_ID = "trace_id": Text, "", Unbounded, "the trace in which the line was written";
    SPAN_ID = "span_id": Text, "", Unbounded, "the span in which the line was written";
    LOG_CORRELATION_ID = "correlation_id": Text, "", Unbounded, "the correlation id of the run in which the line was written";
    LOG_WORKFLOW_ID = "workflow_id": Text, "", Unbounded, "the run in which the line was written";

    // The resource.
    SERVICE_NAME = "service.name": Text, "", ByConfiguration, "the name of the service";
    SERVICE_VERSION = "service.version": Text, "", ByConfiguration, "the version of the service";
    SERVICE_NAMESPACE = "service.namespace": Text, "", ByConfiguration, "the group that the service belongs to";
    SERVICE_INSTANCE_ID = "service.instance.id": Text, "", Unbounded, "the instance of the service";
    DEPLOYMENT_ENVIRONMENT_NAME = "deployment.environment.name": Text, "", ByConfiguration, "the environment, as in `production`";
    COMPONENT_TYPE = "component.type": Text, "", ByConfiguration, "what the process is, as in `workflow-engine`";
    HOST_NAME = "host.name": Text, "", Unbounded, "the name of the host";
    HOST_ARCH = "host.arch": Text, "", ByConfiguration, "the architecture of the host, as in `amd64`";
    OS_TYPE = "os.type": Text, "", ByConfiguration, "the operating system, as in `linux`";
    PROCESS_PID = "process.pid": Int, "", Unbounded, "the number of the process";
    PROCESS_EXECUTABLE_NAME = "process.executable.name": Text, "", ByConfiguration, "the name of the program";
    PROCESS_RUNTIME_NAME = "process.runtime.name": Text, "", ByConfiguration, "what runs the program, `rust`";
    PROCESS_RUNTIME_VERSION = "process.runtime.version": Text, "", ByConfiguration, "the version of what runs the program";
    TELEMETRY_SDK_NAME = "telemetry.sdk.name": Text, "", ByCode, "the library that wrote the telemetry";
    TELEMETRY_SDK_LANGUAGE = "telemetry.sdk.language": Text, "", ByCode, "the language of the library, `rust`";
    TELEMETRY_SDK_VERSION = "telemetry.sdk.version": Text, "", ByCode, "the version of the library";
}
