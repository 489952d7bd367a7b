//! Spans that the application's own tracer provider makes.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use opentelemetry::global::{BoxedTracer, ObjectSafeTracer};
use opentelemetry::trace::{SpanBuilder, SpanRef, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use tta_model::name::{attribute, event};
use tta_model::{Attributes, ExecutionStatus, Key, SpanId, Value};
use tta_primitives::clock::{self, Anchor};
use tta_primitives::observe::{
    Event, NodeFinished, NodeInfo, NodeStarted, Observation, RunDecision, RunStarted,
};
use tta_primitives::random;

use super::ambient::Ambient;
use super::usage::Usage;
use super::{Parent, ended, events, said};
use crate::clean;
use crate::convert::{from_otel, to_otel};
use crate::logs;
use crate::metrics::Metrics;
use tta_redact::{self as redact, MAX_CHAIN_BYTES, MAX_MESSAGE_BYTES};

/// A tracer of the application, by which the recorder makes its spans.
pub struct ApplicationTracer {
    tracer: BoxedTracer,
}

impl fmt::Debug for ApplicationTracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApplicationTracer")
    }
}

impl ApplicationTracer {
    /// Takes a tracer of the application's provider.
    pub fn new<T: ObjectSafeTracer + Send + Sync + 'static>(tracer: T) -> Self {
        Self { tracer: BoxedTracer::new(Box::new(tracer)) }
    }

    /// Starts the first span of a run, with which the application's sampler decides.
    pub(super) fn start_run(&self, run: &RunStarted<'_>, parent: &Parent) -> RunDecision {
        let around = match &parent.context {
            Some(context) if parent.is_remote => {
                let context = to_otel::span_context(context, true);
                Context::current().with_remote_span_context(context)
            }
            _ => Context::current(),
        };
        let around = logs::with_ids(around, run.ids);
        let anchor = Anchor::read();
        let context = self.open(run.info, &around, anchor.unix_nanos, &[]);
        let span = context.span();
        let made = from_otel::span_context(span.span_context());
        let given = parent.context.as_ref();
        RunDecision {
            trace_id: made.as_ref().or(given).map_or_else(random::trace_id, |span| span.trace_id),
            flags: made.as_ref().map(|span| span.flags).unwrap_or_default(),
            state: made.as_ref().map(|span| span.state.clone()).unwrap_or_default(),
            parent: given.map(|parent| parent.span_id),
            parent_is_remote: parent.is_remote,
            recording: made.is_some() && span.is_recording(),
            ambient: Ambient::of(context.clone()),
        }
    }

    pub(super) fn start_node(
        &self,
        node: &NodeStarted<'_>,
        metrics: &Metrics,
    ) -> Option<Arc<dyn Observation>> {
        let start = node.run.anchor.unix_nanos_at(node.ticks);
        let role = match (node.ambient, node.role) {
            (Some(run), _) => {
                let run: &dyn Any = &**run;
                let run = run.downcast_ref::<Ambient>()?;
                set_all(&run.context.span(), &node.run.attributes);
                Some(run.context.clone())
            }
            (None, Some(role)) => {
                let attributes = [&node.run.attributes, role.attributes].concat();
                Some(self.open(role.info, &Context::current(), start, &attributes))
            }
            (None, None) => None,
        };
        let around = role.clone().unwrap_or_else(Context::current);
        let parent = SpanId::from_bytes(around.span().span_context().span_id().to_bytes());
        let context = self.open(node.node, &around, start, &node.run.attributes);
        let span_id = SpanId::from_bytes(context.span().span_context().span_id().to_bytes())?;
        Some(Arc::new(SdkSpan {
            context,
            role,
            span_id,
            parent,
            start: node.ticks,
            anchor: node.run.anchor,
            metrics: metrics.clone(),
            usage: Mutex::default(),
        }))
    }

    fn open(&self, info: &NodeInfo, around: &Context, start: u64, more: &[(Key, Value)]) -> Context {
        let attributes = info.attributes.iter().chain(more);
        let builder = SpanBuilder::from_name(clean::shown(&info.span_name).into_owned())
            .with_kind(to_otel::kind(info.span_kind))
            .with_start_time(to_otel::time(start))
            .with_attributes(attributes.map(|(key, value)| shown(key, value)));
        around.with_span(self.tracer.build_with_context(builder, around))
    }
}

fn set_all(span: &SpanRef<'_>, attributes: &Attributes) {
    attributes.iter().for_each(|(key, value)| span.set_attribute(shown(key, value)));
}

/// An attribute without secrets: what a span was given, its exporters have.
fn shown(key: &Key, value: &Value) -> KeyValue {
    match clean::attribute(key, value) {
        Some((key, value)) => to_otel::attribute(&key, &value),
        None => to_otel::attribute(key, value),
    }
}

/// The span of a node, and that of its role.
#[derive(Debug)]
struct SdkSpan {
    context: Context,
    role: Option<Context>,
    span_id: SpanId,
    parent: Option<SpanId>,
    start: u64,
    anchor: Anchor,
    metrics: Metrics,
    /// What model calls came to: a provider keeps every value that is set, so the sums are set once.
    usage: Mutex<Option<Box<Usage>>>,
}

impl Observation for SdkSpan {
    fn span_id(&self) -> SpanId {
        self.span_id
    }

    fn parent_span_id(&self) -> Option<SpanId> {
        self.parent
    }

    fn within(&self, poll: &mut dyn FnMut()) {
        let _current = self.context.clone().attach();
        poll();
    }

    fn event(&self, event: &Event<'_>) {
        if Usage::is_told_by(event) {
            let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
            return usage.get_or_insert_default().add(event);
        }
        let span = self.context.span();
        let at = self.anchor.unix_nanos_at(clock::ticks());
        let record = events::record(event, at, &mut |key, value| {
            span.set_attribute(shown(&key, &value));
        });
        if let Some(record) = record {
            let attributes = record.attributes.iter().map(|(key, value)| shown(key, value));
            let name = clean::shown(&record.name).into_owned();
            span.add_event_with_timestamp(name, to_otel::time(at), attributes.collect());
        }
    }

    fn set_attributes(&self, attributes: &mut [Option<(Key, Value)>]) {
        let attributes = attributes.iter().flatten().map(|(key, value)| shown(key, value));
        self.context.span().set_attributes(attributes);
    }

    fn finished(self: Arc<Self>, finished: &NodeFinished<'_>) {
        ended(&self.metrics, finished, Some(self.span_id));
        let usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(usage) = usage {
            set_all(&self.context.span(), &usage.attributes());
        }
        let end = finished.ticks.max(self.start);
        let ending = Ending {
            finished,
            at: to_otel::time(self.anchor.unix_nanos_at(end)),
            duration_ms: (end - self.start) as f64 / 1e6,
        };
        close(&self.context.span(), &ending, finished.error_arose_here);
        if let Some(role) = &self.role {
            close(&role.span(), &ending, false);
        }
    }
}

/// How and when an execution ended.
struct Ending<'a> {
    finished: &'a NodeFinished<'a>,
    at: SystemTime,
    duration_ms: f64,
}

fn close(span: &SpanRef<'_>, ending: &Ending<'_>, arose_here: bool) {
    let (finished, end) = (ending.finished, ending.at);
    let status = finished.status.as_str();
    span.set_attribute(KeyValue::new(attribute::EXECUTION_STATUS.key, status));
    span.set_attribute(KeyValue::new(attribute::EXECUTION_DURATION_MS.key, ending.duration_ms));
    let described = finished.error.filter(|_| arose_here).map(|error| {
        let message = redact::bounded(&said(|| error.message()), MAX_MESSAGE_BYTES);
        span.set_attribute(KeyValue::new(attribute::ERROR_MESSAGE.key, message.clone()));
        span.set_attribute(KeyValue::new(attribute::ERROR_RECOVERABLE.key, error.is_retryable()));
        let exception = vec![
            KeyValue::new(attribute::EXCEPTION_TYPE.key, error.type_name()),
            KeyValue::new(attribute::EXCEPTION_MESSAGE.key, message.clone()),
            KeyValue::new(
                attribute::EXCEPTION_STACKTRACE.key,
                redact::bounded(&said(|| format!("{error:?}")), MAX_CHAIN_BYTES),
            ),
        ];
        span.add_event_with_timestamp(event::EXCEPTION.name, end, exception);
        message
    });
    match finished.status {
        ExecutionStatus::Success => span.set_status(Status::Ok),
        _ => {
            let class = finished.error.map_or(status, tta_primitives::Error::type_name);
            span.set_attribute(KeyValue::new(attribute::ERROR_TYPE.key, class));
            span.set_status(Status::error(described.unwrap_or_else(|| status.to_owned())));
        }
    }
    span.end_with_timestamp(end);
}
