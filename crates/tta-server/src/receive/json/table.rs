//! OTLP's messages with their names in JSON.

use super::Table;
use super::Type::{Many, Message, Messages, One};
use super::scalar::Kind::{
    Bool, Bytes, Double, Enum, Fixed32, Fixed64, Id, Int, Sfixed64, Text, Uint, Zigzag,
};

pub(super) static TRACES: Table = Table(&[("resourceSpans", 1, Messages(&RESOURCE_SPANS))]);
pub(super) static LOGS: Table = Table(&[("resourceLogs", 1, Messages(&RESOURCE_LOGS))]);
pub(super) static METRICS: Table = Table(&[("resourceMetrics", 1, Messages(&RESOURCE_METRICS))]);

static RESOURCE_SPANS: Table = Table(&[
    ("resource", 1, Message(&RESOURCE)),
    ("scopeSpans", 2, Messages(&SCOPE_SPANS)),
    ("schemaUrl", 3, One(Text)),
]);
static SCOPE_SPANS: Table =
    Table(&[("scope", 1, Message(&SCOPE)), ("spans", 2, Messages(&SPAN)), ("schemaUrl", 3, One(Text))]);
static RESOURCE_LOGS: Table = Table(&[
    ("resource", 1, Message(&RESOURCE)),
    ("scopeLogs", 2, Messages(&SCOPE_LOGS)),
    ("schemaUrl", 3, One(Text)),
]);
static SCOPE_LOGS: Table =
    Table(&[("scope", 1, Message(&SCOPE)), ("logRecords", 2, Messages(&LOG)), ("schemaUrl", 3, One(Text))]);
static RESOURCE_METRICS: Table = Table(&[
    ("resource", 1, Message(&RESOURCE)),
    ("scopeMetrics", 2, Messages(&SCOPE_METRICS)),
    ("schemaUrl", 3, One(Text)),
]);
static SCOPE_METRICS: Table =
    Table(&[("scope", 1, Message(&SCOPE)), ("metrics", 2, Messages(&METRIC)), ("schemaUrl", 3, One(Text))]);

static RESOURCE: Table = Table(&[
    ("attributes", 1, Messages(&KEY_VALUE)),
    ("droppedAttributesCount", 2, One(Uint)),
    ("entityRefs", 3, Messages(&ENTITY)),
]);
static ENTITY: Table = Table(&[
    ("schemaUrl", 1, One(Text)),
    ("type", 2, One(Text)),
    ("idKeys", 3, Many(Text)),
    ("descriptionKeys", 4, Many(Text)),
]);
static SCOPE: Table = Table(&[
    ("name", 1, One(Text)),
    ("version", 2, One(Text)),
    ("attributes", 3, Messages(&KEY_VALUE)),
    ("droppedAttributesCount", 4, One(Uint)),
]);
static KEY_VALUE: Table = Table(&[("key", 1, One(Text)), ("value", 2, Message(&ANY_VALUE))]);
static ANY_VALUE: Table = Table(&[
    ("stringValue", 1, One(Text)),
    ("boolValue", 2, One(Bool)),
    ("intValue", 3, One(Int)),
    ("doubleValue", 4, One(Double)),
    ("arrayValue", 5, Message(&ARRAY)),
    ("kvlistValue", 6, Message(&KEY_VALUES)),
    ("bytesValue", 7, One(Bytes)),
]);
static ARRAY: Table = Table(&[("values", 1, Messages(&ANY_VALUE))]);
static KEY_VALUES: Table = Table(&[("values", 1, Messages(&KEY_VALUE))]);

static SPAN: Table = Table(&[
    ("traceId", 1, One(Id)),
    ("spanId", 2, One(Id)),
    ("traceState", 3, One(Text)),
    ("parentSpanId", 4, One(Id)),
    ("name", 5, One(Text)),
    ("kind", 6, One(Enum(SPAN_KINDS))),
    ("startTimeUnixNano", 7, One(Fixed64)),
    ("endTimeUnixNano", 8, One(Fixed64)),
    ("attributes", 9, Messages(&KEY_VALUE)),
    ("droppedAttributesCount", 10, One(Uint)),
    ("events", 11, Messages(&EVENT)),
    ("droppedEventsCount", 12, One(Uint)),
    ("links", 13, Messages(&LINK)),
    ("droppedLinksCount", 14, One(Uint)),
    ("status", 15, Message(&STATUS)),
    ("flags", 16, One(Fixed32)),
]);
const SPAN_KINDS: &[(&str, i32)] = &[
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
];
static EVENT: Table = Table(&[
    ("timeUnixNano", 1, One(Fixed64)),
    ("name", 2, One(Text)),
    ("attributes", 3, Messages(&KEY_VALUE)),
    ("droppedAttributesCount", 4, One(Uint)),
]);
static LINK: Table = Table(&[
    ("traceId", 1, One(Id)),
    ("spanId", 2, One(Id)),
    ("traceState", 3, One(Text)),
    ("attributes", 4, Messages(&KEY_VALUE)),
    ("droppedAttributesCount", 5, One(Uint)),
    ("flags", 6, One(Fixed32)),
]);
static STATUS: Table = Table(&[("message", 2, One(Text)), ("code", 3, One(Enum(STATUS_CODES)))]);
const STATUS_CODES: &[(&str, i32)] =
    &[("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)];

static LOG: Table = Table(&[
    ("timeUnixNano", 1, One(Fixed64)),
    ("severityNumber", 2, One(Enum(SEVERITIES))),
    ("severityText", 3, One(Text)),
    ("body", 5, Message(&ANY_VALUE)),
    ("attributes", 6, Messages(&KEY_VALUE)),
    ("droppedAttributesCount", 7, One(Uint)),
    ("flags", 8, One(Fixed32)),
    ("traceId", 9, One(Id)),
    ("spanId", 10, One(Id)),
    ("observedTimeUnixNano", 11, One(Fixed64)),
    ("eventName", 12, One(Text)),
]);
const SEVERITIES: &[(&str, i32)] = &[
    ("SEVERITY_NUMBER_UNSPECIFIED", 0),
    ("SEVERITY_NUMBER_TRACE", 1),
    ("SEVERITY_NUMBER_TRACE2", 2),
    ("SEVERITY_NUMBER_TRACE3", 3),
    ("SEVERITY_NUMBER_TRACE4", 4),
    ("SEVERITY_NUMBER_DEBUG", 5),
    ("SEVERITY_NUMBER_DEBUG2", 6),
    ("SEVERITY_NUMBER_DEBUG3", 7),
    ("SEVERITY_NUMBER_DEBUG4", 8),
    ("SEVERITY_NUMBER_INFO", 9),
    ("SEVERITY_NUMBER_INFO2", 10),
    ("SEVERITY_NUMBER_INFO3", 11),
    ("SEVERITY_NUMBER_INFO4", 12),
    ("SEVERITY_NUMBER_WARN", 13),
    ("SEVERITY_NUMBER_WARN2", 14),
    ("SEVERITY_NUMBER_WARN3", 15),
    ("SEVERITY_NUMBER_WARN4", 16),
    ("SEVERITY_NUMBER_ERROR", 17),
    ("SEVERITY_NUMBER_ERROR2", 18),
    ("SEVERITY_NUMBER_ERROR3", 19),
    ("SEVERITY_NUMBER_ERROR4", 20),
    ("SEVERITY_NUMBER_FATAL", 21),
    ("SEVERITY_NUMBER_FATAL2", 22),
    ("SEVERITY_NUMBER_FATAL3", 23),
    ("SEVERITY_NUMBER_FATAL4", 24),
];

static METRIC: Table = Table(&[
    ("name", 1, One(Text)),
    ("description", 2, One(Text)),
    ("unit", 3, One(Text)),
    ("gauge", 5, Message(&GAUGE)),
    ("sum", 7, Message(&SUM)),
    ("histogram", 9, Message(&HISTOGRAM)),
    ("exponentialHistogram", 10, Message(&EXPONENTIAL)),
    ("summary", 11, Message(&SUMMARY)),
    ("metadata", 12, Messages(&KEY_VALUE)),
]);
const TEMPORALITIES: &[(&str, i32)] = &[
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];
static GAUGE: Table = Table(&[("dataPoints", 1, Messages(&NUMBER))]);
static SUM: Table = Table(&[
    ("dataPoints", 1, Messages(&NUMBER)),
    ("aggregationTemporality", 2, One(Enum(TEMPORALITIES))),
    ("isMonotonic", 3, One(Bool)),
]);
static HISTOGRAM: Table = Table(&[
    ("dataPoints", 1, Messages(&HISTOGRAM_POINT)),
    ("aggregationTemporality", 2, One(Enum(TEMPORALITIES))),
]);
static EXPONENTIAL: Table = Table(&[
    ("dataPoints", 1, Messages(&EXPONENTIAL_POINT)),
    ("aggregationTemporality", 2, One(Enum(TEMPORALITIES))),
]);
static SUMMARY: Table = Table(&[("dataPoints", 1, Messages(&SUMMARY_POINT))]);
static NUMBER: Table = Table(&[
    ("startTimeUnixNano", 2, One(Fixed64)),
    ("timeUnixNano", 3, One(Fixed64)),
    ("asDouble", 4, One(Double)),
    ("exemplars", 5, Messages(&EXEMPLAR)),
    ("asInt", 6, One(Sfixed64)),
    ("attributes", 7, Messages(&KEY_VALUE)),
    ("flags", 8, One(Uint)),
]);
static HISTOGRAM_POINT: Table = Table(&[
    ("startTimeUnixNano", 2, One(Fixed64)),
    ("timeUnixNano", 3, One(Fixed64)),
    ("count", 4, One(Fixed64)),
    ("sum", 5, One(Double)),
    ("bucketCounts", 6, Many(Fixed64)),
    ("explicitBounds", 7, Many(Double)),
    ("exemplars", 8, Messages(&EXEMPLAR)),
    ("attributes", 9, Messages(&KEY_VALUE)),
    ("flags", 10, One(Uint)),
    ("min", 11, One(Double)),
    ("max", 12, One(Double)),
]);
static EXPONENTIAL_POINT: Table = Table(&[
    ("attributes", 1, Messages(&KEY_VALUE)),
    ("startTimeUnixNano", 2, One(Fixed64)),
    ("timeUnixNano", 3, One(Fixed64)),
    ("count", 4, One(Fixed64)),
    ("sum", 5, One(Double)),
    ("scale", 6, One(Zigzag)),
    ("zeroCount", 7, One(Fixed64)),
    ("positive", 8, Message(&BUCKETS)),
    ("negative", 9, Message(&BUCKETS)),
    ("flags", 10, One(Uint)),
    ("exemplars", 11, Messages(&EXEMPLAR)),
    ("min", 12, One(Double)),
    ("max", 13, One(Double)),
    ("zeroThreshold", 14, One(Double)),
]);
static BUCKETS: Table = Table(&[("offset", 1, One(Zigzag)), ("bucketCounts", 2, Many(Uint))]);
static SUMMARY_POINT: Table = Table(&[
    ("startTimeUnixNano", 2, One(Fixed64)),
    ("timeUnixNano", 3, One(Fixed64)),
    ("count", 4, One(Fixed64)),
    ("sum", 5, One(Double)),
    ("quantileValues", 6, Messages(&QUANTILE)),
    ("attributes", 7, Messages(&KEY_VALUE)),
    ("flags", 8, One(Uint)),
]);
static QUANTILE: Table = Table(&[("quantile", 1, One(Double)), ("value", 2, One(Double))]);
static EXEMPLAR: Table = Table(&[
    ("timeUnixNano", 2, One(Fixed64)),
    ("asDouble", 3, One(Double)),
    ("spanId", 4, One(Id)),
    ("traceId", 5, One(Id)),
    ("asInt", 6, One(Sfixed64)),
    ("filteredAttributes", 7, Messages(&KEY_VALUE)),
]);
