//! Searches by Jaeger's API, pages of traces and news, compared with a plain look through everything that was sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span as inner};
use prost::Message;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tta_model::name::attribute as a;
use tta_server::api::ApiState;
use tta_server::read::{self, CostBy, CostQuery, SpanQuery};
use tta_server::{Clock, Options, Store};

use super::support::{NOW, any, put, resource, text};

const SERVICES: [&str; 3] = ["shop", "bank", "Bäckerei ☕"];
const NAMES: [&str; 3] = ["buy", "pay", "名前"];
const SCOPES: [&str; 3] = ["http", "db", ""];
const WORDS: [&str; 3] = ["one", "two", "three words here"];
const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const SECOND: u64 = 1_000_000_000;

/// A span that was sent, with where it came from.
#[derive(Clone)]
struct Sent {
    service: &'static str,
    scope: &'static str,
    span: Span,
}

impl Sent {
    fn random(random: &mut StdRng) -> Self {
        let mut pick = |list: &[&'static str]| *list.choose(random).expect("it is not empty");
        let (service, scope, name) = (pick(&SERVICES), pick(&SCOPES), pick(&NAMES));
        let of_span = vec![text("colour", pick(&WORDS))];
        let of_event = vec![text("happened", pick(&WORDS)), text("colour", pick(&WORDS))];
        let of_link = vec![text("because", pick(&WORDS))];
        let event =
            inner::Event { name: pick(&WORDS).into(), attributes: of_event, ..inner::Event::default() };
        let link = inner::Link {
            trace_id: vec![7; 16],
            span_id: vec![7; 8],
            attributes: of_link,
            ..inner::Link::default()
        };
        let message = pick(&["", "", "it broke"]).to_owned();
        let mut attributes = of_span;
        attributes.push(any("level", Value::IntValue(random.random_range(-1..3))));
        attributes.push(any("ratio", Value::DoubleValue([0.5, 1.0, f64::NAN][random.random_range(0..3)])));
        attributes.push(any("flag", Value::BoolValue(random.random())));
        attributes.push(any("bytes", Value::BytesValue(vec![random.random_range(0..3)])));
        if random.random_range(0..3) == 0 {
            attributes.push(text(a::LLM_MODEL_NAME.key, WORDS[random.random_range(0..3)]));
            attributes.push(any(a::LLM_COMPLETION_TOKENS.key, Value::IntValue(random.random_range(0..900))));
        }
        let start = NOW + random.random_range(0..600) * SECOND / 10;
        let span = Span {
            trace_id: random.random_range(1..40_u128).to_be_bytes().to_vec(),
            span_id: random.random_range(1..5_000_u64).to_be_bytes().to_vec(),
            parent_span_id: if random.random_range(0..3) == 0 { Vec::new() } else { vec![1; 8] },
            name: name.to_owned(),
            kind: random.random_range(0..6),
            start_time_unix_nano: start,
            end_time_unix_nano: start + [0, 1_500, 2_000_000, 3 * SECOND][random.random_range(0..4)],
            attributes,
            events: if random.random() { vec![event] } else { Vec::new() },
            links: if random.random() { vec![link] } else { Vec::new() },
            status: Some(Status { code: random.random_range(0..3), message }),
            trace_state: if random.random() { String::from("vendor=1") } else { String::new() },
            ..Span::default()
        };
        Self { service, scope, span }
    }

    fn key(&self) -> (Vec<u8>, Vec<u8>) {
        (self.span.trace_id.clone(), self.span.span_id.clone())
    }

    fn duration(&self) -> i64 {
        (self.span.end_time_unix_nano as i64 - self.span.start_time_unix_nano as i64).max(0)
    }

    fn code(&self) -> i32 {
        self.span.status.as_ref().map_or(0, |status| status.code)
    }

    /// Whether it has a tag: every place in which Jaeger shows or looks for one.
    fn has(&self, (key, wanted): (&str, &str)) -> bool {
        let span = &self.span;
        let code = ["Unset", "OK", "ERROR"][self.code() as usize];
        let fields = [
            ("otel.scope.name", self.scope),
            ("scope.name", self.scope),
            ("w3c.tracestate", &span.trace_state),
            ("otel.status_description", span.status.as_ref().map_or("", |status| &status.message)),
            ("otel.status_code", if self.code() == 0 { "" } else { code }),
            ("span.status", code),
            ("span.kind", KINDS[span.kind as usize]),
            ("error", if self.code() == 2 { "true" } else { "false" }),
        ];
        let is_field = fields.iter().any(|(name, is)| *name == key && *is == wanted);
        let of_resource = resource(self.service).attributes;
        let lists = [&span.attributes, &of_resource].into_iter();
        let lists = lists.chain(span.events.iter().map(|event| &event.attributes));
        let mut lists = lists.chain(span.links.iter().map(|link| &link.attributes));
        let is = |pair: &KeyValue, key: &str| pair.key == key && printed(pair) == wanted;
        is_field
            || lists.any(|list| list.iter().any(|pair| is(pair, key)))
            || key == "event" && span.events.iter().any(|event| event.name == wanted)
            || key == "team" && wanted == format!("team of {}", self.scope)
            || key.strip_prefix("resource.").is_some_and(|key| of_resource.iter().any(|pair| is(pair, key)))
    }
}

fn printed(pair: &KeyValue) -> String {
    match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(int)) => int.to_string(),
        Some(Value::DoubleValue(float)) => float.to_string(),
        Some(Value::BoolValue(bool)) => bool.to_string(),
        Some(Value::BytesValue(bytes)) => ["AA==", "AQ==", "Ag=="][usize::from(bytes[0])].to_owned(),
        _ => String::new(),
    }
}

fn batch(spans: &[Sent]) -> Vec<u8> {
    let group = |sent: &Sent| {
        let attributes = vec![text("team", format!("team of {}", sent.scope))];
        let scope = InstrumentationScope {
            name: sent.scope.to_owned(),
            attributes,
            ..InstrumentationScope::default()
        };
        let of_scope =
            ScopeSpans { scope: Some(scope), spans: vec![sent.span.clone()], schema_url: String::new() };
        let resource = Some(resource(sent.service));
        ResourceSpans { resource, scope_spans: vec![of_scope], schema_url: String::new() }
    };
    ExportTraceServiceRequest { resource_spans: spans.iter().map(group).collect() }.encode_to_vec()
}

/// A store whose days are as long as told, and all that it was sent.
struct Model {
    store: Store,
    all: Vec<Sent>,
    day: Arc<AtomicU64>,
    _directory: tempfile::TempDir,
}

impl Model {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let day = Arc::new(AtomicU64::new(20_000));
        let mut options = Options::new(directory.path());
        options.max_age = Duration::from_secs(u64::from(u32::MAX));
        let days = Arc::clone(&day);
        options.clock = Clock::new(move || UNIX_EPOCH + Duration::from_secs(86_400 * days.load(Relaxed)));
        let store = Store::open(options).expect("it opens");
        Self { store, all: Vec::new(), day, _directory: directory }
    }

    /// Sends a batch, in which some spans were sent before.
    fn send(&mut self, random: &mut StdRng) -> Vec<Sent> {
        let mut sent: Vec<Sent> = (0..random.random_range(1..15)).map(|_| Sent::random(random)).collect();
        if let Some(again) = self.all.choose(random) {
            let mut again = again.clone();
            let start = NOW + random.random_range(0..600) * SECOND / 10;
            again.span.end_time_unix_nano =
                again.span.end_time_unix_nano - again.span.start_time_unix_nano + start;
            again.span.start_time_unix_nano = start;
            sent.push(again);
        }
        if random.random_range(0..9) == 0 {
            self.day.fetch_add(1, Relaxed);
        }
        put(&self.store, batch(&sent));
        self.all.extend(sent.iter().cloned());
        sent
    }

    /// Each span once, as it came last.
    fn last(&self) -> impl Iterator<Item = &Sent> {
        let mut last = BTreeMap::new();
        self.all.iter().for_each(|sent| _ = last.insert(sent.key(), sent));
        last.into_values()
    }

    /// The traces that have a span that fits, by their latest one, latest first.
    fn traces(&self, fits: impl Fn(&Sent) -> bool) -> Vec<u128> {
        let mut found: Vec<_> = self.last().filter(|sent| fits(sent)).collect();
        found.sort_by_key(|sent| std::cmp::Reverse((sent.span.start_time_unix_nano, sent.key())));
        let mut seen = BTreeSet::new();
        let ids = found.iter().map(|sent| number(&sent.span.trace_id));
        ids.filter(|trace| seen.insert(*trace)).collect()
    }

    fn ask(&self, address: &str) -> serde_json::Value {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let api = ApiState::new(self.store.reader());
        let (status, body) = runtime.block_on(api.ask(&address.parse().expect("an address")));
        let answer: serde_json::Value = serde_json::from_slice(&body).expect("it is JSON");
        assert!(status == 200 || answer["error"]["httpCode"] == 404, "{status} {address}: {answer}");
        answer
    }
}

fn number(id: &[u8]) -> u128 {
    u128::from_be_bytes(id.try_into().expect("16 bytes"))
}

/// A search, as its parameters and as what has to fit.
#[derive(Clone, Debug, Default)]
struct Search {
    service: Option<&'static str>,
    operation: Option<&'static str>,
    tags: BTreeMap<&'static str, String>,
    least_micros: Option<i64>,
    most_micros: Option<i64>,
    start_micros: Option<u64>,
    end_micros: Option<u64>,
    limit: usize,
}

const KEYS: [&str; 20] = [
    "colour",
    "happened",
    "because",
    "event",
    "level",
    "ratio",
    "flag",
    "bytes",
    "team",
    "zone",
    "resource.zone",
    "otel.scope.name",
    "scope.name",
    "w3c.tracestate",
    "otel.status_description",
    "otel.status_code",
    "span.status",
    "span.kind",
    "error",
    "nothing",
];

impl Search {
    fn random(random: &mut StdRng) -> Self {
        let mut search = Self { limit: [1, 5, 1_000][random.random_range(0..3)], ..Self::default() };
        for _ in 0..random.random_range(0..3) {
            let key = *KEYS.choose(random).expect("it is not empty");
            let values: &[&str] = match key {
                "level" => &["-1", "0", "2", "7"],
                "ratio" => &["0.5", "1", "NaN"],
                "flag" | "error" => &["true", "false"],
                "bytes" => &["AA==", "Ag=="],
                "team" => &["team of db", "team of "],
                "zone" | "resource.zone" => &["zone of shop", "zone of Bäckerei ☕"],
                "otel.scope.name" | "scope.name" => &["db", "http", "nobody"],
                "w3c.tracestate" => &["vendor=1", "vendor=2"],
                "otel.status_description" => &["it broke", "it held"],
                "otel.status_code" | "span.status" => &["OK", "ERROR"],
                "span.kind" => &KINDS,
                _ => &WORDS,
            };
            search.tags.insert(key, (*values.choose(random).expect("it is not empty")).to_owned());
        }
        match random.random_range(0..8) {
            0 | 1 => search.service = SERVICES.choose(random).copied(),
            2 => search.operation = NAMES.choose(random).copied(),
            3 => (search.service, search.operation) = (Some("bank"), NAMES.choose(random).copied()),
            4 => search.least_micros = Some([1, 2, 2_000][random.random_range(0..3)]),
            5 => search.most_micros = Some([1, 2_000, 2_001][random.random_range(0..3)]),
            6 => search.start_micros = Some(NOW / 1_000 + random.random_range(0..60_000_000)),
            _ => search.end_micros = Some(NOW / 1_000 + random.random_range(0..60_000_000)),
        }
        search
    }

    fn fits(&self, sent: &Sent) -> bool {
        let start = sent.span.start_time_unix_nano;
        self.service.is_none_or(|service| service == sent.service)
            && self.operation.is_none_or(|name| name == sent.span.name)
            && self.least_micros.is_none_or(|least| sent.duration() >= least * 1_000)
            && self.most_micros.is_none_or(|most| sent.duration() <= most * 1_000)
            && self.start_micros.is_none_or(|from| start >= from * 1_000)
            && self.end_micros.is_none_or(|to| start <= to * 1_000)
            && self.tags.iter().all(|(key, value)| sent.has((key, value)))
    }

    fn encode(pairs: Vec<(&str, Option<String>)>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in pairs {
            value.into_iter().for_each(|value| _ = query.append_pair(name, &value));
        }
        query.finish()
    }

    fn tags(&self) -> Option<String> {
        (!self.tags.is_empty()).then(|| serde_json::to_string(&self.tags).expect("it is JSON"))
    }

    fn address(&self) -> String {
        let micros = |micros: Option<i64>| micros.map(|micros| format!("{micros}us"));
        // The spans are in the future, and without an end nothing of it is looked at.
        let end = self.end_micros.unwrap_or(NOW / 1_000 + 1_000_000_000);
        let query = Self::encode(vec![
            ("service", self.service.map(str::to_owned)),
            ("operation", self.operation.map(str::to_owned)),
            ("tags", self.tags()),
            ("minDuration", micros(self.least_micros)),
            ("maxDuration", micros(self.most_micros)),
            ("start", self.start_micros.map(|start| start.to_string())),
            ("end", Some(end.to_string())),
            ("limit", Some(self.limit.to_string())),
        ]);
        format!("/api/traces?{query}")
    }

    fn address_v3(&self) -> String {
        let micros = |micros: Option<i64>| micros.map(|micros| format!("{micros}us"));
        let time = |micros: u64| {
            humantime::format_rfc3339_nanos(UNIX_EPOCH + Duration::from_micros(micros)).to_string()
        };
        let query = Self::encode(vec![
            ("query.serviceName", self.service.map(str::to_owned)),
            ("query.operationName", self.operation.map(str::to_owned)),
            ("query.attributes", self.tags()),
            ("query.durationMin", micros(self.least_micros)),
            ("query.durationMax", micros(self.most_micros)),
            ("query.startTimeMin", Some(time(self.start_micros.unwrap_or(0)))),
            ("query.startTimeMax", Some(time(self.end_micros.unwrap_or(NOW / 1_000 + 1_000_000_000)))),
            ("query.searchDepth", Some(self.limit.to_string())),
        ]);
        format!("/api/v3/traces?{query}")
    }
}

fn hex(value: &serde_json::Value) -> u128 {
    u128::from_str_radix(value.as_str().expect("it is a text"), 16).expect("it is a number")
}

#[test]
fn jaegers_searches_are_those_of_a_plain_search() {
    for seed in 0..2 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::new();
        (0..40).for_each(|_| drop(model.send(&mut random)));
        let mut found_some = 0;
        for _ in 0..40 {
            let search = Search::random(&mut random);
            let mut expect = model.traces(|sent| search.fits(sent));
            expect.truncate(search.limit);
            found_some += usize::from(!expect.is_empty());

            let answer = model.ask(&search.address());
            let traces = answer["data"].as_array().expect("it is a list");
            let ids: Vec<u128> = traces.iter().map(|trace| hex(&trace["traceID"])).collect();
            assert_eq!(ids, expect, "{search:?}");
            for trace in traces {
                let whole =
                    model.all.iter().filter(|sent| number(&sent.span.trace_id) == hex(&trace["traceID"]));
                let whole: BTreeSet<_> = whole.map(Sent::key).collect();
                assert_eq!(trace["spans"].as_array().expect("it is a list").len(), whole.len());
            }

            let answer = model.ask(&search.address_v3());
            let groups = answer["result"]["resourceSpans"].as_array().cloned().unwrap_or_default();
            let spans = groups.iter().flat_map(|group| group["scopeSpans"][0]["spans"].as_array());
            let mut ids: Vec<u128> = spans.flatten().map(|span| hex(&span["traceId"])).collect();
            ids.dedup();
            assert_eq!(ids, expect, "{search:?}");
        }
        assert!(found_some > 12, "{found_some}");
        assert_eq!(model.store.damage(), []);
    }
}

#[test]
fn pages_of_traces_are_as_of_the_first() {
    for seed in 10..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::new();
        (0..25).for_each(|_| drop(model.send(&mut random)));
        for _ in 0..5 {
            let search = Search { tags: BTreeMap::new(), ..Search::random(&mut random) };
            let query = SpanQuery {
                service: search.service.map(str::to_owned),
                name: search.operation.map(str::to_owned),
                min_duration_nanos: search.least_micros.unwrap_or(0) * 1_000,
                max_duration_nanos: search.most_micros.map_or(i64::MAX, |most| most * 1_000),
                times: search.start_micros.map_or(0, |start| start as i64 * 1_000)
                    ..=search.end_micros.map_or(i64::MAX, |end| end as i64 * 1_000),
                limit: [2, 5, 11][random.random_range(0..3)],
                ..SpanQuery::default()
            };
            let expect = model.traces(|sent| search.fits(sent));
            let (mut found, mut from) = (Vec::new(), None);
            loop {
                let page = read::traces(&model.store.reader(), &query, from.as_ref()).expect("it is read");
                assert!(page.traces.len() <= query.limit);
                found.extend(page.traces.iter().map(|trace| trace.get()));
                // What comes in between changes no page.
                if random.random_range(0..3) == 0 {
                    model.send(&mut random);
                }
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            assert_eq!(found, expect, "{query:?}");
        }
    }
}

#[test]
fn every_committed_trace_is_news_once() {
    for seed in 20..23 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::new();
        (0..5).for_each(|_| drop(model.send(&mut random)));
        let reader = model.store.reader();
        let mut seen = read::seen(&reader).expect("it is read");
        for _ in 0..30 {
            let mut sent = Vec::new();
            (0..random.random_range(0..3)).for_each(|_| sent.extend(model.send(&mut random)));
            // A batch that comes again as it was is nobody's news.
            if let Some(mut last) = model.all.last().cloned().filter(|_| random.random()) {
                last.span.end_time_unix_nano += 1;
                let again = batch(std::slice::from_ref(&last));
                put(&model.store, again.clone());
                let known = read::news(&reader, &seen).expect("it is read").traces;
                put(&model.store, again);
                assert_eq!(read::news(&reader, &seen).expect("it is read").traces, known);
                model.all.push(last.clone());
                sent.push(last);
            }
            let news = read::news(&reader, &seen).expect("it is read");
            assert!(!news.is_cut);
            seen = news.seen;
            let mut expect: HashMap<u128, Vec<&Sent>> = HashMap::new();
            sent.iter().for_each(|sent| expect.entry(number(&sent.span.trace_id)).or_default().push(sent));
            assert_eq!(news.traces.len(), expect.len());
            for told in news.traces {
                check_news(&told, &expect.remove(&told.trace_id.get()).expect("it is told once"));
            }
            assert_eq!(read::news(&reader, &seen).expect("it is read").traces, []);
        }
    }
}

fn check_news(told: &read::NewTrace, came: &[&Sent]) {
    let failed = came.iter().filter(|sent| sent.code() == 2).count();
    assert_eq!((told.spans, told.errors), (came.len() as u64, failed as u64));
    let start = |sent: &Sent| sent.span.start_time_unix_nano as i64;
    let is_named = |sent: &Sent| (sent.service, &sent.span.name[..]) == (&told.service[..], &told.name[..]);
    let roots: Vec<_> = came.iter().filter(|sent| sent.span.parent_span_id.is_empty()).collect();
    assert_eq!(told.has_root, !roots.is_empty());
    let times = (told.start_unix_nanos, told.duration_nanos);
    if told.has_root {
        assert!(roots.iter().any(|root| is_named(root) && (start(root), root.duration()) == times));
        return;
    }
    let first = came.iter().map(|sent| start(sent)).min().expect("one came");
    let last = came.iter().map(|sent| start(sent) + sent.duration()).max().expect("one came");
    assert_eq!(times, (first, last - first));
    assert!(came.iter().any(|sent| is_named(sent)));
}

#[test]
fn costs_are_those_of_the_time_that_is_asked_for() {
    for seed in 30..33 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::new();
        (0..40).for_each(|_| drop(model.send(&mut random)));
        for _ in 0..20 {
            let from = NOW as i64 + random.random_range(0..60) * SECOND as i64;
            let times = from..=from + random.random_range(0..30) * SECOND as i64;
            let mut expect: BTreeMap<String, (u64, u64)> = BTreeMap::new();
            for sent in model.last().filter(|sent| times.contains(&(sent.span.start_time_unix_nano as i64))) {
                let value = |key: &str| sent.span.attributes.iter().find(|pair| pair.key == key).map(printed);
                let Some(tokens) = value(a::LLM_COMPLETION_TOKENS.key) else { continue };
                let sum = expect.entry(value(a::LLM_MODEL_NAME.key).unwrap_or_default()).or_default();
                *sum = (sum.0 + 1, sum.1 + tokens.parse::<u64>().expect("a number"));
            }
            let query = CostQuery { times, by: CostBy::Model };
            let rows = read::cost(&model.store.reader(), &query).expect("it is read");
            let found: BTreeMap<String, (u64, u64)> =
                rows.into_iter().map(|row| (row.key, (row.calls, row.completion_tokens))).collect();
            assert_eq!(found, expect, "{query:?}");
        }
    }
}
