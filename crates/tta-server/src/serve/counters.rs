//! What the server counts of itself, as Prometheus reads it.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric as Instrument, Registry};
use tta_model::name::attribute::label;
use tta_model::name::metric::{BUCKETS_S, Metric, server};

use crate::receive::{Cause, Receiver, Signal};
use crate::wire::{Rejected, Rejection};

type Labels = [(&'static str, &'static str); 1];
type Two = [(&'static str, &'static str); 2];
/// Puts an instrument into a registry, under a name and with its meaning.
type Entry = Box<dyn FnOnce(&mut Registry, &str, &str)>;

/// The counts, and the page that shows them.
pub(crate) struct Counters {
    registry: Mutex<Registry>,
    received_bytes: Family<Labels, Counter>,
    received_batches: Family<Labels, Counter>,
    received_records: Family<Labels, Counter>,
    accepted_batches: Family<Labels, Counter>,
    accepted_records: Family<Labels, Counter>,
    rejected: Family<Two, Counter>,
    refused: Family<Labels, Counter>,
    commits: Family<Labels, Histogram, fn() -> Histogram>,
    connections: Family<Labels, Gauge>,
    levels: Levels,
}

/// What is read when somebody asks.
#[derive(Default)]
struct Levels {
    requests: Gauge,
    request_bytes: Gauge,
    queue_batches: Gauge,
    queue_bytes: Gauge,
    store_bytes: Gauge,
    store_files: Gauge,
    store_records: Family<Labels, Gauge>,
    dropped_spans: Counter,
    damage: Gauge,
    ready: Gauge,
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counters")
    }
}

fn of(signal: Signal) -> Labels {
    [(label::SIGNAL.key, signal.label())]
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS_S.iter().copied())
}

impl Default for Counters {
    fn default() -> Self {
        let counters = Self {
            registry: Mutex::default(),
            received_bytes: Family::default(),
            received_batches: Family::default(),
            received_records: Family::default(),
            accepted_batches: Family::default(),
            accepted_records: Family::default(),
            rejected: Family::default(),
            refused: Family::default(),
            commits: Family::new_with_constructor(histogram),
            connections: Family::default(),
            levels: Levels::default(),
        };
        counters.register();
        for signal in Signal::ALL {
            // A series that is there from the start shows its first increase.
            let families = [
                &counters.received_bytes,
                &counters.received_batches,
                &counters.received_records,
                &counters.accepted_batches,
                &counters.accepted_records,
            ];
            families.into_iter().for_each(|family| drop(family.get_or_create(&of(signal))));
        }
        counters
    }
}

impl Counters {
    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut add = |metric: &Metric, instrument: Entry| {
            let name = metric.prometheus_name();
            // The library appends the ending of counters.
            instrument(&mut registry, name.trim_end_matches("_total"), metric.meaning);
        };
        add(&server::RECEIVED_BYTES, entry(&self.received_bytes));
        add(&server::RECEIVED_BATCHES, entry(&self.received_batches));
        add(&server::RECEIVED_RECORDS, entry(&self.received_records));
        add(&server::ACCEPTED_BATCHES, entry(&self.accepted_batches));
        add(&server::ACCEPTED_RECORDS, entry(&self.accepted_records));
        add(&server::REJECTED_RECORDS, entry(&self.rejected));
        add(&server::REFUSED_REQUESTS, entry(&self.refused));
        add(&server::COMMIT_DURATION, entry(&self.commits));
        add(&server::CONNECTIONS, entry(&self.connections));
        add(&server::REQUESTS, entry(&self.levels.requests));
        add(&server::REQUEST_BYTES, entry(&self.levels.request_bytes));
        add(&server::QUEUE_BATCHES, entry(&self.levels.queue_batches));
        add(&server::QUEUE_BYTES, entry(&self.levels.queue_bytes));
        add(&server::STORE_BYTES, entry(&self.levels.store_bytes));
        add(&server::STORE_FILES, entry(&self.levels.store_files));
        add(&server::STORE_RECORDS, entry(&self.levels.store_records));
        add(&server::STORE_DROPPED_SPANS, entry(&self.levels.dropped_spans));
        add(&server::STORE_DAMAGE, entry(&self.levels.damage));
        add(&server::STORE_READY, entry(&self.levels.ready));
    }

    /// A request is here as a whole.
    pub(crate) fn came(&self, signal: Signal, bytes: usize) {
        self.received_bytes.get_or_create(&of(signal)).inc_by(bytes as u64);
        self.received_batches.get_or_create(&of(signal)).inc();
    }

    /// A request was scanned.
    pub(crate) fn scanned(&self, signal: Signal, kept: u64, rejected: &Rejected) {
        self.received_records.get_or_create(&of(signal)).inc_by(kept + rejected.count());
        for (why, count) in rejected.reasons() {
            let labels = [(label::SIGNAL.key, signal.label()), (label::REASON.key, reason(why))];
            self.rejected.get_or_create(&labels).inc_by(count);
        }
    }

    /// A request is on disk.
    pub(crate) fn stored(&self, signal: Signal, kept: u64, took: Duration) {
        self.accepted_batches.get_or_create(&of(signal)).inc();
        self.accepted_records.get_or_create(&of(signal)).inc_by(kept);
        self.commits.get_or_create(&of(signal)).observe(took.as_secs_f64());
    }

    /// A request was refused.
    pub(crate) fn refused(&self, cause: Cause) {
        self.refused.get_or_create(&[(label::REASON.key, cause.label())]).inc();
    }

    /// The connections to a port.
    pub(crate) fn connections(&self, port: &'static str) -> Gauge {
        self.connections.get_or_create_owned(&[(label::PORT.key, port)])
    }

    /// The page.
    pub(crate) fn page(&self, receiver: &Receiver, ready: bool) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let (levels, stats) = (&self.levels, receiver.store.stats());
        levels.requests.set(receiver.load.requests() as i64);
        levels.request_bytes.set(receiver.load.bytes() as i64);
        levels.queue_batches.set(stats.waiting_batches as i64);
        levels.queue_bytes.set(stats.waiting_bytes as i64);
        levels.store_bytes.set(stats.bytes as i64);
        levels.store_files.set(stats.files as i64);
        let kept =
            [(Signal::Traces, stats.spans), (Signal::Logs, stats.logs), (Signal::Metrics, stats.metrics)];
        for (signal, count) in kept {
            levels.store_records.get_or_create(&of(signal)).set(count as i64);
        }
        levels.dropped_spans.inc_by(stats.dropped_spans.saturating_sub(levels.dropped_spans.get()));
        levels.damage.set(receiver.store.damage().len() as i64);
        levels.ready.set(i64::from(ready));
        let mut page = String::new();
        // A text in memory takes everything.
        let _ = text::encode(&mut page, &registry);
        page
    }
}

fn entry(instrument: &(impl Instrument + Clone)) -> Entry {
    let instrument = instrument.clone();
    Box::new(move |registry, name, meaning| registry.register(name, meaning, instrument))
}

fn reason(why: Rejection) -> &'static str {
    match why {
        Rejection::TraceId => "trace_id",
        Rejection::SpanId => "span_id",
        Rejection::ParentId => "parent_id",
        Rejection::NoTime => "no_time",
        Rejection::Time => "time",
        Rejection::NotUtf8 => "not_utf8",
        Rejection::WrongType => "wrong_type",
        Rejection::TooDeep => "too_deep",
        Rejection::Broken(_) => "broken",
        Rejection::Envelope => "envelope",
        Rejection::NoName => "no_name",
    }
}
