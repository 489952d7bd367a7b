//! A row for each log record.

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use tta::server::read::StoredLog;

use super::json::{any, attributes, hex, resource, scope};
use super::table::{Cell, Kind};

pub(super) const COLUMNS: &[(&str, Kind)] = &[
    ("time", Kind::Time),
    ("observed_time", Kind::Time),
    ("service", Kind::Text),
    ("severity", Kind::Long),
    ("severity_text", Kind::Text),
    ("body", Kind::Text),
    ("event_name", Kind::Text),
    ("trace_id", Kind::Text),
    ("span_id", Kind::Text),
    ("attributes", Kind::Text),
    ("resource", Kind::Text),
    ("scope", Kind::Text),
];

pub(super) fn row(stored: &StoredLog) -> [Cell; COLUMNS.len()] {
    let (record, origin) = (&stored.record, &stored.origin);
    [
        // Zero is what a record without any time has.
        if stored.time_unix_nanos == 0 { Cell::None } else { Cell::Long(stored.time_unix_nanos) },
        Cell::time(record.observed_time_unix_nano),
        Cell::Text(origin.service().to_owned()),
        if record.severity_number == 0 { Cell::None } else { Cell::long(record.severity_number) },
        Cell::text(&record.severity_text),
        body(record.body.as_ref()),
        Cell::text(&record.event_name),
        Cell::text(&hex(&record.trace_id)),
        Cell::text(&hex(&record.span_id)),
        attributes(&record.attributes),
        resource(origin),
        scope(origin),
    ]
}

/// A text as it is, anything else as JSON.
fn body(body: Option<&AnyValue>) -> Cell {
    match body.and_then(|body| body.value.as_ref()) {
        Some(Any::StringValue(text)) => Cell::Text(text.clone()),
        Some(_) => Cell::Text(any(body).to_string()),
        None => Cell::None,
    }
}
