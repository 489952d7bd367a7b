//! What the author of a step implements.

use std::future::Future;

use tta_model::{Attributes, Key, Text, Value};

use crate::context::WorkflowContext;
use crate::error::Result;
use crate::flow::{Child, Flow};

/// A unit of work: something that turns an input into an output, or fails.
///
/// Implement it with a plain `async fn`, then make a [`Flow`] of it with [`Flow::new`] and compose.
/// Small steps need no type of their own: [`step`](crate::step) wraps a closure.
///
/// ```
/// use tta_primitives::{Flow, Primitive, Result, WorkflowContext};
///
/// struct CountWords;
///
/// impl Primitive for CountWords {
///     type In = String;
///     type Out = usize;
///
///     async fn run(&self, text: String, _cx: &WorkflowContext) -> Result<usize> {
///         Ok(text.split_whitespace().count())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let flow = Flow::new(CountWords);
/// assert_eq!(flow.run("observable by construction".to_owned(), &WorkflowContext::new()).await?, 3);
/// # Ok(()) }
/// ```
///
/// A primitive may call flows of its own. It names them as children, so that descriptions show them and their
/// addresses are theirs:
///
/// ```
/// use tta_primitives::{Description, Flow, Primitive, Result, Role, WorkflowContext, step};
///
/// struct Twice {
///     inner: Flow<i64, i64>,
/// }
///
/// impl Primitive for Twice {
///     type In = i64;
///     type Out = i64;
///
///     async fn run(&self, n: i64, cx: &WorkflowContext) -> Result<i64> {
///         let once = self.inner.run(n, cx).await?;
///         self.inner.run(once, cx).await
///     }
///
///     fn describe(&self) -> Description {
///         Description::of::<Self>().child(Role::Inner, &self.inner)
///     }
/// }
///
/// let twice = Flow::new(Twice { inner: step("add", |n: i64| async move { Ok(n + 1) }) });
/// assert_eq!(twice.to_tree(), "twice\n└─ add\n");
/// ```
///
/// # Cancellation
/// The future is dropped when the run is cancelled or a time limit passes. What must happen at the end
/// belongs in a [`Drop`] or in a [saga](crate::saga).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a primitive",
    label = "this is not a primitive",
    note = "implement `Primitive` for it, or wrap a closure: `step(\"name\", |input: In| async move {{ Ok(output) }})`"
)]
pub trait Primitive: Send + Sync + 'static {
    /// What goes in.
    type In: Send + 'static;
    /// What comes out.
    type Out: Send + 'static;

    /// Whether the work looks at its context. Where it does not, an unobserved node is spared making one.
    #[doc(hidden)]
    const NEEDS_CONTEXT: bool = true;

    /// Does the work.
    ///
    /// # Errors
    /// Whatever the work fails with; types that implement [`std::error::Error`] convert into
    /// [`Error`](crate::Error) with `?`.
    fn run(&self, input: Self::In, cx: &WorkflowContext) -> impl Future<Output = Result<Self::Out>> + Send;

    /// Describes the primitive: by default its name and type are those of the Rust type.
    ///
    /// A primitive that calls other flows names them here as children, so that they are shown in
    /// descriptions and have addresses.
    fn describe(&self) -> Description {
        Description::of::<Self>()
    }
}

/// What is known of a primitive before it runs.
#[derive(Clone, Debug)]
pub struct Description {
    /// The name, unless the flow [is named](Flow::named).
    pub name: Text,
    /// The type: the middle of the span name `primitive.<type>.<action>`.
    pub kind: Text,
    /// The action: the end of the span name.
    pub action: Text,
    /// Attributes that every span of the primitive has.
    pub attributes: Attributes,
    /// The flows that it calls, in order.
    pub children: Vec<Child>,
}

impl Description {
    /// Describes a primitive of a type, with the type as its name and the action `execute`.
    #[must_use]
    pub fn new(kind: impl Into<Text>) -> Self {
        let kind = kind.into();
        Self {
            name: kind.clone(),
            kind,
            action: "execute".into(),
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    /// Describes a primitive by its Rust type, written in snake case.
    #[must_use]
    pub fn of<P: ?Sized>() -> Self {
        let name = std::any::type_name::<P>();
        let base = name.split('<').next().unwrap_or(name);
        Self::new(snake_case(base.rsplit("::").next().unwrap_or(base)))
    }

    /// Names the primitive.
    #[must_use]
    pub fn named(mut self, name: impl Into<Text>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the action.
    #[must_use]
    pub fn action(mut self, action: impl Into<Text>) -> Self {
        self.action = action.into();
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        self.attributes.push((key.into(), value.into()));
        self
    }

    /// Adds a flow that the primitive calls.
    #[must_use]
    pub fn child<I, O, S>(mut self, role: crate::flow::Role, flow: &Flow<I, O, S>) -> Self {
        self.children.push(Child::new(role, flow));
        self
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, character) in name.char_indices() {
        if character.is_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rust_type_is_described_in_snake_case() {
        struct CountWords<T>(std::marker::PhantomData<T>);
        let description = Description::of::<CountWords<Vec<String>>>();
        assert_eq!((description.name.as_str(), description.action.as_str()), ("count_words", "execute"));
    }
}
