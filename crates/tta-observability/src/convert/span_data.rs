//! Makes the spans of OpenTelemetry's SDK out of records.

use std::sync::LazyLock;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace as otel;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tta_model::{EventRecord, LinkRecord, SpanContext, SpanRecord, SpanStatus, Text};

use super::to_otel::{attributes, kind, span_context, time};

/// The name by which this library signs what it measured.
pub(super) const SCOPE: &str = "tta";
/// Its version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

static SIGNATURE: LazyLock<InstrumentationScope> =
    LazyLock::new(|| InstrumentationScope::builder(SCOPE).with_version(VERSION).build());

/// Makes the SDK's span of a record.
pub(crate) fn span(record: &SpanRecord) -> SpanData {
    let context = SpanContext {
        trace_id: record.trace_id,
        span_id: record.span_id,
        flags: record.flags,
        state: record.state.clone(),
    };
    let mut events = SpanEvents::default();
    events.events = record.events.iter().map(event).collect();
    events.dropped_count = record.dropped_events;
    let mut links = SpanLinks::default();
    links.links = record.links.iter().map(link).collect();
    SpanData {
        span_context: span_context(&context, false),
        parent_span_id: record
            .parent_span_id
            .map_or(otel::SpanId::INVALID, |parent| otel::SpanId::from(parent.get())),
        parent_span_is_remote: record.parent_is_remote,
        span_kind: kind(record.kind),
        name: text_of(&record.name),
        start_time: time(record.start_unix_nanos),
        end_time: time(record.end_unix_nanos.max(record.start_unix_nanos)),
        attributes: attributes(&record.attributes),
        dropped_attributes_count: record.dropped_attributes,
        events,
        links,
        status: status(&record.status),
        instrumentation_scope: SIGNATURE.clone(),
    }
}

fn event(record: &EventRecord) -> otel::Event {
    otel::Event::new(text_of(&record.name), time(record.time_unix_nanos), attributes(&record.attributes), 0)
}

fn link(record: &LinkRecord) -> otel::Link {
    otel::Link::new(span_context(&record.context, false), attributes(&record.attributes), 0)
}

fn status(status: &SpanStatus) -> otel::Status {
    match status {
        SpanStatus::Unset => otel::Status::Unset,
        SpanStatus::Ok => otel::Status::Ok,
        SpanStatus::Error(description) => otel::Status::Error { description: text_of(description) },
    }
}

fn text_of(text: &Text) -> std::borrow::Cow<'static, str> {
    match text {
        Text::Static(text) => (*text).into(),
        Text::Shared(text) => text.to_string().into(),
    }
}
