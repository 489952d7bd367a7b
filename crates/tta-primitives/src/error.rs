//! The one error of workflows.
//!
//! Whatever goes wrong in a step, what comes out is an [`Error`]: opaque, small, and still carrying
//! the step's own error, which can be [found again](Error::downcast_ref). Beside it are the few facts
//! on which recovery decides: a [kind](Error::kind), whether another attempt makes sense, how long
//! to wait before it, and the path of the step.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use tta_model::{ExecutionStatus, Text};

/// The result of a step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The step returned an error of its own.
    Failed,
    /// The input is not valid; the same input will fail again.
    Invalid,
    /// A time limit or deadline passed.
    Timeout,
    /// The run was cancelled.
    Cancelled,
    /// The step panicked.
    Panic,
    /// A circuit breaker is open and did not let the call through.
    CircuitOpen,
    /// A rate limiter, here or at a remote service, did not let the call through.
    RateLimited,
    /// A bulkhead had neither a permit nor room in its queue.
    BulkheadFull,
    /// The call would spend more than the run's budget.
    BudgetExceeded,
    /// A gate did not approve.
    Rejected,
    /// A router or switch found no route for the input.
    NoRoute,
    /// A loop reached its bound without meeting its condition.
    LimitReached,
    /// A service could not be reached or answered that it is not available.
    Unavailable,
}

impl ErrorKind {
    /// Every kind, as for whoever turns its [word](Self::as_str) back into a kind.
    pub const ALL: &'static [Self] = &[
        Self::Failed,
        Self::Invalid,
        Self::Timeout,
        Self::Cancelled,
        Self::Panic,
        Self::CircuitOpen,
        Self::RateLimited,
        Self::BulkheadFull,
        Self::BudgetExceeded,
        Self::Rejected,
        Self::NoRoute,
        Self::LimitReached,
        Self::Unavailable,
    ];

    /// The word for this kind in attributes and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Panic => "panic",
            Self::CircuitOpen => "circuit_open",
            Self::RateLimited => "rate_limited",
            Self::BulkheadFull => "bulkhead_full",
            Self::BudgetExceeded => "budget_exceeded",
            Self::Rejected => "rejected",
            Self::NoRoute => "no_route",
            Self::LimitReached => "limit_reached",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether another attempt makes sense when nothing else is known.
    const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::Timeout | Self::RateLimited | Self::BulkheadFull | Self::Unavailable
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The failure of a step or of a whole run.
///
/// Every type that implements [`std::error::Error`] and is `Send + Sync + 'static` converts into it, so `?` works in a
/// step. For a message use [`failed`](Self::failed) or [`invalid`](Self::invalid), for a boxed error
/// [`from_boxed`](Self::from_boxed). It deliberately does not implement
/// [`std::error::Error`] itself (that would forbid the conversion), but it converts into
/// `Box<dyn std::error::Error + Send + Sync>`.
///
/// ```
/// use tta_primitives::{Error, ErrorKind};
///
/// fn parse(text: &str) -> tta_primitives::Result<i32> {
///     Ok(text.parse::<i32>()?)
/// }
/// let error = parse("seven").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Failed);
/// assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
/// ```
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: Option<Text>,
    source: Option<Source>,
    source_type: Option<&'static str>,
    retryable: Option<bool>,
    retry_after: Option<Duration>,
    path: Option<Text>,
    related: Vec<Error>,
    recorded: bool,
}

impl Error {
    /// Makes an error of a kind with a message.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Text>) -> Self {
        Self::build(kind, Some(message.into()), None, None)
    }

    /// Makes an error that says the input is not valid.
    #[must_use]
    pub fn invalid(message: impl Into<Text>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Makes an error of kind [`ErrorKind::Failed`] with a message and no source.
    #[must_use]
    pub fn failed(message: impl Into<Text>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// Makes an error of a kind around another error.
    #[must_use]
    pub fn with_source<E: StdError + Send + Sync + 'static>(kind: ErrorKind, source: E) -> Self {
        Self::build(kind, None, Some(Box::new(source)), Some(std::any::type_name::<E>()))
    }

    /// Makes an error of a kind around a boxed error, such as those of libraries that hide the types of theirs.
    ///
    /// ```
    /// use tta_primitives::{Error, ErrorKind};
    ///
    /// let boxed: Box<dyn std::error::Error + Send + Sync> = "the disk is gone".into();
    /// let error = Error::from_boxed(ErrorKind::Unavailable, boxed);
    /// assert_eq!(error.to_string(), "the disk is gone");
    /// ```
    #[must_use]
    pub fn from_boxed(kind: ErrorKind, source: Box<dyn StdError + Send + Sync>) -> Self {
        Self::build(kind, None, Some(source), None)
    }

    fn build(
        kind: ErrorKind,
        message: Option<Text>,
        source: Option<Source>,
        source_type: Option<&'static str>,
    ) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message,
                source,
                source_type,
                retryable: None,
                retry_after: None,
                path: None,
                related: Vec::new(),
                recorded: false,
            }),
        }
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether another attempt makes sense: what was [set](Self::retryable), or else what the kind implies.
    ///
    /// A cancellation is never retryable, whatever was set.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind() != ErrorKind::Cancelled
            && self.inner.retryable.unwrap_or_else(|| self.kind().is_retryable())
    }

    /// Says whether another attempt makes sense.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.inner.retryable = Some(retryable);
        self
    }

    /// How long the failing side asked to wait before another attempt.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// Says how long to wait before another attempt.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.inner.retry_after = Some(wait);
        self
    }

    /// Adds what was being done, in front of the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.inner.message = Some(format!("{doing}: {}", self.message()).into());
        self
    }

    /// The path of the step in which the error arose, once it has left that step.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.inner.path.as_deref()
    }

    /// The other errors that belong to this one: of earlier fallbacks, of sibling branches, of undo steps that failed.
    #[must_use]
    pub fn related(&self) -> &[Error] {
        &self.inner.related
    }

    /// Adds an error that belongs to this one.
    #[must_use]
    pub fn with_related(mut self, other: Error) -> Self {
        self.inner.related.push(other);
        self
    }

    /// The step's own error, if it has the type `E`; searched through the whole chain of sources.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        let mut next = self.source();
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<E>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// The error that caused this one.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }

    /// The message without path and causes.
    #[must_use]
    pub fn message(&self) -> String {
        match (&self.inner.message, &self.inner.source) {
            (Some(message), _) => message.to_string(),
            (None, Some(source)) => source.to_string(),
            (None, None) => self.kind().to_string(),
        }
    }

    /// A name of low cardinality for attributes and labels: the type of the step's own error, or else the kind.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.inner.source_type {
            Some(name) if self.kind() == ErrorKind::Failed => name,
            _ => self.kind().as_str(),
        }
    }

    /// How an execution that ends with this error ended.
    #[must_use]
    pub fn status(&self) -> ExecutionStatus {
        match self.kind() {
            ErrorKind::Timeout => ExecutionStatus::Timeout,
            ErrorKind::Cancelled => ExecutionStatus::Cancelled,
            _ => ExecutionStatus::Error,
        }
    }

    /// Sets the path if there is none yet: the innermost step is where the error arose.
    pub(crate) fn arose_at(&mut self, path: &Text) {
        self.inner.path.get_or_insert_with(|| path.clone());
    }

    /// Whether this is the first span to see the error; true only once.
    pub(crate) fn claim_recording(&mut self) -> bool {
        !std::mem::replace(&mut self.inner.recorded, true)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())?;
        if let Some(path) = self.path() {
            write!(f, " (at {path})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.kind())?;
        let mut next = if self.inner.message.is_some() {
            self.source()
        } else {
            self.source().and_then(StdError::source)
        };
        while let Some(cause) = next {
            write!(f, "\n  caused by: {cause}")?;
            next = cause.source();
        }
        for related in self.related() {
            write!(f, "\n  with: {}", format!("{related:?}").replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(source: E) -> Self {
        Self::with_source(ErrorKind::Failed, source)
    }
}

/// The form of an [`Error`] that implements [`std::error::Error`].
#[derive(Debug)]
struct Boxed(Error);

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Boxed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(Boxed(error))
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        Box::new(Boxed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_path_wins() {
        let mut error = Error::failed("broken");
        error.arose_at(&Text::Static("a/b"));
        error.arose_at(&Text::Static("a"));
        assert_eq!(error.to_string(), "broken (at a/b)");
    }

    #[test]
    fn a_cancellation_is_never_retryable() {
        assert!(!Error::new(ErrorKind::Cancelled, "stopped").retryable(true).is_retryable());
    }

    #[test]
    fn debug_shows_the_chain_of_causes() {
        let cause = std::io::Error::other("disk gone");
        let error = Error::from(cause).context("reading page").with_related(Error::invalid("also bad"));
        assert_eq!(
            format!("{error:?}"),
            "failed: reading page: disk gone\n  caused by: disk gone\n  with: invalid: also bad"
        );
    }

    #[test]
    fn recording_is_claimed_once() {
        let mut error = Error::failed("x");
        assert!(error.claim_recording());
        assert!(!error.claim_recording());
    }

    #[test]
    fn it_becomes_a_boxed_standard_error() {
        let boxed: Box<dyn StdError + Send + Sync> = Error::from(std::io::Error::other("gone")).into();
        assert_eq!(boxed.to_string(), "gone");
        assert!(boxed.source().is_some());
    }
}
