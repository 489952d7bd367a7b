//! What several tests need.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;
use tta::SpanCounts;
use tta::WorkflowContext;
use tta::config::SpanLimits;
use tta::export::SpanExporter;
use tta::export::memory::MemoryExporter;
use tta::metrics::Metrics;
use tta::recorder::{ApplicationTracer, Drain, Recorder};
use tta::sampling::Sampler;

/// How much two clocks may differ.
const SLACK_NANOS: u64 = 1_000_000;

/// A span, whoever made it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub trace: String,
    pub id: String,
    pub parent: Option<String>,
    pub name: String,
    pub start: u64,
    pub end: u64,
}

/// An application with a tracing subscriber that makes OpenTelemetry spans, and a recorder beside it.
pub struct World {
    pub application: InMemorySpanExporter,
    pub provider: SdkTracerProvider,
    pub dispatch: Dispatch,
    memory: MemoryExporter,
    drain: Option<Drain>,
    recorder: Arc<Recorder>,
}

impl World {
    /// The recorder makes its own spans.
    pub fn direct(sampler: Sampler) -> Self {
        let counts = Arc::new(SpanCounts::default());
        let (recorder, finished) =
            Recorder::direct(sampler, SpanLimits::default(), Arc::clone(&counts), Metrics::new());
        let memory = MemoryExporter::new();
        let drain =
            Drain::start(finished, vec![Box::new(memory.clone()) as Box<dyn SpanExporter>], counts).unwrap();
        Self::with(|_| recorder, memory, Some(drain))
    }

    /// The application's provider makes all spans.
    pub fn sdk() -> Self {
        Self::with(
            |provider| Recorder::sdk(ApplicationTracer::new(provider.tracer("tta")), Metrics::new()),
            MemoryExporter::new(),
            None,
        )
    }

    fn with(
        recorder: impl FnOnce(&SdkTracerProvider) -> Recorder,
        memory: MemoryExporter,
        drain: Option<Drain>,
    ) -> Self {
        let application = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(application.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("application"));
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
        let recorder = Arc::new(recorder(&provider));
        Self { application, provider, dispatch, memory, drain, recorder }
    }

    pub fn context(&self) -> WorkflowContext {
        WorkflowContext::builder().observer(self.recorder.clone()).build()
    }

    /// All spans, of the application and ours.
    pub fn spans(&self) -> Vec<Seen> {
        if let Some(drain) = &self.drain {
            drain.flush(Duration::from_secs(5)).unwrap();
        }
        let nanos = |time: std::time::SystemTime| {
            u64::try_from(time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()).unwrap()
        };
        let none = opentelemetry::trace::SpanId::INVALID;
        let theirs = self.application.get_finished_spans().unwrap().into_iter().map(|span| Seen {
            trace: span.span_context.trace_id().to_string(),
            id: span.span_context.span_id().to_string(),
            parent: (span.parent_span_id != none).then(|| span.parent_span_id.to_string()),
            name: span.name.to_string(),
            start: nanos(span.start_time),
            end: nanos(span.end_time),
        });
        let ours = self.memory.spans().into_iter().map(|span| Seen {
            trace: span.trace_id.to_string(),
            id: span.span_id.to_string(),
            parent: span.parent_span_id.map(|parent| parent.to_string()),
            name: span.name.to_string(),
            start: span.start_unix_nanos,
            end: span.end_unix_nanos,
        });
        theirs.chain(ours).collect()
    }
}

/// The spans as a tree of names; siblings in order of start, and of name where they start together.
pub fn tree(spans: &[Seen]) -> String {
    let ids: HashMap<&str, &Seen> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    let mut children: HashMap<Option<&str>, Vec<&Seen>> = HashMap::new();
    for span in spans {
        let parent = span.parent.as_deref().filter(|parent| ids.contains_key(parent));
        children.entry(parent).or_default().push(span);
    }
    for siblings in children.values_mut() {
        siblings.sort_by(|a, b| (a.start, &a.name).cmp(&(b.start, &b.name)));
    }
    let mut text = String::new();
    write(&mut text, &children, None, 0);
    text
}

fn write(text: &mut String, children: &HashMap<Option<&str>, Vec<&Seen>>, of: Option<&str>, depth: usize) {
    for span in children.get(&of).into_iter().flatten() {
        text.push_str(&"  ".repeat(depth));
        text.push_str(&span.name);
        text.push('\n');
        write(text, children, Some(&span.id), depth + 1);
    }
}

/// One trace, one root, no missing parent, and no child outside of its parent's time.
pub fn assert_connected(spans: &[Seen]) {
    let traces: std::collections::HashSet<_> = spans.iter().map(|span| &span.trace).collect();
    assert_eq!(traces.len(), 1, "one trace: {}", tree(spans));
    let ids: std::collections::HashSet<_> = spans.iter().map(|span| span.id.as_str()).collect();
    let roots = spans.iter().filter(|span| !span.parent.as_deref().is_some_and(|id| ids.contains(id)));
    assert_eq!(roots.count(), 1, "one root: {}", tree(spans));
    for span in spans {
        let Some(parent) = spans.iter().find(|other| Some(&other.id) == span.parent.as_ref()) else {
            continue;
        };
        // The application's spans have a clock of their own, which may differ by a little.
        let within = parent.start <= span.start + SLACK_NANOS && span.end <= parent.end + SLACK_NANOS;
        assert!(within, "{} lies within {}", span.name, parent.name);
    }
}
