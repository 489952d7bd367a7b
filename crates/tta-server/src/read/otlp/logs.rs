//! Log records.

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use serde_json::Value;

use super::{Lists, Object, grouped, hex, pair, value};
use crate::read::logs::StoredLog;

const LISTS: Lists = Lists { resources: "resourceLogs", scopes: "scopeLogs", records: "logRecords" };

/// Writes log records as one `ExportLogsServiceRequest` in OTLP's JSON, without a line break; none if there are no records.
///
/// # Examples
///
/// ```
/// assert_eq!(tta_server::read::logs_json(&[]), None);
/// ```
#[must_use]
pub fn logs_json(records: &[StoredLog]) -> Option<String> {
    grouped(&LISTS, records.iter().map(|stored| (&stored.origin, record(&stored.record))))
}

fn record(record: &LogRecord) -> Value {
    Object::new()
        .long("timeUnixNano", record.time_unix_nano)
        .long("observedTimeUnixNano", record.observed_time_unix_nano)
        .number("severityNumber", record.severity_number)
        .text("severityText", &record.severity_text)
        .maybe("body", record.body.as_ref().map(value))
        .list("attributes", &record.attributes, pair)
        .number("droppedAttributesCount", record.dropped_attributes_count)
        .number("flags", record.flags)
        .text("traceId", &hex(&record.trace_id))
        .text("spanId", &hex(&record.span_id))
        .text("eventName", &record.event_name)
        .done()
}
