//! Why a call of a model failed.

use std::fmt;
use std::time::Duration;

use tta_model::Text;
use tta_primitives::{Error, ErrorKind};

use crate::answer::Told;

/// How long a message is at most, in bytes.
const MAX_MESSAGE_BYTES: usize = 1_024;

/// What class of failure it was: on this, and not on a provider's words, recovery decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureClass {
    /// Too many calls or tokens in a time. It passes by waiting.
    RateLimit,
    /// What was paid for is used up. Waiting does not help.
    Quota,
    /// The provider has too much to do.
    Overload,
    /// The key is missing, wrong, or not allowed to do this.
    Auth,
    /// The provider does not answer such a request, or held its answer back.
    ContentFilter,
    /// The request and the answer do not fit into the model's context.
    ContextLength,
    /// The provider does not have the model.
    UnknownModel,
    /// The provider does not understand the request.
    BadRequest,
    /// The provider failed.
    Server,
    /// There was no connection, or it broke.
    Network,
    /// It took longer than the provider may take.
    Timeout,
    /// What came back is not what the provider's interface promises.
    Malformed,
}

impl FailureClass {
    /// The word for it in attributes and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
            Self::Overload => "overload",
            Self::Auth => "auth",
            Self::ContentFilter => "content_filter",
            Self::ContextLength => "context_length",
            Self::UnknownModel => "unknown_model",
            Self::BadRequest => "bad_request",
            Self::Server => "server",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimit | Self::Overload | Self::Server | Self::Network | Self::Timeout | Self::Malformed
        )
    }

    /// Whether another provider or model may succeed where this one did not.
    #[must_use]
    pub const fn may_pass_elsewhere(self) -> bool {
        !matches!(self, Self::BadRequest)
    }

    const fn kind(self) -> ErrorKind {
        match self {
            Self::RateLimit | Self::Quota => ErrorKind::RateLimited,
            Self::Overload | Self::Server | Self::Network => ErrorKind::Unavailable,
            Self::Auth | Self::ContentFilter => ErrorKind::Rejected,
            Self::ContextLength | Self::UnknownModel | Self::BadRequest => ErrorKind::Invalid,
            Self::Timeout => ErrorKind::Timeout,
            Self::Malformed => ErrorKind::Failed,
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A call of a model that failed. It is the source of the [`Error`] of the step, where it is found again by
/// [`of`](Self::of).
///
/// What a provider says may quote the request, and the key with it. So the message is bounded, and what looks like a
/// secret is taken out of it; the request itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFailure {
    /// What class of failure it was.
    pub class: FailureClass,
    /// The provider of the model.
    pub provider: Text,
    /// The model that was asked for.
    pub model: Text,
    /// The status code of HTTP, where there was one.
    pub status: Option<u16>,
    /// For how long the provider asked not to be called.
    pub retry_after: Option<Duration>,
    /// What happened, without secrets.
    message: String,
    /// What the provider told of the tokens of an answer that could not be read.
    pub(crate) told: Option<Box<Told>>,
}

impl CallFailure {
    pub(crate) fn new(class: FailureClass, message: &str) -> Self {
        let message = tta_redact::bounded(message.trim(), MAX_MESSAGE_BYTES);
        let (provider, model) = (Text::default(), Text::default());
        Self { class, provider, model, status: None, retry_after: None, message, told: None }
    }

    /// The failure of a stream that stopped before its end.
    pub(crate) fn unfinished() -> Self {
        Self::new(FailureClass::Network, "the connection ended before the answer did")
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    pub(crate) fn retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    pub(crate) fn told(self, told: Option<Told>) -> Self {
        Self { told: told.map(Box::new), ..self }
    }

    /// The failure behind the error of a step, if a call of a model was why it failed.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        error.downcast_ref()
    }

    /// The error of a step that failed by a call of a model of a provider.
    pub(crate) fn at(mut self, provider: &Text, model: &Text) -> Error {
        (self.provider, self.model) = (provider.clone(), model.clone());
        let (class, retry_after) = (self.class, self.retry_after);
        let error = Error::with_source(class.kind(), self).retryable(class.is_retryable());
        match retry_after {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} failed: {}", self.provider, self.model, self.class)?;
        if let Some(status) = self.status {
            write!(f, " (status {status})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for CallFailure {}
