//! Names of spans: `{domain}.{component}.{action}`.
//!
//! A name groups spans, so it has few values: numbers, keys and identifiers are attributes. Only
//! steps and branches carry their position in the name, and their number is that of the code.

use crate::value::Text;

/// The service name of a program that set none.
pub const DEFAULT_SERVICE_NAME: &str = "tta-workflow-engine";

/// How long one part of a name is at most, in characters.
pub const MAX_PART_CHARS: usize = 64;

macro_rules! spans {
    ($($name:ident = $text:literal: $meaning:literal;)*) => {
        $(
            #[doc = concat!("`", $text, "`: ", $meaning, ".")]
            pub const $name: &str = $text;
        )*

        /// Every fixed name with its meaning.
        pub const ALL: &[(&str, &str)] = &[$(($name, $meaning)),*];
    };
}

spans! {
    SEQUENTIAL = "primitive.sequential.execute": "steps one after the other";
    PARALLEL = "primitive.parallel.execute": "branches at the same time";
    CONDITIONAL = "primitive.conditional.execute": "one of two branches";
    CONDITIONAL_THEN = "primitive.conditional.branch_then": "the branch of a true condition";
    CONDITIONAL_ELSE = "primitive.conditional.branch_else": "the branch of a false condition";
    SWITCH = "primitive.switch.execute": "one of several cases";
    SWITCH_CASE = "primitive.switch.case": "the case that was taken; its key is an attribute";
    ROUTER = "primitive.router.execute": "one of several routes";
    ROUTER_DECISION = "primitive.router.route_decision": "the choice of a route";
    LOOP = "primitive.loop.execute": "the same again until it is done";
    LOOP_ITERATION = "primitive.loop.iteration": "one time round; its number is an attribute";
    MAP = "primitive.map.execute": "the same for every item";
    MAP_ITEM = "primitive.map.item": "the work on one item; its number is an attribute";
    VALIDATE = "primitive.validate.execute": "a check of a value";
    GATE = "primitive.gate.execute": "the wait for an approval";
    DELEGATE = "primitive.delegate.execute": "the call of another workflow";
    RETRY = "recovery.retry.execute": "attempts until one succeeds";
    RETRY_ATTEMPT = "recovery.retry.attempt": "one attempt; its number is an attribute";
    FALLBACK = "recovery.fallback.execute": "a primary and its alternatives";
    FALLBACK_PRIMARY = "recovery.fallback.execute_primary": "the primary";
    FALLBACK_ALTERNATIVE = "recovery.fallback.execute_fallback": "an alternative, after what came before it failed";
    TIMEOUT = "recovery.timeout.execute": "work within a time";
    CIRCUIT_BREAKER = "recovery.circuit_breaker.execute": "work behind a circuit breaker";
    CIRCUIT_BREAKER_CHECK = "recovery.circuit_breaker.check": "the question whether a call may pass";
    SAGA = "recovery.saga.execute": "steps that are undone if one fails";
    SAGA_FORWARD = "recovery.saga.forward": "the doing of a step";
    SAGA_COMPENSATE = "recovery.saga.compensate": "the undoing of a step";
    HEDGE = "recovery.hedge.execute": "attempts that race each other";
    HEDGE_ATTEMPT = "recovery.hedge.attempt": "one of the racing attempts; its number is an attribute";
    BULKHEAD = "recovery.bulkhead.execute": "work within a limit of concurrency";
    RATE_LIMIT = "recovery.rate_limit.execute": "work within a rate";
    CACHE = "primitive.cache.execute": "work that is remembered";
    MEMORY = "primitive.memory.execute": "a turn of a conversation that is remembered";
    LLM_SELECT_MODEL = "llm.router.select_model": "the choice of a model";
}

/// Every pattern of a name that is made at run time.
pub const PATTERNS: &[&str] = &[
    "primitive.<type>.<action>",
    "primitive.sequential.step_<n>",
    "primitive.parallel.branch_<n>",
    "cache.<backend>.<action>",
    "memory.<backend>.<action>",
    "llm.<provider>.<action>",
    "agent.<name>.execute",
    "workflow.<name>.execute",
];

/// The span of any primitive: `primitive.<type>.<action>`.
///
/// # Examples
///
/// ```
/// use tta_model::name::span;
/// assert_eq!(span::primitive("InputValidator", "validate"), "primitive.input_validator.validate");
/// ```
#[must_use]
pub fn primitive(kind: &str, action: &str) -> Text {
    dotted("primitive", kind, action)
}

/// The span of a step: `primitive.sequential.step_<n>`, from zero.
#[must_use]
pub fn sequential_step(index: usize) -> Text {
    format!("primitive.sequential.step_{index}").into()
}

/// The span of a branch: `primitive.parallel.branch_<n>`, from zero.
///
/// If data decides how many branches there are, use [`MAP_ITEM`], whose number is an attribute.
#[must_use]
pub fn parallel_branch(index: usize) -> Text {
    format!("primitive.parallel.branch_{index}").into()
}

/// The span of an operation of a cache: `cache.<backend>.<action>`, as in `lookup` and `store`.
#[must_use]
pub fn cache(backend: &str, action: &str) -> Text {
    dotted("cache", backend, action)
}

/// The span of an operation of a memory: `memory.<backend>.<action>`, as in `read` and `write`.
#[must_use]
pub fn memory(backend: &str, action: &str) -> Text {
    dotted("memory", backend, action)
}

/// The span of a call of a model: `llm.<provider>.<action>`, as in `generate` and `stream`.
#[must_use]
pub fn llm(provider: &str, action: &str) -> Text {
    dotted("llm", provider, action)
}

/// The span of an agent at work: `agent.<name>.execute`.
#[must_use]
pub fn agent(name: &str) -> Text {
    dotted("agent", name, "execute")
}

/// The span of a run: `workflow.<name>.execute`, the root unless the application has a current span.
#[must_use]
pub fn workflow(name: &str) -> Text {
    dotted("workflow", name, "execute")
}

fn dotted(domain: &str, component: &str, action: &str) -> Text {
    format!("{domain}.{}.{}", part(component), part(action)).into()
}

/// Makes one part of a name out of any text: snake case, without dots, at most 64 characters.
///
/// Words that begin with a capital are parted by an underscore, and so is what was neither letter
/// nor digit. A text without letters and digits becomes `unnamed`.
///
/// # Examples
///
/// ```
/// use tta_model::name::span;
/// assert_eq!(span::part("HTTPServer v1.2"), "http_server_v1_2");
/// ```
#[must_use]
pub fn part(text: &str) -> String {
    let mut part = String::new();
    let mut chars = text.chars().peekable();
    let (mut previous_is_lower, mut previous_is_upper) = (false, false);
    let mut length = 0;
    while let Some(char) = chars.next() {
        let next_is_lower = chars.peek().is_some_and(|next| next.is_lowercase());
        let begins_word = char.is_uppercase() && (previous_is_lower || (previous_is_upper && next_is_lower));
        let is_gap = !char.is_alphanumeric();
        if (begins_word || is_gap) && !part.is_empty() && !part.ends_with('_') {
            part.push('_');
            length += 1;
        }
        if !is_gap {
            for lower in char.to_lowercase().filter(|lower| lower.is_alphanumeric()) {
                part.push(lower);
                length += 1;
            }
        }
        if length >= MAX_PART_CHARS {
            break;
        }
        previous_is_lower = char.is_lowercase() || char.is_numeric();
        previous_is_upper = char.is_uppercase();
    }
    part.truncate(part.char_indices().nth(MAX_PART_CHARS).map_or(part.len(), |(end, _)| end));
    part.truncate(part.trim_end_matches('_').len());
    if part.is_empty() { "unnamed".to_owned() } else { part }
}
