//! Faults and latency that are put in on purpose.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock;
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, Role};
use crate::primitive::{Description, Primitive};
use crate::random;

/// How many numbers are drawn for a call.
const DRAWS: u64 = 4;

/// What goes wrong, and how often. What happens to a call depends on the seed and its number alone.
///
/// ```
/// use std::time::Duration;
/// use tta_primitives::testkit::Chaos;
/// use tta_primitives::{WorkflowContext, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let flaky = step("call", |n: u32| async move { Ok(n) }).chaos(Chaos::new(7).fail(0.3));
/// let cx = WorkflowContext::new();
/// let mut failed = 0;
/// for n in 0..1_000 {
///     failed += u32::from(flaky.run(n, &cx).await.is_err());
/// }
/// assert!((250..350).contains(&failed));
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Chaos {
    seed: u64,
    fail: f64,
    kind: ErrorKind,
    panic: f64,
    delay: f64,
    latency: Range<Duration>,
}

impl Chaos {
    /// Makes a chaos in which nothing goes wrong yet.
    pub fn new(seed: u64) -> Self {
        let latency = Duration::ZERO..Duration::ZERO;
        Self { seed, fail: 0.0, kind: ErrorKind::Unavailable, panic: 0.0, delay: 0.0, latency }
    }

    /// Lets calls fail without being made, with a probability in `0.0..=1.0`.
    pub fn fail(mut self, probability: f64) -> Self {
        self.fail = probability;
        self
    }

    /// Says of which kind the failures are; [`Unavailable`](ErrorKind::Unavailable) otherwise.
    pub fn kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Lets calls panic, with a probability in `0.0..=1.0`.
    pub fn panic(mut self, probability: f64) -> Self {
        self.panic = probability;
        self
    }

    /// Delays calls by a time in a range, with a probability in `0.0..=1.0`.
    pub fn delay(mut self, probability: f64, latency: Range<Duration>) -> Self {
        self.delay = probability;
        self.latency = latency;
        self
    }
}

impl<I: Send + 'static, O: Send + 'static, S> Flow<I, O, S> {
    /// Puts faults and latency before the flow.
    #[must_use]
    pub fn chaos(self, chaos: Chaos) -> Flow<I, O> {
        Flow::new(Chaotic { flow: Flow::of_node(self.node), chaos, calls: AtomicU64::new(0) })
    }
}

struct Chaotic<I, O> {
    flow: Flow<I, O>,
    chaos: Chaos,
    calls: AtomicU64,
}

impl<I: Send + 'static, O: Send + 'static> Primitive for Chaotic<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let Chaos { seed, fail, kind, panic, delay, latency } = &self.chaos;
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let draw = |number: u64| random::unit_at(*seed, call * DRAWS + number);
        if draw(0) < *delay {
            let spread = latency.end.saturating_sub(latency.start);
            clock::sleep(latency.start + spread.mul_f64(draw(1))).await;
        }
        if draw(2) < *fail {
            return Err(Error::new(*kind, format!("chaos let call {call} fail")));
        }
        assert!(draw(3) >= *panic, "chaos let call {call} panic");
        self.flow.call(0, input, cx, &[]).await
    }

    fn describe(&self) -> Description {
        Description::new("chaos").child(Role::Inner, &self.flow)
    }
}
