//! Objectives, as our own API shows them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tta_server::{Metrics, Store};

use super::get;
use crate::slo::{HOUR, MINUTE, SECOND, Told, told};
use crate::support::open;

fn put(store: &Store, told: &Told) {
    let scanned = Metrics::scan(told.request().into()).expect("it is a request");
    let ticket = store.submit(scanned.into()).expect("there is room");
    std::thread::scope(|scope| scope.spawn(|| ticket.blocking_wait()).join())
        .expect("it waits")
        .expect("it is written");
}

#[tokio::test]
async fn objectives_are_shown() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    assert_eq!(get(&store, "/api/tta/v1/slo").await, json!({ "objectives": [] }));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later");
    let now = u64::try_from(since.as_nanos()).expect("it is not that late");
    let windows = vec![("5m", None, 20.0), ("1h", Some(0.8), 20.0), ("30d", Some(0.995), 0.5)];
    let burning = Told { windows, budget: 0.5, ..told("quick", now - MINUTE) };
    put(&store, &burning);
    put(&store, &Told { service: "bank", ..told("old", now - HOUR) });
    let found = get(&store, "/api/tta/v1/slo?service=shop&name=quick").await;
    let mut objective = found["objectives"][0].clone();
    let age = objective["age_nanos"].take().as_u64().expect("a number");
    assert!((MINUTE..HOUR).contains(&age), "{age}");
    let window = |label: &str, nanos: u64, compliance: Option<f64>, burn_rate: f64| json!({ "window": label, "length_nanos": nanos, "compliance": compliance, "burn_rate": burn_rate });
    let threshold = objective["alerts"][0]["threshold"].clone();
    assert!((threshold.as_f64().expect("a number") - 14.4).abs() < 1e-9);
    let expect = json!({
        "service": "shop", "instances": ["one"], "name": "quick", "workflow": "report", "primitive": null,
        "target": 0.99, "window": "30d", "status": "at_risk", "compliance": 0.995, "budget_remaining": 0.5,
        "windows": [
            window("5m", 300 * SECOND, None, 20.0),
            window("1h", HOUR, Some(0.8), 20.0),
            window("30d", 720 * HOUR, Some(0.995), 0.5),
        ],
        "alerts": [{ "urgency": "page", "long": "1h", "short": "5m", "threshold": threshold, "burn_rate": 20.0 }],
        "time_unix_nanos": (now - MINUTE).to_string(), "age_nanos": null, "is_stale": false,
    });
    assert_eq!(objective, expect);
    let all = get(&store, "/api/tta/v1/slo").await;
    let stale = |found: &serde_json::Value| -> Vec<bool> {
        let objectives = found["objectives"].as_array().expect("a list").iter();
        objectives.map(|objective| objective["is_stale"].as_bool().expect("a bool")).collect()
    };
    assert_eq!(stale(&all), [true, false]);
    assert_eq!(stale(&get(&store, "/api/tta/v1/slo?stale_after=2h").await), [false, false]);
    let early = get(&store, &format!("/api/tta/v1/slo?end={}", now - 2 * HOUR)).await;
    assert_eq!(early, json!({ "objectives": [] }));
    let late = get(&store, &format!("/api/tta/v1/slo?start={}", now - 10 * MINUTE)).await;
    assert_eq!(stale(&late), [false]);
}
