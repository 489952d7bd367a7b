//! Puts a text to an address, over TLS where the feature that brings it is on.

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::{PushError, PushSetupError};
use crate::export::prometheus::Format;

const AGENT: &str = concat!("tta/", env!("CARGO_PKG_VERSION"));
/// How much of an answer is read for the error.
const ANSWER: usize = 1024;

#[cfg(feature = "otlp")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "otlp"))]
type Connector = HttpConnector;

/// Sends one text at a time.
#[derive(Debug)]
pub(super) struct Client {
    hyper: Hyper<Connector, Full<Bytes>>,
    uri: Uri,
}

impl Client {
    pub(super) fn new(uri: Uri) -> Result<Self, PushSetupError> {
        let hyper = Hyper::builder(TokioExecutor::new())
            // Between two pushes the gateway would close the connection, or something on the way would.
            .pool_max_idle_per_host(0)
            .build(connector(&uri)?);
        Ok(Self { hyper, uri })
    }

    pub(super) async fn put(&self, text: String) -> Result<(), PushError> {
        let url = self.uri.to_string();
        let unreachable = |error: &(dyn std::error::Error + 'static)| PushError::Unreachable {
            url: url.clone(),
            reason: chain(error),
        };
        let request = Request::put(&self.uri)
            .header(CONTENT_TYPE, Format::Classic.content_type())
            .header(USER_AGENT, AGENT)
            .body(Full::new(Bytes::from(text)))
            .map_err(|error| unreachable(&error))?;
        let response = self.hyper.request(request).await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let text = Limited::new(response.into_body(), ANSWER).collect().await;
        let text = text.map(|text| text.to_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        Err(PushError::Refused { url, status, text })
    }
}

#[cfg(feature = "otlp")]
fn connector(uri: &Uri) -> Result<Connector, PushSetupError> {
    use std::sync::Arc;

    use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
    use rustls::{ClientConfig, RootCertStore};

    let failed = |error: &(dyn std::error::Error + 'static)| PushSetupError::Tls(chain(error));
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    let builder = if uri.scheme() == Some(&http::uri::Scheme::HTTPS) {
        builder.with_native_roots().map_err(|error| failed(&error))?
    } else {
        // To read the system's authorities takes time, and plain HTTP has no use for them.
        builder.with_root_certificates(RootCertStore::empty())
    };
    let tls = builder.with_no_client_auth();
    let mut tcp = HttpConnector::new();
    // The scheme is handled by the TLS around this.
    tcp.enforce_http(false);
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp))
}

#[cfg(not(feature = "otlp"))]
#[expect(clippy::unnecessary_wraps, reason = "with TLS it can fail")]
fn connector(_: &Uri) -> Result<Connector, PushSetupError> {
    Ok(HttpConnector::new())
}

/// An error with its causes, each said once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}
