//! The table of the server's metrics about itself.

use super::super::attribute::label;
use super::{Metric, MetricKind, metrics, table::BUCKETS_S};

metrics! {
    RECEIVED_BYTES = "tta_server_received_bytes_total": Counter, "By", None, "bytes of requests, after unpacking"
        [label::SIGNAL];
    RECEIVED_BATCHES = "tta_server_received_batches_total": Counter, "{request}", None, "requests that were received whole"
        [label::SIGNAL];
    RECEIVED_RECORDS = "tta_server_received_records_total": Counter, "{record}", None, "spans, log records and points of metrics that were received"
        [label::SIGNAL];
    ACCEPTED_BATCHES = "tta_server_accepted_batches_total": Counter, "{request}", None, "requests that were stored"
        [label::SIGNAL];
    ACCEPTED_RECORDS = "tta_server_accepted_records_total": Counter, "{record}", None, "spans, log records and points of metrics that were stored"
        [label::SIGNAL];
    REJECTED_RECORDS = "tta_server_rejected_records_total": Counter, "{record}", None, "spans, log records and metrics that were left out of requests"
        [label::SIGNAL, label::REASON];
    REFUSED_REQUESTS = "tta_server_refused_requests_total": Counter, "{request}", None, "requests that were refused as a whole"
        [label::REASON];
    COMMIT_DURATION = "tta_server_commit_duration_seconds": Histogram, "s", Some(BUCKETS_S), "the time from a whole request to its being on disk"
        [label::SIGNAL];
    CONNECTIONS = "tta_server_connections": Gauge, "{connection}", None, "connections at this moment"
        [label::PORT];
    REQUESTS = "tta_server_requests": Gauge, "{request}", None, "requests that are being received or wait for the disk"
        [];
    REQUEST_BYTES = "tta_server_request_bytes": Gauge, "By", None, "bytes of requests that are being received or wait for the disk"
        [];
    QUEUE_BATCHES = "tta_server_queue_batches": Gauge, "{request}", None, "requests that wait for the disk"
        [];
    QUEUE_BYTES = "tta_server_queue_bytes": Gauge, "By", None, "bytes that wait for the disk"
        [];
    STORE_BYTES = "tta_server_store_bytes": Gauge, "By", None, "bytes of disk that the store takes"
        [];
    STORE_FILES = "tta_server_store_files": Gauge, "{file}", None, "files of the store"
        [];
    STORE_RECORDS = "tta_server_store_records": Gauge, "{record}", None, "spans, log records and metrics that are kept"
        [label::SIGNAL];
    STORE_DROPPED_SPANS = "tta_server_store_dropped_spans_total": Counter, "{span}", None, "spans that were given up because they were too old or too many"
        [];
    STORE_DAMAGE = "tta_server_store_damage": Gauge, "{finding}", None, "findings of damage on disk since the start"
        [];
    STORE_READY = "tta_server_store_ready": Gauge, "{boolean}", None, "1 while the store can be written to, 0 otherwise"
        [];
}
