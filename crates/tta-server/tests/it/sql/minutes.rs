//! The sums by minute are those of the other questions.

use tta_server::read::{self, ALWAYS, MapBy, RedBy, RedQuery};

use super::made::made;
use super::{one, rows};
use crate::support::{NOW, settle};

#[test]
fn rates_are_those_of_each_minute() {
    let made = made(31);
    for is_summed in [false, true] {
        if is_summed {
            settle(&made.store);
        }
        let reader = made.store.reader();
        let query = RedQuery { step_minutes: 1, by: RedBy::Operation, ..RedQuery::default() };
        let mut expect = Vec::new();
        for series in read::red(&reader, &query).expect("it is read") {
            for point in series.points {
                let millis = |nanos: u64| format!("{:?}", nanos as f64 / 1e6);
                expect.push(vec![
                    series.service.clone(),
                    series.name.clone(),
                    point.start_unix_nanos.to_string(),
                    point.count.to_string(),
                    point.errors.to_string(),
                    millis(point.mean_nanos),
                    millis(point.p95_nanos),
                    millis(point.max_nanos),
                ]);
            }
        }
        assert!(expect.len() > 100, "{}", expect.len());
        let columns = "service, operation, minute_unix_ns, count, errors, mean_ms, p95_ms, max_ms";
        let ordered = "ORDER BY service, operation, minute_unix_ns";
        assert_eq!(rows(&reader, &format!("SELECT {columns} FROM red_1m {ordered}")), expect);
        let middle = NOW as i64 + 600_000_000_000;
        let later = format!(
            "SELECT {columns} FROM red_1m WHERE service = 'shop' AND minute_unix_ns >= {middle} {ordered}"
        );
        let fits = |row: &&Vec<String>| {
            row[0] == "shop" && row[2].parse::<i64>().is_ok_and(|minute| minute >= middle)
        };
        assert_eq!(rows(&reader, &later), expect.iter().filter(fits).cloned().collect::<Vec<_>>());
        assert_eq!(one(&reader, "SELECT count(*) FROM red_1m WHERE minute_unix_ns < 0"), "0");
    }
}

#[test]
fn a_gap_of_years_is_passed_by() {
    use crate::support::{open, put, request, span};
    use opentelemetry_proto::tonic::trace::v1::Span;
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let at = |minute: u64| {
        let start = minute * 60_000_000_000 + 7;
        Span {
            start_time_unix_nano: start,
            end_time_unix_nano: start + 9,
            name: String::from("x"),
            ..span(7, minute + 1)
        }
    };
    let latest = i64::MAX as u64 / 60_000_000_000 - 1;
    put(&store, request(vec![("shop", [0, 1, 61, 30_000_000, latest].map(at).to_vec())]));
    for is_summed in [false, true] {
        if is_summed {
            settle(&store);
        }
        let minutes =
            rows(&store.reader(), "SELECT minute_unix_ns / 60000000000 FROM red_1m ORDER BY 1").concat();
        assert_eq!(minutes, [0, 1, 61, 30_000_000, latest].map(|minute| minute.to_string()));
    }
}

#[test]
fn calls_add_up_to_the_map() {
    let made = made(32);
    settle(&made.store);
    let reader = made.store.reader();
    let expect: Vec<Vec<String>> = read::calls(&reader, &ALWAYS, MapBy::Primitive)
        .expect("it is read")
        .into_iter()
        .map(|call| {
            let (count, errors) = (call.executions.count, call.executions.errors);
            vec![
                call.caller_service,
                call.caller,
                call.callee_service,
                call.callee,
                count.to_string(),
                errors.to_string(),
            ]
        })
        .collect();
    let summed =
        "SELECT caller_service, caller, callee_service, callee, sum(count), sum(errors) FROM edges_1m
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";
    assert_eq!(rows(&reader, summed), expect);
}
