//! One trace, whole.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tta_model::TraceId;
use tta_model::name::attribute;

use super::logs::{StoredLog, logs_of};
use super::snapshot::Snapshot;
use super::{ReadError, Reader};
use crate::store::{block, ids, low};

/// Where a record comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// What the program that sent it says of itself.
    pub resource: Resource,
    /// The address of the schema of the resource; empty if it has none.
    pub resource_schema_url: String,
    /// The library that made it.
    pub scope: InstrumentationScope,
    /// The address of the schema of the records; empty if they have none.
    pub scope_schema_url: String,
}

impl Origin {
    pub(super) fn new(of_resource: ResourceSpans, of_scope: ScopeSpans) -> Self {
        Self {
            resource: of_resource.resource.unwrap_or_default(),
            resource_schema_url: of_resource.schema_url,
            scope: of_scope.scope.unwrap_or_default(),
            scope_schema_url: of_scope.schema_url,
        }
    }

    /// The service, or `unknown_service`.
    #[must_use]
    pub fn service(&self) -> &str {
        match self.value(attribute::SERVICE_NAME.key) {
            Some(any_value::Value::StringValue(service)) if !service.is_empty() => service,
            _ => crate::store::UNKNOWN_SERVICE,
        }
    }

    fn value(&self, key: &str) -> Option<&any_value::Value> {
        let found = self.resource.attributes.iter().rfind(|attribute| attribute.key == key);
        found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref())
    }

    /// The value of an attribute of the resource as it is printed, if it is a single one.
    pub(super) fn attribute(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            any_value::Value::StringValue(text) => Some(text.clone()),
            any_value::Value::BoolValue(bool) => Some(bool.to_string()),
            any_value::Value::IntValue(int) => Some(int.to_string()),
            any_value::Value::DoubleValue(float) => Some(float.to_string()),
            _ => None,
        }
    }
}

/// A span, as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSpan {
    /// All of it.
    pub span: Span,
    /// Where it comes from.
    pub origin: Arc<Origin>,
}

/// A trace: its spans by their start, each once, and its log records by their time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredTrace {
    /// The spans. The first is the root, if it came and no clock is wrong.
    pub spans: Vec<StoredSpan>,
    /// The log records.
    pub logs: Vec<StoredLog>,
}

/// Reads all of a trace; empty if nothing of it is stored.
///
/// # Errors
///
/// When the files cannot be read.
pub fn trace(reader: &Reader, id: TraceId) -> Result<StoredTrace, ReadError> {
    let mut spans = Vec::new();
    let mut places = HashMap::new();
    let mut logs = Vec::new();
    reader.each(|snapshot| {
        read_spans(snapshot, id, |id, span| match places.get(&id) {
            Some(at) => spans[*at] = span,
            None => {
                places.insert(id, spans.len());
                spans.push(span);
            }
        })?;
        logs_of(snapshot, id, &mut logs)
    })?;
    spans.sort_by_key(|stored: &StoredSpan| {
        (stored.span.start_time_unix_nano, !stored.span.parent_span_id.is_empty())
    });
    logs.sort_by_key(|stored: &StoredLog| stored.time_unix_nanos);
    Ok(StoredTrace { spans, logs })
}

/// The latest start of a trace's spans, whichever copy of them has it.
pub(super) fn latest_start(reader: &Reader, id: TraceId) -> Result<Option<i64>, ReadError> {
    let mut latest = None;
    reader.each(|snapshot| {
        let take = |_, stored: StoredSpan| {
            latest = latest.max(i64::try_from(stored.span.start_time_unix_nano).ok());
        };
        read_spans(snapshot, id, take)
    })?;
    Ok(latest)
}

/// Reads the spans of a trace in one file, in the order in which they came.
fn read_spans(
    snapshot: &Snapshot<'_>,
    id: TraceId,
    mut each: impl FnMut(u64, StoredSpan),
) -> rusqlite::Result<()> {
    let query = "SELECT id, block, offset, spans FROM part WHERE trace = ?1 ORDER BY id";
    let mut parts = snapshot.file().prepare_cached(query)?;
    let mut rows = parts.query([low(id.get())])?;
    let mut raw = Vec::new();
    while let Some(row) = rows.next()? {
        let Some((trace, ids)) = ids(row.get_ref(3)?.as_blob()?) else {
            snapshot.report(&format!("part {} of a trace cannot be read", row.get::<_, i64>(0)?));
            continue;
        };
        // The index knows only half of the id.
        if trace != id.get() {
            continue;
        }
        let block = snapshot.block(row.get(1)?)?;
        let offset: i64 = row.get(2)?;
        for (entry, id) in block::entries(&block, offset as usize).zip(ids) {
            entry.write((trace, id), &mut raw);
            let origin = snapshot.origin((entry.resource, entry.scope))?;
            match Span::decode(&raw[..]) {
                Ok(span) => each(id, StoredSpan { span, origin }),
                Err(error) => snapshot.report(&format!("a span cannot be decoded: {error}")),
            }
        }
    }
    Ok(())
}
