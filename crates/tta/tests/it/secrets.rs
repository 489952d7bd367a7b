//! Secrets stay in the process, wherever the application puts them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;
use tta::config::SpanLimits;
use tta::export::memory::MemoryExporter;
use tta::export::prometheus::{Format, encode};
use tta::logs::{Lines, LogFormat, LogSink};
use tta::metrics::Metrics;
use tta::model::LogRecord;
use tta::model::w3c::Baggage;
use tta::observe::{Event, Observer};
use tta::recorder::{ApplicationTracer, Drain, Outlets, Recorder};
use tta::resource::Resource;
use tta::sampling::Sampler;
use tta::{Error, ErrorKind, Flow, Retry, SpanCounts, Text, Value, WorkflowContext, step_with};

use crate::recording::ENOUGH;

/// What is written before a secret, so that this file holds none; and whether only its name gives it away.
const PREFIXES: [&str; 40] = [
    "sk-",
    "sk-proj-",
    "sk-ant-api03-",
    "sk-or-v1-",
    "AIza",
    "gsk_",
    "xai-",
    "hf_",
    "r8_",
    "pplx-",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "npm_",
    "pypi-",
    "xoxb-",
    "xapp-1-",
    "sk_live_",
    "rk_live_",
    "whsec_",
    "dop_v1_",
    "shpat_",
    "hvs.",
    "lin_api_",
    "figd_",
    "tvly-",
    "AGE-SECRET-KEY-1",
    "dckr_pat_",
    "sbp_",
    "tskey-auth-",
    "xkeysib-",
    "eyJhbGciOi.",
    "redis://user:",
    "?api_key=",
    "password: ",
    "DB_PASSWORD=",
    "Authorization: Bearer ",
    "{\"client_secret\":\"",
    "--token ",
];

/// What is planted, and the secret in it.
pub(crate) fn planted() -> Vec<(String, String)> {
    let drawn = |at: usize| {
        let digits = (0..36_u64).map(|n| (at as u64 * 7_919 + 13) * (n + 3) * (n + 3) * 31 % 997 % 36);
        digits
            .map(|digit| char::from_digit(digit as u32, 36).unwrap().to_ascii_uppercase())
            .collect::<String>()
    };
    let all = PREFIXES.iter().enumerate().map(|(at, prefix)| {
        let after = match *prefix {
            "redis://user:" => "@cache.internal:6379/0",
            "{\"client_secret\":\"" => "\"}",
            _ => "",
        };
        (format!("{prefix}{}{after}", drawn(at)), drawn(at))
    });
    let mut all: Vec<(String, String)> = all.collect();
    for number in ["4111 1111 1111 1111", "378282246310005"] {
        all.push((number.to_owned(), number.to_owned()));
    }
    all.push(("anna.lind@example.org".to_owned(), "anna.lind".to_owned()));
    all
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A step that puts a secret wherever a step can put something, and fails with it.
fn leaking(said: &str) -> Flow<u64, u64> {
    let said = said.to_owned();
    step_with("leak", move |_: u64, cx: WorkflowContext| {
        let said = said.clone();
        async move {
            let prompt = format!("please call it with {said} and not without");
            cx.set_attribute("prompt", prompt.clone());
            cx.set_attribute("arguments", format!("{{\"query\":{:?},\"limit\":3}}", said));
            cx.set_attribute("list", vec![said.clone(), "plain".to_owned()]);
            cx.set_attribute(said.clone(), 1);
            cx.set_attribute("session_token", said.clone());
            let attributes = [("said".into(), Value::from(said.clone()))];
            cx.emit(&Event::Custom { name: said.clone().into(), attributes: &attributes });
            let (route, reason) = (Text::from(said.clone()), Text::from(prompt.clone()));
            cx.emit(&Event::RouteDecided {
                route: &route,
                reason: &reason,
                strategy: "rule",
                saved_micro_usd: 5,
            });
            cx.emit(&Event::Spent { amount_micro_usd: 5, provider: Some(&route), model: Some(&route) });
            cx.checkpoint(said.clone());
            tracing::info!(asked = %said, "the application says {prompt}");
            Err(Error::with_source(ErrorKind::Unavailable, io::Error::other(prompt)))
        }
    })
}

fn context(said: &str, observer: Arc<dyn Observer>) -> WorkflowContext {
    let mut baggage = Baggage::default();
    baggage.insert("leak", said).unwrap();
    WorkflowContext::builder()
        .workflow_name(format!("report {said}"))
        .workflow_id(said.to_owned())
        .correlation_id(format!("request {said}"))
        .session_id(said.to_owned())
        .agent_id(said.to_owned())
        .agent_type(said.to_owned())
        .tag("leak", said.to_owned())
        .metadata("leak", said.to_owned())
        .baggage(baggage)
        .observer(observer)
        .build()
}

/// Runs a leaking flow for each secret; gives back what is printed for whoever debugs, and the lines.
fn leak(observer: &Arc<dyn Observer>) -> String {
    let written = Written::default();
    let subscriber = tracing_subscriber::registry()
        .with(Lines::to(LogFormat::Json, written.clone()))
        .with(Lines::to(LogFormat::Pretty, written.clone()));
    let dispatch = Dispatch::new(subscriber);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut printed = String::new();
    for (said, _) in planted() {
        let flow = leaking(&said).named(said.clone()).retry(Retry::constant(2, Duration::ZERO));
        let cx = context(&said, Arc::clone(observer));
        cx.state().set("leak", said.clone());
        tracing::dispatcher::with_default(&dispatch, || runtime.block_on(flow.run(1, &cx)).unwrap_err());
        let attributes = [("said".into(), Value::from(said.clone()))];
        let event = Event::Custom { name: "asked".into(), attributes: &attributes };
        writeln!(printed, "{cx:?} {:?} {:?} {event:?}", cx.baggage(), cx.state()).unwrap();
        for member in cx.baggage().iter() {
            writeln!(printed, "{member:?}").unwrap();
        }
    }
    printed + &String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
}

#[track_caller]
pub(crate) fn assert_clean(what: &str, text: &str) {
    assert!(!text.is_empty(), "{what} is empty");
    for (said, secret) in planted() {
        for form in [secret.clone(), secret.replace(' ', "%20"), secret.replace(' ', "+")] {
            let at = text.find(&form);
            let around =
                at.map(|at| &text[text.floor_char_boundary(at.saturating_sub(200))..at + form.len()]);
            assert_eq!(around, None, "{what} shows {said}");
        }
    }
}

#[test]
fn no_secret_leaves_by_spans_records_lines_or_labels() {
    let counts = Arc::new(SpanCounts::default());
    let metrics = Metrics::new();
    let (recorder, finished) =
        Recorder::direct(Sampler::AlwaysOn, SpanLimits::default(), Arc::clone(&counts), metrics.clone());
    let (exporter, records) = (MemoryExporter::new(), Arc::<Mutex<Vec<LogRecord>>>::default());
    let sink = Arc::clone(&records);
    let logs: LogSink = Arc::new(move |record| sink.lock().unwrap().push(record));
    let outlets =
        Outlets { exporters: vec![Box::new(exporter.clone())], logs: Some(logs), ..Outlets::default() };
    let drain = Drain::start(finished, outlets, counts).unwrap();
    let observer: Arc<dyn Observer> = Arc::new(recorder);
    let printed = leak(&observer);
    drain.flush(ENOUGH).unwrap();

    assert_clean("what is printed", &printed);
    assert!(printed.contains("the application says"), "its lines are there, without the secrets");
    let spans = exporter.spans();
    assert!(spans.len() >= 3 * planted().len(), "{}", spans.len());
    assert_clean("a span", &serde_json::to_string(&spans).unwrap());
    let prompt = Value::from("please call it with [redacted] and not without");
    assert!(spans.iter().any(|span| span.attribute("prompt") == Some(&prompt)), "the rest of a text stays");
    let records = records.lock().unwrap();
    assert_clean("a log record", &serde_json::to_string(&*records).unwrap());
    let resource = Resource::detect(&tta::config::Config::default());
    for format in [Format::Classic, Format::OpenMetrics] {
        let page = encode(metrics.snapshot(), &resource, format);
        assert_clean("a label", &page);
        assert!(page.contains("[redacted]"), "the series are there");
    }
    drain.stop(ENOUGH).unwrap();
}

#[test]
fn no_secret_leaves_by_the_tracer_of_the_application() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let tracer = ApplicationTracer::new(provider.tracer("test"));
    let observer: Arc<dyn Observer> = Arc::new(Recorder::sdk(tracer, Metrics::new()));
    let printed = leak(&observer);
    assert_clean("what is printed", &printed);
    let spans = exporter.get_finished_spans().unwrap();
    assert!(spans.len() >= 3 * planted().len(), "{}", spans.len());
    assert_clean("a span", &format!("{spans:?}"));
}
