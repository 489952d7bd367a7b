//! Pushes metrics to a Pushgateway, for programs that end before anybody could scrape them.
//!
//! A push replaces the whole group of the job and its grouping labels, so what the gateway shows is always one snapshot.
//! It keeps the last one after the program has ended, which is what a short job wants and a service does not: that one
//! is better [scraped](super::MetricsPage).

mod client;
mod path;
mod worker;

use std::fmt;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use http::{StatusCode, Uri};
use tokio::sync::oneshot;

use super::source::Source;
use crate::metrics::Snapshot;
use crate::resource::Resource;
use worker::Stop;

/// How long the end may take beyond its limit, before the thread is left to itself.
const GRACE: Duration = Duration::from_secs(1);

/// Where, under which names and how often metrics are pushed.
#[derive(Clone, PartialEq, Eq)]
pub struct PushGateway {
    /// The address of the gateway, such as `http://localhost:9091`.
    pub url: String,
    /// The label `job` of all that is pushed; not empty.
    pub job: String,
    /// More labels of all that is pushed; together with the job they name the group that a push replaces. Two programs
    /// with the same group overwrite each other.
    pub grouping: Vec<(String, String)>,
    /// The time from one push to the next, longer than zero.
    pub interval: Duration,
    /// How long one push may take, longer than zero.
    pub timeout: Duration,
}

impl fmt::Debug for PushGateway {
    /// Shows the address without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushGateway")
            .field("url", &tta_redact::secrets(&self.url))
            .field("job", &self.job)
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Pushes cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushSetupError {
    /// The address cannot be used.
    #[error("the Pushgateway {url:?} cannot be used: {reason}; set one such as http://localhost:9091")]
    Url {
        /// The address, without the part that may be a password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The job has no name.
    #[error("the job of the Pushgateway is empty; name the program")]
    Job,
    /// A label cannot be used.
    #[error("the grouping label {name:?} of the Pushgateway cannot be used: {reason}")]
    Label {
        /// The label.
        name: String,
        /// What is wrong with it, and what to do.
        reason: &'static str,
    },
    /// A time is zero.
    #[error("the {which} of the Pushgateway is zero; set one such as 15 seconds")]
    Zero {
        /// Which time.
        which: &'static str,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS for the Pushgateway: {0}")]
    Tls(String),
    /// The thread did not start.
    #[error("cannot start the thread that pushes metrics")]
    Thread(#[source] io::Error),
}

/// A push failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The gateway cannot be reached.
    #[error("cannot push metrics to {url}: {reason}; start a Pushgateway there, or set another address")]
    Unreachable {
        /// Where to.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The gateway answered, but did not take the metrics.
    #[error("{url} did not take the metrics: {status}{}{text}; check that this is a Pushgateway", if text.is_empty() { "" } else { ": " })]
    Refused {
        /// Where to.
        url: String,
        /// Its answer.
        status: StatusCode,
        /// What it said, at most its first lines.
        text: String,
    },
    /// The time was over.
    #[error("{url} did not take the metrics within {after:?}; check the address, or allow more time")]
    Late {
        /// Where to.
        url: String,
        /// The time.
        after: Duration,
    },
    /// The snapshot panicked.
    #[error("the metrics could not be read: a panic, told where this program writes its errors")]
    Unread,
}

impl PushGateway {
    /// A gateway for a job, without further labels: a push every 15 seconds, which may take 10.
    #[must_use]
    pub fn new(url: impl Into<String>, job: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            job: job.into(),
            grouping: Vec::new(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
        }
    }

    /// Starts the thread that pushes, the first time after one interval. Pushes that fail are told at most once a minute, and
    /// the next one follows as planned.
    ///
    /// # Errors
    /// If the settings can never work. A gateway that cannot be reached is no error here: it may start later.
    pub fn start(
        &self,
        source: impl Fn() -> Snapshot + Send + Sync + 'static,
        resource: &Resource,
    ) -> Result<Pusher, PushSetupError> {
        let uri = path::uri(self)?;
        for (which, time) in [("interval", self.interval), ("timeout", self.timeout)] {
            if time.is_zero() {
                return Err(PushSetupError::Zero { which });
            }
        }
        let source = Source::new(source, resource);
        worker::start(self, uri, source)
    }

    /// The address that is pushed to, with the job and the labels in its path.
    ///
    /// # Errors
    /// If the address, the job or a label cannot be used.
    pub fn target(&self) -> Result<Uri, PushSetupError> {
        path::uri(self)
    }
}

/// Pushes at work.
///
/// Dropped without a shutdown they end at once, without a last push.
#[derive(Debug)]
pub struct Pusher {
    /// Where to, for errors.
    url: String,
    stop: Option<oneshot::Sender<Stop>>,
    thread: Option<JoinHandle<()>>,
}

impl Pusher {
    /// Pushes a last time, after the push that is on its way, and ends within the time and a second at most.
    ///
    /// # Errors
    /// If the last push failed, or the time was over.
    pub fn shutdown(mut self, timeout: Duration) -> Result<(), PushError> {
        let (told, outcome) = std::sync::mpsc::channel();
        let late = || PushError::Late { url: self.url.clone(), after: timeout };
        let is_asked = self.stop.take().is_some_and(|stop| stop.send(Stop { timeout, told }).is_ok());
        if !is_asked {
            // The thread has panicked, as the hook has told.
            return Err(PushError::Unread);
        }
        let outcome = outcome.recv_timeout(timeout.saturating_add(GRACE)).map_err(|_| late());
        if outcome.is_err() {
            // It hangs, and nobody waits for it.
            self.thread.take();
        }
        outcome?
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It ends now, since it waits for nobody; whether it panicked was told by the panic hook.
            let _ = thread.join();
        }
    }
}
