//! Connects, and remembers why it could not.
//!
//! The exporter of OpenTelemetry tells an error after its last attempt only. Whoever waits for telemetry
//! wants to read "connection refused" after the first.

use std::error::Error;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use tower_service::Service;

use super::trouble::Trouble;

type BoxError = Box<dyn Error + Send + Sync>;

/// A connector that tells its errors.
#[derive(Clone, Debug)]
pub(super) struct Watched<C> {
    pub(super) inner: C,
    /// Where to, whatever the caller names.
    pub(super) address: Uri,
    pub(super) trouble: Arc<Trouble>,
}

impl<C> Service<Uri> for Watched<C>
where
    C: Service<Uri, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = self.inner.call(self.address.clone());
        let trouble = Arc::clone(&self.trouble);
        Box::pin(async move {
            match connecting.await {
                Ok(connection) => {
                    trouble.recovered();
                    Ok(connection)
                }
                Err(error) => {
                    let error = error.into();
                    trouble.attempt_failed(chain(&*error));
                    Err(error)
                }
            }
        })
    }
}

/// An error with its causes, each said once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {said}");
        }
        next = cause.source();
    }
    text
}
