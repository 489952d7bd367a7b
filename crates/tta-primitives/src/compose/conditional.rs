//! One of two branches.

use tta_model::Text;
use tta_model::name::attribute;

use super::question::Question;
use crate::context::WorkflowContext;
use crate::error::Result;
use crate::flow::{Flow, Role};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

type Predicate<I> = Question<I, bool>;

/// Begins a conditional: a flow that runs only if a predicate holds, and perhaps another that runs otherwise.
///
/// ```
/// use tta_primitives::{WorkflowContext, conditional, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let halve = step("halve", |n: u32| async move { Ok(n / 2) });
/// let triple = step("triple", |n: u32| async move { Ok(3 * n + 1) });
/// let collatz = conditional(|n: &u32| n % 2 == 0).then(halve.clone()).otherwise(triple);
/// assert_eq!(collatz.run(6, &WorkflowContext::new()).await?, 3);
///
/// let even_only = conditional(|n: &u32| n % 2 == 0).then(halve).pass_through();
/// assert_eq!(even_only.run(7, &WorkflowContext::new()).await?, 7);
/// # Ok(()) }
/// ```
pub fn conditional<I: Send + Sync + 'static>(
    predicate: impl Fn(&I) -> bool + Send + Sync + 'static,
) -> Condition<I> {
    Condition { predicate: Question::now(predicate) }
}

/// Begins a conditional whose predicate is async, and may fail. It gets a clone of the input, and the context.
pub fn conditional_async<I, F, Fut>(predicate: F) -> Condition<I>
where
    I: Clone + Send + Sync + 'static,
    F: Fn(I, WorkflowContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<bool>> + Send + 'static,
{
    Condition { predicate: Question::later(predicate) }
}

/// A predicate that waits for its flow.
#[must_use = "a condition does nothing without `then`"]
pub struct Condition<I> {
    predicate: Predicate<I>,
}

impl<I: Send + Sync + 'static> Condition<I> {
    /// Says what runs if the predicate holds.
    pub fn then<O: Send + 'static>(self, flow: Flow<I, O>) -> Then<I, O> {
        Then { predicate: self.predicate, then: flow }
    }
}

/// A conditional of which is not said what happens if its predicate does not hold.
#[must_use = "finish with `otherwise` or `pass_through`"]
pub struct Then<I, O> {
    predicate: Predicate<I>,
    then: Flow<I, O>,
}

impl<I: Send + Sync + 'static, O: Send + 'static> Then<I, O> {
    /// Says what runs if the predicate does not hold.
    #[must_use]
    pub fn otherwise(self, flow: Flow<I, O>) -> Flow<I, O> {
        let otherwise = Otherwise::Flow(flow);
        Flow::new(Conditional { predicate: self.predicate, then: self.then, otherwise })
    }
}

impl<I: Send + Sync + 'static> Then<I, I> {
    /// Lets the input pass through if the predicate does not hold.
    #[must_use]
    pub fn pass_through(self) -> Flow<I, I> {
        let otherwise = Otherwise::PassThrough(|input| input);
        Flow::new(Conditional { predicate: self.predicate, then: self.then, otherwise })
    }
}

/// What happens if the predicate does not hold.
enum Otherwise<I, O> {
    Flow(Flow<I, O>),
    PassThrough(fn(I) -> O),
}

struct Conditional<I, O> {
    predicate: Predicate<I>,
    then: Flow<I, O>,
    otherwise: Otherwise<I, O>,
}

impl<I: Send + Sync + 'static, O: Send + 'static> Primitive for Conditional<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let holds = self.predicate.ask(&input, cx).await?;
        cx.set_attribute(attribute::CONDITION_RESULT.key(), holds);
        let chosen = |branch| cx.emit(&Event::BranchChosen { branch });
        match &self.otherwise {
            _ if holds => {
                chosen(Some(&Text::Static("then")));
                self.then.call(0, input, cx, &[]).await
            }
            Otherwise::Flow(otherwise) => {
                chosen(Some(&Text::Static("else")));
                otherwise.call(1, input, cx, &[]).await
            }
            Otherwise::PassThrough(pass) => {
                chosen(None);
                Ok(pass(input))
            }
        }
    }

    fn describe(&self) -> Description {
        let description = Description::new("conditional").child(Role::Then, &self.then);
        match &self.otherwise {
            Otherwise::Flow(otherwise) => description.child(Role::Else, otherwise),
            Otherwise::PassThrough(_) => description,
        }
    }
}
