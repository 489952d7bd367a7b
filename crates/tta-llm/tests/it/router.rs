//! That a router asks the right model, and another one when that cannot answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::sync::Notify;
use tta_llm::{
    CallFailure, Candidate, ChatRequest, FailureClass, Llm, ModelRouter, Models, Pick, Price, Provider, Rates,
};
use tta_model::Value;
use tta_model::name::{attribute, span};
use tta_primitives::testkit::Tape;
use tta_primitives::{ErrorKind, MicroUsd, ModelTier, Retry, WorkflowContext};

use crate::wire::check::price;
use crate::wire::openai::OPENAI;
use crate::wire::promises::{Run, ask, drained};
use crate::wire::server::{Reply, Server, Step};

/// A price of so many dollars for a million tokens, whichever they are.
fn flat(dollars: &str) -> Price {
    let rate = dollars.parse().unwrap();
    Price::new("test", "test", Rates { input: rate, output: rate, ..Rates::default() })
}

/// The model `m` of a provider of a name.
fn model(name: &'static str, server: &Server) -> Llm {
    let provider = Provider::openai_compatible(name, &server.url);
    Models::builder().provider(provider).build().model(&format!("{name}/m")).unwrap().priced(price())
}

fn answers(text: &str) -> Reply {
    Reply::json(200, &(OPENAI.answer)(text))
}

fn refuses(status: u16, body: &Json) -> Reply {
    Reply::json(status, body)
}

fn limited(millis: u64) -> Reply {
    let (status, body) = (OPENAI.rate_limited)();
    refuses(status, &body).header("retry-after-ms", millis.to_string())
}

/// Which models were chosen, and why.
fn decisions(tape: &Tape) -> Vec<(String, String)> {
    let told = |event: &String, key: &str| {
        let rest = event.split_once(&format!("{key}: \"")).unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    let spans = tape.named(span::LLM_SELECT_MODEL);
    let events = spans.iter().map(|span| {
        assert_eq!(span.events.len(), 1, "{:?}", span.events);
        (told(&span.events[0], "route"), told(&span.events[0], "reason"))
    });
    events.collect()
}

#[track_caller]
fn decided(tape: &Tape, expect: &[(&str, &str)]) {
    let decisions = decisions(tape);
    let seen: Vec<(&str, &str)> =
        decisions.iter().map(|(route, why)| (route.as_str(), why.as_str())).collect();
    assert_eq!(seen, expect);
}

async fn two() -> [Server; 2] {
    [Server::start([answers("a")]).await, Server::start([answers("b")]).await]
}

#[tokio::test]
async fn the_tier_of_the_context_is_asked() {
    let [fast, good] = two().await;
    let router = ModelRouter::new(Pick::Tier)
        .candidate(model("good", &good).tier(ModelTier::Quality))
        .candidate(model("fast", &fast).tier(ModelTier::Fast));
    let flow = router.chat().unwrap();
    let tier = |tape: &Tape, tier| {
        WorkflowContext::builder().observer(Arc::new(tape.clone())).llm_model_tier(tier).build()
    };
    let tape = Tape::new();
    assert_eq!(flow.run(ask(), &tier(&tape, ModelTier::Fast)).await.unwrap().provider, "fast");
    assert_eq!(flow.run(ask(), &tier(&tape, ModelTier::Quality)).await.unwrap().provider, "good");
    // Nobody said: balanced is wanted, and the tier above is nearer than the one below.
    assert_eq!(flow.run(ask(), &tape.context()).await.unwrap().provider, "good");
    decided(&tape, &[("fast/m", "tier"), ("good/m", "tier"), ("good/m", "no_tier")]);
    let select = &tape.named(span::LLM_SELECT_MODEL)[0];
    assert_eq!(select.attribute(&attribute::LLM_PROVIDER.key()), Some(&Value::from("fast")));
    assert_eq!(select.attribute(&attribute::LLM_MODEL_TIER.key()), Some(&Value::from("fast")));
}

#[tokio::test]
async fn the_cheapest_is_asked_and_the_rest_is_saved() {
    let [cheap, dear] = two().await;
    let router = ModelRouter::new(Pick::Cost)
        .candidate(model("dear", &dear).priced(flat("10")))
        .candidate(model("cheap", &cheap).priced(flat("2")));
    let run = Run::new();
    let response = router.chat().unwrap().run(ask(), &run.cx).await.unwrap();
    // 150 tokens at 2 micro-dollars, where they would have been 10.
    assert_eq!((&*response.provider, response.cost), ("cheap", Some(MicroUsd(300))));
    assert_eq!(run.cx.spent(), MicroUsd(300));
    decided(&run.tape, &[("cheap/m", "cheapest")]);
    let call = &run.tape.named(&span::llm("cheap", "generate"))[0];
    assert!(call.events.contains(&"RouteSaved { saved_micro_usd: 1200 }".to_owned()), "{:?}", call.events);
    let saved = call.attribute(&attribute::LLM_ROUTER_SAVINGS_USD.key());
    assert_eq!(saved, Some(&Value::from(0.0012)));
    assert_eq!(dear.received().len(), 0);
}

#[tokio::test]
async fn a_function_chooses() {
    let [a, b] = two().await;
    let choose = |request: &ChatRequest, _: &WorkflowContext| {
        if request.messages.len() > 1 { "b/m" } else { "a/m" }
    };
    let router = ModelRouter::new(Pick::function(choose)).candidate(model("a", &a)).candidate(model("b", &b));
    let flow = router.chat().unwrap();
    let run = Run::new();
    assert_eq!(flow.run(ask(), &run.cx).await.unwrap().provider, "a");
    let longer = ask().message(tta_llm::Message::user("And?"));
    assert_eq!(flow.run(longer, &run.cx).await.unwrap().provider, "b");
    decided(&run.tape, &[("a/m", "function"), ("b/m", "function")]);
    let nobody = ModelRouter::new(Pick::function(|_, _| "c/m")).candidate(model("a", &a));
    let error = nobody.chat().unwrap().run(ask(), &run.cx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRoute);
}

#[tokio::test]
async fn weights_are_kept_to() {
    let [a, b] = two().await;
    let router = ModelRouter::new(Pick::Weighted)
        .candidate(Candidate::weighted(model("a", &a), 0))
        .candidate(Candidate::weighted(model("b", &b), 5));
    let flow = router.chat().unwrap();
    for _ in 0..5 {
        assert_eq!(flow.run(ask(), &WorkflowContext::new()).await.unwrap().provider, "b");
    }
    assert_eq!(a.received().len(), 0);
}

#[tokio::test]
async fn the_quickest_is_asked_once_all_are_known() {
    let gate = Arc::new(Notify::new());
    let held = vec![Step::Hold(Arc::clone(&gate)), Step::send((OPENAI.answer)("slow").to_string())];
    let slow = Server::start([Reply::steps("application/json", held), answers("slow")]).await;
    let quick = Server::start([answers("quick")]).await;
    let router =
        ModelRouter::new(Pick::Latency).candidate(model("slow", &slow)).candidate(model("quick", &quick));
    let (flow, run) = (router.chat().unwrap(), Run::new());
    let mut first = Box::pin(flow.run(ask(), &run.cx));
    assert!(tokio::time::timeout(Duration::from_millis(400), &mut first).await.is_err());
    gate.notify_one();
    assert_eq!(first.await.unwrap().provider, "slow");
    assert_eq!(flow.run(ask(), &run.cx).await.unwrap().provider, "quick");
    assert_eq!(flow.run(ask(), &run.cx).await.unwrap().provider, "quick");
    decided(&run.tape, &[("slow/m", "unobserved"), ("quick/m", "unobserved"), ("quick/m", "quickest")]);
}

/// Two models of which the first is wanted.
fn first_of(a: &Server, b: &Server) -> ModelRouter {
    ModelRouter::new(Pick::function(|_, _| "a/m")).candidate(model("a", a)).candidate(model("b", b))
}

#[tokio::test]
async fn a_model_that_refuses_is_left_alone() {
    let a = Server::start([limited(60_000)]).await;
    let b = Server::start([answers("b")]).await;
    let (flow, run) = (first_of(&a, &b).chat().unwrap(), Run::new());
    for _ in 0..3 {
        assert_eq!(flow.run(ask(), &run.cx).await.unwrap().provider, "b");
    }
    assert_eq!((a.received().len(), b.received().len()), (1, 3));
    decided(&run.tape, &[("a/m", "function"), ("b/m", "fallback"), ("b/m", "cooldown"), ("b/m", "cooldown")]);
    // Only what was answered is paid for.
    assert_eq!(run.cx.spent(), MicroUsd(3 * 756));
}

#[tokio::test]
async fn a_model_is_asked_again_when_it_said_so_and_not_before() {
    let a = Server::start([limited(50), answers("a")]).await;
    let b = Server::start([limited(60_000)]).await;
    let flow = first_of(&a, &b).chat().unwrap().retry(Retry::constant(2, Duration::from_millis(1)));
    let (run, began) = (Run::new(), Instant::now());
    assert_eq!(flow.run(ask(), &run.cx).await.unwrap().provider, "a");
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert_eq!((a.received().len(), b.received().len()), (2, 1));
    decided(&run.tape, &[("a/m", "function"), ("b/m", "fallback"), ("a/m", "function")]);
}

#[tokio::test]
async fn when_all_refuse_the_shortest_wait_is_told() {
    let a = Server::start([limited(30_000)]).await;
    let b = Server::start([limited(60_000)]).await;
    let flow = first_of(&a, &b).chat().unwrap();
    for (attempt, sent) in [(1, 1), (2, 1)] {
        let error = flow.run(ask(), &WorkflowContext::new()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::RateLimited, true),
            "{attempt}: {error}"
        );
        let wait = error.retry_after().unwrap();
        assert!(wait <= Duration::from_secs(30) && wait > Duration::ZERO, "{attempt}: {wait:?}");
        // The second time, nobody is asked.
        assert_eq!((a.received().len(), b.received().len()), (sent, sent));
    }
}

#[tokio::test]
async fn what_is_tried_elsewhere_depends_on_why_it_failed() {
    let invalid = json!({"error": {"message": "Invalid value: 'x'.", "type": "invalid_request_error"}});
    let refusals = [
        ((400, invalid), false),
        ((OPENAI.unauthorized)(), true),
        ((OPENAI.too_long)(), true),
        ((OPENAI.broken)(), true),
        ((OPENAI.overloaded)(), true),
    ];
    for ((status, body), elsewhere) in refusals {
        let a = Server::start([refuses(status, &body)]).await;
        let b = Server::start([answers("b")]).await;
        let result = first_of(&a, &b).chat().unwrap().run(ask(), &WorkflowContext::new()).await;
        assert_eq!(result.is_ok(), elsewhere, "{body}");
        assert_eq!(b.received().len(), usize::from(elsewhere), "{body}");
        let result =
            first_of(&a, &b).without_cascade().chat().unwrap().run(ask(), &WorkflowContext::new()).await;
        assert!(result.is_err(), "{body}");
    }
}

#[tokio::test]
async fn the_last_failure_tells_of_those_before() {
    let (status, body) = (OPENAI.broken)();
    let (a, b) =
        (Server::start([refuses(status, &body)]).await, Server::start([refuses(status, &body)]).await);
    let error = first_of(&a, &b).chat().unwrap().run(ask(), &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(CallFailure::of(&error).unwrap().provider, "b");
    let before = CallFailure::of(&error.related()[0]).unwrap();
    assert_eq!((&*before.provider, before.class), ("a", FailureClass::Server));
}

#[tokio::test]
async fn a_model_that_is_too_dear_is_passed_over() {
    let [a, b] = two().await;
    let router = ModelRouter::new(Pick::function(|_, _| "a/m"))
        .candidate(model("a", &a).priced(flat("100")))
        .candidate(model("b", &b).priced(flat("1")));
    let flow = router.chat().unwrap();
    let within = |tape: &Tape, budget| {
        WorkflowContext::builder().observer(Arc::new(tape.clone())).budget(MicroUsd(budget)).build()
    };
    // 12 tokens asked and 100 answered at most: 11200 with one, 112 with the other.
    let request = ask().max_tokens(100);
    let tape = Tape::new();
    let cx = within(&tape, 11_200);
    assert_eq!(flow.run(request.clone(), &cx).await.unwrap().provider, "a");
    let cx = within(&tape, 11_199);
    assert_eq!(flow.run(request.clone(), &cx).await.unwrap().provider, "b");
    assert_eq!(cx.spent(), MicroUsd(150));
    decided(&tape, &[("a/m", "function"), ("b/m", "budget")]);
    let error = flow.run(request, &within(&tape, 111)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BudgetExceeded);
    assert_eq!((a.received().len(), b.received().len()), (1, 1));
}

#[tokio::test]
async fn a_stream_goes_elsewhere_until_it_has_begun() {
    let before = Reply::frames(OPENAI.mime, &[(OPENAI.begin)().concat(), (OPENAI.failing)().0]);
    let a = Server::start([before]).await;
    let b = Server::start([OPENAI.streamed(&["b"])]).await;
    let run = Run::new();
    let mut stream = first_of(&a, &b).stream().unwrap().run(ask(), &run.cx).await.unwrap();
    let (said, response) = drained(&mut stream).await;
    assert_eq!((said.as_str(), &*response.unwrap().provider), ("b", "b"));
    decided(&run.tape, &[("a/m", "function"), ("b/m", "fallback")]);

    let after: Vec<String> = OPENAI.half("a").into_iter().chain([(OPENAI.failing)().0]).collect();
    let a = Server::start([Reply::frames(OPENAI.mime, &after)]).await;
    let run = Run::new();
    let mut stream = first_of(&a, &b).stream().unwrap().run(ask(), &run.cx).await.unwrap();
    let (said, end) = drained(&mut stream).await;
    assert_eq!(said, "a");
    assert_eq!(CallFailure::of(&end.unwrap_err()).unwrap().class, FailureClass::Server);
    assert_eq!(b.received().len(), 1);
}

#[tokio::test]
async fn what_a_model_may_say_by_default_counts_when_a_run_has_a_budget() {
    let [a, b] = two().await;
    let router = ModelRouter::new(Pick::function(|_, _| "a/m"))
        .candidate(model("a", &a).priced(flat("1")).max_tokens(100_000))
        .candidate(model("b", &b).priced(flat("1")).max_tokens(100));
    let tape = Tape::new();
    let cx = WorkflowContext::builder().observer(Arc::new(tape.clone())).budget(MicroUsd(5_000)).build();
    assert_eq!(router.chat().unwrap().run(ask(), &cx).await.unwrap().provider, "b");
    decided(&tape, &[("b/m", "budget")]);
    // The same for what is cheapest: one says at most a hundredth of the other.
    let cheapest = ModelRouter::new(Pick::Cost)
        .candidate(model("a", &a).priced(flat("1")).max_tokens(100_000))
        .candidate(model("b", &b).priced(flat("2")).max_tokens(100));
    let cx = WorkflowContext::new();
    assert_eq!(cheapest.chat().unwrap().run(ask(), &cx).await.unwrap().provider, "b");
    assert_eq!(a.received().len(), 0);
}

#[tokio::test]
async fn a_model_may_be_left_alone_for_ever() {
    let (status, body) = (OPENAI.rate_limited)();
    let a = Server::start([refuses(status, &body)]).await;
    let b = Server::start([answers("b")]).await;
    let flow = first_of(&a, &b).cooldown(Duration::MAX).chat().unwrap();
    for _ in 0..2 {
        assert_eq!(flow.run(ask(), &WorkflowContext::new()).await.unwrap().provider, "b");
    }
    assert_eq!(a.received().len(), 1);
}

#[tokio::test]
async fn a_model_that_only_ever_failed_is_not_taken_for_the_quickest() {
    let (status, body) = (OPENAI.unauthorized)();
    let dead = Server::start([refuses(status, &body)]).await;
    let well = Server::start([answers("well")]).await;
    let router =
        ModelRouter::new(Pick::Latency).candidate(model("dead", &dead)).candidate(model("well", &well));
    let (flow, run) = (router.chat().unwrap(), Run::new());
    for _ in 0..3 {
        assert_eq!(flow.run(ask(), &run.cx).await.unwrap().provider, "well");
    }
    assert_eq!((dead.received().len(), well.received().len()), (1, 3));
    let expect =
        [("dead/m", "unobserved"), ("well/m", "fallback"), ("well/m", "quickest"), ("well/m", "quickest")];
    decided(&run.tape, &expect);
}
