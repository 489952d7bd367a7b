//! Python's protobuf package reads the log records that were meant.

use std::sync::Arc;

use serde_json::{Value, json};
use tta_model::Value as Any;
use tta_model::name::attribute::SERVICE_NAME;
use tta_observability::config::{Compression, OtlpProtocol};

use super::super::BOTH;
use super::super::receiver::Receiver;
use super::{ENOUGH, SPAN, START, TRACE, config, record, start_logs};

fn arrived(requests: &[Value]) -> Vec<&Value> {
    requests.iter().filter_map(|request| request["logs"].as_array()).flatten().collect()
}

fn check_arrival(protocol: OtlpProtocol, compression: Compression) {
    let Some(receiver) = Receiver::start(0) else { return };
    let mut config = config(protocol, receiver.port(protocol));
    config.otlp_logs.compression = compression;
    let (mut otlp, counts) = start_logs(&config);
    let sink = otlp.sink();
    sink.push(record(13, "grüße"));
    let map: Arc<[_]> =
        Arc::from([("k".into(), Any::from(vec![Any::from(1i64), Any::Bytes(Arc::from([1, 255]))]))]);
    let mut alone = record(6, Any::Map(map));
    (alone.span, alone.event) = (None, "".into());
    sink.push(alone);
    assert_eq!(otlp.flush(ENOUGH), Ok(()));
    assert_eq!((counts.recorded(), counts.exported(), counts.dropped_total()), (2, 2, 0));
    assert_eq!(otlp.shutdown(ENOUGH), Ok(()));

    let requests = receiver.requests();
    if protocol == OtlpProtocol::HttpProtobuf {
        let encoding = if compression == Compression::Gzip { json!("gzip") } else { Value::Null };
        assert_eq!(requests[0]["encoding"], encoding);
    }
    let arrived = arrived(&requests);
    assert_eq!(arrived.len(), 2);
    let line = arrived[0];
    assert_eq!((&line["severity_number"], &line["severity"]), (&json!(13), &json!("WARN")));
    assert_eq!(
        (&line["body"], &line["event"]),
        (&json!({"string": "grüße"}), &json!("retry_attempt_failed"))
    );
    assert_eq!(
        (&line["trace_id"], &line["span_id"], &line["flags"]),
        (&json!(TRACE), &json!(SPAN), &json!(1))
    );
    assert_eq!((&line["time"], &line["observed"]), (&json!(START + 7), &json!(START + 7)));
    assert_eq!(line["attributes"], json!({"n": {"int": 2}, "half": {"double": 0.5}}));
    assert_eq!(line["resource"][SERVICE_NAME.key], json!({"string": "shop"}));
    assert_eq!(
        (&line["scope"]["name"], &line["scope"]["version"]),
        (&json!("tta"), &json!(env!("CARGO_PKG_VERSION")))
    );
    let line = arrived[1];
    assert_eq!((&line["severity_number"], &line["severity"]), (&json!(6), &json!("DEBUG2")));
    assert_eq!(line["body"], json!({"map": {"k": {"array": [{"int": 1}, {"bytes": "01ff"}]}}}));
    assert_eq!((&line["trace_id"], &line["span_id"], &line["event"]), (&json!(""), &json!(""), &json!("")));
}

#[test]
fn all_fields_arrive() {
    for protocol in BOTH {
        check_arrival(protocol, Compression::None);
        check_arrival(protocol, Compression::Gzip);
    }
}

#[test]
fn a_receiver_that_recovers_loses_nothing() {
    for protocol in BOTH {
        let Some(receiver) = Receiver::start(1) else { return };
        let mut config = config(protocol, receiver.port(protocol));
        config.log_batch.max_export_batch_size = 10;
        let (otlp, counts) = start_logs(&config);
        let sink = otlp.sink();
        (0..25_i64).for_each(|n| sink.push(record(9, n)));
        assert_eq!(otlp.flush(ENOUGH), Ok(()));
        assert_eq!((counts.exported(), counts.dropped_total()), (25, 0));
        let requests = receiver.requests();
        let bodies: Vec<i64> =
            arrived(&requests).iter().filter_map(|line| line["body"]["int"].as_i64()).collect();
        assert_eq!(bodies, (0..25).collect::<Vec<_>>(), "in order");
    }
}
