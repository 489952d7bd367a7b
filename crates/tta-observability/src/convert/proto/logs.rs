//! Log records as messages of OTLP.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1 as proto;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tta_model::LogRecord;

use super::{attributes, scope, value};

/// The request that sends these records.
pub(crate) fn request(resource: &Resource, records: &[LogRecord]) -> ExportLogsServiceRequest {
    let logs = proto::ScopeLogs {
        scope: Some(scope()),
        log_records: records.iter().map(record).collect(),
        ..proto::ScopeLogs::default()
    };
    let logs = proto::ResourceLogs {
        resource: Some(resource.clone()),
        scope_logs: vec![logs],
        ..proto::ResourceLogs::default()
    };
    ExportLogsServiceRequest { resource_logs: vec![logs] }
}

fn record(record: &LogRecord) -> proto::LogRecord {
    let severity = proto::SeverityNumber::try_from(i32::from(record.severity)).unwrap_or_default();
    let span = record.span.as_ref();
    proto::LogRecord {
        time_unix_nano: record.time_unix_nanos,
        // What is written here is seen at once.
        observed_time_unix_nano: record.time_unix_nanos,
        severity_number: severity.into(),
        severity_text: severity_text(severity).to_owned(),
        body: Some(value(&record.body)),
        attributes: attributes(&record.attributes),
        flags: span.map_or(0, |span| span.flags.0.into()),
        trace_id: span.map(|span| span.trace_id.to_bytes().to_vec()).unwrap_or_default(),
        span_id: span.map(|span| span.span_id.to_bytes().to_vec()).unwrap_or_default(),
        event_name: record.event.as_str().to_owned(),
        ..proto::LogRecord::default()
    }
}

/// The short name of the conventions, such as INFO or ERROR2; none where the severity is not known.
fn severity_text(severity: proto::SeverityNumber) -> &'static str {
    match severity {
        proto::SeverityNumber::Unspecified => "",
        known => known.as_str_name().trim_start_matches("SEVERITY_NUMBER_"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_have_their_short_names() {
        let check = |number, text: &str, sent| {
            let record = record(&LogRecord {
                time_unix_nanos: 1,
                severity: number,
                event: "".into(),
                body: "".into(),
                attributes: Vec::new(),
                span: None,
            });
            assert_eq!((record.severity_text.as_str(), record.severity_number), (text, sent));
        };
        check(1, "TRACE", 1);
        check(5, "DEBUG", 5);
        check(9, "INFO", 9);
        check(14, "WARN2", 14);
        check(17, "ERROR", 17);
        check(24, "FATAL4", 24);
        check(0, "", 0);
        check(25, "", 0);
    }
}
