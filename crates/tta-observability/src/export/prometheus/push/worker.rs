//! The thread that pushes.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use http::Uri;
use opentelemetry::Context;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tta_model::name::log::TELEMETRY_EXPORT_FAILED;

use super::client::Client;
use super::{PushError, PushGateway, PushSetupError, Pusher};
use crate::export::prometheus::Format;
use crate::export::prometheus::source::{Panicked, Source};
use crate::report;

/// How long the next report waits after one.
const BETWEEN_REPORTS: Duration = Duration::from_secs(60);

/// The wish to end.
#[derive(Debug)]
pub(super) struct Stop {
    /// How long the end may take.
    pub(super) timeout: Duration,
    /// Gets the outcome of the last push.
    pub(super) told: mpsc::Sender<Result<(), PushError>>,
}

/// Pushes until it is stopped.
struct Worker {
    source: Source,
    client: Client,
    url: String,
    interval: Duration,
    timeout: Duration,
}

/// Starts the thread.
pub(super) fn start(gateway: &PushGateway, uri: Uri, source: Source) -> Result<Pusher, PushSetupError> {
    let url = uri.to_string();
    let client = Client::new(uri)?;
    let (interval, timeout) = (gateway.interval, gateway.timeout);
    let worker = Worker { source, client, url: url.clone(), interval, timeout };
    let (stop, stopped) = oneshot::channel();
    let (started, starting) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("tta-push".to_owned())
        .spawn(move || worker.run(&started, stopped))
        .map_err(PushSetupError::Thread)?;
    // Whoever sends nothing has panicked.
    starting.recv().unwrap_or_else(|error| Err(io::Error::other(error))).map_err(PushSetupError::Thread)?;
    Ok(Pusher { url, stop: Some(stop), thread: Some(thread) })
}

fn runtime() -> io::Result<Runtime> {
    // One for the snapshots, one for the look-up of the gateway's name.
    Builder::new_current_thread().enable_all().max_blocking_threads(2).thread_name("tta-push").build()
}

impl Worker {
    /// Tells whether it started, and pushes. The runtime is made here, since it must not be dropped inside of another
    /// one, where the caller may be.
    fn run(self, started: &mpsc::Sender<io::Result<()>>, stopped: oneshot::Receiver<Stop>) {
        // A push is nobody's span.
        let _quiet = Context::enter_telemetry_suppressed_scope();
        match runtime() {
            Ok(runtime) => {
                // The caller waits for this.
                let _ = started.send(Ok(()));
                runtime.block_on(self.push_all(stopped));
                // A snapshot that hangs, or the look-up of a name, is not waited for.
                runtime.shutdown_background();
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    }

    async fn push_all(&self, mut stopped: oneshot::Receiver<Stop>) {
        let mut reported = None;
        loop {
            tokio::select! {
                stop = &mut stopped => return self.end(stop.ok(), std::future::ready(())).await,
                () = tokio::time::sleep(self.interval) => {}
            }
            let mut pushing = pin!(self.push());
            tokio::select! {
                stop = &mut stopped => return self.end(stop.ok(), pushing).await,
                pushed = &mut pushing => tell(pushed, &mut reported),
            }
        }
    }

    /// Pushes a last time, unless nobody asks for it. What is on its way arrives before, lest it replace the last.
    async fn end(&self, stop: Option<Stop>, pushing: impl Future) {
        let Some(Stop { timeout, told }) = stop else { return };
        let last = async {
            pushing.await;
            self.push().await
        };
        let outcome = tokio::time::timeout(timeout, last).await;
        let outcome = outcome.unwrap_or_else(|_| Err(self.late(timeout)));
        // Whoever asked may have left.
        let _ = told.send(outcome);
    }

    async fn push(&self) -> Result<(), PushError> {
        let pushing = async {
            let text = self.source.text(Format::Classic, |text| text).await;
            self.client.put(text.map_err(|Panicked| PushError::Unread)?).await
        };
        let outcome = tokio::time::timeout(self.timeout, pushing).await;
        outcome.unwrap_or_else(|_| Err(self.late(self.timeout)))
    }

    fn late(&self, after: Duration) -> PushError {
        PushError::Late { url: self.url.clone(), after }
    }
}

/// Reports a failure, unless one was reported a short while ago.
fn tell(pushed: Result<(), PushError>, reported: &mut Option<Instant>) {
    let Err(error) = pushed else { return };
    if is_time_to_report(reported, Instant::now()) {
        report::warn(&TELEMETRY_EXPORT_FAILED, &error.to_string());
    }
}

/// Whether this failure is reported; then the next one has to wait.
fn is_time_to_report(reported: &mut Option<Instant>, now: Instant) -> bool {
    let is_time = reported.is_none_or(|last| now.duration_since(last) >= BETWEEN_REPORTS);
    if is_time {
        *reported = Some(now);
    }
    is_time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_reported_once_a_minute() {
        let begun = Instant::now();
        let mut reported = None;
        let told =
            (0..180).filter(|second| is_time_to_report(&mut reported, begun + Duration::from_secs(*second)));
        assert_eq!(told.collect::<Vec<_>>(), [0, 60, 120]);
    }
}
