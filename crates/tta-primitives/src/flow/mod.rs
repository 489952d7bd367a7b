//! Flows: primitives as values that can be named, composed, described and run.

mod call;
mod describe;
mod leaf;
mod lint;
mod node;
mod operators;
mod plan;
mod role;
mod run;
mod timed;

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use tta_model::Text;

pub use leaf::Leaf;
pub use lint::{Lint, LintKind};
pub use role::{Child, Role};

pub(crate) use call::{Call, RoleCall, current_while, panicked, within};
pub(crate) use leaf::leaf;
#[cfg(feature = "cache")]
pub(crate) use leaf::noted_leaf;
pub(crate) use node::{NodeRef, PrimitiveNode, Running, Slot, node_of, take};
pub(crate) use plan::Plan;

use crate::error::Result;
use crate::primitive::Primitive;
use crate::step::Step;

/// Marks a flow to which `|` adds a second branch.
#[derive(Clone, Copy, Debug)]
pub enum Single {}

/// Marks a flow made by `|`, to which another `|` adds one more branch.
#[derive(Clone, Copy, Debug)]
pub enum Many {}

/// Marks a flow that runs another one for every item of a list, and can still be told how.
#[derive(Clone, Copy, Debug)]
pub enum Each {}

/// Marks a saga, to which steps can be added.
#[derive(Clone, Copy, Debug)]
pub enum Steps {}

/// A workflow from `I` to `O`: a value that is cheap to clone and can be run any number of times, at once too.
///
/// - `a >> b >> c` runs one after the other: one sequential of three steps, however it is bracketed.
/// - `a | b | c` runs all at once on clones of the input and gives `(A, B, C)`; `a | (b | c)` nests. Rust's
///   precedence holds: `a >> (b | c) >> d` needs its parentheses.
/// - [`then`](Self::then) is `>>` with a closure whose argument type is inferred. What stands to the right of `>>` is
///   itself a flow: of a closure with [`step`](crate::step), of a primitive with [`Flow::new`].
/// - [`named`](Self::named) makes a plain `Flow<I, O>` of a flow of branches, as for a field of a struct.
///
/// ```
/// use tta_primitives::{WorkflowContext, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let double = step("double", |n: i64| async move { Ok(n * 2) });
/// let square = step("square", |n: i64| async move { Ok(n * n) });
/// let flow = (double | square).then("sum", |(a, b)| async move { Ok(a + b) });
/// assert_eq!(flow.run(3, &WorkflowContext::new()).await?, 15);
/// # Ok(()) }
/// ```
///
/// # Runtime
/// A flow runs on any executor. What waits for time (timeouts, retries, rate limits) and what spawns needs tokio.
///
/// # Cost
/// One allocation an execution of a step, however long the flow. Depth costs stack: flows nested in flows, as by
/// wrapping the same flow in policy after policy, take some 3 KB a level in a debug build and less in a release
/// build, so a few hundred levels fit the stack of a worker thread. A thousand steps in a row are one level.
pub struct Flow<I, O, S = Single> {
    pub(crate) node: NodeRef,
    /// Made when the flow is first run by itself; the clones of a flow share it.
    plan: Arc<OnceLock<Arc<Plan>>>,
    types: PhantomData<fn(I, S) -> O>,
}

impl<I: Send + 'static, O: Send + 'static> Flow<I, O> {
    /// Makes a flow of a primitive.
    pub fn new<P: Primitive<In = I, Out = O>>(primitive: P) -> Self {
        Self::of_node(node_of(primitive))
    }
}

impl<I, O, S> Flow<I, O, S> {
    pub(crate) fn of_node(node: NodeRef) -> Self {
        Self { node, plan: Arc::new(OnceLock::new()), types: PhantomData }
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        self.plan.get_or_init(|| Arc::new(Plan::of(&self.node)))
    }

    /// The name of the outermost primitive.
    #[must_use]
    pub fn name(&self) -> Text {
        self.node.describe().name
    }
}

impl<I: Send + 'static, O: Send + 'static, S> Flow<I, O, S> {
    /// Names the flow. A named flow is a unit: `>>` and `|` do not dissolve it into their own steps and branches.
    #[must_use]
    pub fn named(self, name: impl Into<Text>) -> Flow<I, O> {
        Flow::of_node(Arc::new(node::Named { name: name.into(), inner: self.node }))
    }

    /// Continues with a closure, whose argument type is inferred.
    #[must_use]
    pub fn then<N, F, Fut>(self, name: impl Into<Text>, next: F) -> Flow<I, N>
    where
        N: Send + 'static,
        F: Fn(O) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<N>> + Send + 'static,
    {
        self >> Flow::new(Step::new(name, next))
    }

    /// Continues with a plain function that cannot fail.
    #[must_use]
    pub fn map<N, F>(self, name: impl Into<Text>, next: F) -> Flow<I, N>
    where
        N: Send + 'static,
        F: Fn(O) -> N + Send + Sync + 'static,
    {
        self.then(name, move |input| std::future::ready(Ok(next(input))))
    }
}

impl<I, O, S> Clone for Flow<I, O, S> {
    fn clone(&self) -> Self {
        Self { node: Arc::clone(&self.node), plan: Arc::clone(&self.plan), types: PhantomData }
    }
}

impl<I, O, S> fmt::Debug for Flow<I, O, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flow({})", self.name())
    }
}
