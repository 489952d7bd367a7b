//! The context of a run.

use std::time::Duration;

use tta_model::w3c::{Baggage, TraceParent, TraceState};
use tta_primitives::testkit::Tape;
use tta_primitives::{
    CHECKPOINT_LIMIT, ErrorKind, Flow, MicroUsd, ModelTier, Spend, State, WorkflowContext, parallel, step,
    step_with,
};

fn full() -> WorkflowContext {
    WorkflowContext::builder()
        .workflow_id("w-1")
        .workflow_name("report")
        .session_id("s-1")
        .agent_id("a-1")
        .agent_type("coordinator")
        .llm_provider("anthropic")
        .llm_model_name("claude")
        .llm_model_tier(ModelTier::Balanced)
        .correlation_id("c-1")
        .causation_id("c-0")
        .tag("gold", true)
        .metadata("attempts", 3)
        .budget(MicroUsd(5_000))
        .timeout(Duration::from_secs(60))
        .build()
}

#[test]
fn contexts_and_flows_cross_threads() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<WorkflowContext>();
    check::<State>();
    check::<Flow<i64, i64>>();
    check::<Flow<std::cell::Cell<i64>, i64>>();
}

#[test]
fn what_is_not_given_is_generated_or_absent() {
    let (cx, other) = (WorkflowContext::new(), WorkflowContext::new());
    assert_eq!((cx.workflow_id().len(), cx.correlation_id().len()), (36, 36));
    assert_ne!(cx.workflow_id(), other.workflow_id());
    assert_ne!(cx.workflow_id(), cx.correlation_id());
    assert_eq!(cx.workflow_id(), cx.clone().workflow_id(), "generated once");
    assert_eq!(
        (cx.workflow_name(), cx.session_id(), cx.agent_id(), cx.agent_type()),
        (None, None, None, None)
    );
    assert_eq!((cx.llm_provider(), cx.llm_model_name(), cx.llm_model_tier()), (None, None, None));
    assert_eq!(
        (cx.trace_id(), cx.span_id(), cx.parent_span_id(), cx.causation_id()),
        (None, None, None, None)
    );
    assert_eq!((cx.deadline(), cx.budget(), cx.spent()), (None, None, MicroUsd(0)));
    assert!(cx.tags().is_empty() && cx.metadata().is_empty() && cx.checkpoints().is_empty());
    assert!(cx.trace_flags().is_sampled());
}

#[test]
fn the_builder_sets_every_field() {
    let cx = full();
    assert_eq!((cx.workflow_id(), cx.workflow_name(), cx.session_id()), ("w-1", Some("report"), Some("s-1")));
    assert_eq!((cx.agent_id(), cx.agent_type()), (Some("a-1"), Some("coordinator")));
    assert_eq!((cx.llm_provider(), cx.llm_model_name()), (Some("anthropic"), Some("claude")));
    assert_eq!(cx.llm_model_tier(), Some(ModelTier::Balanced));
    assert_eq!((cx.correlation_id(), cx.causation_id()), ("c-1", Some("c-0")));
    assert_eq!(cx.metadata().get("attempts").and_then(|n| n.as_int()), Some(3));
    assert_eq!(cx.tags().len(), 1);
    assert_eq!(cx.budget(), Some(MicroUsd(5_000)));
    assert!(cx.remaining().is_some_and(|left| left <= Duration::from_secs(60)));
}

#[test]
fn a_child_is_caused_by_its_parent() {
    let cx = full();
    let child = cx.create_child_context();
    assert_eq!((child.causation_id(), child.correlation_id()), (Some("c-1"), "c-1"));
    assert_eq!((child.session_id(), child.workflow_id()), (Some("s-1"), "w-1"));
    assert_eq!(cx.causation_id(), Some("c-0"), "the parent is not changed");
    child.state().set("shared", 1);
    assert!(cx.state().get("shared").is_some());
}

#[test]
fn a_change_makes_another_context() {
    let cx = full();
    let changed = cx.with_tag("more", 1).with_metadata("deep", true).with_agent("a-2", None);
    assert_eq!((changed.tags().len(), changed.metadata().len(), changed.agent_id()), (2, 2, Some("a-2")));
    assert_eq!(changed.agent_type(), Some("coordinator"), "kept unless given");
    assert_eq!((cx.tags().len(), cx.metadata().len(), cx.agent_id()), (1, 1, Some("a-1")));
}

#[tokio::test]
async fn tags_flow_down_and_not_back() {
    let inner = step_with("inner", |_: (), cx: WorkflowContext| async move { Ok(cx.tags().len()) });
    let below = inner.clone();
    let outer = step_with("outer", move |_: (), cx: WorkflowContext| {
        let below = below.clone();
        async move { below.run((), &cx.with_tag("own", 1)).await }
    });
    let flow = (outer | inner).named("both");
    let tape = Tape::new();
    let cx = tape.context().with_tag("all", "x");
    assert_eq!(flow.run((), &cx).await.unwrap(), (2, 1));
    let spans = tape.named("primitive.inner.execute");
    let own: Vec<_> = spans.iter().map(|span| span.attribute("tag.own").is_some()).collect();
    assert_eq!(own, [true, false]);
    assert!(tape.spans().iter().all(|span| span.attribute("tag.all").is_some()));
}

#[tokio::test]
async fn state_is_shared_with_later_steps_and_the_caller() {
    let write = step_with("write", |n: i64, cx: WorkflowContext| async move {
        cx.state().set("n", n);
        cx.state().insert_extension(vec![n]);
        Ok(())
    });
    let read = step_with("read", |(): (), cx: WorkflowContext| async move {
        Ok(cx.state().get("n").and_then(|n| n.as_int()))
    });
    let cx = WorkflowContext::new();
    assert_eq!((write >> read).run(7, &cx).await.unwrap(), Some(7));
    assert_eq!(cx.state().extension::<Vec<i64>>().as_deref(), Some(&vec![7]));
}

#[tokio::test]
async fn checkpoints_are_bounded_and_merged_in_order() {
    let mark = |name: &'static str, times: usize| {
        step_with(name, move |n: i64, cx: WorkflowContext| async move {
            (0..times).for_each(|_| cx.checkpoint(name));
            Ok(n)
        })
    };
    let cx = WorkflowContext::new();
    let flow = parallel([mark("a", 1_000), mark("b", 20), mark("c", 10)]);
    flow.run(0, &cx).await.unwrap();
    let kept = cx.checkpoints();
    assert_eq!((kept.len(), cx.dropped_checkpoints()), (CHECKPOINT_LIMIT, 6));
    assert!(kept.is_sorted_by_key(|checkpoint| checkpoint.name.clone()));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_run_and_only_gets_earlier() {
    let cx = WorkflowContext::builder().timeout(Duration::from_secs(5)).build();
    let deadline = cx.deadline().unwrap();
    assert_eq!(cx.with_deadline(deadline + Duration::from_secs(1)).deadline(), Some(deadline));
    let forever = step("forever", |n: i64| async move {
        std::future::pending::<()>().await;
        Ok(n)
    });
    let error = forever.run(0, &cx).await.unwrap_err();
    assert_eq!(
        (error.kind(), cx.elapsed(), cx.remaining()),
        (ErrorKind::Timeout, Duration::from_secs(5), Some(Duration::ZERO))
    );
}

#[tokio::test]
async fn one_budget_for_all_branches() {
    let spend = |name: &'static str| {
        step_with(name, |amount: i64, cx: WorkflowContext| async move {
            cx.check_budget(MicroUsd(amount))?;
            cx.charge(MicroUsd(amount));
            Ok(())
        })
    };
    let cx = WorkflowContext::builder().budget(MicroUsd(100)).build();
    let flow = parallel([spend("a"), spend("b"), spend("c")]).settled();
    let results = flow.run(40, &cx).await.unwrap();
    let kinds: Vec<_> = results.into_iter().map(|result| result.err().map(|error| error.kind())).collect();
    assert_eq!(kinds, [None, None, Some(ErrorKind::BudgetExceeded)]);
    assert_eq!(cx.spent(), MicroUsd(80));
}

#[tokio::test]
async fn a_run_has_a_trace_and_every_step_a_span_of_its_own() {
    let look = |name: &'static str| {
        step_with(name, |_: (), cx: WorkflowContext| async move {
            Ok((cx.trace_id().unwrap(), cx.span_id().unwrap(), cx.parent_span_id().unwrap()))
        })
    };
    let tape = Tape::new();
    let cx = tape.context();
    let (a, b) = (look("a") | look("b")).run((), &cx).await.unwrap();
    assert_eq!((a.0, Some(a.0)), (b.0, cx.trace_id()));
    assert_ne!((a.1, a.2), (b.1, b.2));
    let spans = tape.spans();
    assert!(spans.iter().all(|span| span.trace_id == a.0));
    let span = &tape.named("primitive.a.execute")[0];
    assert_eq!((span.span_id, span.parent), (a.1, Some(a.2)));
    assert_eq!((a.0.to_string().len(), a.1.to_string().len()), (32, 16));
}

#[tokio::test(start_paused = true)]
async fn it_survives_json_field_by_field() {
    let cx = full();
    cx.state().set("n", 7);
    cx.charge(MicroUsd(120));
    tokio::time::advance(Duration::from_millis(20)).await;
    cx.checkpoint("begun");
    let read: WorkflowContext = serde_json::from_str(&serde_json::to_string(&cx).unwrap()).unwrap();
    assert_eq!(
        (read.workflow_id(), read.workflow_name(), read.session_id()),
        ("w-1", Some("report"), Some("s-1"))
    );
    assert_eq!((read.agent_id(), read.agent_type()), (cx.agent_id(), cx.agent_type()));
    assert_eq!((read.llm_provider(), read.llm_model_name()), (cx.llm_provider(), cx.llm_model_name()));
    assert_eq!(read.llm_model_tier(), cx.llm_model_tier());
    assert_eq!((read.correlation_id(), read.causation_id()), ("c-1", Some("c-0")));
    assert_eq!((read.tags(), read.metadata()), (cx.tags(), cx.metadata()));
    assert_eq!(read.state().snapshot(), cx.state().snapshot());
    assert_eq!(read.baggage(), cx.baggage());
    assert_eq!((read.spent(), read.budget()), (MicroUsd(120), Some(MicroUsd(5_000))));
    assert_eq!(read.start_time(), cx.start_time());
    assert_eq!((read.trace_id(), read.span_id(), read.trace_flags()), (None, None, cx.trace_flags()));
    assert_eq!(read.checkpoints(), cx.checkpoints());
    let json = |cx: &WorkflowContext| serde_json::to_value(cx).unwrap();
    assert_eq!(json(&read), json(&cx), "all that is written, the deadline and checkpoints too");
}

#[tokio::test]
async fn what_came_from_elsewhere_goes_on() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let parent = TraceParent::parse(parent).unwrap().with_state(TraceState::parse("vendor=1").unwrap());
    let (baggage, _) = Baggage::parse("tenant=acme;private");
    let cx = WorkflowContext::builder().parent(parent.clone()).baggage(baggage).build();
    let read: WorkflowContext = serde_json::from_str(&serde_json::to_string(&cx).unwrap()).unwrap();
    for cx in [cx, read] {
        assert_eq!(cx.span_context().as_ref(), Some(&parent));
        assert!(!cx.trace_flags().is_sampled());
        assert_eq!(cx.baggage().get("tenant"), Some("acme"));
        let below = step_with("below", |(): (), cx: WorkflowContext| async move {
            Ok((cx.trace_id(), cx.trace_flags(), cx.trace_state(), cx.create_child_context().trace_flags()))
        });
        let (trace, flags, state, child) = below.run((), &cx).await.unwrap();
        assert_eq!((trace, state.as_str()), (Some(parent.trace_id), "vendor=1"));
        assert_eq!((flags, child), (parent.flags, parent.flags), "an unsampled parent stays unsampled");
    }
}

#[tokio::test]
async fn a_context_from_inside_a_run_continues_its_trace() {
    let tape = Tape::new();
    let export =
        step_with("export", |_: (), cx: WorkflowContext| async move { Ok(serde_json::to_string(&cx)?) });
    let json = export.run((), &tape.context()).await.unwrap();
    let read: WorkflowContext = serde_json::from_str(&json).unwrap();
    let span = &tape.named("primitive.export.execute")[0];
    assert_eq!(
        (read.trace_id(), read.span_id(), read.parent_span_id()),
        (Some(span.trace_id), Some(span.span_id), span.parent)
    );
    let remote = read.span_context().unwrap();
    let there = WorkflowContext::builder().parent(remote).observer(std::sync::Arc::new(tape.clone())).build();
    step("there", |(): ()| async { Ok(()) }).run((), &there).await.unwrap();
    let root = &tape.named("workflow.there.execute")[0];
    assert_eq!((root.trace_id, root.parent), (span.trace_id, Some(span.span_id)));
}

#[test]
fn absent_fields_are_defaults_and_unknown_ones_are_ignored() {
    let json = r#"{"workflow_id":"w","correlation_id":"c","start_unix_nanos":1,"from_the_future":[1],"llm_model_tier":"premium"}"#;
    let cx: WorkflowContext = serde_json::from_str(json).unwrap();
    assert_eq!((cx.workflow_id(), cx.llm_model_tier(), cx.deadline()), ("w", Some(ModelTier::Quality), None));
    let error = serde_json::from_str::<WorkflowContext>("{}").unwrap_err();
    assert!(error.to_string().contains("workflow_id"), "{error}");
}

#[test]
fn the_attributes_of_a_context_leave_out_what_is_absent() {
    let keys = |cx: &WorkflowContext| {
        let mut keys: Vec<_> = cx.to_otel_context().into_iter().map(|(key, _)| key.to_string()).collect();
        keys.sort();
        keys
    };
    let least = ["workflow.correlation_id", "workflow.elapsed_ms", "workflow.id"];
    assert_eq!(keys(&WorkflowContext::new()), least);
    let all = [
        "agent.id",
        "agent.type",
        "llm.model_name",
        "llm.model_tier",
        "llm.provider",
        "workflow.correlation_id",
        "workflow.elapsed_ms",
        "workflow.id",
        "workflow.name",
        "workflow.session_id",
    ];
    assert_eq!(keys(&full()), all);
    assert!(full().to_otel_context().iter().all(|(_, value)| value.to_string() != "unknown"));
}

/// A step that charges and then does as the input says.
fn paid(name: &'static str) -> Flow<i64, i64> {
    step_with(name, |amount: i64, cx: WorkflowContext| async move {
        let reservation = cx.reserve(MicroUsd(amount))?;
        tokio::task::yield_now().await;
        reservation.settle(Spend::on_model(MicroUsd(amount), "openai", "gpt-4o"))?;
        Ok(amount)
    })
}

#[tokio::test]
async fn branches_never_spend_the_same_money_twice() {
    // Each waits after it has asked, so all three ask before any has paid.
    let cx = WorkflowContext::builder().budget(MicroUsd(100)).build();
    let flow = parallel([paid("a"), paid("b"), paid("c")]).settled();
    let results = flow.run(40, &cx).await.unwrap();
    let kinds: Vec<_> = results.into_iter().map(|result| result.err().map(|error| error.kind())).collect();
    assert_eq!(kinds, [None, None, Some(ErrorKind::BudgetExceeded)]);
    assert_eq!((cx.spent(), cx.reserved()), (MicroUsd(80), MicroUsd(0)));
}

#[tokio::test]
async fn what_a_call_costs_too_much_is_an_error_after_it_is_charged() {
    let dear = step_with("dear", |(): (), cx: WorkflowContext| async move {
        cx.reserve(MicroUsd(10))?.settle(MicroUsd(150))?;
        Ok(())
    });
    let tape = Tape::new();
    let cx =
        WorkflowContext::builder().budget(MicroUsd(100)).observer(std::sync::Arc::new(tape.clone())).build();
    let error = dear.run((), &cx).await.unwrap_err();
    assert_eq!((error.kind(), cx.spent()), (ErrorKind::BudgetExceeded, MicroUsd(150)));
    let spent = "Spent { amount_micro_usd: 150, provider: None, model: None }";
    assert_eq!(tape.named("primitive.dear.execute")[0].events, [spent], "told of once");
}

#[tokio::test]
async fn a_call_that_is_given_up_holds_no_money() {
    let hangs = step_with("hangs", |(): (), cx: WorkflowContext| async move {
        let _reservation = cx.reserve(MicroUsd(100))?;
        std::future::pending::<tta_primitives::Result<()>>().await
    });
    let cx = WorkflowContext::builder().budget(MicroUsd(100)).build();
    {
        let mut run = std::pin::pin!(hangs.run((), &cx));
        assert!(
            run.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
        );
        assert_eq!(cx.check_budget(MicroUsd(1)).unwrap_err().kind(), ErrorKind::BudgetExceeded);
    }
    assert_eq!(cx.reserved(), MicroUsd(0));
    paid("next").run(100, &cx).await.unwrap();
}

#[tokio::test]
async fn every_charge_is_told_of_where_it_was_made() {
    let tape = Tape::new();
    let cx = tape.context();
    (paid("a") >> paid("b")).run(5, &cx).await.unwrap();
    let spent = r#"Spent { amount_micro_usd: 5, provider: Some("openai"), model: Some("gpt-4o") }"#;
    for step in ["primitive.a.execute", "primitive.b.execute"] {
        assert_eq!(tape.named(step)[0].events, [spent]);
    }
    assert_eq!(cx.spent(), MicroUsd(10));
}
