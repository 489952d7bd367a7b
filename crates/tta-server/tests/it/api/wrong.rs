//! What is wrong with a question is told.

use serde_json::json;

use super::ask;
use crate::support::open;

#[tokio::test]
async fn jaegers_errors_are_jaegers() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let check = async |address: &str, expect: &str| {
        let answer = ask(&store, address).await;
        assert_eq!(answer.status, 400, "{address}");
        assert_eq!(answer.content_type, "text/plain; charset=utf-8", "{address}");
        let expect = json!({
            "data": null, "total": 0, "limit": 0, "offset": 0, "errors": [{ "code": 400, "msg": expect }],
        });
        assert_eq!(answer.json(), expect, "{address}");
    };
    let no_int = |text: &str| format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
    let bad_time = |name: &str| format!("unable to parse param '{name}': {}", no_int("string"));
    check("/api/operations", "parameter 'service' is required").await;
    check("/api/traces?start=string", &bad_time("start")).await;
    check("/api/traces?end=string", &bad_time("end")).await;
    check("/api/traces?limit=string", &no_int("string")).await;
    check("/api/traces?limit=99999999999", "strconv.ParseInt: parsing \"99999999999\": value out of range")
        .await;
    let depth = "search depth must be greater than 0 and not more than 10000";
    check("/api/traces?limit=0", depth).await;
    check("/api/traces?limit=-1", depth).await;
    check(
        "/api/traces?minDuration=20",
        "unable to parse param 'minDuration': time: missing unit in duration \"20\"",
    )
    .await;
    check(
        "/api/traces?maxDuration=1x",
        "unable to parse param 'maxDuration': time: unknown unit \"x\" in duration \"1x\"",
    )
    .await;
    check("/api/traces?minDuration=25s&maxDuration=1s", "'maxDuration' should be greater than 'minDuration'")
        .await;
    check("/api/traces?tag=k", "malformed 'tag' parameter, expecting key:value, received: k").await;
    check(
        "/api/traces?tags=%7B%22x%22%3A1%7D",
        "malformed 'tags' parameter, cannot unmarshal JSON: invalid type: integer `1`, expected a string at line 1 column 6",
    )
    .await;
    check(
        "/api/traces?tags=nonsense",
        "malformed 'tags' parameter, cannot unmarshal JSON: expected ident at line 1 column 2",
    )
    .await;
    check(
        "/api/traces?raw=foobar",
        "unable to parse param 'raw': strconv.ParseBool: parsing \"foobar\": invalid syntax",
    )
    .await;
    check(
        "/api/traces?traceID=x200",
        "cannot parse traceID param: strconv.ParseUint: parsing \"x200\": invalid syntax",
    )
    .await;
    check("/api/traces/x200", "strconv.ParseUint: parsing \"x200\": invalid syntax").await;
    check("/api/traces/1?start=string", &bad_time("start")).await;
    check("/api/traces/1?end=string", &bad_time("end")).await;
    check(
        "/api/traces/1?raw=foobar",
        "unable to parse param 'raw': strconv.ParseBool: parsing \"foobar\": invalid syntax",
    )
    .await;
    check("/api/dependencies?endTs=string", &bad_time("endTs")).await;
    check("/api/dependencies?lookback=string", &bad_time("lookback")).await;
    let no_service = "unable to parse param 'service': please provide at least one service name";
    check("/api/metrics/calls", no_service).await;
    check("/api/metrics/latencies?quantile=0.5", no_service).await;
    check(
        "/api/metrics/latencies?service=x",
        "unable to parse param 'quantile': strconv.ParseFloat: parsing \"\": invalid syntax",
    )
    .await;
    check("/api/metrics/errors?service=x&step=string", &bad_time("step")).await;
    check(
        "/api/metrics/errors?service=x&spanKind=y",
        "unable to parse param 'spanKind': unsupported span kind: 'y'",
    )
    .await;
}

#[tokio::test]
async fn what_jaeger_can_lack_is_refused_as_jaeger_does() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    for address in [
        "/api/metrics/latencies?service=x&quantile=0.95",
        "/api/metrics/calls?service=x",
        "/api/metrics/errors?service=x&spanKind=server",
    ] {
        let answer = ask(&store, address).await;
        let msg = "trace metrics are currently disabled - no metrics backend configured";
        let expect = json!({
            "data": null, "total": 0, "limit": 0, "offset": 0, "errors": [{ "code": 501, "msg": msg }],
        });
        assert_eq!((answer.status.as_u16(), answer.json()), (501, expect), "{address}");
    }
}

#[tokio::test]
async fn the_errors_of_version_3_are_its_own() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let times = "query.startTimeMin=2026-01-01T00:00:00Z&query.startTimeMax=2026-01-02T00:00:00Z";
    let check = async |address: &str, expect: &str| {
        let answer = ask(&store, address).await;
        assert_eq!(answer.status, 400, "{address}");
        assert_eq!(answer.json(), json!({ "error": { "httpCode": 400, "message": expect } }), "{address}");
    };
    check(
        &format!("/api/v3/traces?{times}&query.rawTraces=x"),
        "malformed parameter query.rawTraces: strconv.ParseBool: parsing \"x\": invalid syntax",
    )
    .await;
    check("/api/v3/traces", "query.startTimeMin and query.startTimeMax are required").await;
    check(
        "/api/v3/traces?query.startTimeMin=x&query.startTimeMax=y",
        "malformed parameter query.startTimeMin: \"x\" is no time as in 2026-01-02T03:04:05Z",
    )
    .await;
    check(
        "/api/v3/traces?query.startTimeMin=2026-01-02T00:00:00Z&query.startTimeMax=2026-01-02T00:00:00Z",
        "query.startTimeMin must be before query.startTimeMax",
    )
    .await;
    check(
        &format!("/api/v3/traces?{times}&query.searchDepth=x"),
        "malformed parameter query.searchDepth: it has to be from 1 to 10000",
    )
    .await;
    check(
        &format!("/api/v3/trace-summaries?{times}&query.durationMin=1"),
        "malformed parameter query.durationMin: time: missing unit in duration \"1\"",
    )
    .await;
    check(
        &format!("/api/v3/traces?{times}&query.attributes=x"),
        "malformed parameter query.attributes: expected value at line 1 column 1",
    )
    .await;
    check(
        "/api/v3/traces/x",
        "malformed parameter trace_id: strconv.ParseUint: parsing \"x\": invalid syntax",
    )
    .await;
}

#[tokio::test]
async fn our_errors_say_what_to_do() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let check = async |address: &str, (status, code): (u16, &str), message: &str| {
        let answer = ask(&store, &format!("/api/tta/v1{address}")).await;
        assert_eq!(answer.status, status, "{address}: {}", answer.body);
        assert_eq!(answer.content_type, "application/json", "{address}");
        let error = &answer.json()["error"];
        assert_eq!(
            (error["code"].as_str(), error["message"].as_str()),
            (Some(code), Some(message)),
            "{address}"
        );
        assert!(error["hint"].as_str().is_some_and(|hint| hint.len() > 5), "{address}: {}", answer.body);
    };
    let bad = (400, "invalid_parameter");
    check("/traces?limit=0", bad, "parameter 'limit': 0 is too little or too much").await;
    check("/traces?limit=1001", bad, "parameter 'limit': 1001 is too little or too much").await;
    check("/traces?limit=x", bad, "parameter 'limit': invalid digit found in string").await;
    check("/traces?start=2&end=1", bad, "parameter 'start': it is after 'end'").await;
    check("/traces?start=x", bad, "parameter 'start': invalid digit found in string").await;
    check("/traces?min_duration=5", bad, "parameter 'min_duration': \"5\" is no duration").await;
    check("/traces?max_duration=-5s", bad, "parameter 'max_duration': \"-5s\" is no duration").await;
    check("/traces?attr=x", bad, "parameter 'attr': \"x\" has no colon").await;
    check("/traces?cursor=x", bad, "parameter 'cursor': \"x\" is none").await;
    check(
        "/traces?status=bad",
        bad,
        "parameter 'status': unknown variant `bad`, expected one of `unset`, `ok`, `error`",
    )
    .await;
    check("/traces/xyz", bad, "parameter 'trace_id': \"xyz\" is no id of a trace").await;
    check("/traces/0", (404, "not_found"), "nothing of trace 0 is stored").await;
    check("/traces/1/spans/1", bad, "parameter 'span_id': \"1\" is no id of a span").await;
    check("/compare?a=1&b=x", bad, "parameter 'b': \"x\" is no id of a trace").await;
    check("/red?step=90s", bad, "parameter 'step': it is no number of whole minutes").await;
    check("/red?step=0s", bad, "parameter 'step': it is no number of whole minutes").await;
    check("/logs?trace=1&q=x", bad, "parameter 'trace': it cannot be asked together with others").await;
    check("/logs?min_severity=25", bad, "parameter 'min_severity': there is none above 24").await;
    check("/logs?cursor=x", bad, "parameter 'cursor': \"x\" is none").await;
    check("/slo?start=2&end=1", bad, "parameter 'start': it is after 'end'").await;
    check("/slo?stale_after=5", bad, "parameter 'stale_after': \"5\" is no duration").await;
    check("/slo?start=x", bad, "parameter 'start': invalid digit found in string").await;
    let unknown = ask(&store, "/api/tta/v1/stats?nonsense=1").await;
    assert_eq!(unknown.status, 200, "a route without parameters looks at none");
    let unknown = ask(&store, "/api/tta/v1/red?nonsense=1").await;
    assert!(unknown.body.contains("unknown field `nonsense`"), "{}", unknown.body);
    assert_eq!(unknown.status, 400);
    let missing = ask(&store, "/api/tta/v1/flame").await;
    assert!(missing.body.contains("missing field `workflow`"), "{}", missing.body);
    let none = (404, "not_found");
    let id = format!("{:032x}", 1);
    check("/traces/1", none, &format!("nothing of trace {id} is stored")).await;
    check("/traces/1/flame", none, &format!("nothing of trace {id} is stored")).await;
    check("/traces/1/critical-path", none, &format!("nothing of trace {id} is stored")).await;
    check("/traces/1/spans/0000000000000001", none, &format!("nothing of trace {id} is stored")).await;
    check("/compare?a=1&b=2", none, &format!("nothing of trace {id} is stored")).await;
    check("/nonsense", (404, "no_such_route"), "there is no such route").await;
}
