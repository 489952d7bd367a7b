//! That a run is charged for what was answered, exactly, and never more than it may spend.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tta_llm::{ChatRequest, ChatResponse, Llm};
use tta_primitives::{Cache, ErrorKind, Flow, MicroUsd, Result, Retry, WorkflowContext, parallel};

use crate::wire::openai::OPENAI;
use crate::wire::promises::{Run, ask};
use crate::wire::server::{Reply, Server, Step};

/// An answer of 100 tokens of input and so many of output: 300 micro-dollars and 15 for each.
fn answer(output: u64) -> Reply {
    let mut body = (OPENAI.answer)("Yes.");
    body["usage"] = json!({"prompt_tokens": 100, "completion_tokens": output, "total_tokens": 100 + output});
    Reply::json(200, &body)
}

fn broken() -> Reply {
    let (status, body) = (OPENAI.broken)();
    Reply::json(status, &body)
}

fn budget(micro_usd: i64) -> WorkflowContext {
    WorkflowContext::builder().budget(MicroUsd(micro_usd)).build()
}

#[tokio::test]
async fn a_run_is_charged_for_the_calls_that_were_answered() {
    let remembered = Server::start([answer(7)]).await;
    let one = Server::start([answer(1)]).await;
    let two = Server::start([broken(), answer(2)]).await;
    let three = Server::start([answer(3)]).await;
    let cache = Cache::new("answers", |request: &ChatRequest| serde_json::to_string(request).unwrap());
    let cached = |server: &Server| OPENAI.at(server).chat().named("remembered").cached(&cache);

    let run = Run::new();
    let first = cached(&remembered).run(ask(), &run.cx).await.unwrap();
    assert_eq!((first.cost, run.cx.spent()), (Some(MicroUsd(405)), MicroUsd(405)));

    let run = Run::new();
    let chat = |server: &Server, name: &'static str| OPENAI.at(server).chat().named(name);
    let retried = chat(&two, "two").retry(Retry::constant(2, Duration::from_millis(1)));
    let flow =
        parallel([chat(&one, "one"), retried.named("retried"), chat(&three, "three"), cached(&remembered)]);
    let responses = flow.run(ask(), &run.cx).await.unwrap();
    let costs: Vec<i64> = responses.iter().map(|response| response.cost.unwrap().0).collect();
    assert_eq!(costs, [315, 330, 345, 405]);
    // The last one was remembered.
    assert_eq!(run.cx.spent(), MicroUsd(315 + 330 + 345));
    let sent = [&one, &two, &three, &remembered].map(|server| server.received().len());
    assert_eq!(sent, [1, 2, 1, 1]);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.saved), (1, 1, MicroUsd(405)));
    // On the spans is what was spent, and no more.
    let spans = run.tape.spans();
    let spent = spans.iter().flat_map(|span| &span.events).filter(|event| event.starts_with("Spent")).count();
    let calls =
        spans.iter().flat_map(|span| &span.events).filter(|event| event.starts_with("ModelCallFinished"));
    assert_eq!((spent, calls.count(), run.tape.open()), (3, 4, 0));
}

/// A model whose calls are expected to cost 36 for what is asked and 3000 for what may be answered.
fn bounded(server: &Server) -> Llm {
    OPENAI.at(server).max_tokens(200)
}

const ESTIMATE: i64 = 36 + 3_000;

#[tokio::test]
async fn a_call_that_cannot_be_paid_is_not_sent() {
    let server = Server::start([answer(10)]).await;
    let flow = bounded(&server).chat();
    // Three calls of 450 are paid for, and a fourth one might cost one micro-dollar too much.
    let cx = budget(3 * 450 + ESTIMATE - 1);
    for _ in 0..3 {
        flow.run(ask(), &cx).await.unwrap();
    }
    let error = flow.run(ask(), &cx).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::BudgetExceeded, false));
    assert_eq!(
        bounded(&server).stream().run(ask(), &cx).await.unwrap_err().kind(),
        ErrorKind::BudgetExceeded
    );
    assert_eq!((server.received().len(), cx.spent(), cx.reserved()), (3, MicroUsd(1_350), MicroUsd(0)));
}

#[tokio::test]
async fn a_failed_call_gives_back_what_was_set_aside() {
    let server = Server::start([broken(), answer(10)]).await;
    let flow = bounded(&server).chat();
    let cx = budget(ESTIMATE);
    assert!(flow.run(ask(), &cx).await.is_err());
    assert_eq!((cx.spent(), cx.reserved()), (MicroUsd(0), MicroUsd(0)));
    flow.run(ask(), &cx).await.unwrap();
    assert_eq!(cx.spent(), MicroUsd(450));
}

/// Answers eight requests, all of them only when it is told to.
async fn held(gate: &Arc<Notify>) -> Server {
    let mut body = (OPENAI.answer)("Yes.");
    body["usage"] = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
    let steps = vec![Step::Hold(Arc::clone(gate)), Step::send(body.to_string())];
    Server::start([Reply::steps("application/json", steps)]).await
}

fn eight(server: &Server) -> impl Iterator<Item = Flow<ChatRequest, ChatResponse>> {
    let llm = bounded(server);
    (0..8).map(move |index| llm.chat().named(format!("call_{index}")))
}

/// Lets the server answer once three calls have come, and all that come later.
async fn release(server: &Server, gate: &Notify) {
    while server.received().len() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.received().len(), 3);
    loop {
        gate.notify_one();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn parallel_calls_do_not_spend_the_same_money_twice() {
    let gate = Arc::new(Notify::new());
    let server = held(&gate).await;
    let (flow, cx) = (parallel(eight(&server)).settled(), budget(4 * ESTIMATE - 1));
    let results = tokio::select! {
        results = flow.run(ask(), &cx) => results.unwrap(),
        () = release(&server, &gate) => unreachable!("it goes on until the calls have ended"),
    };
    let is_refused = |result: &&Result<ChatResponse>| {
        result.as_ref().is_err_and(|error| error.kind() == ErrorKind::BudgetExceeded)
    };
    assert_eq!(results.iter().filter(is_refused).count(), 5);
    assert_eq!((server.received().len(), cx.spent(), cx.reserved()), (3, MicroUsd(1_350), MicroUsd(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_do_calls_on_several_threads() {
    let gate = Arc::new(Notify::new());
    let server = held(&gate).await;
    let (flow, cx) = (parallel(eight(&server)).spawned().settled(), budget(3 * ESTIMATE));
    let results = tokio::select! {
        results = flow.run(ask(), &cx) => results.unwrap(),
        () = release(&server, &gate) => unreachable!("it goes on until the calls have ended"),
    };
    // Who begins when others have ended may find enough left.
    let answered = results.iter().filter(|result| result.is_ok()).count();
    assert!(answered >= 3, "{answered}");
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    refused.for_each(|error| assert_eq!(error.kind(), ErrorKind::BudgetExceeded));
    assert_eq!((server.received().len(), cx.spent()), (answered, MicroUsd(450 * answered as i64)));
    assert!(cx.spent() <= MicroUsd(3 * ESTIMATE));
}
