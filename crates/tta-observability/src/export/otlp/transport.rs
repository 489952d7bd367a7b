//! Sets up the connections, and OpenTelemetry's own exporter of spans above one.
//!
//! Its retries are used and not doubled. They forget the pause that a receiver asked for once they give a batch up;
//! over HTTP the client here keeps it for the next one. OpenTelemetry's exporter reads the environment once more by
//! itself, so whatever it could take from there is set here, because a setting made in code wins: the address, the
//! time, and exactly the headers of the settings. Only a compression of the environment is taken where the settings
//! name none.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use hyper_rustls::builderstates::WantsProtocols1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};

use super::connect::{Watched, chain};
use super::retry::Retry;
use super::trouble::Trouble;
use super::{OtlpError, tls};
use crate::config::{Compression, OtlpConfig, OtlpProtocol};

const AGENT: &str = concat!("tta/", env!("CARGO_PKG_VERSION"));

/// Makes the exporter. `limit` bounds all attempts for one batch together.
///
/// Must be called inside the runtime that later sends.
pub(super) fn exporter(
    config: &OtlpConfig,
    limit: Duration,
    trouble: &Arc<Trouble>,
) -> Result<SpanExporter, OtlpError> {
    let built = match config.protocol {
        OtlpProtocol::Grpc => grpc(config, limit, trouble)?,
        OtlpProtocol::HttpProtobuf => http(config, limit, trouble)?,
    };
    built.map_err(|error| OtlpError::Setup(chain(&error)))
}

type Built = Result<SpanExporter, opentelemetry_otlp::ExporterBuildError>;

/// Tries again until the limit: after 0.2 s, then twice as long each time, up to 5 s.
fn retries() -> RetryPolicy {
    RetryPolicy::recommended()
        .with_max_retries(usize::MAX)
        .with_initial_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_max_jitter(Duration::from_millis(200))
}

fn grpc(config: &OtlpConfig, limit: Duration, trouble: &Arc<Trouble>) -> Result<Built, OtlpError> {
    let metadata = MetadataMap::from_headers(headers(config)?);
    let builder = SpanExporter::builder()
        .with_tonic()
        .with_channel(channel(config, trouble)?)
        .with_timeout(limit)
        .with_retry_policy(retries())
        .with_interceptor(move |mut request: tonic::Request<()>| {
            *request.metadata_mut() = metadata.clone();
            Ok(request)
        });
    Ok(match config.compression {
        Compression::None => builder.build(),
        Compression::Gzip => builder.with_compression(opentelemetry_otlp::Compression::Gzip).build(),
    })
}

/// Makes the channel. TLS is below it, in our connector, and the channel believes that it speaks plain
/// HTTP to it: TLS of its own would keep its errors to itself until the batch is given up.
pub(super) fn channel(config: &OtlpConfig, trouble: &Arc<Trouble>) -> Result<Channel, OtlpError> {
    let url = config.url();
    let unusable =
        |error: &(dyn Error + 'static)| OtlpError::Endpoint { url: config.url(), reason: chain(error) };
    let origin: Uri = url.parse().map_err(|error| unusable(&error))?;
    let is_secure = origin.scheme() == Some(&Scheme::HTTPS);
    let below = if is_secure { url.replacen("https", "http", 1) } else { url };
    let endpoint = Endpoint::from_shared(below)
        .and_then(|endpoint| endpoint.user_agent(AGENT))
        .map_err(|error| unusable(&error))?
        .origin(origin.clone())
        .timeout(config.timeout)
        .connect_timeout(config.timeout);
    let inner = connector(config, is_secure)?.enable_http2().wrap_connector(tcp());
    let watched = Watched { inner, address: origin, trouble: Arc::clone(trouble) };
    Ok(endpoint.connect_with_connector_lazy(watched))
}

fn http(config: &OtlpConfig, limit: Duration, trouble: &Arc<Trouble>) -> Result<Built, OtlpError> {
    let builder = SpanExporter::builder()
        .with_http()
        .with_http_client(client(config, trouble)?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(config.url())
        .with_timeout(limit)
        .with_retry_policy(retries());
    Ok(match config.compression {
        Compression::None => builder.build(),
        Compression::Gzip => builder.with_compression(opentelemetry_otlp::Compression::Gzip).build(),
    })
}

/// Makes the client for HTTP.
pub(super) fn client(config: &OtlpConfig, trouble: &Arc<Trouble>) -> Result<Client, OtlpError> {
    let url = config.url();
    let is_secure = match url.parse::<Uri>() {
        Ok(uri) if uri.authority().is_some() => uri.scheme() == Some(&Scheme::HTTPS),
        Ok(_) => return Err(OtlpError::Endpoint { url, reason: "it names no host".to_owned() }),
        Err(error) => return Err(OtlpError::Endpoint { url, reason: error.to_string() }),
    };
    let mut headers = headers(config)?;
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    let connector = connector(config, is_secure)?.enable_http1().wrap_connector(tcp());
    let hyper = HyperClient::new(connector, config.timeout, None);
    let not_before = Mutex::default();
    Ok(Client { hyper, headers, timeout: config.timeout, trouble: Arc::clone(trouble), not_before })
}

fn tcp() -> HttpConnector {
    let mut connector = HttpConnector::new();
    // The scheme is handled by whoever wraps TLS around this.
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector
}

/// Connects with or without TLS, as the scheme says.
fn connector(
    config: &OtlpConfig,
    is_secure: bool,
) -> Result<HttpsConnectorBuilder<WantsProtocols1>, OtlpError> {
    // To read the system's authorities takes time, and plain HTTP has no use for them.
    let tls = if is_secure { tls::config(config)? } else { tls::unused()? };
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http())
}

/// The headers of the settings.
pub(super) fn headers(config: &OtlpConfig) -> Result<HeaderMap, OtlpError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        let key = HeaderName::try_from(name).ok();
        let value = HeaderValue::try_from(value).ok().filter(|value| value.to_str().is_ok());
        match key.filter(|key| !key.as_str().ends_with("-bin")).zip(value) {
            Some((key, mut value)) => {
                value.set_sensitive(true);
                headers.insert(key, value);
            }
            None => return Err(OtlpError::Header { name: name.clone() }),
        }
    }
    Ok(headers)
}

/// Sends exactly the headers of the settings, and tells what went wrong.
#[derive(Debug)]
pub(super) struct Client {
    hyper: HyperClient<HttpsConnector<HttpConnector>>,
    headers: HeaderMap,
    timeout: Duration,
    trouble: Arc<Trouble>,
    /// The receiver asked OpenTelemetry's exporter for peace until then; it counts for the next batch too.
    not_before: Mutex<Option<Instant>>,
}

impl Client {
    /// How long one request may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a request with exactly the headers of the settings, and those that say how it is encoded.
    pub(super) async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut headers = self.headers.clone();
        for name in [CONTENT_TYPE, CONTENT_ENCODING] {
            match request.headers_mut().remove(&name) {
                Some(value) => headers.insert(name, value),
                None => headers.remove(name),
            };
        }
        *request.headers_mut() = headers;
        self.hyper.send_bytes(request).await
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(moment) = not_before {
            tokio::time::sleep_until(moment).await;
        }
        let answer = self.exchange(request).await;
        match &answer {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => {
                self.note_pause(response);
                self.trouble.attempt_failed(format!("it answered {}", response.status()));
            }
            Err(error) if error.is::<Elapsed>() => {
                self.trouble.attempt_failed(format!("no answer within {:?}", self.timeout));
            }
            Err(error) => self.trouble.attempt_failed(chain(&**error)),
        }
        answer
    }

    fn note_pause(&self, response: &Response<Bytes>) {
        if let Retry::After(asked) = Retry::of_http(response.status(), response.headers(), SystemTime::now())
        {
            let moment = Instant::now() + asked;
            *self.not_before.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment);
        }
    }
}

impl HttpClient for Client {
    fn send_bytes<'client, 'sending>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sending>>
    where
        'client: 'sending,
        Self: 'sending,
    {
        Box::pin(self.send(request))
    }
}
