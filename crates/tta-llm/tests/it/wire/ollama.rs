//! Ollama's own interface.

use serde_json::{Value as Json, json};
use tta_llm::{Api, FailureClass, Provider, ResponseFormat, Usage, tokens};
use tta_primitives::WorkflowContext;

use super::check::{End, Ended};
use super::dialect::{Dialect, USAGE};
use super::openai::{City, answered, calls, weather};
use super::promises::{Run, ask, drained, is_failure, refused};
use super::server::{Reply, Server};

pub(super) const OLLAMA: Dialect = Dialect {
    name: "ollama",
    model: "llama3.2",
    provider: |url| Provider::new("ollama", Api::Ollama, url),
    path: "/api/chat",
    stream_path: "/api/chat",
    mime: "application/x-ndjson",
    answer: |text| last(&json!({"role": "assistant", "content": text}), &usage()),
    begin: Vec::new,
    piece: |text| line(&json!({"role": "assistant", "content": text})),
    end: || vec![format!("{}\n", last(&json!({"role": "assistant", "content": ""}), &usage()))],
    told: (None, None),
    rate_limited: || (429, json!({"error": "you have reached your hourly usage limit"})),
    broken: || (500, json!({"error": "model runner has unexpectedly stopped"})),
    overloaded: || {
        (503, json!({"error": "server busy, please try again.  maximum pending requests exceeded"}))
    },
    unauthorized: || (401, json!({"error": "unauthorized"})),
    too_long: || (400, json!({"error": "the input length exceeds the context length"})),
    failing: || {
        (
            "{\"error\":\"an error was encountered while running the model\"}\n".to_owned(),
            FailureClass::Server,
        )
    },
};

fn usage() -> Json {
    json!({"prompt_eval_count": 120, "prompt_eval_cached_count": 20, "eval_count": 30})
}

fn last(message: &Json, usage: &Json) -> Json {
    let mut last = json!({
        "model": "llama3.2", "created_at": "2026-11-20T08:52:19.385406455-07:00", "message": message,
        "done": true, "done_reason": "stop", "total_duration": 4_935_886_791_u64, "load_duration": 534_986_708,
        "prompt_eval_duration": 107_345_000, "eval_duration": 4_289_432_000_u64
    });
    last.as_object_mut().unwrap().extend(usage.as_object().unwrap().clone());
    last
}

fn line(message: &Json) -> String {
    let created = "2026-11-20T08:52:19.385406455-07:00";
    format!("{}\n", json!({"model": "llama3.2", "created_at": created, "message": message, "done": false}))
}

promises!(OLLAMA);

#[tokio::test]
async fn a_request_has_the_form_of_the_reference() {
    let server =
        Server::start([Reply::json(200, &(OLLAMA.answer)("Fine.")), OLLAMA.streamed(&["Fine."])]).await;
    let mut request = answered().temperature(0.5).max_tokens(64);
    (request.top_p, request.seed, request.stop) = (Some(0.9), Some(7), vec!["END".into()]);
    let llm = OLLAMA.at(&server);
    llm.chat().run(request.clone(), &WorkflowContext::new()).await.unwrap();
    llm.stream().run(request, &WorkflowContext::new()).await.unwrap().response().await.unwrap();
    let call = |city: &str| json!({"function": {"name": "get_weather", "arguments": {"city": city}}});
    let mut expect = json!({
        "model": "llama3.2", "stream": false,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "The weather?"},
            {"role": "assistant", "content": "I look.", "tool_calls": [call("Paris"), call("Rome")]},
            {"role": "tool", "content": "sun"},
            {"role": "tool", "content": "rain"}
        ],
        "tools": [{"type": "function", "function": {
            "name": "get_weather", "description": "The weather of a city", "parameters": weather().parameters
        }}],
        "options": {"temperature": 0.5, "top_p": 0.9, "seed": 7, "num_predict": 64, "stop": ["END"]}
    });
    assert_eq!(server.received()[0].body, expect);
    assert_eq!(server.received()[0].header("authorization"), None);
    expect["stream"] = json!(true);
    assert_eq!(server.received()[1].body, expect);
}

fn called() -> Json {
    let [paris, rome] = calls()
        .map(|call| json!({"id": call.id, "function": {"name": call.name, "arguments": call.arguments}}));
    json!({"role": "assistant", "content": "", "tool_calls": [paris, rome]})
}

#[tokio::test]
async fn tools_are_called() {
    let frames = [line(&called()), (OLLAMA.end)().concat()];
    let plain = Reply::json(200, &last(&called(), &usage()));
    let server = Server::start([plain, Reply::frames(OLLAMA.mime, &frames)]).await;
    let run = Run::new();
    let response = OLLAMA.at(&server).chat().run(ask().tool(weather()), &run.cx).await.unwrap();
    assert_eq!(&response.tool_calls[..], &calls()[..]);
    let (end, finish) = (End::Answered, Some("tool_calls"));
    run.ended(&Ended { provider: "ollama", end, usage: USAGE, finish, chunks: None });
    let run = Run::new();
    let mut stream = OLLAMA.at(&server).stream().run(ask().tool(weather()), &run.cx).await.unwrap();
    assert_eq!(&drained(&mut stream).await.1.unwrap().tool_calls[..], &calls()[..]);
    run.ended(&Ended { provider: "ollama", end, usage: USAGE, finish, chunks: Some(2) });
}

#[tokio::test]
async fn the_form_of_a_type_is_asked_for_in_words_too() {
    let server =
        Server::start([Reply::json(200, &(OLLAMA.answer)("{\"name\": \"Paris\", \"people\": 2100000}"))])
            .await;
    let llm = OLLAMA.at(&server);
    let city = llm.structured::<City>().run(ask(), &WorkflowContext::new()).await.unwrap();
    assert_eq!(city, City { name: "Paris".into(), people: 2_100_000 });
    let body = server.only().body;
    assert_eq!(body["format"], "json");
    let system = body["messages"][0]["content"].as_str().unwrap();
    assert!(system.contains("JSON Schema") && system.contains("\"people\""), "{system}");
    let server = Server::start([Reply::json(200, &(OLLAMA.answer)("{}"))]).await;
    let request = ask().format(ResponseFormat::Json);
    OLLAMA.at(&server).chat().run(request, &WorkflowContext::new()).await.unwrap();
    let body = server.only().body;
    assert_eq!((&body["format"], body["messages"].as_array().unwrap().len()), (&json!("json"), 1));
}

/// As older versions do when they have the prompt in their cache.
#[tokio::test]
async fn a_prompt_that_is_not_told_of_is_counted() {
    let body = last(&json!({"role": "assistant", "content": "Yes."}), &json!({"eval_count": 30}));
    let server = Server::start([Reply::json(200, &body)]).await;
    let run = Run::new();
    let response = OLLAMA.at(&server).chat().run(ask(), &run.cx).await.unwrap();
    let input_tokens = tokens::count_request(OLLAMA.model, &ask());
    let usage = Usage { input_tokens, output_tokens: 30, estimated: true, ..Usage::default() };
    assert_eq!(response.usage, usage);
    run.ended(&Ended { provider: "ollama", end: End::Answered, usage, finish: Some("stop"), chunks: None });
}

#[tokio::test]
async fn thoughts_are_not_said() {
    let message = json!({"role": "assistant", "content": "42", "thinking": "Six times seven."});
    let frames = [
        line(&json!({"role": "assistant", "content": "", "thinking": "Six times seven."})),
        OLLAMA.half("42").concat(),
        (OLLAMA.end)().concat(),
    ];
    let server =
        Server::start([Reply::json(200, &last(&message, &usage())), Reply::frames(OLLAMA.mime, &frames)])
            .await;
    let response = OLLAMA.at(&server).chat().run(ask(), &WorkflowContext::new()).await.unwrap();
    assert_eq!((response.text.as_str(), response.usage), ("42", USAGE));
    let run = Run::new();
    let response = OLLAMA.at(&server).stream().run(ask(), &run.cx).await.unwrap().response().await.unwrap();
    assert_eq!(response.text, "42");
    run.ended(&Ended {
        provider: "ollama",
        end: End::Answered,
        usage: USAGE,
        finish: Some("stop"),
        chunks: Some(2),
    });
}

#[tokio::test]
async fn a_model_that_is_not_there_is_unknown() {
    let body = json!({"error": "model \"llama3.2\" not found, try pulling it first"});
    let server = Server::start([Reply::json(404, &body)]).await;
    let error = refused(&Run::new(), &OLLAMA.at(&server)).await;
    is_failure(&error, &OLLAMA, FailureClass::UnknownModel);
}
