//! What is wrong with the receiver, told often enough to be seen and rarely enough not to be a flood.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tta_model::name::log::TELEMETRY_EXPORT_FAILED;

use super::sender::Partial;
use crate::config::Signal;
use crate::report;

/// How long the next report waits after one.
const BETWEEN_REPORTS: Duration = Duration::from_secs(60);

/// What went wrong last with one receiver.
#[derive(Debug)]
pub(super) struct Trouble {
    signal: Signal,
    url: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last error of an attempt; none once one succeeded.
    attempt: Option<String>,
    /// Why a batch was given up or refused last, and how many were.
    failure: Option<String>,
    failures: u64,
    /// Batches that were given up.
    errors: u64,
    reported: Option<Instant>,
}

impl Trouble {
    pub(super) fn new(signal: Signal, url: String) -> Self {
        Self { signal, url, state: Mutex::default() }
    }

    /// One attempt failed; another may follow.
    pub(super) fn attempt_failed(&self, error: impl Into<String>) {
        let error = error.into();
        let mut state = self.lock();
        let report = state.is_time_to_report().then(|| self.describe(&error));
        state.attempt = Some(error);
        drop(state);
        if let Some(reason) = report {
            self.report(&reason);
        }
    }

    /// One attempt failed, and whoever told why knows more than this error says.
    pub(super) fn attempt_failed_somehow(&self, error: &str) {
        let known = self.lock().attempt.clone();
        self.attempt_failed(known.unwrap_or_else(|| error.to_owned()));
    }

    /// A batch was given up. Errors of its attempts say more than that of the whole.
    pub(super) fn batch_failed(&self, error: &str) {
        let mut state = self.lock();
        state.errors += 1;
        let error = state.attempt.clone().unwrap_or_else(|| error.to_owned());
        state.failure = Some(self.describe(&error));
        state.failures += 1;
        drop(state);
        self.attempt_failed(error);
    }

    /// The receiver accepted a request, but not all that is in it; or it took all of it and has something to say.
    pub(super) fn accepted_in_part(&self, partial: &Partial) {
        let Partial { rejected, message } = partial;
        let said = if message.is_empty() { "it does not say why" } else { message };
        let mut state = self.lock();
        if *rejected > 0 {
            let error = format!("it refused {rejected} {}: {said}", self.things());
            state.failure = Some(self.describe(&error));
            state.failures += 1;
            drop(state);
            return self.attempt_failed(error);
        }
        let is_time = state.is_time_to_report();
        drop(state);
        if is_time {
            report::warn(
                &TELEMETRY_EXPORT_FAILED,
                &format!("{} says about {}: {said}", self.url, self.things()),
            );
        }
    }

    /// The receiver answered well, or can be reached again.
    pub(super) fn recovered(&self) {
        self.lock().attempt = None;
    }

    /// Why a batch was given up or refused last, and what to do; none if none was.
    pub(super) fn last(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// How many batches were given up or refused in part.
    pub(super) fn failures(&self) -> u64 {
        self.lock().failures
    }

    /// Why not everything was sent since there were so many failures: a later batch may have got through.
    pub(super) fn reason_since(&self, failures: u64) -> String {
        let state = self.lock();
        let failure = state.failure.clone().filter(|_| state.failures > failures && state.attempt.is_none());
        drop(state);
        failure.unwrap_or_else(|| self.reason())
    }

    /// Why nothing is sent, and what to do.
    pub(super) fn reason(&self) -> String {
        match &self.lock().attempt {
            Some(error) => self.describe(error),
            None => format!(
                "{} did not take them in time; check that an OTLP receiver answers there, or allow more time",
                self.url
            ),
        }
    }

    /// How many batches were given up.
    pub(super) fn errors(&self) -> u64 {
        self.lock().errors
    }

    fn describe(&self, error: &str) -> String {
        format!("{}: {error}; {}", self.url, self.advice(error))
    }

    fn report(&self, reason: &str) {
        report::warn(&TELEMETRY_EXPORT_FAILED, &format!("{} cannot be sent to {reason}", self.things()));
    }

    fn things(&self) -> &'static str {
        match self.signal {
            Signal::Traces => "spans",
            Signal::Metrics => "metrics",
            Signal::Logs => "log records",
        }
    }

    fn advice(&self, error: &str) -> String {
        let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
        if says(&["it refused"]) {
            "its answer says what is wrong with them".to_owned()
        } else if says(&["a panic"]) {
            "mend what panicked".to_owned()
        } else if says(&["401", "403", "Unauthenticated", "PermissionDenied"]) {
            "check OTEL_EXPORTER_OTLP_HEADERS".to_owned()
        } else if says(&["404", "405", "415", "Unimplemented", "http2", "HTTP/2"]) {
            "check the path of OTEL_EXPORTER_OTLP_ENDPOINT, and that OTEL_EXPORTER_OTLP_PROTOCOL fits the port".to_owned()
        } else if says(&["certificate", "tls", "TLS"]) {
            "check OTEL_EXPORTER_OTLP_CERTIFICATE and the scheme of OTEL_EXPORTER_OTLP_ENDPOINT".to_owned()
        } else if says(&["429", "503", "ResourceExhausted"]) {
            format!("the receiver asks for less; {}, or give it more room", self.less())
        } else if says(&["it answered"]) {
            "look at what the receiver logs about it".to_owned()
        } else {
            let signal = self.signal.in_variables();
            format!(
                "start an OTLP receiver there, set OTEL_EXPORTER_OTLP_ENDPOINT, or set OTEL_{signal}_EXPORTER=none"
            )
        }
    }

    /// How to send less.
    fn less(&self) -> &'static str {
        match self.signal {
            Signal::Traces => "sample fewer traces",
            Signal::Metrics => "raise OTEL_METRIC_EXPORT_INTERVAL",
            Signal::Logs => "log less",
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether this trouble is reported; then the next one has to wait.
    fn is_time_to_report(&mut self) -> bool {
        let is_time = self.reported.is_none_or(|last| last.elapsed() >= BETWEEN_REPORTS);
        if is_time {
            self.reported = Some(Instant::now());
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::{Event, Metadata, Subscriber, span};

    use super::*;

    /// Counts the events at our target.
    #[derive(Clone, Default)]
    struct Events(Arc<AtomicUsize>);

    impl Subscriber for Events {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "tta::export"
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn reports_once_a_minute() {
        let events = Events::default();
        let trouble = Trouble::new(Signal::Traces, "http://localhost:1".to_owned());
        tracing::subscriber::with_default(events.clone(), || {
            for _ in 0..100 {
                trouble.attempt_failed("connection refused");
                trouble.batch_failed("given up");
            }
        });
        assert_eq!(events.0.load(Ordering::Relaxed), 1);
        assert_eq!(trouble.errors(), 100);
    }

    #[test]
    fn says_what_to_do() {
        let check = |error: &str, advice: &str| {
            let trouble = Trouble::new(Signal::Traces, "http://localhost:1".to_owned());
            trouble.batch_failed(error);
            let reason = trouble.reason();
            assert!(reason.starts_with(&format!("http://localhost:1: {error}; ")), "{reason}");
            assert!(reason.contains(advice), "{reason}");
        };
        check("tcp connect error: Connection refused", "start an OTLP receiver there");
        check("it answered 401 Unauthorized", "OTEL_EXPORTER_OTLP_HEADERS");
        check("it answered 404 Not Found", "OTEL_EXPORTER_OTLP_PROTOCOL");
        check("it answered 400 Bad Request", "what the receiver logs");
        check("invalid peer certificate: UnknownIssuer", "OTEL_EXPORTER_OTLP_CERTIFICATE");
        check("it answered 429 Too Many Requests", "sample fewer traces");
    }

    #[test]
    fn forgets_what_is_over() {
        let trouble = Trouble::new(Signal::Traces, "http://localhost:1".to_owned());
        trouble.attempt_failed("connection refused");
        trouble.recovered();
        assert!(trouble.reason().contains("did not take them in time"));
    }
}
