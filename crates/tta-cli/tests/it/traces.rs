//! Each run of the demo is one trace of a known shape, wherever it is sent.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use tta_model::name::attribute::{self, ValueKind};

use crate::documents::{self, GOOD};
use crate::receiver::{Protocol, Receiver, Span};
use crate::tta::{demo, run};

const RUNS: usize = 12;
const ROOT: &str = "workflow.document.execute";
const SEQUENTIAL: &str = "primitive.sequential.execute";
const PARALLEL: &str = "primitive.parallel.execute";
const RETRY: &str = "primitive.retry.execute";
const ATTEMPT: &str = "recovery.retry.attempt";
const CACHE: &str = "primitive.cache.execute";
const SUMMARISE: &str = "primitive.summarise.execute";

/// The spans of one trace, all of them below one root.
struct Trace {
    spans: HashMap<String, Span>,
}

impl Trace {
    fn of(spans: Vec<Span>) -> Self {
        let roots = spans.iter().filter(|span| span.parent_span_id.is_empty());
        assert_eq!(roots.map(|root| root.name.as_str()).collect::<Vec<_>>(), [ROOT]);
        let count = spans.len();
        let spans: HashMap<_, _> = spans.into_iter().map(|span| (span.span_id.clone(), span)).collect();
        assert_eq!(spans.len(), count, "each span has an id of its own, and came once");
        let trace = Self { spans };
        trace.spans.values().for_each(|span| trace.check_parent(span));
        trace
    }

    /// The parent is there, and the span lies within its time.
    fn check_parent(&self, span: &Span) {
        assert!(span.start <= span.end, "{span:#?}");
        let Some(parent) = self.parent(span) else { return };
        let within = parent.start <= span.start && span.end <= parent.end;
        assert!(within, "not within its parent: {span:#?} {parent:#?}");
    }

    fn parent(&self, span: &Span) -> Option<&Span> {
        let id = &span.parent_span_id;
        (!id.is_empty()).then(|| self.spans.get(id).unwrap_or_else(|| panic!("no parent: {span:#?}")))
    }

    fn root(&self) -> &Span {
        self.spans.values().find(|span| span.parent_span_id.is_empty()).unwrap()
    }

    /// The spans of a name, in order of start.
    fn named(&self, name: &str) -> Vec<&Span> {
        self.sorted(|span| span.name == name)
    }

    fn one(&self, name: &str) -> &Span {
        let named = self.named(name);
        assert_eq!(named.len(), 1, "one {name}: {}", self.tree());
        named[0]
    }

    fn children(&self, of: &Span) -> Vec<&Span> {
        self.sorted(|span| span.parent_span_id == of.span_id)
    }

    fn child_names(&self, of: &Span) -> Vec<&str> {
        self.children(of).into_iter().map(|span| span.name.as_str()).collect()
    }

    fn sorted(&self, holds: impl Fn(&Span) -> bool) -> Vec<&Span> {
        let mut found: Vec<&Span> = self.spans.values().filter(|span| holds(span)).collect();
        found.sort_by(|a, b| (a.start, &a.name).cmp(&(b.start, &b.name)));
        found
    }

    fn tree(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, self.root(), 0);
        text
    }

    fn write(&self, text: &mut String, span: &Span, depth: usize) {
        text.push_str(&format!("{}{}\n", "  ".repeat(depth), span.name));
        self.children(span).into_iter().for_each(|child| self.write(text, child, depth + 1));
    }

    fn document(&self) -> &str {
        text(self.root(), "tag.document")
    }

    fn exceptions(&self) -> Vec<&Span> {
        self.sorted(|span| span.events.iter().any(|event| event.name == "exception"))
    }
}

fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    span.attributes
        .get(key)
        .and_then(|value| value["string"].as_str())
        .unwrap_or_else(|| panic!("{key}: {span:#?}"))
}

fn traces(spans: Vec<Span>) -> Vec<Trace> {
    let mut by_id: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    spans.into_iter().for_each(|span| by_id.entry(span.trace_id.clone()).or_default().push(span));
    by_id.into_values().map(Trace::of).collect()
}

/// A demo over the good documents, each several times: what it printed, and the traces that arrived.
fn demo_of_good(protocol: Protocol, runs: usize, more: &[&str]) -> Option<(Value, Vec<Trace>)> {
    let receiver = Receiver::start()?;
    let folder = documents::good();
    let (url, runs) = (receiver.url(protocol), runs.to_string());
    let arguments = [&["--json", "--runs", &runs, "--otlp", &url], more].concat();
    let ended = run(demo(folder.path(), &arguments));
    let outcome = ended.json();
    let spans = receiver.stop();
    assert_eq!(outcome["spans"], json!({"recorded": spans.len(), "exported": spans.len(), "dropped": 0}));
    let says = format!("{} spans were sent to", spans.len());
    assert!(ended.stderr.contains(&says), "{ended:#?}");
    spans.iter().for_each(check_types);
    Some((outcome, traces(spans)))
}

/// The service is named, and every attribute that the tables know arrives with the type that they say.
fn check_types(span: &Span) {
    assert_eq!(span.resource["service.name"], json!({"string": "tta-demo"}));
    assert_eq!(span.dropped_attributes, 0, "{span:#?}");
    for (key, value) in &span.attributes {
        let Some(known) = attribute::ALL.iter().find(|known| known.key == key) else { continue };
        let kind = match known.kind {
            ValueKind::Text => "string",
            ValueKind::Int => "int",
            ValueKind::Float => "double",
            ValueKind::Bool => "bool",
            ValueKind::List => "array",
        };
        assert!(value.get(kind).is_some(), "{key} is {value} and should be {kind}: {}", span.name);
    }
}

/// What holds for every successful run, whatever was injected.
fn check_shape(trace: &Trace) {
    let root = trace.root();
    assert_eq!(root.status.code, "ok", "{root:#?}");
    let sequential = trace.one(SEQUENTIAL);
    assert_eq!(trace.child_names(root), [SEQUENTIAL]);
    let steps = ["primitive.sequential.step_0", "primitive.sequential.step_1", "primitive.sequential.step_2"];
    assert_eq!(trace.child_names(sequential), steps, "{}", trace.tree());
    for (step, wrapped) in
        steps.iter().zip(["primitive.validate.execute", CACHE, "primitive.aggregate.execute"])
    {
        let step = trace.one(step);
        assert_eq!(trace.child_names(step), [wrapped], "{}", trace.tree());
        assert_eq!(step.attributes["step.total_steps"], json!({"int": 3}));
    }
    let [parallel] = trace.named(PARALLEL)[..] else {
        return check_hit(trace);
    };
    assert_eq!(trace.parent(parallel).unwrap().name, CACHE);
    assert_eq!(trace.one(CACHE).attributes["cache.hit"], json!({"bool": false}));
    check_branches(trace, parallel);
    check_attempts(trace);
    check_model_call(trace);
}

/// The model is called once for a summary, in a span of its own with whole numbers of tokens, under our names and under
/// those of the GenAI conventions.
fn check_model_call(trace: &Trace) {
    if trace.named(SUMMARISE).is_empty() {
        return;
    }
    let call = trace.one("llm.local.generate");
    assert_eq!(trace.parent(call).unwrap().name, "primitive.llm.chat", "{}", trace.tree());
    for (key, expect) in [
        ("llm.provider", "local"),
        ("llm.model_name", "textrank"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "local"),
        ("gen_ai.request.model", "textrank"),
        ("gen_ai.response.model", "textrank"),
        ("gen_ai.output.type", "text"),
    ] {
        assert_eq!(text(call, key), expect, "{key}");
    }
    let int = |key: &str| call.attributes[key]["int"].as_u64().unwrap_or_else(|| panic!("{key}: {call:#?}"));
    let (prompt, completion) = (int("gen_ai.usage.input_tokens"), int("gen_ai.usage.output_tokens"));
    assert!(prompt > completion && completion > 0, "{call:#?}");
    assert_eq!((int("llm.prompt_tokens"), int("llm.completion_tokens")), (prompt, completion));
    assert_eq!(int("llm.total_tokens"), prompt + completion);
    assert_eq!(
        (call.attributes["llm.streaming"].clone(), int("llm.max_tokens")),
        (json!({"bool": false}), 400)
    );
    assert_eq!(call.attributes["llm.cost_usd"], json!({"double": 0.0}));
    assert!(!call.attributes.contains_key("gen_ai.input.messages"), "nobody asked for content");
}

/// A known document costs a look-up, and no work.
fn check_hit(trace: &Trace) {
    assert_eq!(trace.one(CACHE).attributes["cache.hit"], json!({"bool": true}), "{}", trace.tree());
    for work in [SUMMARISE, RETRY, ATTEMPT, "primitive.keywords.execute", "primitive.statistics.execute"] {
        assert_eq!(trace.named(work).len(), 0, "{}", trace.tree());
    }
}

fn check_branches(trace: &Trace, parallel: &Span) {
    let mut branches = trace.child_names(parallel);
    branches.sort_unstable();
    let expected =
        ["primitive.parallel.branch_0", "primitive.parallel.branch_1", "primitive.parallel.branch_2"];
    assert_eq!(branches, expected, "{}", trace.tree());
    for (index, branch) in expected.iter().enumerate() {
        assert_eq!(trace.one(branch).attributes["branch.index"], json!({"int": index}));
    }
    assert_eq!(trace.child_names(trace.one(expected[0])), ["primitive.timeout.execute"]);
    assert_eq!(trace.child_names(trace.one(expected[1])), ["primitive.keywords.execute"]);
    assert_eq!(trace.child_names(trace.one(expected[2])), ["primitive.statistics.execute"]);
}

/// The attempts are those of the retry, and numbered from one.
fn check_attempts(trace: &Trace) {
    // A run that waited for the work of another one has no attempts of its own.
    let [retry] = trace.named(RETRY)[..] else { return };
    assert_eq!(trace.parent(retry).unwrap().name, "recovery.timeout.execute");
    let attempts = trace.children(retry);
    assert!(attempts.iter().all(|attempt| attempt.name == ATTEMPT), "{}", trace.tree());
    let numbers: Vec<_> =
        attempts.iter().map(|attempt| attempt.attributes["retry.attempt"].clone()).collect();
    let expected: Vec<_> = (1..=attempts.len()).map(|number| json!({"int": number})).collect();
    assert_eq!(numbers, expected, "{}", trace.tree());
    assert_eq!(retry.attributes["execution.retry_count"], json!({"int": attempts.len() - 1}));
    let (last, failed) = attempts.split_last().expect("a retry tries");
    assert_eq!(last.status.code, retry.status.code);
    for attempt in failed {
        assert_eq!(attempt.status.code, "error", "{attempt:#?}");
    }
    // Each fault is recorded where it arose: once an attempt.
    let exceptions = trace.exceptions();
    let failures = attempts.iter().filter(|attempt| attempt.status.code == "error").count();
    assert_eq!(exceptions.len(), failures, "{exceptions:#?}");
}

fn check_demo(protocol: Protocol) {
    let Some((outcome, traces)) = demo_of_good(protocol, RUNS, &[]) else { return };
    assert_eq!(traces.len(), RUNS, "one trace a run");
    assert_eq!((&outcome["runs"], &outcome["failed"]), (&json!(RUNS), &json!(0)));
    traces.iter().for_each(check_shape);
    let mut documents: BTreeMap<&str, usize> = BTreeMap::new();
    traces.iter().for_each(|trace| *documents.entry(trace.document()).or_default() += 1);
    let each = RUNS / GOOD.len();
    assert_eq!(documents, GOOD.iter().map(|(name, _)| (*name, each)).collect());

    // Each document is worked on once; every other run of it finds what came of that.
    let worked: Vec<&str> =
        traces.iter().filter(|trace| !trace.named(SUMMARISE).is_empty()).map(Trace::document).collect();
    let mut distinct = worked.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((worked.len(), distinct.len()), (GOOD.len(), GOOD.len()), "{worked:?}");
    assert_eq!(outcome["cache"], json!({"lookups": RUNS, "hits": RUNS - GOOD.len()}));
}

#[test]
fn a_demo_over_http_is_one_trace_a_run() {
    check_demo(Protocol::Http);
}

#[test]
fn a_demo_over_grpc_is_one_trace_a_run() {
    check_demo(Protocol::Grpc);
}

fn check_chaos(protocol: Protocol) {
    let Some((outcome, traces)) = demo_of_good(protocol, RUNS, &["--chaos", "0.4"]) else { return };
    assert_eq!(traces.len(), RUNS);
    let (succeeded, failed): (Vec<_>, Vec<_>) =
        traces.iter().partition(|trace| trace.root().status.code == "ok");
    assert_eq!((&outcome["succeeded"], &outcome["failed"]), (&json!(succeeded.len()), &json!(failed.len())));
    succeeded.iter().for_each(|trace| check_shape(trace));
    failed.iter().for_each(|trace| check_attempts(trace));
    let retries: usize =
        traces.iter().map(|trace| trace.named(ATTEMPT).len() - trace.named(RETRY).len()).sum();
    assert_eq!(outcome["retries"], json!(retries));
    assert!(retries > 0, "the seed of the faults makes some attempts fail");
}

#[test]
fn attempts_are_below_their_retry_over_http() {
    check_chaos(Protocol::Http);
}

#[test]
fn attempts_are_below_their_retry_over_grpc() {
    check_chaos(Protocol::Grpc);
}

#[test]
fn every_span_of_many_runs_arrives() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let Some((_, traces)) = demo_of_good(protocol, 600, &[]) else { return };
        assert_eq!(traces.len(), 600);
        traces.iter().for_each(check_shape);
    }
}

/// The failed run of a document: told once, where it arose.
fn check_failure(trace: &Trace, message: &str) {
    let validate = trace.one("primitive.validate.execute");
    let exceptions = trace.exceptions();
    assert_eq!(exceptions.len(), 1, "{exceptions:#?}");
    assert_eq!(exceptions[0].span_id, validate.span_id);
    let exception = validate.events.iter().find(|event| event.name == "exception").unwrap();
    assert_eq!(exception.attributes["exception.message"], json!({"string": message}));
    assert_eq!(text(validate, "error.message"), message);
    assert_eq!(validate.status.message, message);
    let mut at = validate;
    while let Some(ancestor) = trace.parent(at) {
        assert_eq!(ancestor.status.code, "error", "{ancestor:#?}");
        assert_eq!(text(ancestor, "error.type"), text(validate, "error.type"));
        assert!(!ancestor.attributes.contains_key("error.message"), "{ancestor:#?}");
        assert!(ancestor.events.is_empty(), "{ancestor:#?}");
        at = ancestor;
    }
    assert_eq!(trace.spans.len(), 4, "nothing after the validation ran: {}", trace.tree());
}

fn check_failures(protocol: Protocol) {
    let Some(receiver) = Receiver::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    documents::write(folder.path(), "broken.txt", b"caf\xe9 au lait");
    documents::write(folder.path(), "empty.md", b"");
    documents::write(folder.path(), "good.md", b"# Short\n\nIt is short.\n");
    documents::write(folder.path(), "large.txt", "many words ".repeat(100).as_bytes());
    let (url, expected) = (
        receiver.url(protocol),
        [
            ("broken.txt", "broken.txt is not UTF-8 at byte 3: convert it or leave it out"),
            ("empty.md", "empty.md is empty: write some text or leave it out"),
            ("large.txt", "large.txt has 1100 bytes and the limit is 1000: split it or raise the limit"),
        ],
    );
    let arguments = ["--json", "--runs", "8", "--max-bytes", "1000", "--otlp", &url];
    let outcome = run(demo(folder.path(), &arguments)).json();
    assert_eq!((&outcome["succeeded"], &outcome["failed"]), (&json!(2), &json!(6)));
    let failures = outcome["failures"].as_array().unwrap();
    assert_eq!(failures.len(), expected.len(), "each document once: {failures:#?}");

    let spans = receiver.stop();
    spans.iter().for_each(check_types);
    let traces = traces(spans);
    assert_eq!(traces.len(), 8);
    for (name, message) in expected {
        let told = failures.iter().find(|failure| failure["document"] == name).unwrap();
        assert!(told["error"].as_str().unwrap().contains(message), "{told}");
        let of_this: Vec<_> = traces.iter().filter(|trace| trace.document() == name).collect();
        assert_eq!(of_this.len(), 2);
        of_this.into_iter().for_each(|trace| check_failure(trace, message));
    }
    traces.iter().filter(|trace| trace.document() == "good.md").for_each(check_shape);
}

#[test]
fn a_bad_document_is_a_failed_run_over_http() {
    check_failures(Protocol::Http);
}

#[test]
fn a_bad_document_is_a_failed_run_over_grpc() {
    check_failures(Protocol::Grpc);
}
