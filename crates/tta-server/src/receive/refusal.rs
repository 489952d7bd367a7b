//! Why a request is refused, in the words of HTTP and of gRPC.

use std::time::Duration;

use http::StatusCode;
use tonic::Code;

use super::JsonError;
use crate::store::WriteError;
use crate::wire::Malformed;

/// How long a sender is asked to wait before it tries again.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// A request that was not taken, none of it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) cause: Cause,
    pub(crate) message: String,
}

/// The kind of a refusal, which decides the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    Malformed,
    TooLarge,
    MediaType,
    Encoding,
    Method,
    UnknownPath,
    TooSlow,
    Interrupted,
    Overloaded,
    Unavailable,
}

impl Refusal {
    pub(crate) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into() }
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(Cause::TooLarge, format!("the request has more than {limit} bytes; send smaller batches"))
    }

    pub(crate) fn overloaded(what: &str) -> Self {
        Self::new(Cause::Overloaded, format!("{what}; send it again later"))
    }
}

impl Cause {
    /// The status of OTLP over HTTP. Only 429 and 503 tell the sender to try again.
    pub(crate) fn http(self) -> StatusCode {
        match self {
            Self::Malformed | Self::Interrupted => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType | Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The status of gRPC, also in the body of an answer over HTTP.
    pub(crate) fn grpc(self) -> Code {
        match self {
            Self::Malformed | Self::MediaType => Code::InvalidArgument,
            Self::TooLarge | Self::Overloaded => Code::ResourceExhausted,
            Self::Encoding | Self::Method | Self::UnknownPath => Code::Unimplemented,
            Self::TooSlow => Code::DeadlineExceeded,
            Self::Interrupted => Code::Cancelled,
            Self::Unavailable => Code::Unavailable,
        }
    }

    /// Whether the same request may be taken a little later.
    pub(crate) fn may_be_sent_again(self) -> bool {
        matches!(self, Self::Overloaded | Self::Unavailable)
    }

    /// The word for it on the page of metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::MediaType => "media_type",
            Self::Encoding => "encoding",
            Self::Method => "method",
            Self::UnknownPath => "unknown_path",
            Self::TooSlow => "too_slow",
            Self::Interrupted => "interrupted",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::new(Cause::Malformed, malformed.to_string())
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed(_) => Self::new(Cause::Malformed, error.to_string()),
            JsonError::TooLarge(limit) => Self::too_large(limit),
        }
    }
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        let cause = match error {
            WriteError::Full => Cause::Overloaded,
            WriteError::Unavailable(_) | WriteError::Closed => Cause::Unavailable,
        };
        Self::new(cause, error.to_string())
    }
}
