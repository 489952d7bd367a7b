//! Alternatives to what fails.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use tta_model::Text;
use tta_model::name::attribute;

use super::Predicate;
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Child, Flow, NodeRef, PrimitiveNode, Role};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};
use crate::step::step;

impl<I: Clone + Send + 'static, O: Send + 'static, S> Flow<I, O, S> {
    /// Runs another flow, on a clone of the input, when this one fails.
    ///
    /// Another fallback adds to the same chain: the alternatives are tried in order until one succeeds. If
    /// none does, the error is that of the last one, with those before as [related](Error::related) errors.
    /// A cancellation is not caught.
    ///
    /// ```
    /// use tta_primitives::{Error, WorkflowContext, step};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
    /// let remote = step("remote", |_: u32| async { Err::<String, _>(Error::failed("no route")) });
    /// let local = step("local", |id| async move { Ok(format!("guess {id}")) });
    /// let flow = remote.fallback(local).or_value("unknown".to_owned());
    /// assert_eq!(flow.run(7, &WorkflowContext::new()).await?, "guess 7");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn fallback<T>(self, other: Flow<I, O, T>) -> Flow<I, O> {
        Fallback::extend(&self.node, Alternative::flow(Flow::of_node(other.node)))
    }

    /// Runs another flow when this one fails with an error for which the predicate holds; otherwise the
    /// chain goes on after it.
    #[must_use]
    pub fn fallback_if<T>(
        self,
        holds: impl Fn(&Error) -> bool + Send + Sync + 'static,
        other: Flow<I, O, T>,
    ) -> Flow<I, O> {
        let applies = Some(Predicate::new(holds));
        Fallback::extend(&self.node, Alternative { applies, ..Alternative::flow(Flow::of_node(other.node)) })
    }

    /// Runs a closure when this flow fails. The closure gets the input and sees the error.
    ///
    /// ```
    /// use tta_primitives::{Error, WorkflowContext, step};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
    /// let remote = step("remote", |_: u32| async { Err::<String, _>(Error::failed("no route")) });
    /// let flow = remote.fallback_with("explain", |id, error| {
    ///     let why = error.message();
    ///     async move { Ok(format!("{id}: {why}")) }
    /// });
    /// assert_eq!(flow.run(7, &WorkflowContext::new()).await?, "7: no route");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn fallback_with<F, Fut>(self, name: impl Into<Text>, run: F) -> Flow<I, O>
    where
        F: Fn(I, &Error) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O>> + Send + 'static,
    {
        let seeing = Flow::new(Seeing { name: name.into(), run, types: PhantomData });
        Fallback::extend(&self.node, Alternative { applies: None, work: Work::Seeing(seeing) })
    }

    /// Gives a value when this flow fails.
    #[must_use]
    pub fn or_value(self, value: O) -> Flow<I, O>
    where
        O: Clone + Sync,
    {
        self.fallback(step("value", move |_: I| std::future::ready(Ok(value.clone()))))
    }
}

struct Fallback<I, O> {
    primary: Flow<I, O>,
    alternatives: Vec<Alternative<I, O>>,
}

struct Alternative<I, O> {
    /// For which errors it is tried; none means for all.
    applies: Option<Predicate>,
    work: Work<I, O>,
}

enum Work<I, O> {
    Flow(Flow<I, O>),
    Seeing(Flow<(I, Arc<Error>), O>),
}

impl<I, O> Alternative<I, O> {
    fn flow(flow: Flow<I, O>) -> Self {
        Self { applies: None, work: Work::Flow(flow) }
    }

    fn node(&self) -> &NodeRef {
        match &self.work {
            Work::Flow(flow) => &flow.node,
            Work::Seeing(flow) => &flow.node,
        }
    }

    fn applies_to(&self, error: &Error) -> bool {
        self.applies.as_ref().is_none_or(|predicate| predicate.holds(error))
    }
}

impl<I, O> Clone for Alternative<I, O> {
    fn clone(&self) -> Self {
        let work = match &self.work {
            Work::Flow(flow) => Work::Flow(flow.clone()),
            Work::Seeing(flow) => Work::Seeing(flow.clone()),
        };
        Self { applies: self.applies.clone(), work }
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Fallback<I, O> {
    /// Adds an alternative to a flow, and to its own chain if it is a fallback without a name.
    fn extend(first: &NodeRef, alternative: Alternative<I, O>) -> Flow<I, O> {
        let any: &dyn Any = &**first;
        let (primary, mut alternatives) = match any.downcast_ref::<PrimitiveNode<Self>>() {
            Some(chain) => (chain.primitive.primary.clone(), chain.primitive.alternatives.clone()),
            None => (Flow::of_node(NodeRef::clone(first)), Vec::new()),
        };
        alternatives.push(alternative);
        Flow::new(Self { primary, alternatives })
    }

    fn report(&self, cx: &WorkflowContext, index: usize, error: &Error) {
        let name = &cx.run_scope().plan.position(cx.child_at(index)).node.name;
        cx.set_attribute(attribute::FALLBACK_STRATEGY_USED.key(), name.clone());
        cx.emit(&Event::FallbackTriggered { index, name, error });
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Alternative<I, O> {
    /// Runs the alternative as the child of an index, and gives the error back that it has seen.
    async fn call(&self, child: usize, input: I, cx: &WorkflowContext, error: Error) -> (Result<O>, Error) {
        match &self.work {
            Work::Flow(flow) => (flow.call(child, input, cx, &[]).await, error),
            Work::Seeing(flow) => {
                let error = Arc::new(error);
                let result = flow.call(child, (input, Arc::clone(&error)), cx, &[]).await;
                let error = Arc::into_inner(error);
                (result, error.expect("a closure that borrows the error cannot keep it"))
            }
        }
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Primitive for Fallback<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let first = self.primary.call(0, input.clone(), cx, &[]).await;
        cx.set_attribute(attribute::FALLBACK_TRIGGERED.key(), first.is_err());
        let mut error = match first {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let mut earlier = Vec::new();
        for (index, alternative) in (1..).zip(&self.alternatives) {
            if error.kind() == ErrorKind::Cancelled || cx.is_cancelled() {
                break;
            }
            if !alternative.applies_to(&error) {
                continue;
            }
            self.report(cx, index, &error);
            let (result, seen) = alternative.call(index, input.clone(), cx, error).await;
            cx.emit(&Event::FallbackFinished { index, succeeded: result.is_ok() });
            earlier.push(seen);
            error = match result {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
        }
        Err(earlier.into_iter().fold(error, Error::with_related))
    }

    fn describe(&self) -> Description {
        let mut description = Description::new("fallback").child(Role::Primary, &self.primary);
        for (index, alternative) in (1..).zip(&self.alternatives) {
            description.children.push(Child::of_node(Role::Alternative(index), alternative.node()));
        }
        description
    }
}

/// A closure that sees the error.
struct Seeing<I, O, F> {
    name: Text,
    run: F,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O, F, Fut> Primitive for Seeing<I, O, F>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(I, &Error) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O>> + Send + 'static,
{
    type In = (I, Arc<Error>);
    type Out = O;

    async fn run(&self, (input, error): Self::In, _cx: &WorkflowContext) -> Result<O> {
        let work = (self.run)(input, &error);
        drop(error);
        work.await
    }

    fn describe(&self) -> Description {
        Description::new(self.name.clone())
    }
}
