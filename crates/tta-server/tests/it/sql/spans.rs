//! Spans, traces and model calls are those of the other questions.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use tta_model::name::attribute as a;
use tta_server::Reader;
use tta_server::analysis::Trace;
use tta_server::read::{self, ALWAYS, CostBy, CostQuery, SpanHit, SpanQuery};

use super::made::made;
use super::{one, rows};
use crate::support::{any, open, put, request, span, text};

fn all(reader: &Reader) -> Vec<SpanHit> {
    read::search(reader, &SpanQuery { limit: 100_000, ..SpanQuery::default() }).expect("it is read").hits
}

#[test]
fn the_spans_are_those_that_a_search_finds() {
    for seed in 1..4 {
        let made = made(seed);
        let reader = made.store.reader();
        let null = |text: &str| if text.is_empty() { String::from("null") } else { text.to_owned() };
        let expect: Vec<Vec<String>> = all(&reader)
            .iter()
            .map(|hit| {
                vec![
                    hit.trace_id.to_string(),
                    hit.span_id.to_string(),
                    hit.service.to_string(),
                    hit.name.to_string(),
                    null(&hit.primitive),
                    null(&hit.primitive_type),
                    null(&hit.workflow),
                    null(&hit.model),
                    null(&hit.agent),
                    null(&hit.session),
                    ["unspecified", "internal", "server", "client", "producer", "consumer"]
                        [usize::from(hit.kind)]
                    .to_owned(),
                    ["unset", "ok", "error"][usize::from(hit.status)].to_owned(),
                    u8::from(hit.is_root).to_string(),
                    hit.start_unix_nanos.to_string(),
                    hit.duration_nanos.to_string(),
                ]
            })
            .collect();
        let columns = "trace_id, span_id, service, name, primitive, primitive_type, workflow, model, agent, session, kind,
            status, is_root, start_unix_ns, duration_ns";
        assert!(expect.len() > 400, "{}", expect.len());
        // No two spans of these start at the same nanosecond.
        assert_eq!(
            rows(&reader, &format!("SELECT {columns} FROM spans ORDER BY start_unix_ns DESC")),
            expect
        );
        let mut expect = expect;
        expect.sort();
        let mut found = rows(&reader, &format!("SELECT {columns} FROM spans"));
        found.sort();
        assert_eq!(found, expect);
    }
}

#[test]
fn a_span_tells_all_that_was_sent() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let list = ArrayValue { values: vec![any("", Value::IntValue(1)).value.expect("it is one")] };
    let pairs = KeyValueList { values: vec![text("inner", "x")] };
    let sent = Span {
        parent_span_id: 9_u64.to_be_bytes().to_vec(),
        attributes: vec![
            text("a.b", "first"),
            text("a.b", "last"),
            any("int", Value::IntValue(i64::MIN)),
            any("float", Value::DoubleValue(0.1)),
            any("endless", Value::DoubleValue(f64::INFINITY)),
            any("true", Value::BoolValue(true)),
            any("bytes", Value::BytesValue(vec![1, 2])),
            any("list", Value::ArrayValue(list)),
            any("pairs", Value::KvlistValue(pairs)),
        ],
        ..span(7, 1)
    };
    put(&store, request(vec![("shop", vec![sent])]));
    let reader = store.reader();
    for fits in ["1", "trace_id = '00000000000000000000000000000007'"] {
        assert_eq!(
            rows(
                &reader,
                &format!(
                    "SELECT parent_span_id, attributes, resource, start, duration_ms FROM spans WHERE {fits}"
                )
            ),
            [[
                "0000000000000009",
                r#"{"a.b":"last","bytes":"AQI=","endless":"inf","float":0.1,"int":-9223372036854775808,"list":[1],"pairs":{"inner":"x"},"true":true}"#,
                r#"{"service.name":"shop","zone":"zone of shop"}"#,
                "2026-11-18T11:06:40.000001000Z",
                "1.0",
            ]],
        );
    }
    let attribute =
        |key: &str| one(&reader, &format!("SELECT attribute(trace_id, span_id, '{key}') FROM spans"));
    let member = |key: &str| one(&reader, &format!("SELECT attr(attributes, '{key}') FROM spans"));
    for (key, value) in [
        ("a.b", "last"),
        ("int", "-9223372036854775808"),
        ("float", "0.1"),
        ("endless", "inf"),
        ("true", "1"),
        ("list", "[1]"),
        ("pairs", r#"{"inner":"x"}"#),
        ("none", "null"),
    ] {
        assert_eq!((attribute(key).as_str(), member(key).as_str()), (value, value), "{key}");
    }
    // Bytes are bytes where the type is known; the resource is looked at where the span does not say.
    assert_eq!((attribute("bytes").as_str(), member("bytes").as_str()), ("[1, 2]", "AQI="));
    assert_eq!((attribute("zone").as_str(), member("zone").as_str()), ("zone of shop", "null"));
    assert_eq!(one(&reader, "SELECT attributes ->> '$.\"a.b\"' FROM spans"), "last");
    assert_eq!(one(&reader, "SELECT typeof(attribute(NULL, span_id, 'a')) FROM spans"), "null");
}

#[test]
fn the_attributes_are_those_of_the_copy_that_came_last() {
    let made = made(5);
    let reader = made.store.reader();
    let mut checked = 0;
    for row in rows(&reader, "SELECT trace_id, span_id, name, attr(attributes, 'number'), events FROM spans")
    {
        let trace = read::trace(&reader, row[0].parse().expect("an id")).expect("it is read");
        let id: tta_model::SpanId = row[1].parse().expect("an id");
        let mut spans = trace.spans.iter().map(|stored| &stored.span);
        let span = spans.find(|span| span.span_id == id.to_bytes()).expect("it is there");
        assert_eq!(span.name, row[2]);
        let number = span.attributes[0].value.clone().and_then(|value| value.value);
        assert_eq!(number, Some(Value::IntValue(row[3].parse().expect("a number"))));
        assert!(row[4].starts_with(r#"[{"attributes":{"n":"#) && row[4].contains("happened"), "{}", row[4]);
        checked += usize::from(row[2].ends_with("again"));
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn traces_are_summed_up_from_all_their_spans() {
    let made = made(6);
    let reader = made.store.reader();
    let found = rows(
        &reader,
        "SELECT trace_id, service, name, start_unix_ns, duration_ns, spans, errors, services, status FROM traces",
    );
    let ids: BTreeSet<_> = all(&reader).iter().map(|hit| hit.trace_id).collect();
    assert_eq!(found.len(), ids.len());
    for row in found {
        let trace = Trace::of(&read::trace(&reader, row[0].parse().expect("an id")).expect("it is read"));
        let root = trace.spans[trace.root().expect("there are spans")];
        let (start, end) = trace.times();
        let errors = trace.spans.iter().filter(|span| span.status == 2).count();
        let status = ["unset", "ok", "error"][usize::from(root.status)];
        let numbers =
            [start, end - start, trace.spans.len() as u64, errors as u64, trace.services.len() as u64]
                .map(|n| n.to_string());
        let expect = [trace.service(&root), trace.name(&root)].map(str::to_owned);
        assert_eq!(row[1..3], expect);
        assert_eq!(row[3..8], numbers);
        assert_eq!(row[8], status);
    }
    // Both add up what the spans say of their model calls.
    let of_traces = one(&reader, "SELECT sum(cost_usd) || ' ' || sum(total_tokens) FROM traces");
    let of_calls = one(
        &reader,
        "SELECT sum(attr(attributes, 'llm.cost_usd')) || ' ' ||
         sum(attr(attributes, 'llm.prompt_tokens') + attr(attributes, 'llm.completion_tokens')) FROM spans",
    );
    assert_eq!(of_traces, of_calls);
}

#[test]
fn model_calls_count_once_and_add_up_to_the_cost() {
    let made = made(7);
    let reader = made.store.reader();
    for (by, column) in [(CostBy::Model, "model"), (CostBy::Service, "service"), (CostBy::Agent, "agent")] {
        let query = CostQuery { times: ALWAYS, by };
        let expect: BTreeMap<String, _> = read::cost(&reader, &query)
            .expect("it is read")
            .into_iter()
            .map(|row| {
                let tokens = (row.prompt_tokens, row.completion_tokens);
                (row.key, (row.calls, tokens, row.unpriced_calls, row.cost_usd.to_string()))
            })
            .collect();
        let statement = format!(
            "SELECT ifnull({column}, ''), count(*), sum(prompt_tokens), sum(completion_tokens), sum(unpriced), sum(cost_usd)
             FROM model_calls GROUP BY 1"
        );
        let number = |text: &str| text.parse().expect("a number");
        let found: BTreeMap<String, _> = rows(&reader, &statement)
            .into_iter()
            .map(|row| {
                let cost: f64 = row[5].parse().expect("a number");
                let tokens = (number(&row[2]), number(&row[3]));
                (row[0].clone(), (number(&row[1]), tokens, number(&row[4]), cost.to_string()))
            })
            .collect();
        assert_eq!(found, expect);
    }
    // Each call is that of a span.
    let joined = "SELECT count(*) FROM model_calls AS c JOIN spans AS s ON s.trace_id = c.trace_id AND s.span_id = c.span_id
        WHERE c.service = s.service AND c.model IS s.model AND c.time_unix_ns = s.start_unix_ns";
    let calls = one(&reader, "SELECT count(*) FROM model_calls");
    assert!(number_of(&calls) > 100, "{calls}");
    assert_eq!(one(&reader, joined), calls);
}

fn number_of(text: &str) -> u64 {
    text.parse().expect("a number")
}

#[test]
fn a_child_finds_its_parent_by_a_join() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let child = |id: u64, parent: u64| Span { parent_span_id: parent.to_be_bytes().to_vec(), ..span(7, id) };
    put(
        &store,
        request(vec![("shop", vec![span(7, 1), child(2, 1)]), ("bank", vec![child(3, 2), child(4, 99)])]),
    );
    let joined = "SELECT p.service || ' ' || p.span_id, c.span_id FROM spans AS c
        JOIN spans AS p ON p.trace_id = c.trace_id AND p.span_id = c.parent_span_id ORDER BY c.span_id";
    assert_eq!(
        rows(&store.reader(), joined),
        [["shop 0000000000000001", "0000000000000002"], ["shop 0000000000000002", "0000000000000003"]]
    );
}

#[test]
fn what_comes_while_nothing_runs_is_in_the_next_answer() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let sql = tta_server::sql::Sql::open(store.reader()).expect("it opens");
    for id in 1..5 {
        put(&store, request(vec![("shop", vec![span(7, id)])]));
        let spans = "SELECT (SELECT spans FROM traces), (SELECT count(*) FROM spans)";
        assert_eq!(super::answer(&sql, spans).expect("it is read"), [[id.to_string(), id.to_string()]]);
    }
}

#[test]
fn percentiles_are_exact() {
    let directory = tempfile::tempdir().expect("a directory");
    let reader = open(directory.path()).reader();
    let numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 11)";
    for (call, expect) in [
        ("percentile(x, 0)", "1.0"),
        ("percentile(x, 50)", "6.0"),
        ("percentile(x, 95)", "10.5"),
        ("percentile(x, 100)", "11.0"),
        ("median(nullif(x, 11))", "5.5"),
        ("percentile(NULL, 50)", "null"),
    ] {
        assert_eq!(one(&reader, &format!("{numbers} SELECT {call} FROM n")), expect, "{call}");
    }
    assert_eq!(one(&reader, "SELECT median(duration_ms) FROM spans"), "null");
}

#[test]
fn what_comes_while_a_statement_runs_is_in_the_next_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let batch =
        |first: u64| request(vec![("shop", (first..first + 2_000).map(|id| span(id.into(), id)).collect())]);
    put(&store, batch(1));
    let sql = tta_server::sql::Sql::open(store.reader()).expect("it opens");
    let mut statement = sql.prepare("SELECT span_id, attributes FROM spans").expect("it is SQL");
    let mut count = |is_first: bool| {
        let mut rows = 0;
        statement
            .run(None, |_| {
                if is_first && rows == 10 {
                    put(&store, batch(3_000));
                }
                rows += 1;
                Ok::<_, tta_server::sql::SqlError>(std::ops::ControlFlow::Continue(()))
            })
            .expect("it is read");
        rows
    };
    assert_eq!((count(true), count(false)), (2_000, 4_000));
}

#[test]
fn a_span_of_another_library_is_the_same_by_its_trace() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let attributes = vec![
        text(a::GEN_AI_PROVIDER_NAME.key, "acme"),
        text(a::GEN_AI_REQUEST_MODEL.key, "large"),
        text(a::GEN_AI_AGENT_ID.key, "agent 1"),
        text(a::GEN_AI_CONVERSATION_ID.key, "talk 1"),
        any(a::GEN_AI_USAGE_INPUT_TOKENS.key, Value::IntValue(30)),
        any(a::GEN_AI_USAGE_OUTPUT_TOKENS.key, Value::IntValue(12)),
    ];
    put(&store, request(vec![("shop", vec![Span { attributes, ..span(7, 1) }])]));
    let reader = store.reader();
    for fits in ["1", "trace_id = '00000000000000000000000000000007'"] {
        let found = rows(&reader, &format!("SELECT provider, model, agent, session FROM spans WHERE {fits}"));
        assert_eq!(found, [["acme", "large", "agent 1", "talk 1"]], "{fits}");
    }
    assert_eq!(one(&reader, "SELECT total_tokens FROM traces"), "42");
    assert!(rows(&reader, "SELECT name FROM spans WHERE name = CAST(x'ff' AS TEXT)").is_empty());
}
