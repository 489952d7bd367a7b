//! Orders of policies that surprise.
//!
//! Each policy is right by itself; what surprises is what they do to each other. Most orders only matter
//! where one policy wraps the other directly, or with nothing but policies between; with a step beside the
//! inner one, the outer one has work of its own to do.

use std::fmt;

use tta_model::Text;
use tta_model::name::attribute::{self, Attribute};

use super::{Flow, Plan};
use crate::observe::NodeInfo;

/// The types of the primitives that wrap one flow to change how it is called.
const POLICIES: &[&str] =
    &["retry", "timeout", "fallback", "circuit_breaker", "bulkhead", "rate_limit", "hedge", "cache"];

/// An order of policies that probably does not do what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// The address of the inner policy.
    pub path: Text,
    /// What it is about.
    pub kind: LintKind,
    /// What happens, and what to do.
    pub message: String,
}

/// What a [`Lint`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LintKind {
    /// A retry somewhere inside a retry: the attempts multiply.
    RetryInsideRetry,
    /// A cache directly inside a retry.
    CacheInsideRetry,
    /// A fallback directly inside a retry, which then sees no error.
    FallbackInsideRetry,
    /// A retry directly inside a circuit breaker, which then sees one failure for many.
    RetryInsideCircuitBreaker,
    /// A retry inside a timeout that leaves no time for its attempts.
    TimeoutTooShortForRetry,
    /// A retry directly inside a hedge: both multiply the load.
    RetryInsideHedge,
    /// A cache directly inside a rate limit, whose hits then take tokens.
    CacheInsideRateLimit,
    /// A cache directly inside a bulkhead, whose hits then take permits.
    CacheInsideBulkhead,
    /// A retry directly inside a bulkhead, whose permit is then held during the waits.
    RetryInsideBulkhead,
    /// A retry directly inside a rate limit, whose attempts then take no tokens.
    RetryInsideRateLimit,
    /// A circuit breaker directly inside a timeout, which then never sees what is too slow.
    CircuitBreakerInsideTimeout,
    /// A fallback directly inside a circuit breaker, which then sees no failure.
    FallbackInsideCircuitBreaker,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl<I, O, S> Flow<I, O, S> {
    /// Names the orders of policies in the flow that probably do not do what was meant; nothing is run.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tta_primitives::{LintKind, Retry, step};
    ///
    /// let policy = || Retry::constant(3, Duration::from_secs(1));
    /// let flow = step("fetch", |id: u64| async move { Ok(id) }).retry(policy()).retry(policy());
    /// let lints = flow.lint();
    /// assert_eq!(lints[0].kind, LintKind::RetryInsideRetry);
    /// assert!(lints[0].message.contains("up to 3 * 3 = 9 attempts"));
    /// ```
    #[must_use]
    pub fn lint(&self) -> Vec<Lint> {
        let mut lints = Vec::new();
        walk(self.plan(), 0, &mut Vec::new(), &mut lints);
        lints
    }
}

/// A node above the one that is looked at.
struct Above<'a> {
    node: &'a NodeInfo,
    /// Whether there are only policies between, each of which calls the one below with its own input.
    directly: bool,
}

fn walk<'a>(plan: &'a Plan, at: u32, above: &mut Vec<Above<'a>>, lints: &mut Vec<Lint>) {
    let node: &NodeInfo = &plan.position(at).node;
    let found = above.iter().filter_map(|outer| check(outer, node));
    // A breaker with a timeout of its own learns of what is slow, whatever limits the whole.
    let is_moot = |lint: &Lint| lint.kind == LintKind::CircuitBreakerInsideTimeout && wraps_timeout(plan, at);
    lints.extend(found.filter(|lint| !is_moot(lint)));
    let is_policy = POLICIES.contains(&node.kind.as_str());
    for (index, &child) in plan.children(at).iter().enumerate() {
        // An alternative of a fallback is something else than what the policies above are about.
        let passes = is_policy && index == 0;
        let mut below: Vec<Above<'a>> = above
            .iter()
            .map(|outer| Above { node: outer.node, directly: outer.directly && passes })
            .collect();
        below.push(Above { node, directly: passes });
        walk(plan, child, &mut below, lints);
    }
}

/// Whether a policy wraps a timeout directly.
fn wraps_timeout(plan: &Plan, at: u32) -> bool {
    let Some(&child) = plan.children(at).first() else { return false };
    let kind = plan.position(child).node.kind.as_str();
    kind == "timeout" || POLICIES.contains(&kind) && wraps_timeout(plan, child)
}

/// What is surprising about one policy inside another.
fn check(outer: &Above<'_>, inner: &NodeInfo) -> Option<Lint> {
    let (kind, message) = match (outer.node.kind.as_str(), inner.kind.as_str()) {
        ("retry", "retry") => (LintKind::RetryInsideRetry, multiplied(outer.node, inner)?),
        ("timeout", "retry") => (LintKind::TimeoutTooShortForRetry, too_short(outer.node, inner)?),
        pair if outer.directly => {
            let (kind, message) = direct(pair)?;
            (kind, message.to_owned())
        }
        _ => return None,
    };
    Some(Lint { path: inner.path.clone(), kind, message })
}

/// How attempts multiply.
fn multiplied(outer: &NodeInfo, inner: &NodeInfo) -> Option<String> {
    let attempts = |node| number(node, attribute::RETRY_MAX_ATTEMPTS);
    let (outer, inner) = (attempts(outer)?, attempts(inner)?);
    let product = outer * inner;
    Some(format!(
        "a retry inside a retry makes up to {outer} * {inner} = {product} attempts; keep the one that is nearer \
         to what fails"
    ))
}

/// How a timeout cuts a retry off, if it does.
fn too_short(timeout: &NodeInfo, retry: &NodeInfo) -> Option<String> {
    let limit = number(timeout, attribute::TIMEOUT_LIMIT_MS)?;
    if let Some(attempt) = number(retry, attribute::RETRY_ATTEMPT_TIMEOUT_MS)
        && limit <= attempt
    {
        return Some(format!(
            "the timeout of {limit} ms ends the retry before one attempt may take its {attempt} ms, so a slow \
             attempt is never retried; raise it, or put the timeout inside the retry to limit each attempt"
        ));
    }
    let waits = number(retry, attribute::RETRY_BACKOFF_TOTAL_MS)?;
    (limit <= waits).then(|| {
        format!(
            "the waits of the retry take about {waits} ms together, so the timeout of {limit} ms ends it before \
             its last attempt; raise it, or make fewer or quicker attempts"
        )
    })
}

/// What is surprising when one policy wraps the other, with nothing but policies between.
fn direct((outer, inner): (&str, &str)) -> Option<(LintKind, &'static str)> {
    Some(match (outer, inner) {
        ("retry", "cache") => (
            LintKind::CacheInsideRetry,
            "a cache inside a retry is asked before every attempt, and callers that share a flight share its \
             failure; put the cache outside the retry",
        ),
        ("retry", "fallback") => (
            LintKind::FallbackInsideRetry,
            "a fallback inside a retry answers at the first failure, so the retry never sees an error; put the \
             fallback outside the retry",
        ),
        ("circuit_breaker", "retry") => (
            LintKind::RetryInsideCircuitBreaker,
            "a circuit breaker outside a retry counts all attempts of a call as one, opens late, and cannot stop \
             the attempts of a call that has passed; put the breaker inside the retry, which then gives up as \
             soon as the circuit is open",
        ),
        ("hedge", "retry") => (
            LintKind::RetryInsideHedge,
            "every attempt of a hedge makes all attempts of the retry, and its waits launch more of them; put \
             the hedge inside the retry",
        ),
        ("rate_limit", "cache") => (
            LintKind::CacheInsideRateLimit,
            "a hit of the cache takes a token of the rate limit; put the cache outside the rate limit",
        ),
        ("bulkhead", "cache") => (
            LintKind::CacheInsideBulkhead,
            "a hit of the cache takes a permit of the bulkhead; put the cache outside the bulkhead",
        ),
        ("bulkhead", "retry") => (
            LintKind::RetryInsideBulkhead,
            "the retry holds a permit of the bulkhead while it waits between attempts; put the bulkhead inside \
             the retry",
        ),
        ("rate_limit", "retry") => (
            LintKind::RetryInsideRateLimit,
            "only the first attempt of the retry takes a token, so retries exceed the rate; put the rate limit \
             inside the retry",
        ),
        ("timeout", "circuit_breaker") => (
            LintKind::CircuitBreakerInsideTimeout,
            "a call that is too slow is dropped before the circuit breaker learns of it, so it never opens for \
             slowness; put the timeout inside the breaker",
        ),
        ("circuit_breaker", "fallback") => (
            LintKind::FallbackInsideCircuitBreaker,
            "the fallback answers for what fails, so the circuit breaker sees no failure and never opens; put \
             the fallback outside the breaker",
        ),
        _ => return None,
    })
}

fn number(node: &NodeInfo, of: Attribute) -> Option<f64> {
    let (_, value) = node.attributes.iter().find(|(key, _)| key == of.key)?;
    value.as_float()
}
