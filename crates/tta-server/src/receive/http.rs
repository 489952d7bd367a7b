//! OTLP over HTTP.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, post};
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use prost::Message;

use super::body::{self, Packing};
use super::{Cause, Outcome, PAUSE, Receiver, Refusal, Signal, json_to_protobuf};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// How a request is written, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => PROTOBUF,
            Self::Json => JSON,
        })
    }
}

/// The paths of OTLP.
pub(crate) fn router(receiver: Arc<Receiver>) -> Router {
    let mut router = Router::new();
    for signal in Signal::ALL {
        let export = move |State(receiver): State<Arc<Receiver>>, request: Request| async move {
            export(&receiver, signal, request).await
        };
        let otherwise = |State(receiver): State<Arc<Receiver>>, headers: HeaderMap| async move {
            let refusal = Refusal::new(Cause::Method, "send telemetry with POST");
            refuse(&receiver, &refusal, answered_in(&headers))
        };
        router = router.route(signal.path(), post(export).fallback(otherwise));
    }
    let unknown = |State(receiver): State<Arc<Receiver>>, headers: HeaderMap| async move {
        let paths = Signal::ALL.map(Signal::path).join(", ");
        let refusal = Refusal::new(Cause::UnknownPath, format!("nothing is here; telemetry goes to {paths}"));
        refuse(&receiver, &refusal, answered_in(&headers))
    };
    router.fallback(any(unknown)).with_state(receiver)
}

async fn export(receiver: &Arc<Receiver>, signal: Signal, request: Request) -> Response {
    let encoding = answered_in(request.headers());
    match take(receiver, signal, request).await {
        Ok(outcome) => {
            let body = match encoding {
                Encoding::Protobuf => signal.answer(&outcome),
                Encoding::Json => signal.answer_in_json(&outcome),
            };
            let mut response = Response::new(Body::from(body));
            response.headers_mut().insert(CONTENT_TYPE, encoding.media_type());
            response
        }
        Err(refusal) => refuse(receiver, &refusal, encoding),
    }
}

async fn take(receiver: &Arc<Receiver>, signal: Signal, request: Request) -> Result<Outcome, Refusal> {
    let encoding = encoding(request.headers())
        .ok_or_else(|| Refusal::new(Cause::MediaType, format!("send {PROTOBUF} or {JSON}")))?;
    let packing = packing(request.headers())
        .ok_or_else(|| Refusal::new(Cause::Encoding, "send the body as it is or with gzip"))?;
    let lease = receiver.load.enter()?;
    let (body, mut lease) = body::collect(request.into_body(), packing, &receiver.limits, lease).await?;
    if encoding == Encoding::Protobuf {
        return receiver.take(signal, body, lease).await;
    }
    let most = receiver.limits.max_bytes;
    let translated = receiver.tasks.spawn_blocking(move || json_to_protobuf(signal, &body, most)).await;
    let body = translated.map_err(|_| Refusal::new(Cause::Malformed, "the request cannot be read"))??;
    lease.grow(body.len())?;
    receiver.take(signal, body.into(), lease).await
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = value.split(';').next().unwrap_or_default().trim();
    match () {
        () if media_type.eq_ignore_ascii_case(PROTOBUF) => Some(Encoding::Protobuf),
        () if media_type.eq_ignore_ascii_case(JSON) => Some(Encoding::Json),
        () => None,
    }
}

/// The encoding of an answer: the request's, or the one that people can read.
fn answered_in(headers: &HeaderMap) -> Encoding {
    encoding(headers).unwrap_or(Encoding::Json)
}

fn packing(headers: &HeaderMap) -> Option<Packing> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Some(Packing::Plain) };
    let value = value.to_str().ok().filter(|_| values.next().is_none())?.trim();
    match () {
        () if value.is_empty() || value.eq_ignore_ascii_case("identity") => Some(Packing::Plain),
        () if value.eq_ignore_ascii_case("gzip") => Some(Packing::Gzip),
        () => None,
    }
}

/// A refusal as the specification wants it: a `google.rpc.Status` in the request's encoding.
fn refuse(receiver: &Receiver, refusal: &Refusal, encoding: Encoding) -> Response {
    receiver.counters.refused(refusal.cause);
    let code = refusal.cause.grpc() as i32;
    let body = match encoding {
        Encoding::Protobuf => {
            let message = refusal.message.clone();
            tonic_types::Status { code, message, details: Vec::new() }.encode_to_vec()
        }
        Encoding::Json => {
            serde_json::json!({ "code": code, "message": refusal.message }).to_string().into_bytes()
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = refusal.cause.http();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, encoding.media_type());
    if refusal.cause.may_be_sent_again() {
        headers.insert(RETRY_AFTER, HeaderValue::from(PAUSE.as_secs()));
    }
    match refusal.cause {
        Cause::Method => _ = headers.insert(ALLOW, HeaderValue::from_static("POST")),
        Cause::Encoding => _ = headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        _ => {}
    }
    response
}
