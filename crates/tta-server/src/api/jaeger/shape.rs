//! The JSON of Jaeger's query API.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Every answer of the API.
#[derive(Debug, Serialize)]
pub(super) struct Answer<T> {
    pub(super) data: T,
    pub(super) total: usize,
    pub(super) limit: usize,
    pub(super) offset: usize,
    /// Null if there are none.
    pub(super) errors: Option<Vec<Problem>>,
}

impl<T> Answer<T> {
    pub(super) fn new(data: T, total: usize) -> Self {
        Self { data, total, limit: 0, offset: 0, errors: None }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<u16>,
    pub(super) msg: String,
    #[serde(rename = "traceID", skip_serializing_if = "Option::is_none")]
    pub(super) trace_id: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Operation {
    pub(super) name: String,
    #[serde(rename = "spanKind")]
    pub(super) span_kind: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Dependency {
    pub(super) parent: String,
    pub(super) child: String,
    #[serde(rename = "callCount")]
    pub(super) call_count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Trace {
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    pub(super) spans: Vec<Span>,
    pub(super) processes: BTreeMap<String, Process>,
    pub(super) warnings: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    #[serde(rename = "spanID")]
    pub(super) span_id: String,
    pub(super) operation_name: String,
    pub(super) references: Vec<Reference>,
    /// In microseconds since 1970.
    pub(super) start_time: u64,
    /// In microseconds.
    pub(super) duration: u64,
    pub(super) tags: Vec<Tag>,
    pub(super) logs: Vec<Log>,
    #[serde(rename = "processID")]
    pub(super) process_id: String,
    pub(super) warnings: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Reference {
    #[serde(rename = "refType")]
    pub(super) ref_type: &'static str,
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    #[serde(rename = "spanID")]
    pub(super) span_id: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Process {
    #[serde(rename = "serviceName")]
    pub(super) service_name: String,
    pub(super) tags: Vec<Tag>,
}

#[derive(Debug, Serialize)]
pub(super) struct Log {
    /// In microseconds since 1970.
    pub(super) timestamp: u64,
    pub(super) fields: Vec<Tag>,
}

#[derive(Debug, Serialize)]
pub(super) struct Tag {
    pub(super) key: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) value: Value,
}
