//! The same again until it is done.

use std::sync::Arc;

use tta_model::name::attribute;

use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, Role};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

/// Begins a loop: a flow that runs again on its own output until a condition holds, so many times at most.
///
/// The flow runs at least once. If the condition does not hold after the last time, the error is of kind
/// [`LimitReached`](ErrorKind::LimitReached).
///
/// ```
/// use tta_primitives::{WorkflowContext, repeat, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let double = step("double", |n: u32| async move { Ok(n * 2) });
/// let flow = repeat(double).until(|n: &u32| *n > 100).max(10);
/// assert_eq!(flow.run(1, &WorkflowContext::new()).await?, 128);
/// # Ok(()) }
/// ```
pub fn repeat<T: Send + 'static>(flow: Flow<T, T>) -> Repeat<T> {
    Repeat { flow }
}

/// A loop without a condition.
#[must_use = "say `until` when"]
pub struct Repeat<T> {
    flow: Flow<T, T>,
}

impl<T: Send + 'static> Repeat<T> {
    /// Says after which output it is done.
    pub fn until(self, is_done: impl Fn(&T) -> bool + Send + Sync + 'static) -> Until<T> {
        Until { flow: self.flow, is_done: Arc::new(is_done) }
    }
}

type Condition<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

/// A loop without a bound.
#[must_use = "say how many times at most with `max`"]
pub struct Until<T> {
    flow: Flow<T, T>,
    is_done: Condition<T>,
}

impl<T: Send + 'static> Until<T> {
    /// Says how many times it runs at most; at least once.
    #[must_use]
    pub fn max(self, iterations: u32) -> Flow<T, T> {
        Flow::new(Loop { flow: self.flow, is_done: self.is_done, max: iterations.max(1) })
    }
}

struct Loop<T> {
    flow: Flow<T, T>,
    is_done: Condition<T>,
    max: u32,
}

impl<T: Send + 'static> Primitive for Loop<T> {
    type In = T;
    type Out = T;

    async fn run(&self, mut value: T, cx: &WorkflowContext) -> Result<T> {
        for iteration in 1..=self.max {
            let number = [(attribute::LOOP_ITERATION.key(), i64::from(iteration).into())];
            value = self.flow.call(0, value, cx, &number).await?;
            cx.emit(&Event::IterationFinished { iteration });
            if (self.is_done)(&value) {
                return Ok(value);
            }
        }
        let message = format!("the loop was not done after {} iterations", self.max);
        Err(Error::new(ErrorKind::LimitReached, message))
    }

    fn describe(&self) -> Description {
        Description::new("loop")
            .attribute(attribute::LOOP_MAX_ITERATIONS.key(), i64::from(self.max))
            .child(Role::Iteration, &self.flow)
    }
}
