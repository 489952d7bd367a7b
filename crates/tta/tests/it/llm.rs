//! A call of a model, as its users see it: one span, exact tokens and money, and no secrets.

use std::sync::Arc;
use std::time::Duration;

use crate::secrets::{assert_clean, planted};
use futures::StreamExt;
use tta::export::memory::MemoryExporter;
use tta::llm::local::Local;
use tta::llm::{
    Capture, ChatRequest, Chunk, Llm, Message, ModelRouter, Models, Pick, Price, Provider, Rate, Rates, Tool,
    ToolCall,
};
use tta::model::name::{attribute as a, metric};
use tta::model::{SpanKind, SpanRecord, Value};
use tta::observe::Observer;
use tta::{Cache, ConversationMemory, ErrorKind, Guard, MicroUsd, ModelTier, Telemetry, WorkflowContext};

const TEXT: &str = "A saga undoes what was done. It is raining. A saga keeps a list of what was done.";

struct World {
    observer: Arc<dyn Observer>,
    guard: Guard,
    memory: MemoryExporter,
}

impl World {
    fn new() -> Self {
        let memory = MemoryExporter::new();
        let (observer, guard) = Telemetry::new().exporter(memory.clone()).build().unwrap();
        Self { observer: observer.unwrap(), guard, memory }
    }

    fn context(&self) -> WorkflowContext {
        WorkflowContext::builder().workflow_name("ask").observer(Arc::clone(&self.observer)).build()
    }

    fn spans(&self) -> Vec<SpanRecord> {
        self.guard.flush(Duration::from_secs(5)).unwrap();
        self.memory.take()
    }

    fn calls(&self) -> Vec<SpanRecord> {
        self.spans().into_iter().filter(|span| span.name.starts_with("llm.local.")).collect()
    }
}

/// The offline model, at a price that makes it worth counting: 3 micro-dollars an input token, 15 an output token.
fn priced() -> Llm {
    Models::offline().model("local/textrank").unwrap().priced(price("3", "15"))
}

fn price(input: &str, output: &str) -> Price {
    let rate = |text: &str| text.parse::<Rate>().unwrap();
    Price::new("any", "any", Rates { input: rate(input), output: rate(output), ..Rates::default() })
}

fn int(span: &SpanRecord, attribute: a::Attribute) -> i64 {
    match span.attribute(attribute.key) {
        Some(Value::Int(value)) => *value,
        other => panic!("{}: {other:?}", attribute.key),
    }
}

#[tokio::test]
async fn a_call_is_one_client_span_and_its_tokens_are_the_same_everywhere() {
    let world = World::new();
    let response = priced().temperature(0.5).chat().run(TEXT.into(), &world.context()).await.unwrap();
    let [call] = &world.calls()[..] else { panic!("one call, one span") };
    assert_eq!((call.name.as_str(), call.kind), ("llm.local.generate", SpanKind::Client));
    let (input, output) = (response.usage.input_tokens, response.usage.output_tokens);
    assert_eq!(response.cost, Some(MicroUsd((3 * input + 15 * output) as i64)));
    assert_eq!(int(call, a::GEN_AI_USAGE_INPUT_TOKENS) as u64, input);
    assert_eq!(int(call, a::LLM_COMPLETION_TOKENS) as u64, output);
    assert_eq!(call.attribute(a::LLM_COST_USD.key), Some(&Value::Float(response.cost.unwrap().as_usd())));
    assert_eq!(call.attribute(a::LLM_TEMPERATURE.key), Some(&Value::Float(0.5)));
    let snapshot = world.guard.metrics().snapshot();
    let total = |labels: &[(&str, &str)]| snapshot.total(&metric::LLM_TOKENS_TOTAL, labels);
    assert_eq!(total(&[("llm.token_type", "prompt")]), input as f64);
    assert_eq!(total(&[("llm.token_type", "completion")]), output as f64);
    let costs = world.guard.costs().report();
    assert_eq!((costs.spent, costs.tokens), (response.cost.unwrap(), input + output));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_is_charged_for_what_came_and_says_so() {
    let world = World::new();
    let models = Models::builder().local(Local { seed: 1, pace: 1.0 }).build();
    let llm = models.model("local/textrank").unwrap().priced(priced().price().unwrap().clone());
    let cx = world.context();
    let mut stream = llm.stream().run(TEXT.into(), &cx).await.unwrap();
    let mut came = String::new();
    for _ in 0..3 {
        match stream.next().await.unwrap().unwrap() {
            Chunk::Text(text) => came.push_str(&text),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(cx.spent(), MicroUsd(0), "nothing is charged before the end");
    drop(stream);
    let output = tta::llm::tokens::count("textrank", &came);
    let [call] = &world.calls()[..] else { panic!("one call, one span") };
    assert_eq!(int(call, a::LLM_COMPLETION_TOKENS) as u64, output);
    assert_eq!(cx.spent(), MicroUsd(3 * int(call, a::LLM_PROMPT_TOKENS) + 15 * output as i64));
    assert_eq!(call.attribute(a::LLM_STREAM_OUTCOME.key), Some(&Value::from("cancelled")));
    assert_eq!(call.attribute(a::EXECUTION_STATUS.key), Some(&Value::from("cancelled")));
    assert_eq!(call.attribute(a::LLM_TOKENS_ESTIMATED.key), Some(&Value::Bool(true)));
    assert_eq!(int(call, a::LLM_CHUNKS_RECEIVED), 3);
    let snapshot = world.guard.metrics().snapshot();
    let chunks = |metric| snapshot.total(metric, &[]) as u64;
    assert_eq!(chunks(&metric::GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK), 1);
    assert_eq!(chunks(&metric::GEN_AI_CLIENT_OPERATION_TIME_PER_OUTPUT_CHUNK), 2);
}

#[tokio::test]
async fn a_stream_that_ends_costs_what_the_whole_answer_costs() {
    let world = World::new();
    let (whole, cx) = (priced().chat().run(TEXT.into(), &world.context()).await.unwrap(), world.context());
    let streamed = priced().stream().run(TEXT.into(), &cx).await.unwrap().response().await.unwrap();
    assert_eq!((&streamed.text, streamed.usage, streamed.cost), (&whole.text, whole.usage, whole.cost));
    assert_eq!(Some(cx.spent()), whole.cost);
    let calls = world.calls();
    let stream = calls.iter().find(|call| call.name == "llm.local.stream").unwrap();
    assert_eq!(stream.attribute(a::LLM_STREAM_OUTCOME.key), Some(&Value::from("completed")));
    assert!(stream.attribute(a::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK.key).is_some());
}

#[tokio::test]
async fn a_run_costs_the_sum_of_its_calls_and_saves_those_that_a_cache_avoids() {
    let world = World::new();
    let cx = world.context();
    let answers = Cache::new("answers", |request: &ChatRequest| request.messages[0].text.clone());
    let ask = priced().chat().cached(&answers);
    let mut sum = 0;
    for text in ["Tests find faults.", "Faults cost money.", "Money is short."] {
        sum += ask.run(text.into(), &cx).await.unwrap().cost.unwrap().0;
    }
    let known = ask.run("Tests find faults.".into(), &cx).await.unwrap();
    assert_eq!(cx.spent(), MicroUsd(sum));
    let costs = world.guard.costs().report();
    assert_eq!((costs.spent, costs.saved), (MicroUsd(sum), known.cost.unwrap()));
    let snapshot = world.guard.metrics().snapshot();
    let usd = |micros: i64| micros as f64 / 1e6;
    assert!((snapshot.total(&metric::LLM_COST_TOTAL, &[]) - usd(sum)).abs() < 1e-12);
    let saved = snapshot.total(&metric::COST_SAVINGS_TOTAL, &[(a::SAVINGS_SOURCE.key, "cache")]);
    assert!((saved - usd(known.cost.unwrap().0)).abs() < 1e-12, "{saved}");
}

#[tokio::test]
async fn a_budget_stops_a_call_before_it_is_sent() {
    let world = World::new();
    let llm = priced().max_tokens(4);
    let one = llm.chat().run(TEXT.into(), &world.context()).await.unwrap().cost.unwrap();
    world.calls();
    let cx =
        WorkflowContext::builder().observer(Arc::clone(&world.observer)).budget(MicroUsd(3 * one.0)).build();
    for _ in 0..3 {
        llm.chat().run(TEXT.into(), &cx).await.unwrap();
    }
    let error = llm.chat().run(TEXT.into(), &cx).await.unwrap_err();
    assert_eq!((error.kind(), cx.spent()), (ErrorKind::BudgetExceeded, MicroUsd(3 * one.0)));
    assert_eq!(world.calls().len(), 3, "the fourth was not made");
}

#[tokio::test]
async fn a_model_without_a_price_is_counted_and_shown() {
    let world = World::new();
    let models = Models::builder().prices(tta::llm::PriceTable::new()).build();
    let response =
        models.model("local/textrank").unwrap().chat().run(TEXT.into(), &world.context()).await.unwrap();
    assert_eq!(response.cost, None);
    let [call] = &world.calls()[..] else { panic!("one call, one span") };
    assert_eq!(call.attribute(a::LLM_UNPRICED.key), Some(&Value::Bool(true)));
    assert_eq!(call.attribute(a::LLM_COST_USD.key), None, "no price is not a price of zero");
    let snapshot = world.guard.metrics().snapshot();
    assert_eq!(
        snapshot.total(&metric::TTA_TELEMETRY_UNPRICED_CALLS_TOTAL, &[("llm.model_name", "textrank")]),
        1.0
    );
}

#[tokio::test]
async fn a_router_tells_why_it_chose_and_what_that_saved() {
    let world = World::new();
    let dearest = price("30", "150");
    let dear = Models::builder().build().model("openai/gpt-4o").unwrap().priced(dearest.clone());
    let router = ModelRouter::new(Pick::Tier)
        .candidate(priced().tier(ModelTier::Fast))
        .candidate(dear.tier(ModelTier::Quality));
    let cx = WorkflowContext::builder()
        .llm_model_tier(ModelTier::Fast)
        .observer(Arc::clone(&world.observer))
        .build();
    let response = router.chat().unwrap().run(TEXT.into(), &cx).await.unwrap();
    let spans = world.spans();
    let decision = spans.iter().find(|span| span.name == "llm.router.select_model").unwrap();
    assert_eq!(decision.attribute(a::ROUTER_ROUTE.key), Some(&Value::from("local/textrank")));
    assert_eq!(decision.attribute(a::ROUTER_REASON.key), Some(&Value::from("tier")));
    let saved = dearest.cost(&response.usage).0 - response.cost.unwrap().0;
    assert_eq!(saved, 9 * response.cost.unwrap().0);
    assert_eq!(world.guard.costs().report().saved, MicroUsd(saved));
}

#[tokio::test]
async fn a_conversation_is_remembered_under_its_session() {
    let world = World::new();
    let turns = ConversationMemory::new("chat");
    let talk = priced().converse().with_memory(&turns);
    let cx = WorkflowContext::builder().session_id("s-1").observer(Arc::clone(&world.observer)).build();
    talk.run(Message::user("Tests find faults."), &cx).await.unwrap();
    talk.run(Message::user("Faults cost money."), &cx).await.unwrap();
    let roles: Vec<_> = turns.recall("s-1", &cx).await.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
    let prompts: Vec<i64> = world.calls().iter().map(|call| int(call, a::LLM_PROMPT_TOKENS)).collect();
    assert!(prompts[1] > prompts[0], "the second turn has the first one in it: {prompts:?}");
}

/// A conversation in which a secret is everywhere that one can be.
fn conversation_about(secret: &str) -> ChatRequest {
    let called = ToolCall {
        id: "call_1".to_owned(),
        name: "look_up".to_owned(),
        arguments: serde_json::json!({"what": secret, "nested": {"text": format!("{{\"said\": {secret:?}}}")}}),
    };
    let assistant =
        Message { tool_calls: vec![called], ..Message::assistant(format!("I call it with {secret} now.")) };
    let found = Message::tool("call_1", format!("It says {secret} and nothing else. It is raining."));
    let asked = format!("Tests find faults. Please look it up with {secret} now.");
    let mut request = ChatRequest::from(vec![Message::user(asked), assistant, found]);
    request.tools.push(Tool {
        name: "look_up".to_owned(),
        description: "Looks something up.".to_owned(),
        parameters: serde_json::json!({"type": "object", "properties": {"what": {"type": "string"}}}),
    });
    request.system(format!("Use {secret} only."))
}

/// A provider that quotes what it was sent in every answer, which is an error.
async fn quoting() -> Provider {
    async fn refuse(body: String) -> (axum::http::StatusCode, String) {
        let error =
            serde_json::json!({"error": {"message": body, "type": "invalid_request_error", "code": body}});
        (axum::http::StatusCode::BAD_REQUEST, error.to_string())
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, axum::Router::new().fallback(refuse)).into_future());
    Provider::openai_compatible("quoting", format!("http://user:AnotherSecret77@{address}/v1"))
        .header("x-secret", "AnotherSecret77")
}

#[tokio::test]
async fn content_is_on_spans_only_if_somebody_wants_it_and_then_without_secrets() {
    let provider = quoting().await;
    for (capture, is_there) in [(Capture::off(), false), (Capture::on(), true)] {
        let world = World::new();
        let models = Models::builder().capture(capture).provider(provider.clone()).build();
        let (llm, refused) = (models.model("local/textrank").unwrap(), models.model("quoting/m").unwrap());
        let mut told = format!("{models:?} {llm:?} {provider:?}");
        for (said, _) in planted() {
            let request = conversation_about(&said);
            let response = llm.chat().run(request.clone(), &world.context()).await.unwrap();
            let error = refused.chat().run(request.clone(), &world.context()).await.unwrap_err();
            let stream = llm.stream().run(request.clone(), &world.context()).await.unwrap();
            told += &format!("{request:?} {response:?} {stream:?} {error:?} {error}");
            drop(stream);
        }
        let spans = world.spans();
        let calls: Vec<_> = spans.iter().filter(|span| span.name == "llm.local.generate").collect();
        assert_eq!(calls.len(), planted().len());
        for attribute in [a::GEN_AI_INPUT_MESSAGES, a::GEN_AI_OUTPUT_MESSAGES, a::GEN_AI_SYSTEM_INSTRUCTIONS]
        {
            assert!(
                calls.iter().all(|call| call.attribute(attribute.key).is_some() == is_there),
                "{}",
                attribute.key
            );
        }
        told += &serde_json::to_string(&spans).unwrap();
        told += &format!("{:?}", world.guard.metrics().snapshot());
        assert_clean("a call", &told);
        assert!(!told.contains("AnotherSecret77"));
        assert!(told.contains("Please look it up with"), "the error quotes what is no secret");
        for call in calls {
            let shown = serde_json::to_string(call).unwrap();
            assert_eq!(shown.contains("Tests find faults."), is_there, "{shown}");
        }
    }
}
