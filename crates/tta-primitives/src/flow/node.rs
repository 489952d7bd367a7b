//! Nodes: primitives behind a type that does not show what goes in and out.
//!
//! A [`Flow`](super::Flow) knows its types; its node does not, so that a thousand steps of different
//! types can lie in one list. Values pass from step to step as `&mut Option<T>` behind `dyn Any`: the
//! output stays in the allocation of the step that made it until the next step takes it, and a step costs
//! one allocation.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tta_model::Text;

use super::call::{Call, Watch, observed};
use super::timed::{in_own_context, timed, unobserved};
use crate::context::WorkflowContext;
use crate::error::Result;
use crate::primitive::{Description, Primitive};

/// An `Option<T>` of some type `T`.
pub(crate) type Slot = dyn Any + Send;
pub(crate) type NodeRef = Arc<dyn Node>;
pub(crate) type Running<'a> = Pin<Box<dyn Run + Send + 'a>>;

/// A primitive whose types are not shown.
pub(crate) trait Node: Any + Send + Sync {
    /// Takes the input and starts to run; only through [`Call`], which observes it.
    fn start<'a>(&'a self, input: &mut Slot, cx: &'a WorkflowContext, call: Call<'a>) -> Running<'a>;

    fn describe(&self) -> Description;
}

/// A node that runs.
pub(crate) trait Run {
    /// Polls the node. Once it is ready, its output lies in the slot.
    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<()>>;

    /// The slot of the output.
    fn output(self: Pin<&mut Self>) -> &mut Slot;

    /// Moves the output into a slot of its own, for a reader that outlives the node.
    fn detach_output(self: Pin<&mut Self>) -> Box<Slot>;
}

/// Takes the value out of a slot.
pub(crate) fn take<T: 'static>(slot: &mut Slot) -> T {
    let value = slot.downcast_mut::<Option<T>>().and_then(Option::take);
    value.expect("flows compose only where types fit, and every value is taken once")
}

pub(crate) fn node_of<P: Primitive>(primitive: P) -> NodeRef {
    Arc::new(PrimitiveNode { primitive })
}

pub(crate) struct PrimitiveNode<P> {
    pub(crate) primitive: P,
}

impl<P: Primitive> Node for PrimitiveNode<P> {
    fn start<'a>(&'a self, input: &mut Slot, cx: &'a WorkflowContext, call: Call<'a>) -> Running<'a> {
        let input = take::<P::In>(input);
        // Chosen here and not inside of one future, which would be as large as the largest, and is moved into its box.
        match Watch::of(cx, call) {
            Watch::Observed => running(observed(&self.primitive, input, cx, call)),
            _ if P::NEEDS_CONTEXT => running(in_own_context(&self.primitive, input, cx, call.at)),
            Watch::Timed => running(timed(&self.primitive, input, cx, call.at)),
            Watch::Nobody => running(unobserved(&self.primitive, input, cx, call.at)),
        }
    }

    fn describe(&self) -> Description {
        self.primitive.describe()
    }
}

fn running<'a, O: Send + 'static>(future: impl Future<Output = Result<O>> + Send + 'a) -> Running<'a> {
    Box::pin(Task { future, output: None })
}

pin_project! {
    struct Task<F, O> {
        #[pin]
        future: F,
        output: Option<O>,
    }
}

impl<F: Future<Output = Result<O>>, O: Send + 'static> Run for Task<F, O> {
    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.project();
        this.future.poll(task).map_ok(|output| *this.output = Some(output))
    }

    fn output(self: Pin<&mut Self>) -> &mut Slot {
        self.project().output
    }

    fn detach_output(self: Pin<&mut Self>) -> Box<Slot> {
        Box::new(self.project().output.take())
    }
}

/// A node under another name.
pub(crate) struct Named {
    pub(crate) name: Text,
    pub(crate) inner: NodeRef,
}

impl Node for Named {
    fn start<'a>(&'a self, input: &mut Slot, cx: &'a WorkflowContext, call: Call<'a>) -> Running<'a> {
        self.inner.start(input, cx, call)
    }

    fn describe(&self) -> Description {
        self.inner.describe().named(self.name.clone())
    }
}
