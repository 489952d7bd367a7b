//! Steps made of closures.

use std::future::Future;
use std::marker::PhantomData;

use tta_model::Text;

use crate::context::WorkflowContext;
use crate::error::Result;
use crate::flow::Flow;
use crate::primitive::{Description, Primitive};

/// Makes a flow of a closure.
///
/// The name is the step's name and type: its span is called `primitive.<name>.execute`.
///
/// ```
/// use tta_primitives::step;
///
/// let parse = step("parse", |text: String| async move { Ok(text.trim().parse::<i64>()?) });
/// assert_eq!(parse.name(), "parse");
/// ```
#[must_use]
pub fn step<I, O, F, Fut>(name: impl Into<Text>, run: F) -> Flow<I, O>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O>> + Send + 'static,
{
    Flow::new(Step::new(name, run))
}

/// Makes a flow of a closure that wants the context. It gets the context by value, at the cost of a reference count.
///
/// ```
/// use tta_primitives::{WorkflowContext, step_with};
///
/// let remember = step_with("remember", |text: String, cx: WorkflowContext| async move {
///     cx.state().set("seen", text.clone());
///     Ok(text)
/// });
/// # let _ = remember;
/// ```
#[must_use]
pub fn step_with<I, O, F, Fut>(name: impl Into<Text>, run: F) -> Flow<I, O>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(I, WorkflowContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O>> + Send + 'static,
{
    Flow::new(StepWith { name: name.into(), run, types: PhantomData })
}

/// A closure as a primitive.
pub(crate) struct Step<I, O, F> {
    name: Text,
    run: F,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O, F> Step<I, O, F> {
    pub(crate) fn new(name: impl Into<Text>, run: F) -> Self {
        Self { name: name.into(), run, types: PhantomData }
    }
}

impl<I, O, F, Fut> Primitive for Step<I, O, F>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O>> + Send + 'static,
{
    type In = I;
    type Out = O;

    const NEEDS_CONTEXT: bool = false;

    async fn run(&self, input: I, _cx: &WorkflowContext) -> Result<O> {
        (self.run)(input).await
    }

    fn describe(&self) -> Description {
        Description::new(self.name.clone())
    }
}

struct StepWith<I, O, F> {
    name: Text,
    run: F,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O, F, Fut> Primitive for StepWith<I, O, F>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(I, WorkflowContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O>> + Send + 'static,
{
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        (self.run)(input, cx.clone()).await
    }

    fn describe(&self) -> Description {
        Description::new(self.name.clone())
    }
}
