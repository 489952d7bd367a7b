//! Errors in Jaeger's two forms.

use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::shape::{Answer, Problem};
use crate::api::status::{ApiError, plain_text};
use crate::api::to_json;

/// An error that the older API answers with.
pub(super) struct JaegerError(pub(super) ApiError);

/// An error that the API of version 3 answers with.
pub(super) struct GatewayError(pub(super) ApiError);

/// A parameter that cannot be read, in Jaeger's words.
pub(super) fn bad(message: impl Into<String>) -> ApiError {
    ApiError::parameter(message, "")
}

/// No such trace.
pub(super) fn not_found() -> ApiError {
    ApiError::NotFound { message: String::from("trace not found"), hint: String::new() }
}

impl<E: Into<ApiError>> From<E> for JaegerError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl<E: Into<ApiError>> From<E> for GatewayError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for JaegerError {
    fn into_response(self) -> Response {
        let status = self.0.status();
        let problem =
            Problem { code: Some(status.as_u16()), msg: self.0.texts().0.to_owned(), trace_id: None };
        let mut answer = Answer::new(None::<()>, 0);
        answer.errors = Some(vec![problem]);
        plain_text(status, to_json(&answer).unwrap_or_default())
    }
}

impl IntoResponse for GatewayError {
    fn into_response(self) -> Response {
        let status = self.0.status();
        let body = json!({ "error": { "httpCode": status.as_u16(), "message": self.0.texts().0 } });
        plain_text(status, to_json(&body).unwrap_or_default())
    }
}
