//! Hands lines to an exporter, as records.

use std::sync::{Arc, PoisonError, RwLock};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tta_model::name::attribute;
use tta_model::name::log::TARGET_PREFIX;
use tta_model::w3c::TraceState;
use tta_model::{LogRecord, SpanContext, Text, TraceFlags, Value};
use tta_primitives::clock::Anchor;

use super::fields::Fields;
use super::ids;

/// The targets of lines whose records are made of the spans instead.
const MADE_OF_SPANS: [&str; 2] = ["tta::workflow", "tta::primitive"];

/// Takes a record over. Never waits.
pub type LogSink = Arc<dyn Fn(LogRecord) + Send + Sync>;

static SINK: RwLock<Option<LogSink>> = RwLock::new(None);

/// Sets where records go from now on.
pub(crate) fn set_sink(sink: Option<LogSink>) {
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = sink;
}

/// A layer that hands lines to the exporter of logs; see [`export`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ExportLayer(());

/// A layer that hands lines to the exporter of logs, while recording goes on and logs are exported.
///
/// It leaves out what TTA tells about the start and end of runs and steps: records of their ends are made of the
/// spans, which costs the steps nothing. So those of a run that is not recorded are written, and not exported.
#[must_use]
pub fn export() -> ExportLayer {
    ExportLayer(())
}

impl<S: Subscriber> Layer<S> for ExportLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // What the threads that send say about sending would never end.
        let is_ours = opentelemetry::Context::is_current_telemetry_suppressed();
        if is_ours || MADE_OF_SPANS.contains(&event.metadata().target()) {
            return;
        }
        let sink = SINK.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sink) = sink {
            sink(record(event));
        }
    }
}

fn record(event: &Event<'_>) -> LogRecord {
    let metadata = event.metadata();
    let mut fields = Fields::of(event);
    let is_ours = metadata.target().starts_with(TARGET_PREFIX);
    let (span, ids) = match own_span(&fields).filter(|_| is_ours) {
        Some(span) => {
            drop((fields.take("trace_id"), fields.take("span_id")));
            let id = |fields: &mut Fields, name| fields.take(name).and_then(|id| id.as_text().map(text));
            let ids = [id(&mut fields, "workflow_id"), id(&mut fields, "correlation_id")];
            (Some(span), ids)
        }
        None => {
            let current = ids::current(metadata.target());
            (current.span, [current.workflow_id, current.correlation_id])
        }
    };
    let keys = [attribute::WORKFLOW_ID.key(), attribute::CORRELATION_ID.key()];
    fields.attributes.extend(keys.into_iter().zip(ids).filter_map(|(key, id)| Some((key, id?.into()))));
    fields.attributes.push((attribute::LOG_TARGET.key(), metadata.target().to_owned().into()));
    let event = if is_ours { Text::from(fields.message.clone()) } else { Text::default() };
    LogRecord {
        time_unix_nanos: Anchor::read().unix_nanos,
        severity: severity(*metadata.level()),
        event,
        body: Value::Text(fields.message.into()),
        attributes: fields.attributes,
        span,
    }
}

fn text(text: &str) -> Text {
    text.to_owned().into()
}

/// The span that a line says it is about.
fn own_span(fields: &Fields) -> Option<SpanContext> {
    let trace_id = fields.text("trace_id")?.parse().ok()?;
    let span_id = fields.text("span_id")?.parse().ok()?;
    Some(SpanContext { trace_id, span_id, flags: TraceFlags::SAMPLED, state: TraceState::default() })
}

/// The severity number of OpenTelemetry.
fn severity(level: Level) -> u8 {
    match level {
        Level::TRACE => 1,
        Level::DEBUG => 5,
        Level::INFO => 9,
        Level::WARN => 13,
        Level::ERROR => 17,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use opentelemetry::Context as OtelContext;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_line_becomes_a_record_unless_it_is_told_otherwise() {
        let records: Arc<Mutex<Vec<LogRecord>>> = Arc::default();
        let sink = Arc::clone(&records);
        set_sink(Some(Arc::new(move |record| sink.lock().expect("no panic").push(record))));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(export()), || {
            tracing::warn!(answer = 42, header = "Bearer abcdefgh12345678", "careful");
            tracing::info!(target: "tta::workflow", "made of a span");
            let (trace_id, span_id) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
            tracing::error!(target: "tta::recovery", trace_id, span_id, workflow_id = "w", "retry_exhausted");
            let _quiet = OtelContext::enter_telemetry_suppressed_scope();
            tracing::error!("about sending");
        });
        set_sink(None);
        let records = records.lock().expect("no panic");
        let [plain, ours] = &records[..] else { panic!("two records: {records:#?}") };
        assert_eq!((plain.severity, plain.body.as_text(), plain.event.as_str()), (13, Some("careful"), ""));
        let value = |record: &LogRecord, key: &str| {
            record.attributes.iter().find(|(known, _)| known == key).map(|(_, value)| value.to_string())
        };
        assert_eq!(value(plain, "answer").as_deref(), Some("42"));
        assert_eq!(value(plain, "header").as_deref(), Some("Bearer [redacted]"));
        assert_eq!(plain.span, None);
        assert_eq!((ours.severity, ours.event.as_str()), (17, "retry_exhausted"));
        let span = ours.span.as_ref().expect("the line says which");
        assert_eq!(span.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(value(ours, attribute::WORKFLOW_ID.key).as_deref(), Some("w"));
        assert_eq!(value(ours, "trace_id"), None, "what is in its place is not said twice");
    }
}
