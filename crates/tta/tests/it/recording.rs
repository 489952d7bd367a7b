//! A recorder of one test's own, as `Telemetry` makes it.

use std::sync::Arc;
use std::time::Duration;

use tta::config::Config;
use tta::export::memory::MemoryExporter;
use tta::model::{SpanRecord, Value};
use tta::observe::Observer;
use tta::{Guard, Telemetry, WorkflowContext, WorkflowContextBuilder};

/// Far beyond what anything takes, on a machine that is busy with other things.
pub const ENOUGH: Duration = Duration::from_secs(30);

pub struct Recording {
    pub guard: Guard,
    pub observer: Arc<dyn Observer>,
    memory: MemoryExporter,
}

impl Recording {
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// Starts from the defaults, with some of them changed.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::silent();
        change(&mut config);
        let memory = MemoryExporter::with_capacity(1_000_000);
        let (observer, guard) =
            Telemetry::with_config(config).exporter(memory.clone()).build().expect("it can be set up");
        Self { guard, observer: observer.expect("recording is not disabled"), memory }
    }

    pub fn builder(&self) -> WorkflowContextBuilder {
        WorkflowContext::builder().observer(Arc::clone(&self.observer))
    }

    pub fn context(&self) -> WorkflowContext {
        self.builder().build()
    }

    /// Everything that has ended so far.
    pub fn spans(&self) -> Vec<SpanRecord> {
        self.guard.flush(ENOUGH).expect("memory takes everything");
        self.memory.spans()
    }
}

/// The only span of a name.
#[track_caller]
pub fn one<'a>(spans: &'a [SpanRecord], name: &str) -> &'a SpanRecord {
    let named: Vec<&SpanRecord> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(named.len(), 1, "one {name}: {spans:#?}");
    named[0]
}

/// The text of an attribute; it is there once.
#[track_caller]
pub fn text<'a>(span: &'a SpanRecord, key: &str) -> &'a str {
    let values: Vec<&Value> =
        span.attributes.iter().filter(|(known, _)| known == key).map(|(_, value)| value).collect();
    assert_eq!(values.len(), 1, "{key} once: {span:#?}");
    values[0].as_text().unwrap_or_else(|| panic!("{key} is no text: {span:#?}"))
}

/// Every key of every span is there once.
#[track_caller]
pub fn assert_keys_unique(spans: &[SpanRecord]) {
    for span in spans {
        let mut keys: Vec<&str> = span.attributes.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count, "{span:#?}");
    }
}
