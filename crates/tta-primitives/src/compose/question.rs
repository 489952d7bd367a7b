//! What a conditional or a switch asks of its input.

use futures::future::BoxFuture;

use crate::context::WorkflowContext;
use crate::error::Result;

type Now<I, A> = dyn Fn(&I) -> A + Send + Sync;
type Later<I, A> = dyn Fn(&I, &WorkflowContext) -> BoxFuture<'static, Result<A>> + Send + Sync;

/// A question about an input: answered at once, or by a future.
pub(super) enum Question<I, A> {
    Now(Box<Now<I, A>>),
    Later(Box<Later<I, A>>),
}

impl<I, A> Question<I, A> {
    pub(super) fn now(answer: impl Fn(&I) -> A + Send + Sync + 'static) -> Self {
        Self::Now(Box::new(answer))
    }

    /// The future owns a clone of the input, since a closure cannot say that its future borrows it.
    pub(super) fn later<F, Fut>(answer: F) -> Self
    where
        I: Clone,
        F: Fn(I, WorkflowContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<A>> + Send + 'static,
    {
        Self::Later(Box::new(move |input, cx| Box::pin(answer(input.clone(), cx.clone()))))
    }

    pub(super) async fn ask(&self, input: &I, cx: &WorkflowContext) -> Result<A> {
        match self {
            Self::Now(answer) => Ok(answer(input)),
            Self::Later(answer) => answer(input, cx).await,
        }
    }
}
