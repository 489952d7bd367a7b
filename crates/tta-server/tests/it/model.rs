//! Every question, compared with a plain search through everything that was sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span as inner};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use tta_model::name::attribute as a;
use tta_model::name::span;
use tta_server::analysis::Trace;
use tta_server::read::{
    self, ALWAYS, CostBy, CostQuery, CostRow, Cursor, MapBy, RedBy, RedQuery, SpanQuery, StoredTrace,
};
use tta_server::{Clock, Options, RELATIVE_ERROR, Store};

use super::support::{NOW, any, as_of_version_2, id, put, request, settle, text};

const SERVICES: [&str; 4] = ["shop", "bank", "", "Bäckerei ☕"];
const NAMES: [&str; 6] = ["buy", "pay", "", "GET /x", "名前", "a very long name that goes on and on and on"];
const WORDS: [&str; 4] = ["one", "two", "three", "ünï"];
const MINUTE: i64 = 60_000_000_000;

/// What says the same as TTA's words, in the order in which it counts where those are not there.
const PROVIDER: [a::Attribute; 3] = [a::LLM_PROVIDER, a::GEN_AI_PROVIDER_NAME, a::GEN_AI_SYSTEM];
const MODEL: [a::Attribute; 3] = [a::LLM_MODEL_NAME, a::GEN_AI_REQUEST_MODEL, a::GEN_AI_RESPONSE_MODEL];
const AGENT: [a::Attribute; 3] = [a::AGENT_ID, a::GEN_AI_AGENT_ID, a::GEN_AI_AGENT_NAME];
const SESSION: [a::Attribute; 2] = [a::SESSION_ID, a::GEN_AI_CONVERSATION_ID];
const PROMPT: [a::Attribute; 3] =
    [a::LLM_PROMPT_TOKENS, a::GEN_AI_USAGE_INPUT_TOKENS, a::GEN_AI_USAGE_PROMPT_TOKENS];
const COMPLETION: [a::Attribute; 3] =
    [a::LLM_COMPLETION_TOKENS, a::GEN_AI_USAGE_OUTPUT_TOKENS, a::GEN_AI_USAGE_COMPLETION_TOKENS];
/// The words and numbers of other libraries.
const OTHER_WORDS: [a::Attribute; 7] = [
    a::GEN_AI_PROVIDER_NAME,
    a::GEN_AI_SYSTEM,
    a::GEN_AI_REQUEST_MODEL,
    a::GEN_AI_RESPONSE_MODEL,
    a::GEN_AI_AGENT_ID,
    a::GEN_AI_AGENT_NAME,
    a::GEN_AI_CONVERSATION_ID,
];
const OTHER_TOKENS: [a::Attribute; 4] = [PROMPT[1], PROMPT[2], COMPLETION[1], COMPLETION[2]];

/// Everything that was sent, in its order.
struct Model {
    all: Vec<(&'static str, Span)>,
}

fn random_span(random: &mut StdRng) -> Span {
    let mut pick = |list: &[&'static str]| *list.choose(random).expect("it is not empty");
    let mut attributes =
        vec![text("colour", pick(&["red", "green"])), text("note", format!("Says {}", pick(&WORDS)))];
    for (attribute, list) in [
        (a::PRIMITIVE_NAME, &WORDS),
        (a::PRIMITIVE_TYPE, &WORDS),
        (a::WORKFLOW_NAME, &WORDS),
        (a::AGENT_ID, &WORDS),
        (a::AGENT_TYPE, &WORDS),
        (a::SESSION_ID, &WORDS),
        (a::LLM_PROVIDER, &WORDS),
        (a::LLM_MODEL_NAME, &WORDS),
    ] {
        if pick(&["yes", "no"]) == "yes" {
            attributes.push(text(attribute.key, pick(list)));
        }
    }
    for attribute in OTHER_WORDS {
        if pick(&["yes", "no", "no", "no"]) == "yes" {
            attributes.push(text(attribute.key, pick(&["three", "four", "fünf", ""])));
        }
    }
    if pick(&["yes", "no"]) == "yes" {
        attributes.push(text(a::GEN_AI_OPERATION_NAME.key, pick(&["chat", "embeddings", "execute_tool"])));
    }
    let workflow = attributes.iter().find(|attribute| attribute.key == a::WORKFLOW_NAME.key);
    let run = workflow.and_then(|of| match of.value.as_ref()?.value.as_ref()? {
        Value::StringValue(workflow) => Some(span::workflow(workflow).to_string()),
        _ => None,
    });
    let name = run.filter(|_| pick(&["run", "part"]) == "run").unwrap_or_else(|| pick(&NAMES).to_owned());
    if random.random_range(0..3) == 0 {
        attributes.push(any(a::LLM_PROMPT_TOKENS.key, Value::IntValue(random.random_range(-2..500))));
        attributes.push(any(a::LLM_COST_USD.key, Value::DoubleValue(random.random_range(0.0..1.0))));
    }
    if !attributes.iter().any(|attribute| attribute.key == a::LLM_COST_USD.key) {
        attributes.push(any(a::LLM_UNPRICED.key, Value::BoolValue(random.random_range(0..2) == 0)));
    }
    for attribute in OTHER_TOKENS {
        if random.random_range(0..5) == 0 {
            attributes.push(any(attribute.key, Value::IntValue(random.random_range(-1..3))));
        }
    }
    attributes.push(any("level", Value::IntValue(random.random_range(0..4))));
    attributes.shuffle(random);
    let start = match random.random_range(0..20) {
        0 => 1,
        1 => i64::MAX as u64 - 5,
        _ => NOW + random.random_range(0..180) * 1_000_000_000,
    };
    let duration = [0, 1, 999, 1_000_000, 5_000_000_000, 1 << 50][random.random_range(0..6)];
    let end = if random.random_range(0..15) == 0 { 1 } else { (start + duration).min(i64::MAX as u64) };
    Span {
        trace_id: random.random_range(1..25_u128).to_be_bytes().to_vec(),
        span_id: random.random_range(1..2_000_u64).to_be_bytes().to_vec(),
        name,
        kind: random.random_range(0..6),
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes,
        events: vec![inner::Event {
            name: format!("event {}", random.random_range(0..9)),
            ..inner::Event::default()
        }],
        status: Some(Status { code: random.random_range(0..3), message: String::new() }),
        ..Span::default()
    }
}

/// Sends some hundred spans in batches; some of them again, changed in part, and each with a parent that may be missing.
fn fill(store: &Store, random: &mut StdRng, before_each: impl Fn()) -> Model {
    let mut all: Vec<(&'static str, Span)> = Vec::new();
    let mut known: HashMap<_, (&'static str, String, Vec<KeyValue>)> = HashMap::new();
    for _ in 0..40 {
        let mut groups: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
        let mut sent = Vec::new();
        for _ in 0..random.random_range(1..20) {
            let mut service = *SERVICES.choose(random).expect("it is not empty");
            let mut span = random_span(random);
            if let Some((_, parent)) = all.choose(random).filter(|_| span.kind > 1) {
                span.trace_id = parent.trace_id.clone();
                span.parent_span_id = parent.span_id.clone();
            }
            if let Some((of, again)) = all.choose(random).filter(|_| random_again(&span)) {
                service = of;
                span = Span { end_time_unix_nano: again.end_time_unix_nano.max(2) - 1, ..again.clone() };
            }
            // A span that comes again keeps its place, so that the map does not depend on which copy a child finds.
            let key = (span.trace_id.clone(), span.span_id.clone());
            let place = known.entry(key).or_insert((service, span.name.clone(), span.attributes.clone()));
            (service, span.name, span.attributes) = place.clone();
            groups.entry(service).or_default().push(span.clone());
            sent.push((service, span));
        }
        // In a request the spans of a service lie together.
        sent.sort_by_key(|(service, _)| *service);
        before_each();
        put(store, request(groups.into_iter().collect()));
        all.extend(sent);
    }
    Model { all }
}

fn random_again(span: &Span) -> bool {
    span.span_id[7].is_multiple_of(6)
}

fn value<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    span.attributes.iter().rfind(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

fn word<'a>(span: &'a Span, key: &str) -> &'a str {
    match value(span, key) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

/// The first of some attributes that says something.
fn said<'a>(span: &'a Span, attributes: &[a::Attribute]) -> &'a str {
    let mut words = attributes.iter().map(|attribute| word(span, attribute.key));
    words.find(|word| !word.is_empty()).unwrap_or("")
}

/// The first of some numbers of tokens; what sums up other spans tells only its own.
fn tokens(span: &Span, attributes: &[a::Attribute; 3]) -> Option<u64> {
    let operation = word(span, a::GEN_AI_OPERATION_NAME.key);
    let counts = if a::NO_MODEL_CALLS.contains(&operation) { &attributes[..1] } else { &attributes[..] };
    counts.iter().find_map(|attribute| match value(span, attribute.key) {
        Some(Value::IntValue(tokens)) => Some((*tokens).max(0) as u64),
        _ => None,
    })
}

fn duration(span: &Span) -> i64 {
    (span.end_time_unix_nano as i64 - span.start_time_unix_nano as i64).max(0)
}

fn named(service: &str) -> &str {
    if service.is_empty() { "unknown_service" } else { service }
}

fn cursor(span: &Span) -> Cursor {
    Cursor {
        start_unix_nanos: span.start_time_unix_nano as i64,
        trace_id: tta_model::TraceId::from_bytes(span.trace_id[..].try_into().expect("16 bytes"))
            .expect("not zero"),
        span_id: tta_model::SpanId::from_bytes(span.span_id[..].try_into().expect("8 bytes"))
            .expect("not zero"),
    }
}

impl Model {
    /// Each span once, as it came last.
    fn last(&self) -> Vec<(&'static str, &Span)> {
        let mut last = BTreeMap::new();
        for (service, span) in &self.all {
            last.insert((&span.trace_id, &span.span_id), (*service, span));
        }
        last.into_values().collect()
    }

    fn search(&self, query: &SpanQuery) -> Vec<Cursor> {
        let fits = |(service, span): &(&str, &Span)| {
            let is =
                |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
            let has = |(key, wanted): &(String, String)| match value(span, key) {
                Some(Value::StringValue(text)) => text == wanted,
                Some(Value::IntValue(int)) => int.to_string() == *wanted,
                _ => key == "zone" && *wanted == format!("zone of {service}"),
            };
            let texts =
                span.attributes.iter().filter_map(|attribute| match &attribute.value.as_ref()?.value {
                    Some(Value::StringValue(text)) => Some(text),
                    _ => None,
                });
            let mut texts = texts.chain([&span.name]).chain(span.events.iter().map(|event| &event.name));
            let status = span.status.as_ref().map_or(0, |status| status.code);
            is(&query.service, named(service))
                && is(&query.name, &span.name)
                && is(&query.primitive, word(span, a::PRIMITIVE_NAME.key))
                && is(&query.primitive_type, word(span, a::PRIMITIVE_TYPE.key))
                && is(&query.workflow, word(span, a::WORKFLOW_NAME.key))
                && is(&query.agent, said(span, &AGENT))
                && is(&query.agent_type, word(span, a::AGENT_TYPE.key))
                && is(&query.session, said(span, &SESSION))
                && is(&query.provider, said(span, &PROVIDER))
                && is(&query.model, said(span, &MODEL))
                && query.kind.is_none_or(|kind| i32::from(kind) == span.kind)
                && query.status.is_none_or(|wanted| i32::from(wanted) == status)
                && (!query.roots_only || span.parent_span_id.is_empty())
                && (query.min_duration_nanos..=query.max_duration_nanos).contains(&duration(span))
                && query.times.contains(&(span.start_time_unix_nano as i64))
                && query.attributes.iter().all(has)
                && query.text.as_ref().is_none_or(|text| {
                    texts.any(|found| found.to_ascii_lowercase().contains(&text.to_ascii_lowercase()))
                })
        };
        let mut found: Vec<Cursor> =
            self.last().iter().filter(|one| fits(one)).map(|(_, span)| cursor(span)).collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        found
    }
}

fn random_query(random: &mut StdRng) -> SpanQuery {
    let most_records = [1, 20, usize::MAX][random.random_range(0..3)];
    let mut query =
        SpanQuery { limit: [1, 7, 30, 200][random.random_range(0..4)], most_records, ..SpanQuery::default() };
    let mut word = |list: &[&str]| list.choose(random).map(|word| String::from(*word));
    match word(&[
        "service",
        "name",
        "primitive",
        "type",
        "workflow",
        "agent",
        "kind of agent",
        "session",
        "provider",
        "model",
        "none",
    ])
    .as_deref()
    {
        Some("service") => {
            query.service = word(&["shop", "bank", "unknown_service", "Bäckerei ☕", "nobody"])
        }
        Some("name") => query.name = word(&NAMES),
        Some("primitive") => query.primitive = word(&WORDS),
        Some("type") => query.primitive_type = word(&WORDS),
        Some("workflow") => query.workflow = word(&WORDS),
        Some("agent") => query.agent = word(&WORDS),
        Some("kind of agent") => query.agent_type = word(&WORDS),
        Some("session") => query.session = word(&["one", "four", "", "never"]),
        Some("provider") => query.provider = word(&["one", "three", "fünf", ""]),
        Some("model") => query.model = word(&["two", "four", "fünf", ""]),
        _ => {}
    }
    match random.random_range(0..12) {
        0 => query.status = Some(random.random_range(0..3)),
        1 => query.kind = Some(random.random_range(0..6)),
        2 => query.roots_only = true,
        3 => query.min_duration_nanos = 1_000_000,
        4 => query.max_duration_nanos = 999,
        5 => query.times = NOW as i64..=NOW as i64 + MINUTE,
        6 => query.attributes = vec![(String::from("colour"), String::from("red"))],
        7 => {
            query.attributes = vec![
                (String::from("level"), String::from("2")),
                (String::from("zone"), String::from("zone of shop")),
            ]
        }
        8 => query.text = Some(String::from("sAYS t")),
        9 => query.text = Some(String::from("event 3")),
        10 => (query.status, query.min_duration_nanos) = (Some(2), 1_000),
        _ => {}
    }
    query
}

/// Reads page after page.
fn pages(store: &Store, query: &SpanQuery) -> Vec<Cursor> {
    let (mut query, mut found) = (query.clone(), Vec::new());
    loop {
        let page = read::search(&store.reader(), &query).expect("it is read");
        let may_be_short = page.next.is_none() || query.most_records < usize::MAX;
        assert!(page.hits.len() <= query.limit && (may_be_short || page.hits.len() == query.limit));
        found.extend(page.hits.iter().map(|hit| Cursor {
            start_unix_nanos: hit.start_unix_nanos,
            trace_id: hit.trace_id,
            span_id: hit.span_id,
        }));
        query.after = page.next;
        if query.after.is_none() {
            return found;
        }
    }
}

/// Checks all questions against the model.
fn check_all(store: &Store, model: &Model, random: &mut StdRng) {
    for _ in 0..70 {
        let query = random_query(random);
        assert_eq!(pages(store, &query), model.search(&query), "{query:?}");
    }
    check_traces(store, model);
    check_summaries(store);
    check_sums(store, model, random);
    check_calls(store, model);
    check_cost(store, model);
    check_names(store, model);
    assert_eq!(store.damage(), []);
}

fn check_traces(store: &Store, model: &Model) {
    for trace in 1..25_u128 {
        let mut expect: Vec<(&str, &Span)> = model.last();
        expect.retain(|(_, span)| span.trace_id == trace.to_be_bytes());
        let read = read::trace(&store.reader(), id(trace)).expect("it is read").spans;
        let mut found: Vec<(&str, &Span)> =
            read.iter().map(|stored| (stored.origin.service(), &stored.span)).collect();
        expect.iter_mut().for_each(|(service, _)| *service = named(service));
        let key = |(_, span): &(&str, &Span)| span.span_id.clone();
        expect.sort_by_key(key);
        found.sort_by_key(key);
        assert_eq!(found, expect);
        check_outline(store, id(trace), &read);
        let first = read.first().map(|stored| stored.origin.resource_schema_url.as_str());
        assert!(first.is_none_or(|url| url == "https://example.com/schema"));
    }
}

/// Many at once are the same as one by one, also if nothing of one is stored.
fn check_summaries(store: &Store) {
    let reader = store.reader();
    let ids: Vec<_> = (1..27_u128).map(id).collect();
    let found = read::summaries(&reader, &ids).expect("it is read");
    assert_eq!(found.iter().map(|summary| summary.trace_id).collect::<Vec<_>>(), ids);
    for summary in found {
        let alone = read::summary(&reader, summary.trace_id).expect("it is read");
        assert_eq!(alone, (summary.spans > 0).then_some(summary));
    }
}

/// Compares what is read of a trace without decoding it, and of each span alone, with all of the trace.
fn check_outline(store: &Store, id: tta_model::TraceId, spans: &[read::StoredSpan]) {
    let reader = store.reader();
    for stored in spans.iter().step_by(4) {
        let cursor = cursor(&stored.span);
        let found = read::span(&reader, id, cursor.span_id).expect("it is read");
        assert_eq!(found.as_ref(), Some(stored));
    }
    let nobody = tta_model::SpanId::new(u64::MAX).expect("not zero");
    assert_eq!(read::span(&reader, id, nobody).expect("it is read"), None);
    assert_eq!(read::is_stored(&reader, id).expect("it is read"), !spans.is_empty());
    let whole = Trace::of(&StoredTrace { spans: spans.to_vec(), logs: Vec::new() });
    assert_eq!(Trace::of_outline(read::outline(&reader, id).expect("it is read")), whole);
    let summary = read::summary(&reader, id).expect("it is read");
    assert_eq!(summary.is_some(), !spans.is_empty());
    let (Some(summary), Some(root)) = (summary, whole.root()) else { return };
    let root = &whole.spans[root];
    let workflows = spans.iter().map(|stored| word(&stored.span, a::WORKFLOW_NAME.key));
    let (start, end) = whole.times();
    let is_error = |span: &&tta_server::analysis::Span| span.status == 2;
    assert_eq!(
        (summary.trace_id, &summary.service[..], &summary.name[..], summary.status),
        (id, whole.service(root), whole.name(root), root.status)
    );
    assert_eq!(summary.workflow, workflows.clone().find(|workflow| !workflow.is_empty()).unwrap_or(""));
    assert_eq!((summary.start_unix_nanos, summary.duration_nanos), (start, end - start));
    assert_eq!((summary.spans, summary.errors), (spans.len(), whole.spans.iter().filter(is_error).count()));
    assert_eq!(summary.services.len(), whole.services.len());
    for (share, (number, name)) in summary.services.iter().zip(whole.services.iter().enumerate()) {
        let of_service = || whole.spans.iter().filter(|span| span.service == number as u32);
        assert_eq!(
            (&share.name, share.spans, share.errors),
            (name, of_service().count(), of_service().filter(is_error).count())
        );
    }
}

/// The durations and the number of errors of each step.
type Sums<K> = BTreeMap<K, (Vec<i64>, u64)>;

fn add<K: Ord>(sums: &mut Sums<K>, key: K, span: &Span) {
    let (durations, errors) = sums.entry(key).or_default();
    durations.push(duration(span));
    *errors += u64::from(span.status.as_ref().is_some_and(|status| status.code == 2));
}

fn check_point(point: &read::RedPoint, (durations, errors): &(Vec<i64>, u64)) {
    let mut sorted = durations.clone();
    sorted.sort_unstable();
    assert_eq!((point.count, point.errors), (sorted.len() as u64, *errors));
    assert_eq!(point.mean_nanos, sorted.iter().sum::<i64>() as u64 / point.count);
    for (part, shown) in
        [(0.5, point.p50_nanos), (0.95, point.p95_nanos), (0.99, point.p99_nanos), (1.0, point.max_nanos)]
    {
        let exact = sorted[(part * sorted.len() as f64).ceil() as usize - 1] as f64;
        assert!((shown as f64 - exact).abs() <= exact * RELATIVE_ERROR, "{part}: {shown} for {exact}");
    }
}

/// What a question about sums means, span by span: the series and the step that one counts in.
fn counted(query: &RedQuery, (service, span): &(&str, Span)) -> Option<(String, String, i64)> {
    let (primitive, workflow) = (word(span, a::PRIMITIVE_NAME.key), word(span, a::WORKFLOW_NAME.key));
    let by = |by| query.by == by;
    let operations = by(RedBy::Operation) || query.name.is_some();
    let primitives = by(RedBy::Primitive) || query.primitive.is_some();
    let workflows = by(RedBy::Workflow) || query.workflow.is_some();
    let is_run = !workflow.is_empty() && span::workflow(workflow) == span.name[..];
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    let minute = span.start_time_unix_nano as i64 / MINUTE;
    let first = query.times.start().div_euclid(MINUTE);
    let counts = is(&query.service, named(service))
        && is(&query.name, &span.name)
        && (!primitives || !primitive.is_empty() && is(&query.primitive, primitive))
        && (!workflows || !workflow.is_empty() && is(&query.workflow, workflow))
        && (!workflows || operations || primitives || is_run)
        && (first..=query.times.end().div_euclid(MINUTE)).contains(&minute);
    let name = match query.by {
        RedBy::Operation => &span.name,
        RedBy::Primitive => primitive,
        RedBy::Workflow => workflow,
        RedBy::Service | RedBy::Total => "",
    };
    let service = if by(RedBy::Total) { "" } else { named(service) };
    let step = i64::from(query.step_minutes);
    let start = if step == 0 { first.max(0) } else { minute / step * step };
    counts.then(|| (service.to_owned(), name.to_owned(), start * MINUTE))
}

fn check_red(store: &Store, model: &Model, query: &RedQuery) {
    let reader = store.reader();
    let mut expect = Sums::new();
    let mut counts = Vec::new();
    for sent in &model.all {
        if let Some(key) = counted(query, sent) {
            counts.push((key.2, duration(&sent.1) as u64));
            add(&mut expect, key, &sent.1);
        }
    }
    let mut seen = 0;
    for series in read::red(&reader, query).expect("it is read") {
        for point in &series.points {
            let key = (series.service.clone(), series.name.clone(), point.start_unix_nanos);
            check_point(point, expect.get(&key).unwrap_or_else(|| panic!("{key:?} {query:?}")));
            seen += 1;
        }
    }
    assert_eq!(seen, expect.len(), "{query:?}");
    let cells = read::heatmap(&reader, query).expect("it is read");
    for (start, took) in &counts {
        let has = |cell: &read::HeatCell| {
            cell.start_unix_nanos == *start && (cell.from_nanos..cell.to_nanos).contains(took)
        };
        assert!(cells.iter().any(has), "{query:?}");
    }
    assert_eq!(cells.iter().map(|cell| cell.count).sum::<u64>(), counts.len() as u64);
}

fn check_sums(store: &Store, model: &Model, random: &mut StdRng) {
    let all = [RedBy::Operation, RedBy::Primitive, RedBy::Workflow, RedBy::Service, RedBy::Total];
    for by in all {
        check_red(store, model, &RedQuery { by, step_minutes: 1, ..RedQuery::default() });
        for _ in 0..6 {
            let mut some = |list: &[&str]| {
                let word = list.choose(random).map(|word| String::from(*word));
                word.filter(|_| random.random_range(0..4) == 0)
            };
            let query = RedQuery {
                service: some(&["shop", "unknown_service", "nobody"]),
                name: some(&NAMES),
                primitive: some(&["one", "two", "", "never"]),
                workflow: some(&["one", "ünï", "", "never"]),
                times: [ALWAYS, NOW as i64..=NOW as i64 + MINUTE][random.random_range(0..2)].clone(),
                step_minutes: random.random_range(0..3),
                by,
            };
            check_red(store, model, &query);
        }
    }
}

fn place(service: &str, span: &Span) -> (String, String) {
    let primitive = word(span, a::PRIMITIVE_NAME.key);
    (named(service).to_owned(), if primitive.is_empty() { span.name.clone() } else { primitive.to_owned() })
}

fn check_calls(store: &Store, model: &Model) {
    let places: HashMap<_, (String, String)> = model
        .all
        .iter()
        .map(|(service, span)| ((&span.trace_id, &span.span_id), place(service, span)))
        .collect();
    let (mut by_primitive, mut by_service) = (Sums::new(), Sums::new());
    for (service, span) in &model.all {
        let Some(caller) = places.get(&(&span.trace_id, &span.parent_span_id)) else { continue };
        let callee = place(service, span);
        if caller.0 != callee.0 {
            add(
                &mut by_service,
                ((caller.0.clone(), String::new()), (callee.0.clone(), String::new())),
                span,
            );
        }
        add(&mut by_primitive, (caller.clone(), callee), span);
    }
    for (by, expect) in [(MapBy::Primitive, by_primitive), (MapBy::Service, by_service)] {
        let calls = read::calls(&store.reader(), &ALWAYS, by).expect("it is read");
        assert_eq!(calls.len(), expect.len());
        for call in calls {
            let key = ((call.caller_service, call.caller), (call.callee_service, call.callee));
            check_point(&call.executions, &expect[&key]);
        }
    }
    let mut executed = Sums::new();
    model.all.iter().for_each(|(service, span)| add(&mut executed, place(service, span), span));
    let places = read::places(&store.reader(), &ALWAYS).expect("it is read");
    assert_eq!(places.len(), executed.len());
    for place in places {
        assert_eq!(place.points.len(), 1);
        check_point(&place.points[0], &executed[&(place.service, place.name)]);
    }
}

fn check_cost(store: &Store, model: &Model) {
    for (by, key) in [
        (CostBy::Model, &MODEL[..]),
        (CostBy::Provider, &PROVIDER),
        (CostBy::Workflow, &[a::WORKFLOW_NAME]),
        (CostBy::Agent, &AGENT),
        (CostBy::Session, &SESSION),
    ] {
        let mut expect: BTreeMap<&str, CostRow> = BTreeMap::new();
        for (_, span) in model.last() {
            let (prompt, completion) = (tokens(span, &PROMPT), tokens(span, &COMPLETION));
            let cost = match value(span, a::LLM_COST_USD.key) {
                Some(Value::DoubleValue(cost)) => Some(*cost),
                _ => None,
            };
            if prompt.is_none() && completion.is_none() && cost.is_none() {
                continue;
            }
            let (prompt, completion) = (prompt.unwrap_or(0), completion.unwrap_or(0));
            let row = expect.entry(said(span, key)).or_default();
            row.calls += 1;
            row.prompt_tokens += prompt;
            row.completion_tokens += completion;
            row.cost_usd += cost.unwrap_or(0.0);
            row.unpriced_calls += u64::from(cost.is_none() && prompt + completion > 0);
        }
        let rows = read::cost(&store.reader(), &CostQuery { times: ALWAYS, by }).expect("it is read");
        assert!(rows.is_sorted_by(|one, other| one.cost_usd >= other.cost_usd) && rows.len() == expect.len());
        for row in rows {
            let expect = &expect[&row.key[..]];
            assert_eq!(
                (row.calls, row.prompt_tokens, row.completion_tokens, row.unpriced_calls),
                (expect.calls, expect.prompt_tokens, expect.completion_tokens, expect.unpriced_calls)
            );
            assert!((row.cost_usd - expect.cost_usd).abs() < 1e-9);
        }
    }
}

fn check_names(store: &Store, model: &Model) {
    let reader = store.reader();
    let mut expect: Vec<&str> = model.all.iter().map(|(service, _)| named(service)).collect();
    expect.sort_unstable();
    expect.dedup();
    assert_eq!(read::services(&reader).expect("it is read"), expect);
    for service in expect {
        let mut names: Vec<(&str, u8)> = model
            .all
            .iter()
            .filter(|(of, _)| named(of) == service)
            .map(|(_, span)| (&span.name[..], span.kind as u8))
            .collect();
        names.sort_unstable();
        names.dedup();
        let found = read::operations(&reader, service).expect("it is read");
        let found: Vec<_> = found.iter().map(|operation| (&operation.name[..], operation.kind)).collect();
        assert_eq!(found, names);
    }
    let mut expect: Vec<(&str, &str, &str)> = model
        .all
        .iter()
        .map(|(of, span)| (named(of), word(span, a::PRIMITIVE_NAME.key), word(span, a::PRIMITIVE_TYPE.key)))
        .filter(|(_, name, _)| !name.is_empty())
        .collect();
    expect.sort_unstable();
    expect.dedup();
    let found = read::primitives(&reader).expect("it is read");
    let found: Vec<_> = found.iter().map(|is| (&is.service[..], &is.name[..], &is.kind[..])).collect();
    assert_eq!(found, expect);
}

/// A store in which a day passes as often as told.
fn open_with_days(directory: &std::path::Path, days: &Arc<AtomicU64>) -> Store {
    let mut options = Options::new(directory);
    let days = Arc::clone(days);
    options.max_age = Duration::from_secs(u64::from(u32::MAX));
    options.clock =
        Clock::new(move || UNIX_EPOCH + Duration::from_secs(86_400 * days.load(Ordering::Relaxed)));
    Store::open(options).expect("it opens")
}

/// What becomes of a store before it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing.
    Nothing,
    /// All is summed up.
    Settled,
    /// The same, by a version of the program that knew nothing of units.
    SettledEarlier,
}

/// Compares all answers in a store whose days have so many batches.
fn check(seed: u64, batches_a_day: u64, before: Before) {
    let mut random = StdRng::seed_from_u64(seed);
    let directory = tempfile::tempdir().expect("a directory");
    let batches = Arc::new(AtomicU64::new(0));
    let days = Arc::new(AtomicU64::new(20_000));
    let store = open_with_days(directory.path(), &days);
    let model = fill(&store, &mut random, || {
        days.store(20_000 + batches.fetch_add(1, Ordering::Relaxed) / batches_a_day, Ordering::Relaxed);
    });
    assert!(model.all.len() > 200 && model.last().len() < model.all.len());
    assert_eq!(store.stats().files as u64, 40_u64.div_ceil(batches_a_day));
    if before != Before::Nothing {
        settle(&store);
    }
    drop(store);
    if before == Before::SettledEarlier {
        let files = std::fs::read_dir(directory.path()).expect("it is there");
        let files = files.map(|file| file.expect("it is there").path());
        let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "sqlite"));
        files.for_each(|file| as_of_version_2(&file));
    }
    // What was not summed up is made up for.
    let store = open_with_days(directory.path(), &days);
    settle(&store);
    check_all(&store, &model, &mut random);
}

#[test]
fn answers_are_those_of_a_plain_search() {
    check(0, 100, Before::Settled);
    check(1, 100, Before::Nothing);
    check(4, 100, Before::SettledEarlier);
}

#[test]
fn answers_are_the_same_over_many_files() {
    check(2, 7, Before::Settled);
    check(3, 7, Before::Nothing);
    check(5, 7, Before::SettledEarlier);
}
