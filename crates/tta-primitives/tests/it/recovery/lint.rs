//! Lint: orders of policies that surprise are named before they run.

use std::time::Duration;

use tta_primitives::{
    Bulkhead, CircuitBreaker, Description, Flow, Hedge, LintKind, Primitive, RateLimit, Result, Retry, Role,
    WorkflowContext, step,
};

use super::ms;

fn work() -> Flow<u32, u32> {
    step("work", |n: u32| async move { Ok(n) })
}

fn three() -> Retry {
    Retry::constant(3, ms(100))
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("service").build()
}

fn bulkhead() -> Bulkhead {
    Bulkhead::builder("database", 2).build()
}

fn rate() -> RateLimit {
    RateLimit::builder("search", 10, Duration::from_secs(1)).build()
}

/// What a cache looks like to the lint, in whichever feature caches are.
fn cached(inner: Flow<u32, u32>) -> Flow<u32, u32> {
    struct Cached(Flow<u32, u32>);
    impl Primitive for Cached {
        type In = u32;
        type Out = u32;
        async fn run(&self, input: u32, cx: &WorkflowContext) -> Result<u32> {
            self.0.run(input, cx).await
        }
        fn describe(&self) -> Description {
            Description::new("cache").child(Role::Inner, &self.0)
        }
    }
    Flow::new(Cached(inner))
}

/// The bad order has exactly this lint, whose message says something; the good order has none.
#[track_caller]
fn check(kind: LintKind, says: &str, bad: Flow<u32, u32>, good: Flow<u32, u32>) {
    let found = bad.lint();
    let kinds: Vec<_> = found.iter().map(|lint| lint.kind).collect();
    assert_eq!(kinds, [kind], "{found:?}");
    assert!(found[0].message.contains(says), "{}", found[0]);
    assert_eq!(good.lint(), [], "the good order");
}

#[test]
fn retries_multiply() {
    let bad = (work().retry(three()) >> work()).retry(Retry::constant(4, ms(1)));
    check(LintKind::RetryInsideRetry, "4 * 3 = 12 attempts", bad, work().retry(three()) >> work());
}

#[test]
fn the_path_is_that_of_the_inner_policy() {
    let lints = (work() >> work().retry(three())).retry(three()).lint();
    assert_eq!(lints[0].path, "retry/sequential/retry");
    assert!(lints[0].to_string().starts_with("retry/sequential/retry: a retry inside a retry"));
}

#[test]
fn a_cache_belongs_outside_a_retry() {
    check(
        LintKind::CacheInsideRetry,
        "put the cache outside",
        cached(work()).retry(three()),
        cached(work().retry(three())),
    );
    assert_eq!((cached(work()) >> work()).retry(three()).lint(), [], "a cached step of retried work is fine");
}

#[test]
fn a_retry_around_a_fallback_never_sees_an_error() {
    check(
        LintKind::FallbackInsideRetry,
        "never sees an error",
        work().or_value(1).retry(three()),
        work().retry(three()).or_value(1),
    );
}

#[test]
fn an_alternative_may_be_retried() {
    let flow = work().retry(three()).fallback(work().retry(three()).or_value(1));
    assert_eq!(flow.lint(), []);
}

#[test]
fn a_circuit_breaker_belongs_inside_a_retry() {
    check(
        LintKind::RetryInsideCircuitBreaker,
        "put the breaker inside the retry",
        work().retry(three()).circuit_breaker(&breaker()),
        work().circuit_breaker(&breaker()).retry(three()),
    );
}

#[test]
fn a_timeout_leaves_time_for_the_attempts() {
    let patient = || work().retry(three().attempt_timeout(ms(500)));
    check(
        LintKind::TimeoutTooShortForRetry,
        "the timeout of 400 ms ends the retry before one attempt may take its 500 ms",
        patient().timeout(ms(400)),
        patient().timeout(ms(2_000)),
    );
    check(
        LintKind::TimeoutTooShortForRetry,
        "the waits of the retry take about 200 ms together",
        (work() >> work().retry(three())).timeout(ms(150)),
        work().timeout(ms(150)).retry(three()),
    );
}

#[test]
fn a_hedge_belongs_inside_a_retry() {
    let hedge = Hedge::after(ms(10));
    check(
        LintKind::RetryInsideHedge,
        "put the hedge inside",
        work().retry(three()).hedge(hedge),
        work().hedge(hedge).retry(three()),
    );
}

#[test]
fn a_cache_belongs_outside_what_is_scarce() {
    check(
        LintKind::CacheInsideRateLimit,
        "takes a token",
        cached(work()).rate_limit(&rate()),
        cached(work().rate_limit(&rate())),
    );
    check(
        LintKind::CacheInsideBulkhead,
        "takes a permit",
        cached(work()).bulkhead(&bulkhead()),
        cached(work().bulkhead(&bulkhead())),
    );
}

#[test]
fn permits_and_tokens_are_taken_by_each_attempt() {
    check(
        LintKind::RetryInsideBulkhead,
        "while it waits",
        work().retry(three()).bulkhead(&bulkhead()),
        work().bulkhead(&bulkhead()).retry(three()),
    );
    check(
        LintKind::RetryInsideRateLimit,
        "retries exceed the rate",
        work().retry(three()).rate_limit(&rate()),
        work().rate_limit(&rate()).retry(three()),
    );
}

#[test]
fn a_circuit_breaker_learns_of_what_is_slow_and_what_fails() {
    check(
        LintKind::CircuitBreakerInsideTimeout,
        "put the timeout inside",
        work().circuit_breaker(&breaker()).timeout(ms(10)),
        work().timeout(ms(10)).circuit_breaker(&breaker()),
    );
    check(
        LintKind::FallbackInsideCircuitBreaker,
        "never opens",
        work().or_value(1).circuit_breaker(&breaker()),
        work().circuit_breaker(&breaker()).or_value(1),
    );
}

#[test]
fn the_usual_stack_has_no_lint() {
    let each = work().timeout(ms(500)).circuit_breaker(&breaker()).bulkhead(&bulkhead()).rate_limit(&rate());
    let flow = cached(each.retry(three()).timeout(ms(5_000)).or_value(1));
    assert_eq!(flow.lint(), []);
}
