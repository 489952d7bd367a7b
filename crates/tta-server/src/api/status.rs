//! What can go wrong with a question, and with which status of HTTP it is answered: all of them are assigned here.

use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{json_response, to_json};
use crate::read::ReadError;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApiError {
    /// A parameter is not as it has to be.
    Parameter {
        /// The parameter, what is wrong with it, and how it has to be.
        message: String,
        hint: String,
    },
    /// There is no such trace or span.
    NotFound { message: String, hint: String },
    /// There is no such route.
    NoRoute,
    /// The route is for another method.
    NoMethod,
    /// The store cannot be read.
    Store(String),
    /// The server is being stopped.
    Stopping,
    /// Jaeger has it with a storage that is none of ours.
    Absent(&'static str),
    /// The answer could not be made: a bug.
    Failed,
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::Store(error.to_string())
    }
}

impl ApiError {
    pub(super) fn parameter(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Parameter { message: message.into(), hint: hint.into() }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Parameter { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound { .. } | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Store(_) | Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Absent(_) => StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// A word for programs.
    fn code(&self) -> &'static str {
        match self {
            Self::Parameter { .. } => "invalid_parameter",
            Self::NotFound { .. } => "not_found",
            Self::NoRoute => "no_such_route",
            Self::NoMethod => "method_not_allowed",
            Self::Store(_) => "store_unreadable",
            Self::Stopping => "stopping",
            Self::Absent(_) => "absent",
            Self::Failed => "internal",
        }
    }

    /// What happened, and what to do.
    pub(super) fn texts(&self) -> (&str, &str) {
        match self {
            Self::Parameter { message, hint } | Self::NotFound { message, hint } => (message, hint),
            Self::NoRoute => ("there is no such route", "/api/tta/v1/openapi.json lists all of them"),
            Self::NoMethod => ("the route does not know this method", "ask with GET"),
            Self::Store(message) => (message, "look at the disk and the permissions of the directory"),
            Self::Stopping => ("the server is being stopped", "ask again when it runs"),
            Self::Absent(message) => (message, "ask /api/tta/v1/openapi.json for what there is"),
            Self::Failed => {
                ("the answer could not be made", "this is a bug; please report it with the address")
            }
        }
    }
}

/// What went wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ErrorDetail {
    /// A word for programs.
    code: String,
    /// What happened, for people.
    message: String,
    /// What to do about it.
    hint: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (message, hint) = self.texts();
        let detail =
            ErrorDetail { code: self.code().to_owned(), message: message.to_owned(), hint: hint.to_owned() };
        let body = to_json(&ErrorBody { error: detail }).unwrap_or_default();
        (self.status(), json_response(body)).into_response()
    }
}

/// An error in a form of Jaeger's, as plain text: that is how Jaeger sends it.
pub(super) fn plain_text(status: StatusCode, mut body: Vec<u8>) -> Response {
    const HEADERS: [(HeaderName, &str); 2] =
        [(CONTENT_TYPE, "text/plain; charset=utf-8"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    body.push(b'\n');
    (status, HEADERS, body).into_response()
}
