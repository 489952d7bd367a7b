//! Log records and metrics are all there, once.

use tta_server::read::{self, LogQuery};

use super::{one, rows};
use crate::other_signals;
use crate::support::{NOW, open};

#[test]
fn log_records_are_those_of_the_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    other_signals::store(
        other_signals::logs("shop", (0..2_500).map(other_signals::record).collect()).into(),
        &store,
    );
    other_signals::store(
        other_signals::logs("bank", (2_500..2_600).map(other_signals::record).collect()).into(),
        &store,
    );
    let reader = store.reader();
    let all = read::logs(&reader, &LogQuery { limit: 10_000, ..LogQuery::default() }).expect("it is read");
    let expect: Vec<Vec<String>> = all
        .records
        .iter()
        .map(|log| {
            let trace =
                if log.record.trace_id.is_empty() { "null" } else { "00000000000000000000000000000007" };
            let n = log.time_unix_nanos - NOW as i64;
            vec![
                log.time_unix_nanos.to_string(),
                log.record.severity_number.to_string(),
                log.origin.service().to_owned(),
                trace.to_owned(),
                format!("Line {n}"),
                format!(r#"{{"n":"{n}"}}"#),
            ]
        })
        .collect();
    assert_eq!(expect.len(), 2_600);
    let columns = "time_unix_ns, severity_number, service, trace_id, body, attributes";
    assert_eq!(rows(&reader, &format!("SELECT {columns} FROM logs ORDER BY time_unix_ns DESC")), expect);
    let trace = "trace_id = '00000000000000000000000000000007'";
    assert_eq!(one(&reader, &format!("SELECT count(*) FROM logs WHERE {trace}")), "10");
    let (from, to) = (NOW + 3, NOW + 1_207);
    assert_eq!(
        one(&reader, &format!("SELECT count(*) FROM logs WHERE time_unix_ns BETWEEN {from} AND {to}")),
        "1205"
    );
    let either =
        format!("SELECT count(*) FROM logs WHERE {trace} OR time_unix_ns < {from} OR severity_number = 24");
    let expect = (0..2_600_u64).filter(|n| *n < 10 || n % 24 == 23).count();
    assert_eq!(one(&reader, &either), expect.to_string());
    assert_eq!(one(&reader, "SELECT count(*) FROM logs WHERE trace_id = 'x'"), "0");
}

#[test]
fn each_point_of_a_metric_is_a_row() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    other_signals::store(other_signals::metrics(other_signals::all_kinds(NOW)).into(), &store);
    other_signals::store(other_signals::metrics(other_signals::all_kinds(NOW + 60)).into(), &store);
    let reader = store.reader();
    let names: Vec<Vec<String>> = read::metric_names(&reader)
        .expect("it is read")
        .into_iter()
        .map(|metric| vec![metric.name, metric.points.to_string(), metric.last_unix_nanos.to_string()])
        .collect();
    let summed = "SELECT name, count(*), max(time_unix_ns) FROM metrics GROUP BY name ORDER BY name";
    assert_eq!(rows(&reader, summed), names);
    let columns = "name, kind, value, count, buckets, attributes";
    let exponential =
        r#"{"positive":{"counts":[1,300,70000],"offset":-4},"scale":-3,"zero_count":0,"zero_threshold":0.0}"#;
    let expect = [
        ["metric-0", "gauge", "1", "null", "null", r#"{"a":"b"}"#],
        ["metric-0", "gauge", "2", "null", "null", r#"{"a":"b"}"#],
        ["metric-1", "sum", "-3", "null", "null", r#"{"a":"b"}"#],
        ["metric-2", "histogram", "null", "3", r#"{"bounds":[0.5],"counts":[1,2]}"#, "{}"],
        ["metric-3", "exponential_histogram", "null", "0", exponential, "{}"],
        ["metric-4", "summary", "null", "0", r#"[{"quantile":0.5,"value":2.0}]"#, "{}"],
    ];
    let early =
        format!("SELECT {columns} FROM metrics WHERE time_unix_ns < {} ORDER BY name, value", NOW + 60);
    assert_eq!(rows(&reader, &early), expect);
    for (n, points) in [(0, "4"), (3, "2"), (9, "0")] {
        let count = format!("SELECT count(*) FROM metrics WHERE name = 'metric-{n}' AND service = 'shop'");
        assert_eq!(one(&reader, &count), points);
    }
    assert_eq!(one(&reader, "SELECT count(*) FROM metrics WHERE service = 'bank'"), "0");
    assert_eq!(one(&reader, "SELECT count(*) FROM metrics WHERE name = 'metric-0' OR kind = 'gauge'"), "4");
}
