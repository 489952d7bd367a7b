//! Work on behalf of another agent is that agent's, and the caller's own stays the caller's.

use tta_primitives::testkit::Tape;
use tta_primitives::{Agent, Flow, WorkflowContext, delegate_to, step_with};

/// Notes on whose behalf it runs, and what caused it.
fn note(name: &'static str) -> Flow<Vec<String>, Vec<String>> {
    step_with(name, |mut notes: Vec<String>, cx: WorkflowContext| async move {
        let word = |word: Option<&str>| word.unwrap_or("-").to_owned();
        notes.push(format!("{} {} {}", word(cx.agent_id()), word(cx.agent_type()), word(cx.causation_id())));
        Ok(notes)
    })
}

fn coordinator(tape: &Tape) -> WorkflowContext {
    WorkflowContext::builder()
        .agent_id("coordinator-1")
        .agent_type("coordinator")
        .correlation_id("order-7")
        .observer(std::sync::Arc::new(tape.clone()))
        .build()
}

#[tokio::test]
async fn everything_below_is_the_callees_and_the_rest_the_callers() {
    let reader = delegate_to(Agent::new("reader-3").kind("reader"), note("read"));
    let research = (note("search") >> reader >> note("sum")).named("research");
    let researcher = delegate_to(Agent::new("researcher-7").kind("researcher"), research);
    let flow = (note("plan") >> researcher >> note("answer")).named("report");
    let tape = Tape::new();
    let notes = flow.run(Vec::new(), &coordinator(&tape)).await.unwrap();
    assert_eq!(
        notes,
        [
            "coordinator-1 coordinator -",
            "researcher-7 researcher order-7",
            "reader-3 reader order-7",
            "researcher-7 researcher order-7",
            "coordinator-1 coordinator -",
        ]
    );
    let (coordinator, researcher, reader) = (
        "agent.id=coordinator-1 agent.type=coordinator",
        "agent.id=researcher-7 agent.type=researcher",
        "agent.id=reader-3 agent.type=reader",
    );
    let researcher_invoked =
        "gen_ai.operation.name=invoke_agent gen_ai.agent.id=researcher-7 gen_ai.agent.name=researcher";
    let reader_invoked =
        "gen_ai.operation.name=invoke_agent gen_ai.agent.id=reader-3 gen_ai.agent.name=reader";
    let expected = format!(
        "\
workflow.report.execute {coordinator}
  primitive.sequential.execute {coordinator}
    primitive.sequential.step_0 {coordinator}
      primitive.plan.execute {coordinator}
    primitive.sequential.step_1 {coordinator}
      primitive.delegate.execute {coordinator}
        agent.researcher.execute {researcher} {researcher_invoked}
          primitive.sequential.execute {researcher}
            primitive.sequential.step_0 {researcher}
              primitive.search.execute {researcher}
            primitive.sequential.step_1 {researcher}
              primitive.delegate.execute {researcher}
                agent.reader.execute {reader} {reader_invoked}
                  primitive.read.execute {reader}
            primitive.sequential.step_2 {researcher}
              primitive.sum.execute {researcher}
    primitive.sequential.step_2 {coordinator}
      primitive.answer.execute {coordinator}
"
    );
    let keys = ["agent.id", "agent.type", "gen_ai.operation.name", "gen_ai.agent.id", "gen_ai.agent.name"];
    assert_eq!(tape.tree_with(&keys), expected);
    assert_eq!(tape.check(), []);
}

#[tokio::test]
async fn an_agent_of_no_kind_is_not_of_the_callers() {
    let flow = delegate_to(Agent::new("researcher-7"), note("search").named("research"));
    let tape = Tape::new();
    let notes = flow.run(Vec::new(), &coordinator(&tape)).await.unwrap();
    assert_eq!(notes, ["researcher-7 - order-7"]);
    let agent = &tape.named("agent.research.execute")[0];
    assert_eq!(agent.attribute("agent.type"), None);
    assert_eq!(agent.attribute("gen_ai.agent.name").map(ToString::to_string).as_deref(), Some("research"));
}

#[tokio::test]
async fn a_name_is_shown_and_described() {
    let agent = Agent::new("r-7").kind("researcher").named("Deep Research");
    let flow = delegate_to(agent, note("search"));
    assert_eq!(flow.to_tree(), "delegate\n└─ agent Deep Research: search\n");
    let tape = Tape::new();
    flow.run(Vec::new(), &tape.context()).await.unwrap();
    assert_eq!(tape.named("agent.deep_research.execute").len(), 1);
}
