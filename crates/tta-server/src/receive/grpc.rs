//! OTLP over gRPC, and gRPC's question whether a server is well.
//!
//! All calls here have one message to read, so the frames are read here: the bytes of the message go to the scanner as they
//! are, through the same reader as those of HTTP, with its limits and its timeout. The statuses are tonic's.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::{Buf, Bytes};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::body::{self, Packing};
use super::{Cause, Lease, Limits, PAUSE, Receiver, Refusal, Signal};

const GRPC: &str = "application/grpc";
const HEALTH: &str = "grpc.health.v1.Health";
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPTED: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// A byte that tells whether the message is compressed, and its length.
const FRAME: usize = 5;

/// Answers a call.
pub(crate) async fn call<B>(receiver: &Arc<Receiver>, request: Request<B>) -> Response
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    if request.method() != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "this port speaks gRPC");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    if !is_grpc(request.headers()) {
        return plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this port speaks gRPC; OTLP over HTTP has its own port",
        );
    }
    let (head, body) = request.into_parts();
    let answer = match find(head.uri.path()) {
        Ok(call) => answer(receiver, call, &head.headers, body).await,
        Err(status) => Err(status),
    };
    match answer {
        Ok(response) => response,
        Err(status) => status.into_http(),
    }
}

#[derive(Clone, Copy)]
enum Call {
    Export(Signal),
    Check,
    Watch,
}

/// Finds what a path asks for.
fn find(path: &str) -> Result<Call, Status> {
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    let signal = Signal::ALL.into_iter().find(|signal| signal.service() == service);
    match (signal, method) {
        (Some(signal), "Export") => Ok(Call::Export(signal)),
        (None, "Check") if service == HEALTH => Ok(Call::Check),
        (None, "Watch") if service == HEALTH => Ok(Call::Watch),
        _ => Err(Status::unimplemented(format!("{path} is not known here"))),
    }
}

async fn answer<B>(
    receiver: &Arc<Receiver>,
    call: Call,
    headers: &HeaderMap,
    body: B,
) -> Result<Response, Status>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let counted = |refusal: Refusal| {
        receiver.counters.refused(refusal.cause);
        status(&refusal)
    };
    let (message, lease) = read(receiver, headers, body).await.map_err(counted)?;
    match call {
        Call::Export(signal) => {
            let outcome = receiver.take(signal, message, lease).await.map_err(counted)?;
            Ok(succeed(&signal.answer(&outcome)))
        }
        Call::Check => receiver.health.check(&message).map(|answer| succeed(&answer)),
        Call::Watch => receiver.health.watch(&message),
    }
}

/// Reads the one message of a call.
async fn read<B>(receiver: &Receiver, headers: &HeaderMap, body: B) -> Result<(Bytes, Lease), Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let packing = packing(headers)?;
    let lease = receiver.load.enter()?;
    let framed = Limits { max_bytes: receiver.limits.max_bytes.saturating_add(FRAME), ..receiver.limits };
    let (mut body, lease) = body::collect(body, Packing::Plain, &framed, lease).await?;
    if body.len() < FRAME {
        return Err(Refusal::new(Cause::Malformed, "the call has no message"));
    }
    let compressed = body.get_u8();
    let length = body.get_u32() as usize;
    if length != body.len() {
        return Err(Refusal::new(Cause::Malformed, "the call is not one whole message"));
    }
    match (compressed, packing) {
        (0, _) => Ok((body, lease)),
        (1, Packing::Gzip) => body::unpack(&body, &receiver.limits, lease).await,
        _ => Err(Refusal::new(Cause::Malformed, "a message is compressed, and no grpc-encoding says how")),
    }
}

fn packing(headers: &HeaderMap) -> Result<Packing, Refusal> {
    match headers.get(ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(Packing::Plain),
        Some(b"gzip") => Ok(Packing::Gzip),
        Some(_) => Err(Refusal::new(Cause::Encoding, "send messages as they are or with gzip")),
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    // Another message format than protobuf would have a name after a plus.
    media_type.is_some_and(|value| value == GRPC.as_bytes() || value == b"application/grpc+proto")
}

/// A status that tells whether, and when, the request may be sent again: only with a pause, says OTLP, may it be.
fn status(refusal: &Refusal) -> Status {
    let code = match refusal.cause {
        // Over gRPC a body that is not packed as it should be is the sender's mistake like any other.
        Cause::MediaType => Code::InvalidArgument,
        cause => cause.grpc(),
    };
    let mut status = if refusal.cause.may_be_sent_again() {
        Status::with_error_details(code, refusal.message.as_str(), ErrorDetails::with_retry_info(Some(PAUSE)))
    } else {
        Status::new(code, refusal.message.as_str())
    };
    if refusal.cause == Cause::Encoding {
        status
            .metadata_mut()
            .insert("grpc-accept-encoding", tonic::metadata::MetadataValue::from_static("identity,gzip"));
    }
    status
}

fn succeed(message: &[u8]) -> Response {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let trailers = async move { Some(Ok(trailers)) };
    headed(Body::new(Full::new(framed(message)).with_trailers(trailers)))
}

/// A message as it is sent.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(FRAME + message.len());
    frame.push(0);
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(message);
    frame.into()
}

/// An answer that goes well at first; how it ends is in its trailers.
pub(super) fn headed(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    response.headers_mut().insert(ACCEPTED, HeaderValue::from_static("identity,gzip"));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt;

    use super::status;
    use crate::receive::{Cause, PAUSE, Refusal};

    fn check(cause: Cause, code: Code, may_retry: bool) {
        let status = status(&Refusal::new(cause, "why"));
        assert_eq!((status.code(), status.message()), (code, "why"));
        let pause = status.get_details_retry_info().and_then(|info| info.retry_delay);
        assert_eq!(pause, may_retry.then_some(PAUSE), "{cause:?}");
    }

    #[test]
    fn only_what_passes_may_be_sent_again() {
        check(Cause::Unavailable, Code::Unavailable, true);
        check(Cause::Overloaded, Code::ResourceExhausted, true);
        check(Cause::TooLarge, Code::ResourceExhausted, false);
        check(Cause::Malformed, Code::InvalidArgument, false);
        check(Cause::Encoding, Code::Unimplemented, false);
    }
}
