//! The three kinds of telemetry, and what their requests and answers look like.

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;

use super::Outcome;

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Metrics.
    Metrics,
}

impl Signal {
    pub(crate) const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    /// The word for it on the page of metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }

    /// The path of OTLP over HTTP.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Logs => "/v1/logs",
            Self::Metrics => "/v1/metrics",
        }
    }

    /// The service of OTLP over gRPC, whose only method is `Export`.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Self::Traces => "opentelemetry.proto.collector.trace.v1.TraceService",
            Self::Logs => "opentelemetry.proto.collector.logs.v1.LogsService",
            Self::Metrics => "opentelemetry.proto.collector.metrics.v1.MetricsService",
        }
    }

    /// The answer in protobuf. It tells of rejected records only if there are any.
    pub(crate) fn answer(self, outcome: &Outcome) -> Vec<u8> {
        if outcome.rejected == 0 {
            return Vec::new();
        }
        let rejected = i64::try_from(outcome.rejected).unwrap_or(i64::MAX);
        let error_message = outcome.message.clone();
        match self {
            Self::Traces => {
                let partial = ExportTracePartialSuccess { rejected_spans: rejected, error_message };
                ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
            }
            Self::Logs => {
                let partial = ExportLogsPartialSuccess { rejected_log_records: rejected, error_message };
                ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec()
            }
            Self::Metrics => {
                let partial = ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message };
                ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec()
            }
        }
    }

    /// The answer in JSON, where numbers of 64 bits are texts.
    pub(crate) fn answer_in_json(self, outcome: &Outcome) -> Vec<u8> {
        if outcome.rejected == 0 {
            return b"{}".to_vec();
        }
        let count = match self {
            Self::Traces => "rejectedSpans",
            Self::Logs => "rejectedLogRecords",
            Self::Metrics => "rejectedDataPoints",
        };
        let partial = serde_json::json!({
            count: outcome.rejected.to_string(),
            "errorMessage": outcome.message,
        });
        serde_json::json!({ "partialSuccess": partial }).to_string().into_bytes()
    }
}
