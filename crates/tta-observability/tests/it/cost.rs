//! Money: what a run is charged is what its ledger, the book, the metrics and the spans say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tta_model::name::attribute as a;
use tta_model::name::metric::{self, OTHER};
use tta_model::{Text, Value};
use tta_observability::cost::{CostLine, CostReport, MAX_KEYS, NOBODY};
use tta_observability::export::memory::MemoryExporter;
use tta_observability::recorder::ApplicationTracer;
use tta_observability::sampling::Sampler;
use tta_observability::{Guard, Telemetry};
use tta_primitives::observe::{Event, Observer};
use tta_primitives::{
    Cache, Error, ErrorKind, Flow, MicroUsd, Result, Retry, Spend, WorkflowContext, parallel, step_with,
};

const SECOND: Duration = Duration::from_secs(1);

fn recording(telemetry: Telemetry) -> (Arc<dyn Observer>, Guard) {
    let (observer, guard) = telemetry.build().expect("nothing to set up");
    (observer.expect("not disabled"), guard)
}

/// Calls a model: sets money aside, pays, and tells of the call.
fn call(cx: &WorkflowContext, model: &'static str, amount: i64) -> Result<()> {
    let reservation = cx.reserve(MicroUsd(amount))?;
    cx.emit(&Event::ModelCallFinished {
        provider: &Text::Static("openai"),
        model: &Text::Static(model),
        operation: "chat",
        prompt_tokens: 100,
        completion_tokens: 7,
        took: Duration::from_millis(300),
        error_type: None,
        unpriced: amount == 0,
    });
    reservation.settle(Spend::on_model(MicroUsd(amount), "openai", model)).map(drop)
}

fn model(name: &'static str, model: &'static str) -> Flow<i64, i64> {
    step_with(name, move |amount: i64, cx: WorkflowContext| async move {
        call(&cx, model, amount)?;
        Ok(amount)
    })
}

/// Pays, fails, and is tried again.
fn flaky() -> Flow<i64, i64> {
    let attempts = AtomicUsize::new(0);
    let flaky = step_with("flaky", move |amount: i64, cx: WorkflowContext| {
        let is_first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            call(&cx, "gpt-4o", amount + 1)?;
            if is_first { Err(Error::new(ErrorKind::Unavailable, "it is down")) } else { Ok(amount) }
        }
    });
    flaky.retry(Retry::constant(2, Duration::ZERO))
}

fn spent(lines: &[CostLine]) -> i64 {
    lines.iter().map(|line| line.spent.0).sum()
}

fn assert_adds_up(report: &CostReport) {
    let CostReport { by_workflow, by_primitive, by_agent, by_session, by_model, .. } = report;
    for lines in [by_workflow, by_primitive, by_agent, by_session, by_model] {
        assert_eq!(spent(lines), report.spent.0, "{lines:?}");
        assert_eq!(lines.iter().map(|line| line.calls).sum::<u64>(), report.calls);
        assert_eq!(lines.iter().map(|line| line.tokens).sum::<u64>(), report.tokens);
    }
    assert_eq!(report.savings.iter().map(|line| line.saved.0).sum::<i64>(), report.saved.0);
}

fn line<'a>(lines: &'a [CostLine], key: &str) -> &'a CostLine {
    lines.iter().find(|line| line.key == *key).unwrap_or_else(|| panic!("no {key} in {lines:?}"))
}

async fn branches_retries_and_hits(sampler: Sampler) {
    let (observer, guard) = recording(Telemetry::new().sampler(sampler).exporter(MemoryExporter::new()));
    let cache: Cache<i64, i64> = Cache::new("amounts", |amount: &i64| *amount);
    let branches = parallel([model("a", "gpt-4o"), model("b", "gpt-4o-mini"), flaky()]);
    let flow = branches.map("sum", |amounts: Vec<i64>| amounts.iter().sum::<i64>()).cached(&cache);
    let builder = WorkflowContext::builder().workflow_name("report").session_id("s-1").agent_id("a-1");
    let cx = builder.agent_type("planner").observer(observer).build();
    for _ in 0..3 {
        assert_eq!(flow.run(33_333, &cx).await.expect("it succeeds"), 99_999);
    }
    // Two branches, and two attempts of the third, once: the other two runs found it.
    let total = 2 * 33_333 + 2 * 33_334;
    let report = guard.costs().report();
    assert_eq!((cx.spent(), report.spent), (MicroUsd(total), MicroUsd(total)));
    assert_eq!((report.saved.0, report.calls, report.tokens), (2 * total, 4, 4 * 107));
    assert_adds_up(&report);
    assert_eq!(line(&report.by_workflow, "report").spent.0, total);
    assert_eq!(line(&report.by_session, "s-1").spent.0, total);
    assert_eq!(line(&report.by_agent, "a-1").calls, 4);
    assert_eq!(line(&report.by_model, "openai/gpt-4o").spent.0, total - 33_333);
    assert_eq!(line(&report.by_model, "openai/gpt-4o-mini").tokens, 107);
    let dearest = &report.by_primitive[0];
    assert!(dearest.key.ends_with("flaky") && dearest.spent.0 == 66_668, "{:?}", report.by_primitive);
    let [saved] = &report.savings[..] else { panic!("{:?}", report.savings) };
    assert_eq!((saved.source.as_str(), saved.saved.0), ("cache", 2 * total));

    let snapshot = guard.metrics().snapshot();
    let micro = |metric, labels: &[(&str, &str)]| (snapshot.total(metric, labels) * 1e6).round() as i64;
    assert_eq!(micro(&metric::LLM_COST_TOTAL, &[]), total);
    assert_eq!(micro(&metric::TTA_LLM_COST_USD_TOTAL, &[]), total);
    assert_eq!(micro(&metric::COST_SAVINGS_TOTAL, &[]), 2 * total);
    let flaky = [(a::PRIMITIVE_NAME.key, "flaky"), (a::AGENT_TYPE.key, "planner")];
    assert_eq!(micro(&metric::LLM_COST_TOTAL, &flaky), 66_668);
    let prompt = [(a::LLM_TOKEN_TYPE.key, "prompt"), (a::LLM_MODEL_NAME.key, "gpt-4o")];
    assert_eq!(snapshot.total(&metric::LLM_TOKENS_TOTAL, &prompt), 300.0);
    let output = [(a::GEN_AI_TOKEN_TYPE.key, "output"), (a::GEN_AI_OPERATION_NAME.key, "chat")];
    assert_eq!(snapshot.total(&metric::GEN_AI_CLIENT_TOKEN_USAGE, &output), 4.0, "calls that had an answer");
    assert_eq!(snapshot.total(&metric::GEN_AI_CLIENT_OPERATION_DURATION, &[]), 4.0);
    assert_eq!(snapshot.total(&metric::TTA_TELEMETRY_UNPRICED_CALLS_TOTAL, &[]), 0.0);
}

#[tokio::test]
async fn a_run_costs_the_same_wherever_it_is_counted() {
    branches_retries_and_hits(Sampler::AlwaysOn).await;
}

#[tokio::test]
async fn what_is_not_sampled_costs_the_same() {
    branches_retries_and_hits(Sampler::AlwaysOff).await;
}

#[tokio::test]
async fn a_budget_stops_the_fourth_call_before_it_happens() {
    let (observer, guard) = recording(Telemetry::new());
    let calls = (0..4).fold(model("call 0", "gpt-4o"), |flow, n| match n {
        0 => flow,
        _ => flow >> model(["call 1", "call 2", "call 3"][n - 1], "gpt-4o"),
    });
    let cx = WorkflowContext::builder().budget(MicroUsd(1_000)).observer(observer).build();
    let error = calls.run(300, &cx).await.expect_err("900 are spent, and 100 are left");
    assert_eq!(error.kind(), ErrorKind::BudgetExceeded);
    let report = guard.costs().report();
    assert_eq!((cx.spent(), report.spent, report.calls), (MicroUsd(900), MicroUsd(900), 3));
    assert_eq!(line(&report.by_session, NOBODY).spent.0, 900);
}

#[tokio::test]
async fn sessions_beyond_the_bound_add_up_all_the_same() {
    let (observer, guard) = recording(Telemetry::new().sampler(Sampler::AlwaysOff));
    let flow = model("call", "gpt-4o");
    let runs = MAX_KEYS + 200;
    for n in 0..runs {
        let builder = WorkflowContext::builder().workflow_name("chat").session_id(format!("s-{n}"));
        flow.run(3, &builder.observer(Arc::clone(&observer)).build()).await.expect("it succeeds");
    }
    let report = guard.costs().report();
    assert_adds_up(&report);
    assert_eq!((report.spent.0, report.calls), (3 * runs as i64, runs as u64));
    assert_eq!((report.by_session.len(), line(&report.by_session, OTHER).calls), (MAX_KEYS + 1, 200));
    // The entry of the call and that of its cost.
    assert_eq!(report.folded, 2 * 200);
}

/// Two calls in one step, one of which has no known price.
fn twice() -> Flow<i64, i64> {
    step_with("twice", |amount: i64, cx: WorkflowContext| async move {
        call(&cx, "gpt-4o", amount)?;
        call(&cx, "local", 0)?;
        cx.charge(MicroUsd(1));
        Ok(amount)
    })
}

fn expected() -> Vec<(&'static str, Value)> {
    vec![
        (a::LLM_PROVIDER.key, "openai".into()),
        (a::LLM_MODEL_NAME.key, "local".into()),
        (a::LLM_COST_USD.key, Value::Float(0.000_003)),
        (a::LLM_PROMPT_TOKENS.key, Value::Int(200)),
        (a::LLM_COMPLETION_TOKENS.key, Value::Int(14)),
        (a::LLM_TOTAL_TOKENS.key, Value::Int(214)),
        (a::GEN_AI_OPERATION_NAME.key, "chat".into()),
        (a::GEN_AI_USAGE_INPUT_TOKENS.key, Value::Int(200)),
        (a::GEN_AI_USAGE_OUTPUT_TOKENS.key, Value::Int(14)),
        (a::GEN_AI_PROVIDER_NAME.key, "openai".into()),
        (a::GEN_AI_REQUEST_MODEL.key, "local".into()),
    ]
}

#[tokio::test]
async fn the_calls_of_a_span_are_added_up_on_it() {
    let memory = MemoryExporter::new();
    let (observer, guard) = recording(Telemetry::new().exporter(memory.clone()));
    let cx = WorkflowContext::builder().observer(observer).build();
    (twice() >> model("free", "local")).run(2, &cx).await.expect("it succeeds");
    guard.flush(SECOND).expect("the exporter keeps up");
    let spans = memory.spans();
    let span = |name: &str| spans.iter().find(|span| span.name.contains(name)).expect("it was recorded");
    let value = |name: &str, key: &str| {
        let mut values = span(name).attributes.iter().filter(|(known, _)| known == key);
        let value = values.next().map(|(_, value)| value.clone());
        assert!(values.next().is_none(), "{key} is there once");
        value
    };
    for (key, expected) in expected() {
        assert_eq!(value(".twice.", key), Some(expected), "{key}");
    }
    // The span that came after it, perhaps made of the same memory, has only its own.
    assert_eq!(value(".free.", a::LLM_TOTAL_TOKENS.key), Some(Value::Int(107)));
    assert_eq!(value("workflow.", a::LLM_COST_USD.key), None);
    let snapshot = guard.metrics().snapshot();
    let local = [(a::LLM_MODEL_NAME.key, "local"), (a::LLM_PROVIDER.key, "openai")];
    let unpriced = snapshot.series(&metric::TTA_TELEMETRY_UNPRICED_CALLS_TOTAL, &local);
    assert_eq!(unpriced.map(|series| series.point.total()), Some(1.0));
}

#[tokio::test]
async fn spans_of_the_applications_tracer_have_the_same_sums_once() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let tracer = ApplicationTracer::new(provider.tracer("tta"));
    let (observer, guard) = recording(Telemetry::new().tracer(tracer));
    let cx = WorkflowContext::builder().observer(observer).build();
    twice().run(2, &cx).await.expect("it succeeds");
    let spans = exporter.get_finished_spans().expect("the exporter works");
    let span = spans.iter().find(|span| span.name.contains(".twice.")).expect("it was recorded");
    for (key, expected) in expected() {
        let values: Vec<String> = span
            .attributes
            .iter()
            .filter(|attribute| attribute.key.as_str() == key)
            .map(|attribute| attribute.value.to_string())
            .collect();
        assert_eq!(values, [expected.to_string()], "{key}");
    }
    assert_eq!(guard.costs().report().spent, MicroUsd(3));
}
