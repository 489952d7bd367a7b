//! Takes telemetry in by OTLP, over HTTP and over gRPC.
//!
//! Both ways end here with the bytes of a request in protobuf. They are scanned, not decoded, and handed to the store; the sender
//! gets its answer when they are on disk. What a sender may ask of us is bounded everywhere: bytes after unpacking, bytes of all
//! requests at once, requests, and time.

mod body;
pub(crate) mod grpc;
mod health;
pub(crate) mod http;
mod json;
mod load;
mod refusal;
pub(crate) mod signal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio_util::task::TaskTracker;

pub(crate) use health::Health;
pub use json::{JsonError, json_to_protobuf};
pub(crate) use load::{Lease, Load};
pub(crate) use refusal::{Cause, PAUSE, Refusal};
pub use signal::Signal;

use crate::serve::Counters;
use crate::store::{Batch, Store, Ticket};
use crate::wire::{Logs, Metrics, Rejected, Rejection, Traces};

/// From this size on a request is scanned on a thread that may take its time.
const LARGE: usize = 1 << 20;

/// What a receiver lets in.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most bytes of a request, after it is unpacked. 64 MiB.
    pub max_bytes: usize,
    /// The most bytes of all requests that are being received or wait for the disk. 192 MiB.
    pub max_bytes_at_once: usize,
    /// The most requests at once. 1,024.
    pub max_requests: usize,
    /// The most connections to each port. 2,048. When there are more, those that never asked for anything are closed.
    pub max_connections: usize,
    /// How long a connection may take to ask for something first. 10 seconds.
    pub first_request_timeout: Duration,
    /// How long the head of a later request may take, and how long a connection may rest in between. 60 seconds.
    pub header_timeout: Duration,
    /// How long the body of a request may take. 30 seconds.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_bytes_at_once: 192 << 20,
            max_requests: 1_024,
            max_connections: 2_048,
            first_request_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
        }
    }
}

/// What both ways in lead to.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) store: Arc<Store>,
    pub(crate) limits: Limits,
    pub(crate) load: Arc<Load>,
    pub(crate) counters: Counters,
    pub(crate) health: Arc<Health>,
    /// The work that nothing can end before it is done.
    pub(crate) tasks: TaskTracker,
}

/// What a sender is told of a request that was taken.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) rejected: u64,
    /// Why, if anything was rejected.
    pub(crate) message: String,
}

impl Receiver {
    pub(crate) fn new(store: Arc<Store>, limits: Limits, health: Health) -> Self {
        let load = Arc::new(Load::new(limits.max_bytes_at_once, limits.max_requests));
        let (counters, health, tasks) = (Counters::default(), Arc::new(health), TaskTracker::new());
        Self { store, limits, load, counters, health, tasks }
    }

    /// Stores a request in protobuf; answers when it is on disk.
    pub(crate) async fn take(
        self: &Arc<Self>,
        signal: Signal,
        body: Bytes,
        lease: Lease,
    ) -> Result<Outcome, Refusal> {
        let started = Instant::now();
        self.counters.came(signal, body.len());
        let (ticket, outcome, kept) = if body.len() < LARGE {
            self.submit(signal, body)?
        } else {
            let receiver = Arc::clone(self);
            let submitted = self.tasks.spawn_blocking(move || receiver.submit(signal, body)).await;
            submitted.unwrap_or_else(|_| Err(Refusal::new(Cause::Malformed, "the request cannot be read")))?
        };
        let written = ticket.wait().await;
        self.health.note(written.as_ref().err());
        written?;
        self.counters.stored(signal, kept, started.elapsed());
        drop(lease);
        Ok(outcome)
    }

    fn submit(&self, signal: Signal, body: Bytes) -> Result<(Ticket, Outcome, u64), Refusal> {
        let (batch, kept, outcome) = match signal {
            Signal::Traces => {
                let batch = Traces::scan(body)?;
                let outcome = self.judge(signal, batch.len(), batch.rejected())?;
                (Batch::from(batch), outcome.0, outcome.1)
            }
            Signal::Logs => {
                let batch = Logs::scan(body)?;
                let outcome = self.judge(signal, batch.len(), batch.rejected())?;
                (Batch::from(batch), outcome.0, outcome.1)
            }
            Signal::Metrics => {
                let batch = Metrics::scan(body)?;
                let outcome = self.judge(signal, batch.len(), batch.rejected())?;
                (Batch::from(batch), outcome.0, outcome.1)
            }
        };
        let ticket = self.store.submit(batch).inspect_err(|error| self.health.note(Some(error)))?;
        Ok((ticket, outcome, kept))
    }

    /// Decides what the sender is told of what is left out.
    fn judge(&self, signal: Signal, kept: usize, rejected: &Rejected) -> Result<(u64, Outcome), Refusal> {
        let kept = kept as u64;
        let count = rejected.count();
        self.counters.scanned(signal, kept, rejected);
        if count == 0 {
            return Ok((kept, Outcome::default()));
        }
        // A decoder would not have read any of it, so the sender hears what it would have heard from one.
        if kept == 0 && rejected.reasons().all(|(why, _)| is_unreadable(why)) {
            return Err(Refusal::new(
                Cause::Malformed,
                format!("nothing of the request can be read: {rejected}"),
            ));
        }
        Ok((kept, Outcome { rejected: count, message: rejected.to_string() }))
    }
}

fn is_unreadable(why: Rejection) -> bool {
    matches!(why, Rejection::TooDeep | Rejection::WrongType | Rejection::Broken(_))
}
