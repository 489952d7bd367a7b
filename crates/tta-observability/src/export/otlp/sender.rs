//! Sends the messages of OTLP that OpenTelemetry's exporters cannot make of plain data, over the same connections.

use std::cell::Cell;
use std::error::Error as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use opentelemetry_http::{Bytes, HttpError, Request, Response};
use prost::Message;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

use super::connect::chain;
use super::retry::{Backoff, Retry, at_least};
use super::trouble::Trouble;
use super::{OtlpError, transport};
use crate::config::{Compression, OtlpConfig, OtlpProtocol};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// How much of what a receiver says about an error is told.
const SAID: usize = 200;

/// A kind of telemetry with the messages and the service of its own.
pub(super) trait Service: 'static {
    type Request: Message + Clone;
    type Response: Message + Default;
    type Client: Clone + Send;

    /// Makes the client of the gRPC service.
    fn client(channel: Channel, compression: Compression) -> Self::Client;

    /// Calls the gRPC service.
    async fn call(
        client: Self::Client,
        request: tonic::Request<Self::Request>,
    ) -> Result<Self::Response, Status>;

    /// What the receiver did not take although it accepted the request.
    fn partial(response: Self::Response) -> Option<Partial>;
}

/// What a receiver did not take of an accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partial {
    pub(super) rejected: u64,
    pub(super) message: String,
}

impl Partial {
    /// None if the receiver took everything and has nothing to say.
    pub(super) fn new(rejected: i64, message: String) -> Option<Self> {
        let rejected = u64::try_from(rejected).unwrap_or(0);
        (rejected > 0 || !message.is_empty()).then_some(Self { rejected, message })
    }
}

/// Sends one request at a time.
pub(super) struct Sender<S: Service> {
    way: Way<S>,
    trouble: Arc<Trouble>,
    /// The receiver asked for peace until then; it counts for the next request too.
    not_before: Cell<Option<Instant>>,
}

enum Way<S: Service> {
    Grpc { client: S::Client, metadata: MetadataMap },
    Http { client: Box<transport::Client>, url: String, compression: Compression },
}

/// A request that can be sent again.
enum Packed<S: Service> {
    Message(S::Request),
    Bytes(Bytes),
}

/// An attempt failed.
struct Failure {
    text: String,
    /// Whether it was told already, in more detail.
    is_told: bool,
    retry: Retry,
}

impl<S: Service> Sender<S> {
    /// Must be called inside the runtime that later sends.
    pub(super) fn new(config: &OtlpConfig, trouble: &Arc<Trouble>) -> Result<Self, OtlpError> {
        let way = match config.protocol {
            OtlpProtocol::Grpc => Way::Grpc {
                client: S::client(transport::channel(config, trouble)?, config.compression),
                metadata: MetadataMap::from_headers(transport::headers(config)?),
            },
            OtlpProtocol::HttpProtobuf => Way::Http {
                client: Box::new(transport::client(config, trouble)?),
                url: config.url(),
                compression: config.compression,
            },
        };
        Ok(Self { way, trouble: Arc::clone(trouble), not_before: Cell::new(None) })
    }

    /// Sends until a receiver takes it, or refuses it for good. It has no time limit of its own: drop it when the time is
    /// over.
    ///
    /// `hurry` ends a pause of our own, and with it the sending: who hurries has something newer to send.
    pub(super) async fn send(&self, request: S::Request, hurry: &Notify) -> Result<Option<Partial>, String> {
        let packed = self.pack(request).map_err(|error| chain(&error))?;
        let mut backoff = Backoff::new();
        loop {
            if let Some(moment) = self.not_before.get() {
                tokio::time::sleep_until(moment).await;
            }
            let failure = match self.attempt(&packed).await {
                Ok(response) => {
                    self.trouble.recovered();
                    return Ok(S::partial(response));
                }
                Err(failure) => failure,
            };
            if failure.is_told {
                self.trouble.attempt_failed_somehow(&failure.text);
            } else {
                self.trouble.attempt_failed(&*failure.text);
            }
            match failure.retry {
                Retry::Never => return Err(failure.text),
                Retry::After(asked) => self.not_before.set(Some(Instant::now() + at_least(asked))),
                Retry::Soon => tokio::select! {
                    () = tokio::time::sleep(backoff.pause()) => {}
                    () = hurry.notified() => return Err(failure.text),
                },
            }
        }
    }

    /// Encodes a request for HTTP once for all attempts; over gRPC the client does it each time.
    fn pack(&self, request: S::Request) -> io::Result<Packed<S>> {
        Ok(match &self.way {
            Way::Grpc { .. } => Packed::Message(request),
            Way::Http { compression: Compression::None, .. } => Packed::Bytes(request.encode_to_vec().into()),
            Way::Http { compression: Compression::Gzip, .. } => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&request.encode_to_vec())?;
                Packed::Bytes(encoder.finish()?.into())
            }
        })
    }

    async fn attempt(&self, packed: &Packed<S>) -> Result<S::Response, Failure> {
        match (&self.way, packed) {
            (Way::Grpc { client, metadata }, Packed::Message(message)) => {
                let mut request = tonic::Request::new(message.clone());
                *request.metadata_mut() = metadata.clone();
                S::call(client.clone(), request).await.map_err(Failure::of_grpc)
            }
            (Way::Http { client, url, compression }, Packed::Bytes(bytes)) => {
                let request = http_request(url, *compression, bytes.clone());
                let request = request.map_err(|error| Failure::told(chain(&error), Retry::Never))?;
                let answer = client.exchange(request).await;
                let response = answer.map_err(|error| Failure::of_connection(error, client.timeout()))?;
                if !response.status().is_success() {
                    return Err(Failure::of_http(&response));
                }
                // Whoever accepted it may answer with what is no message; it is accepted all the same.
                Ok(S::Response::decode(response.into_body()).unwrap_or_default())
            }
            // A request is packed for the way that it goes.
            _ => Err(Failure::told("it cannot be sent this way".to_owned(), Retry::Never)),
        }
    }
}

fn http_request(url: &str, compression: Compression, body: Bytes) -> http::Result<Request<Bytes>> {
    let request = Request::post(url).header(CONTENT_TYPE, PROTOBUF);
    match compression {
        Compression::None => request.body(body),
        Compression::Gzip => request.header(CONTENT_ENCODING, "gzip").body(body),
    }
}

impl Failure {
    fn told(text: String, retry: Retry) -> Self {
        Self { text, is_told: false, retry }
    }

    fn of_grpc(status: Status) -> Self {
        let retry = Retry::of_grpc(&status);
        match status.source() {
            // The connector has told what it knows, which is more than what came through here.
            Some(cause) => Self { text: chain(cause), is_told: true, retry },
            None => Self::told(answered(&format!("{:?}", status.code()), status.message()), retry),
        }
    }

    fn of_connection(error: HttpError, timeout: Duration) -> Self {
        let text =
            if error.is::<Elapsed>() { format!("no answer within {timeout:?}") } else { chain(&*error) };
        Self::told(text, Retry::Soon)
    }

    fn of_http(response: &Response<Bytes>) -> Self {
        let status: StatusCode = response.status();
        let retry = Retry::of_http(status, response.headers(), SystemTime::now());
        let is_message = response.headers().get(CONTENT_TYPE) == Some(&PROTOBUF);
        let said = tonic_types::Status::decode(response.body().clone()).ok().filter(|_| is_message);
        Self::told(answered(&status.to_string(), &said.unwrap_or_default().message), retry)
    }
}

fn answered(status: &str, said: &str) -> String {
    let said: String =
        said.chars().take(SAID).map(|char| if char.is_control() { ' ' } else { char }).collect();
    if said.is_empty() { format!("it answered {status}") } else { format!("it answered {status}: {said}") }
}
