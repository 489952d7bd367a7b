//! What an agent does on behalf of another is counted, and paid, by kind and by agent.

use std::time::Duration;

use tta_model::name::metric;
use tta_observability::Telemetry;
use tta_observability::export::memory::MemoryExporter;
use tta_observability::sampling::Sampler;
use tta_primitives::{Agent, Flow, MicroUsd, Spend, WorkflowContext, delegate_to, step_with};

/// Pays for a call of a model.
fn pay(name: &'static str, amount: i64) -> Flow<(), ()> {
    step_with(name, move |(), cx: WorkflowContext| async move {
        let spend = Spend::on_model(MicroUsd(amount), "openai", "gpt-4o");
        cx.reserve(MicroUsd(amount))?.settle(spend).map(drop)
    })
}

fn flow() -> Flow<(), ()> {
    let reader = delegate_to(Agent::new("reader-3").kind("reader"), pay("call", 100));
    let research = (pay("call", 10) >> reader).named("research");
    let researcher = delegate_to(Agent::new("researcher-7").kind("researcher"), research);
    (pay("call", 1) >> researcher >> pay("call", 1_000)).named("report")
}

#[tokio::test]
async fn each_agent_has_what_it_did_and_spent() {
    for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
        let memory = MemoryExporter::new();
        let (observer, guard) = Telemetry::new()
            .sampler(sampler.clone())
            .exporter(memory.clone())
            .build()
            .expect("nothing to set up");
        let cx = WorkflowContext::builder()
            .agent_id("coordinator-1")
            .agent_type("coordinator")
            .observer(observer.expect("not disabled"))
            .build();
        flow().run((), &cx).await.expect("nothing fails");

        let report = guard.costs().report();
        let spent: Vec<(&str, i64)> = report.by_agent.iter().map(|line| (&*line.key, line.spent.0)).collect();
        assert_eq!(spent, [("coordinator-1", 1_001), ("reader-3", 100), ("researcher-7", 10)]);
        let snapshot = guard.metrics().snapshot();
        for (kind, calls, usd) in
            [("coordinator", 2.0, 0.001_001), ("researcher", 1.0, 1e-5), ("reader", 1.0, 1e-4)]
        {
            let of_kind = [("agent.type", kind)];
            let called = [("agent.type", kind), ("primitive.name", "call")];
            assert_eq!(snapshot.total(&metric::PRIMITIVE_EXECUTION_COUNT, &called), calls, "{kind}");
            let spent = snapshot.total(&metric::LLM_COST_TOTAL, &of_kind);
            assert!((spent - usd).abs() < 1e-12, "{kind}: {spent}");
        }
        let delegates = |kind| {
            let labels = [("agent.type", kind), ("primitive.type", "delegate")];
            snapshot.total(&metric::PRIMITIVE_EXECUTION_COUNT, &labels)
        };
        assert_eq!(["coordinator", "researcher", "reader"].map(delegates), [1.0, 1.0, 0.0]);
        guard.flush(Duration::from_secs(10)).expect("the exporter is in memory");
        let spans = memory.spans();
        let agents: Vec<&str> =
            spans.iter().filter(|span| span.name.starts_with("agent.")).map(|span| &*span.name).collect();
        match sampler {
            Sampler::AlwaysOff => assert_eq!(agents.len(), 0),
            _ => {
                assert_eq!(agents.len(), 2);
                let span =
                    spans.iter().find(|span| span.name == "agent.reader.execute").expect("it is there");
                let of = |key: &str| span.attribute(key).map(ToString::to_string);
                assert_eq!(of("agent.id").as_deref(), Some("reader-3"));
                assert_eq!(of("gen_ai.operation.name").as_deref(), Some("invoke_agent"));
            }
        }
    }
}
