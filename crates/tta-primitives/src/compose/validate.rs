//! A check of a value.

use tta_model::Text;
use tta_model::name::attribute;

use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

/// Makes a flow that lets its input pass if a rule holds.
///
/// The rule returns anything that says what is wrong: a [`Validation`] with errors and warnings, a
/// `Result<(), message>`, or a `bool`.
///
/// # Errors
/// If the rule finds errors: one of kind [`Invalid`](crate::ErrorKind::Invalid) that names the rule and
/// them. Warnings are recorded and let the input pass.
///
/// ```
/// use tta_primitives::{Validation, WorkflowContext, validate};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let checked = validate("order", |quantity: &i64| {
///     Validation::new()
///         .error_if(*quantity < 1, "the quantity is not positive")
///         .warning_if(*quantity > 1_000, "the quantity is unusual")
/// });
/// assert_eq!(checked.run(2_000, &WorkflowContext::new()).await?, 2_000);
/// let error = checked.run(0, &WorkflowContext::new()).await.unwrap_err();
/// assert_eq!(error.message(), "rule `order` does not hold: the quantity is not positive");
/// # Ok(()) }
/// ```
#[must_use]
pub fn validate<T, V, F>(rule: impl Into<Text>, check: F) -> Flow<T, T>
where
    T: Send + Sync + 'static,
    V: Into<Validation>,
    F: Fn(&T) -> V + Send + Sync + 'static,
{
    let check = Box::new(move |value: &T| check(value).into());
    Flow::new(Validate { rule: rule.into(), check })
}

/// What a rule found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// What is wrong; the value is valid if nothing is.
    pub errors: Vec<Text>,
    /// What is doubtful.
    pub warnings: Vec<Text>,
    /// The schema that the value was held against.
    pub schema: Option<Text>,
}

impl Validation {
    /// Nothing is wrong so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an error if a condition holds.
    #[must_use]
    pub fn error_if(mut self, condition: bool, message: impl Into<Text>) -> Self {
        self.errors.extend(condition.then(|| message.into()));
        self
    }

    /// Adds a warning if a condition holds.
    #[must_use]
    pub fn warning_if(mut self, condition: bool, message: impl Into<Text>) -> Self {
        self.warnings.extend(condition.then(|| message.into()));
        self
    }

    /// Names the schema that the value was held against.
    #[must_use]
    pub fn against(mut self, schema: impl Into<Text>) -> Self {
        self.schema = Some(schema.into());
        self
    }
}

impl From<bool> for Validation {
    fn from(holds: bool) -> Self {
        Self::new().error_if(!holds, "the value was refused")
    }
}

impl<M: Into<Text>> From<std::result::Result<(), M>> for Validation {
    fn from(result: std::result::Result<(), M>) -> Self {
        Self { errors: result.err().map(Into::into).into_iter().collect(), ..Self::default() }
    }
}

struct Validate<T> {
    rule: Text,
    check: Box<dyn Fn(&T) -> Validation + Send + Sync>,
}

impl<T: Send + Sync + 'static> Primitive for Validate<T> {
    type In = T;
    type Out = T;

    async fn run(&self, value: T, cx: &WorkflowContext) -> Result<T> {
        let Validation { errors, warnings, schema } = (self.check)(&value);
        cx.emit(&Event::ValidationFinished { rule: &self.rule, errors: &errors, warnings: &warnings });
        cx.set_attribute(attribute::VALIDATION_PASSED.key(), errors.is_empty());
        cx.set_attribute(attribute::VALIDATION_ERRORS.key(), errors.len());
        cx.set_attribute(attribute::VALIDATION_WARNINGS.key(), warnings.len());
        if let Some(schema) = schema {
            cx.set_attribute(attribute::VALIDATION_SCHEMA.key(), schema);
        }
        if errors.is_empty() {
            return Ok(value);
        }
        let errors: Vec<&str> = errors.iter().map(Text::as_str).collect();
        Err(Error::invalid(format!("rule `{}` does not hold: {}", self.rule, errors.join("; "))))
    }

    fn describe(&self) -> Description {
        Description::new("validate").attribute(attribute::VALIDATION_RULE.key(), self.rule.clone())
    }
}
