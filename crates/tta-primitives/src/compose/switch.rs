//! One of several cases.

use std::fmt::Write;

use tta_model::Text;
use tta_model::name::attribute;

use super::question::Question;
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, Role};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

/// The name of the case for every other key.
const DEFAULT: &str = "default";

/// Begins a switch: a function gives a key, and the case of that key runs.
///
/// ```
/// use tta_primitives::{WorkflowContext, step, switch};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let greet = switch(|language: &&'static str| *language)
///     .case("de", step("german", |_| async { Ok("guten Tag") }))
///     .case("fr", step("french", |_| async { Ok("bonjour") }))
///     .default(step("english", |_| async { Ok("hello") }));
/// assert_eq!(greet.run("fr", &WorkflowContext::new()).await?, "bonjour");
/// assert_eq!(greet.run("eo", &WorkflowContext::new()).await?, "hello");
/// # Ok(()) }
/// ```
pub fn switch<I, K>(key: impl Fn(&I) -> K + Send + Sync + 'static) -> SwitchKey<I>
where
    I: Send + Sync + 'static,
    K: Into<Text>,
{
    SwitchKey { key: Question::now(move |input| key(input).into()) }
}

/// Begins a switch whose key is found by a future, which may fail. It gets a clone of the input, and the context.
pub fn switch_async<I, K, F, Fut>(key: F) -> SwitchKey<I>
where
    I: Clone + Send + Sync + 'static,
    K: Into<Text> + 'static,
    F: Fn(I, WorkflowContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<K>> + Send + 'static,
{
    SwitchKey {
        key: Question::later(move |input, cx| {
            let key = key(input, cx);
            async move { Ok(key.await?.into()) }
        }),
    }
}

/// The key of a switch that waits for its first case.
#[must_use = "a key does nothing without a case"]
pub struct SwitchKey<I> {
    key: Question<I, Text>,
}

impl<I: Send + Sync + 'static> SwitchKey<I> {
    /// Adds the first case.
    pub fn case<O: Send + 'static>(self, key: impl Into<Text>, flow: Flow<I, O>) -> Cases<I, O> {
        Cases { key: self.key, cases: vec![(key.into(), flow)] }
    }
}

/// A switch of which is not said what happens if no case fits.
#[must_use = "finish with `default`, `pass_through` or `or_fail`"]
pub struct Cases<I, O> {
    key: Question<I, Text>,
    cases: Vec<(Text, Flow<I, O>)>,
}

impl<I: Send + Sync + 'static, O: Send + 'static> Cases<I, O> {
    /// Adds a case. Of two cases with the same key the first one counts.
    pub fn case(mut self, key: impl Into<Text>, flow: Flow<I, O>) -> Self {
        self.cases.push((key.into(), flow));
        self
    }

    /// Says what runs if no case fits.
    #[must_use]
    pub fn default(self, flow: Flow<I, O>) -> Flow<I, O> {
        self.with(Otherwise::Flow(flow))
    }

    /// Fails with an error of kind [`NoRoute`](ErrorKind::NoRoute), which lists the cases, if none fits.
    #[must_use]
    pub fn or_fail(self) -> Flow<I, O> {
        self.with(Otherwise::Fail)
    }

    fn with(self, otherwise: Otherwise<I, O>) -> Flow<I, O> {
        Flow::new(Switch { key: self.key, cases: self.cases, otherwise })
    }
}

impl<I: Send + Sync + 'static> Cases<I, I> {
    /// Lets the input pass through if no case fits.
    #[must_use]
    pub fn pass_through(self) -> Flow<I, I> {
        self.with(Otherwise::PassThrough(|input| input))
    }
}

/// What happens if no case fits.
enum Otherwise<I, O> {
    Flow(Flow<I, O>),
    PassThrough(fn(I) -> O),
    Fail,
}

struct Switch<I, O> {
    key: Question<I, Text>,
    cases: Vec<(Text, Flow<I, O>)>,
    otherwise: Otherwise<I, O>,
}

impl<I: Send + Sync + 'static, O: Send + 'static> Switch<I, O> {
    fn no_case(&self, key: &Text) -> Error {
        let mut message = format!("no case for `{key}`; the cases are");
        for (index, (case, _)) in self.cases.iter().enumerate() {
            let _ = write!(message, "{} `{case}`", if index == 0 { "" } else { "," });
        }
        Error::new(ErrorKind::NoRoute, message)
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Primitive for Switch<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let key = self.key.ask(&input, cx).await?;
        let chosen = |branch| cx.emit(&Event::BranchChosen { branch });
        let found = self.cases.iter().enumerate().find(|(_, (case, _))| *case == key);
        if let Some((index, (case, flow))) = found {
            cx.set_attribute(attribute::SWITCH_CASE.key(), case.clone());
            chosen(Some(case));
            return flow.call(index, input, cx, &[]).await;
        }
        match &self.otherwise {
            Otherwise::Flow(flow) => {
                cx.set_attribute(attribute::SWITCH_CASE.key(), DEFAULT);
                chosen(Some(&Text::Static(DEFAULT)));
                flow.call(self.cases.len(), input, cx, &[]).await
            }
            Otherwise::PassThrough(pass) => {
                chosen(None);
                Ok(pass(input))
            }
            Otherwise::Fail => Err(self.no_case(&key)),
        }
    }

    fn describe(&self) -> Description {
        let mut description = Description::new("switch");
        for (case, flow) in &self.cases {
            description = description.child(Role::Case(case.clone()), flow);
        }
        match &self.otherwise {
            Otherwise::Flow(flow) => description.child(Role::Case(DEFAULT.into()), flow),
            Otherwise::PassThrough(_) | Otherwise::Fail => description,
        }
    }
}
