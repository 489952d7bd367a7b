//! `spans`: one row for each span.

use std::cell::OnceCell;
use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tta_model::{SpanId, TraceId};

use super::super::json;
use super::super::source::{Source, span_number};
use super::super::table::{Cell, Col, ColumnType::*, Pushed, Rows, Table, Wanted, key, millis, said, time};
use crate::read::{FoundSpan, ReadError, SpanQuery, SpanWalk, StoredSpan};
use crate::wire::field::Slice;
use crate::wire::span::{self, SpanRef, Word};

pub(super) const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
pub(super) const STATUSES: [&str; 3] = ["unset", "ok", "error"];

pub(in crate::sql) struct Spans;

/// A span; all of it is read when somebody asks for what the index does not know.
pub(in crate::sql) struct SpanRow {
    facts: Facts,
    found: Option<FoundSpan>,
    record: OnceCell<Option<StoredSpan>>,
    source: Arc<Source>,
}

/// What the index knows.
struct Facts {
    trace_id: TraceId,
    span_id: SpanId,
    service: Arc<str>,
    name: Arc<str>,
    primitive: Arc<str>,
    primitive_type: Arc<str>,
    workflow: Arc<str>,
    agent: Arc<str>,
    agent_type: Arc<str>,
    session: Arc<str>,
    provider: Arc<str>,
    model: Arc<str>,
    kind: u8,
    status: u8,
    is_root: bool,
    start: i64,
    duration: i64,
}

impl SpanRow {
    fn of_index(source: &Arc<Source>, found: FoundSpan) -> Self {
        let shape = &found.shape;
        let facts = Facts {
            trace_id: found.trace_id,
            span_id: found.span_id,
            service: Arc::clone(&shape.service),
            name: Arc::clone(&shape.name),
            primitive: Arc::clone(&shape.primitive),
            primitive_type: Arc::clone(&shape.primitive_type),
            workflow: Arc::clone(&shape.workflow),
            agent: Arc::clone(&found.agent),
            agent_type: Arc::clone(&shape.agent_type),
            session: Arc::clone(&found.session),
            provider: Arc::clone(&shape.provider),
            model: Arc::clone(&shape.model),
            kind: shape.kind,
            status: found.status,
            is_root: found.is_root,
            start: found.start,
            duration: found.duration,
        };
        Self { facts, found: Some(found), record: OnceCell::new(), source: Arc::clone(source) }
    }

    /// As the index would have it; none if its ids are none.
    fn of_record(source: &Arc<Source>, trace_id: TraceId, stored: &StoredSpan) -> Option<Self> {
        let (raw, scanned) = scan(&stored.span)?;
        let word = |word| Arc::from(scanned.word(word).text(&raw));
        let facts = Facts {
            trace_id,
            span_id: SpanId::new(scanned.id)?,
            service: stored.origin.service().into(),
            name: scanned.name.text(&raw).into(),
            primitive: word(Word::Primitive),
            primitive_type: word(Word::PrimitiveType),
            workflow: word(Word::Workflow),
            agent: word(Word::Agent),
            agent_type: word(Word::AgentType),
            session: word(Word::Session),
            provider: word(Word::Provider),
            model: word(Word::Model),
            kind: scanned.kind,
            status: scanned.status,
            is_root: scanned.parent == 0,
            start: scanned.start,
            duration: scanned.duration,
        };
        let record = OnceCell::from(Some(stored.clone()));
        Some(Self { facts, found: None, record, source: Arc::clone(source) })
    }

    /// A value of the record; null if that is damaged.
    fn of(&self, value: impl FnOnce(&StoredSpan) -> Cell) -> Result<Cell, ReadError> {
        if self.record.get().is_none() {
            let found = self.found.as_ref();
            let record = found.map(|found| found.record(&self.source.reader)).transpose()?.flatten();
            // It is not set yet, as was seen before.
            _ = self.record.set(record);
        }
        Ok(self.record.get().and_then(Option::as_ref).map_or(Cell::Null, value))
    }
}

/// A record as it is scanned on its way in, so that it tells the same as the index; none if it could not have come in.
pub(super) fn scan(span: &Span) -> Option<(Vec<u8>, SpanRef)> {
    let raw = span.encode_to_vec();
    let scanned = span::scan(&raw, Slice::all(&raw), &mut Vec::new()).ok()?;
    Some((raw, scanned))
}

fn parent(stored: &StoredSpan) -> Cell {
    SpanId::new(span_number(&stored.span.parent_span_id)).map_or(Cell::Null, |id| Cell::Text(id.to_string()))
}

fn message(stored: &StoredSpan) -> Cell {
    let message = stored.span.status.as_ref().map_or("", |status| status.message.as_str());
    if message.is_empty() { Cell::Null } else { Cell::Text(message.to_owned()) }
}

fn name_of(names: &[&'static str], number: u8) -> Cell {
    Cell::Static(names.get(usize::from(number)).unwrap_or(&names[0]))
}

type Column = Col<SpanRow>;

impl Table for Spans {
    type Row = SpanRow;
    const NAME: &'static str = "spans";
    const ABOUT: &'static str = "a span; one that came again is here once, as it came last";
    const COLUMNS: &'static [Column] = &[
        Column::new("trace_id", Text, "the trace, in 32 hexadecimal digits", |row| {
            Ok(row.facts.trace_id.to_string().into())
        })
        .pushed(Pushed::Trace),
        Column::new("span_id", Text, "the span, in 16 hexadecimal digits", |row| {
            Ok(row.facts.span_id.to_string().into())
        }),
        Column::new("parent_span_id", Text, "the span that it is part of; null for a root", |row| {
            row.of(parent)
        }),
        Column::new("service", Text, "the service", |row| Ok(Cell::Shared(Arc::clone(&row.facts.service))))
            .pushed(Pushed::Equal),
        Column::new("name", Text, "the name of the span", |row| {
            Ok(Cell::Shared(Arc::clone(&row.facts.name)))
        })
        .pushed(Pushed::Equal),
        Column::new("kind", Text, "unspecified, internal, server, client, producer or consumer", |row| {
            Ok(name_of(&KINDS, row.facts.kind))
        })
        .pushed(Pushed::Equal),
        Column::new("status", Text, "unset, ok or error", |row| Ok(name_of(&STATUSES, row.facts.status)))
            .pushed(Pushed::Equal),
        Column::new("status_message", Text, "what the status says", |row| row.of(message)),
        Column::new("start_unix_ns", Integer, "when it started, in nanoseconds since 1970", |row| {
            Ok(row.facts.start.into())
        })
        .pushed(Pushed::Range),
        Column::new("start", Text, "when it started, as RFC 3339 in UTC", |row| Ok(time(row.facts.start))),
        Column::new("duration_ns", Integer, "how long it took, in nanoseconds", |row| {
            Ok(row.facts.duration.into())
        })
        .pushed(Pushed::Range),
        Column::new("duration_ms", Real, "how long it took, in milliseconds", |row| {
            Ok(millis(row.facts.duration))
        })
        .pushed(Pushed::Range),
        Column::new("primitive", Text, "the name of the primitive", |row| Ok(said(&row.facts.primitive)))
            .pushed(Pushed::Equal),
        Column::new("primitive_type", Text, "the type of the primitive, as in retry", |row| {
            Ok(said(&row.facts.primitive_type))
        })
        .pushed(Pushed::Equal),
        Column::new("workflow", Text, "the workflow", |row| Ok(said(&row.facts.workflow)))
            .pushed(Pushed::Equal),
        Column::new("agent", Text, "the instance of the agent", |row| Ok(said(&row.facts.agent)))
            .pushed(Pushed::Equal),
        Column::new("agent_type", Text, "the kind of agent", |row| Ok(said(&row.facts.agent_type)))
            .pushed(Pushed::Equal),
        Column::new("session", Text, "the session", |row| Ok(said(&row.facts.session))).pushed(Pushed::Equal),
        Column::new("provider", Text, "the provider of the model", |row| Ok(said(&row.facts.provider)))
            .pushed(Pushed::Equal),
        Column::new("model", Text, "the model", |row| Ok(said(&row.facts.model))).pushed(Pushed::Equal),
        Column::new("is_root", Integer, "1 if it has no parent, or else 0", |row| {
            Ok(Cell::Int(row.facts.is_root.into()))
        }),
        Column::new("attributes", Json, "its attributes, as an object", |row| {
            row.of(|stored| json::object(&stored.span.attributes).into())
        }),
        Column::new("resource", Json, "the attributes of what sent it, as an object", |row| {
            row.of(|stored| json::object(&stored.origin.resource.attributes).into())
        }),
        Column::new("events", Json, "its events, as an array of name, time_unix_ns and attributes", |row| {
            row.of(|stored| json::events(&stored.span.events).into())
        }),
    ];
    const DESCENDING: &'static [&'static str] = &["start_unix_ns", "start"];

    fn rows(source: &Arc<Source>, wanted: &Wanted) -> Result<Rows<SpanRow>, ReadError> {
        let source = Arc::clone(source);
        if let Some(trace) = wanted.trace() {
            let Some(id) = trace else { return Ok(Box::new(std::iter::empty())) };
            let trace = source.trace(id)?;
            let stored = (0..trace.stored.spans.len()).rev();
            let row = move |at| SpanRow::of_record(&source, id, &trace.stored.spans[at]).map(Ok);
            return Ok(Box::new(stored.filter_map(row)));
        }
        let mut walk = SpanWalk::new(&source.reader, query(wanted));
        Ok(Box::new(std::iter::from_fn(move || {
            Some(walk.next().transpose()?.map(|found| SpanRow::of_index(&source, found)))
        })))
    }

    fn key(row: &SpanRow) -> u64 {
        key(&[&row.facts.trace_id.to_bytes(), &row.facts.span_id.to_bytes()])
    }
}

/// What the index can be asked.
pub(super) fn query(wanted: &Wanted) -> SpanQuery {
    let number = |names: &[&str], column| {
        let name = wanted.text(column)?;
        // What has the first name has several numbers.
        let found = names.iter().position(|known| *known == name).filter(|number| *number > 0)?;
        u8::try_from(found).ok()
    };
    // A millisecond more on either side, since fractions of long durations are rounded.
    let (nanos, millis) = (wanted.range("duration_ns"), wanted.range("duration_ms"));
    SpanQuery {
        service: wanted.owned("service"),
        name: wanted.owned("name"),
        primitive: wanted.owned("primitive"),
        primitive_type: wanted.owned("primitive_type"),
        workflow: wanted.owned("workflow"),
        agent: wanted.owned("agent"),
        agent_type: wanted.owned("agent_type"),
        session: wanted.owned("session"),
        provider: wanted.owned("provider"),
        model: wanted.owned("model"),
        kind: number(&KINDS, "kind"),
        status: number(&STATUSES, "status"),
        min_duration_nanos: (*nanos.start()).max(millis.start().saturating_sub(1).saturating_mul(1_000_000)),
        max_duration_nanos: (*nanos.end()).min(millis.end().saturating_add(1).saturating_mul(1_000_000)),
        times: wanted.range("start_unix_ns"),
        ..SpanQuery::default()
    }
}
