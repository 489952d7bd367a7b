//! gRPC's question whether a server is well, asked once or followed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use tokio::sync::watch;
use tonic::{Code, Status};

use super::Signal;
use super::grpc::{framed, headed};
use crate::store::WriteError;

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`.
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const SERVICE_UNKNOWN: i32 = 3;
/// How long a failure of the disk makes the server unready, unless a batch is stored before.
const FRESH: Duration = Duration::from_secs(10);

/// When the disk failed last, and how, if nothing was stored since.
type Trouble = Option<(Instant, String)>;

/// Whether the server can do what it is for.
#[derive(Debug)]
pub(crate) struct Health {
    trouble: watch::Sender<Trouble>,
    /// Whether the server is told to end.
    stop: watch::Receiver<bool>,
}

impl Health {
    pub(crate) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { trouble: watch::Sender::new(None), stop }
    }

    /// Remembers whether the disk could be written to.
    pub(super) fn note(&self, failure: Option<&WriteError>) {
        let trouble = match failure {
            // That much waits says nothing of the disk.
            Some(WriteError::Full) => return,
            Some(error) => Some((Instant::now(), error.to_string())),
            None => None,
        };
        self.trouble.send_if_modified(|known| {
            let is_news = known.is_some() != trouble.is_some();
            *known = trouble;
            is_news
        });
    }

    /// What lately kept a batch from the disk, if nothing was stored since.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.borrow();
        trouble.as_ref().filter(|(when, _)| when.elapsed() < FRESH).map(|(_, why)| why.clone())
    }

    /// Answers the call `Check`.
    pub(super) fn check(&self, message: &[u8]) -> Result<Vec<u8>, Status> {
        let service = service(message)?;
        if !is_known(&service) {
            return Err(Status::not_found(format!("there is no service {service}")));
        }
        let status = if self.trouble().is_none() { SERVING } else { NOT_SERVING };
        Ok(status.encode_to_vec())
    }

    /// Answers the call `Watch`: tells how a service is, and again when that changes, until the server ends.
    pub(super) fn watch(self: &Arc<Self>, message: &[u8]) -> Result<Response, Status> {
        let is_known = is_known(&service(message)?);
        let follower = Follower {
            trouble: self.trouble.subscribe(),
            stop: self.stop.clone(),
            health: Arc::clone(self),
            is_known,
            told: None,
            is_over: false,
        };
        let frames = stream::unfold(follower, async |mut follower| {
            let frame = follower.next().await?;
            Some((Ok::<_, Infallible>(frame), follower))
        });
        Ok(headed(Body::new(StreamBody::new(frames))))
    }
}

/// The question and the answer have one field each, as the wrappers of a text and of a number have.
fn service(message: &[u8]) -> Result<String, Status> {
    String::decode(message)
        .map_err(|error| Status::invalid_argument(format!("the question cannot be read: {error}")))
}

/// No name stands for the whole server.
fn is_known(service: &str) -> bool {
    service.is_empty() || Signal::ALL.iter().any(|signal| signal.service() == service)
}

/// One who wants to know of every change.
struct Follower {
    health: Arc<Health>,
    trouble: watch::Receiver<Trouble>,
    stop: watch::Receiver<bool>,
    is_known: bool,
    told: Option<i32>,
    is_over: bool,
}

impl Follower {
    /// What is told next; none after the end.
    async fn next(&mut self) -> Option<Frame<Bytes>> {
        loop {
            if self.is_over {
                return None;
            }
            let is_stopping = *self.stop.borrow_and_update();
            let since = self.trouble.borrow_and_update().as_ref().map(|(when, _)| when.elapsed());
            let status = self.status(is_stopping);
            if self.told != Some(status) {
                self.told = Some(status);
                return Some(Frame::data(framed(&status.encode_to_vec())));
            }
            if is_stopping {
                self.is_over = true;
                return Some(Frame::trailers(ended()));
            }
            // Trouble that nobody has renewed passes by itself.
            let rest = since.and_then(|since| FRESH.checked_sub(since)).filter(|rest| !rest.is_zero());
            tokio::select! {
                _ = self.trouble.changed() => {}
                _ = self.stop.wait_for(|stop| *stop) => {}
                () = tokio::time::sleep(rest.unwrap_or(FRESH)), if rest.is_some() => {}
            }
        }
    }

    fn status(&self, is_stopping: bool) -> i32 {
        match () {
            () if !self.is_known => SERVICE_UNKNOWN,
            () if is_stopping || self.health.trouble().is_some() => NOT_SERVING,
            () => SERVING,
        }
    }
}

/// The end of a stream: whoever follows should ask another server, or this one when it runs again.
fn ended() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", HeaderValue::from(Code::Unavailable as i32));
    trailers.insert("grpc-message", HeaderValue::from_static("the server ends"));
    trailers
}
