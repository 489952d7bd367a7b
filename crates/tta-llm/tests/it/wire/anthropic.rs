//! Anthropic's messages.

use serde_json::{Value as Json, json};
use tta_llm::{Api, ChatRequest, FailureClass, Provider, ResponseFormat, Usage, tokens};
use tta_primitives::WorkflowContext;

use super::check::{End, Ended};
use super::dialect::{Dialect, USAGE};
use super::openai::{City, answered, calls, weather};
use super::promises::{Run, ask, drained, is_failure, refused};
use super::server::{Reply, Server, Step};

pub(super) const ANTHROPIC: Dialect = Dialect {
    name: "anthropic",
    model: "claude-sonnet-4-5",
    provider: |url| Provider::new("anthropic", Api::Anthropic, format!("{}/v1", url.trim_end_matches('/'))),
    path: "/v1/messages",
    stream_path: "/v1/messages",
    mime: "text/event-stream; charset=utf-8",
    answer: |text| said(&json!([{"type": "text", "text": text}]), "end_turn", &usage()),
    begin: || {
        let text =
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
        vec![
            started(&first_usage()),
            event("ping", &json!({"type": "ping"})),
            event("content_block_start", &text),
        ]
    },
    piece: |text| delta(0, &json!({"type": "text_delta", "text": text})),
    end: || vec![stopped(0), finished("end_turn", &json!({"output_tokens": 30})), stop()],
    told: (Some(Usage { output_tokens: 0, ..USAGE }), None),
    rate_limited: || {
        let message =
            "This request would exceed your organization's rate limit of 50,000 input tokens per minute.";
        (429, error("rate_limit_error", message))
    },
    broken: || (500, error("api_error", "Internal server error")),
    overloaded: || (529, error("overloaded_error", "Overloaded")),
    unauthorized: || (401, error("authentication_error", "invalid x-api-key")),
    too_long: || (400, error("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum")),
    failing: || (event("error", &error("overloaded_error", "Overloaded")), FailureClass::Overload),
};

fn error(kind: &str, message: &str) -> Json {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"})
}

/// 100 tokens beside the 20 that were cached.
fn usage() -> Json {
    json!({
        "input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 20, "output_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, "service_tier": "standard"
    })
}

/// As it is when the answer begins, with a guess of the output.
fn first_usage() -> Json {
    let mut usage = usage();
    usage["output_tokens"] = json!(1);
    usage
}

fn said(content: &Json, reason: &str, usage: &Json) -> Json {
    json!({
        "id": "msg_013Zva2CMHLNnjNjJKqJ2EF", "type": "message", "role": "assistant",
        "model": "claude-sonnet-4-5-20250929", "content": content, "stop_reason": reason, "stop_sequence": null,
        "usage": usage
    })
}

fn event(name: &str, data: &Json) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn started(usage: &Json) -> String {
    let message = json!({
        "id": "msg_013Zva2CMHLNnjNjJKqJ2EF", "type": "message", "role": "assistant", "content": [],
        "model": "claude-sonnet-4-5-20250929", "stop_reason": null, "stop_sequence": null, "usage": usage
    });
    event("message_start", &json!({"type": "message_start", "message": message}))
}

fn block(index: u32, block: &Json) -> String {
    event(
        "content_block_start",
        &json!({"type": "content_block_start", "index": index, "content_block": block}),
    )
}

fn delta(index: u32, delta: &Json) -> String {
    event("content_block_delta", &json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn stopped(index: u32) -> String {
    event("content_block_stop", &json!({"type": "content_block_stop", "index": index}))
}

fn finished(reason: &str, usage: &Json) -> String {
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    event("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}))
}

fn stop() -> String {
    event("message_stop", &json!({"type": "message_stop"}))
}

promises!(ANTHROPIC);

#[tokio::test]
async fn a_request_has_the_form_of_the_reference() {
    let plain = Reply::json(200, &(ANTHROPIC.answer)("Fine."));
    let server = Server::start([plain, ANTHROPIC.streamed(&["Fine."])]).await;
    let mut request = answered().temperature(0.5).max_tokens(64);
    (request.top_p, request.stop) = (Some(0.9), vec!["END".into()]);
    let llm = ANTHROPIC.at(&server);
    llm.chat().run(request.clone(), &WorkflowContext::new()).await.unwrap();
    llm.stream().run(request, &WorkflowContext::new()).await.unwrap().response().await.unwrap();
    let used = |city: &str| json!({"type": "tool_use", "id": format!("call_{city}"), "name": "get_weather", "input": {"city": city}});
    let result = |city: &str, said: &str| json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": format!("call_{city}"), "content": said}]});
    let mut expect = json!({
        "model": "claude-sonnet-4-5", "stream": false, "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "The weather?"},
            {"role": "assistant", "content": [{"type": "text", "text": "I look."}, used("Paris"), used("Rome")]},
            result("Paris", "sun"), result("Rome", "rain")
        ],
        "tools": [{"name": "get_weather", "description": "The weather of a city", "input_schema": weather().parameters}],
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 64, "stop_sequences": ["END"]
    });
    let received = server.received();
    assert_eq!(received[0].body, expect);
    assert_eq!(received[0].header("anthropic-version"), Some("2023-06-01"));
    expect["stream"] = json!(true);
    assert_eq!(received[1].body, expect);
    assert_eq!(received[1].header("anthropic-version"), Some("2023-06-01"));
}

#[tokio::test]
async fn tools_are_called() {
    let used = |city: &str| json!({"type": "tool_use", "id": format!("call_{city}"), "name": "get_weather", "input": {"city": city}});
    let content = json!([{"type": "text", "text": "I look."}, used("Paris"), used("Rome")]);
    let server = Server::start([Reply::json(200, &said(&content, "tool_use", &usage()))]).await;
    let run = Run::new();
    let response = ANTHROPIC.at(&server).chat().run(ask().tool(weather()), &run.cx).await.unwrap();
    assert_eq!((response.text.as_str(), &response.tool_calls[..]), ("I look.", &calls()[..]));
    let (end, finish) = (End::Answered, Some("tool_calls"));
    run.ended(&Ended { provider: "anthropic", end, usage: USAGE, finish, chunks: None });
}

#[tokio::test]
async fn tools_are_called_in_pieces() {
    let used = |index, city: &str| {
        block(
            index,
            &json!({"type": "tool_use", "id": format!("call_{city}"), "name": "get_weather", "input": {}}),
        )
    };
    let input = |index, json: &str| delta(index, &json!({"type": "input_json_delta", "partial_json": json}));
    let frames = [
        started(&first_usage()),
        used(0, "Paris"),
        input(0, ""),
        input(0, "{\"city\": \"Pa"),
        input(0, "ris\"}"),
        stopped(0),
        used(1, "Rome"),
        input(1, "{\"city\":"),
        input(1, "\"Rome\"}"),
        stopped(1),
        finished("tool_use", &json!({"output_tokens": 30})),
        stop(),
    ];
    let server = Server::start([Reply::frames(ANTHROPIC.mime, &frames)]).await;
    let run = Run::new();
    let mut stream = ANTHROPIC.at(&server).stream().run(ask().tool(weather()), &run.cx).await.unwrap();
    let (said, response) = drained(&mut stream).await;
    assert_eq!((said.as_str(), &response.unwrap().tool_calls[..]), ("", &calls()[..]));
    let (end, finish) = (End::Answered, Some("tool_calls"));
    run.ended(&Ended { provider: "anthropic", end, usage: USAGE, finish, chunks: Some(7) });
}

#[tokio::test]
async fn an_answer_has_the_form_of_a_type() {
    let server =
        Server::start([Reply::json(200, &(ANTHROPIC.answer)("{\"name\": \"Paris\", \"people\": 2100000}"))])
            .await;
    let llm = ANTHROPIC.at(&server);
    let city = llm.structured::<City>().run(ask(), &WorkflowContext::new()).await.unwrap();
    assert_eq!(city, City { name: "Paris".into(), people: 2_100_000 });
    let format = &server.only().body["output_config"]["format"];
    assert_eq!(
        (&format["type"], &format["schema"]["required"]),
        (&json!("json_schema"), &json!(["name", "people"]))
    );
}

#[tokio::test]
async fn json_is_asked_for_in_words() {
    let server = Server::start([Reply::json(200, &(ANTHROPIC.answer)("{}"))]).await;
    let request = ask().system("Be brief.").format(ResponseFormat::Json);
    ANTHROPIC.at(&server).chat().run(request, &WorkflowContext::new()).await.unwrap();
    let system = server.only().body["system"].clone();
    assert_eq!(system, "Be brief.\n\nAnswer with one JSON value and nothing else.");
}

/// 50 that are fresh, 1,000 read, 300 written for five minutes and 200 for an hour; 400 said, of which 256 thought.
fn of_all_classes() -> (Json, Usage) {
    let told = json!({
        "input_tokens": 50, "cache_read_input_tokens": 1_000, "cache_creation_input_tokens": 500,
        "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 400, "output_tokens_details": {"thinking_tokens": 256}
    });
    let usage = Usage {
        input_tokens: 1_550,
        output_tokens: 400,
        cache_read_tokens: 1_000,
        cache_write_tokens: 500,
        cache_write_1h_tokens: 200,
        reasoning_tokens: 256,
        estimated: false,
    };
    (told, usage)
}

/// 50 at 3, 1000 at 0.30, 300 at 3.75, 200 at 6 and 400 at 15.
const COST: i64 = 150 + 300 + 1_125 + 1_200 + 6_000;

#[tokio::test]
async fn classes_of_tokens_are_kept_apart() {
    let (told, usage) = of_all_classes();
    let content = json!([
        {"type": "thinking", "thinking": "Six times seven.", "signature": "EqQB"},
        {"type": "text", "text": "42"}
    ]);
    let server = Server::start([Reply::json(200, &said(&content, "end_turn", &told))]).await;
    let run = Run::new();
    let response = ANTHROPIC.at(&server).chat().run(ask(), &run.cx).await.unwrap();
    assert_eq!((response.text.as_str(), response.usage, response.cost.unwrap().0), ("42", usage, COST));
    run.ended(&Ended {
        provider: "anthropic",
        end: End::Answered,
        usage,
        finish: Some("stop"),
        chunks: None,
    });
}

/// A stream of thoughts and a text, whose last usage has the sums but not for how long what was written is kept.
fn thinking() -> Vec<String> {
    let (mut told, _) = of_all_classes();
    told["output_tokens"] = json!(4);
    let mut sums =
        json!({"input_tokens": 50, "cache_read_input_tokens": 1_000, "cache_creation_input_tokens": 500});
    sums["output_tokens"] = json!(400);
    sums["output_tokens_details"] = json!({"thinking_tokens": 256});
    vec![
        started(&told),
        block(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "Six times seven."})),
        delta(0, &json!({"type": "signature_delta", "signature": "EqQB"})),
        stopped(0),
        block(1, &json!({"type": "text", "text": ""})),
        delta(1, &json!({"type": "text_delta", "text": "42"})),
        stopped(1),
        finished("end_turn", &sums),
        stop(),
    ]
}

#[tokio::test]
async fn classes_of_tokens_are_kept_apart_in_streams() {
    let (_, usage) = of_all_classes();
    let server = Server::start([Reply::frames(ANTHROPIC.mime, &thinking())]).await;
    let run = Run::new();
    let stream = ANTHROPIC.at(&server).stream().run(ask(), &run.cx).await.unwrap();
    let response = stream.response().await.unwrap();
    assert_eq!((response.text.as_str(), response.usage, response.cost.unwrap().0), ("42", usage, COST));
    run.ended(&Ended {
        provider: "anthropic",
        end: End::Answered,
        usage,
        finish: Some("stop"),
        chunks: Some(2),
    });
}

#[tokio::test]
async fn thoughts_that_came_before_a_stream_broke_are_billed() {
    let mut steps: Vec<Step> = thinking().into_iter().take(3).map(Step::send).collect();
    steps.push(Step::Cut);
    let server = Server::start([Reply::steps(ANTHROPIC.mime, steps)]).await;
    let run = Run::new();
    let mut stream = ANTHROPIC.at(&server).stream().run(ask(), &run.cx).await.unwrap();
    is_failure(&drained(&mut stream).await.1.unwrap_err(), &ANTHROPIC, FailureClass::Network);
    let (_, usage) = of_all_classes();
    let output_tokens = tokens::count(ANTHROPIC.model, "Six times seven.");
    let usage = Usage { output_tokens, reasoning_tokens: 0, estimated: true, ..usage };
    let end = End::Failed(FailureClass::Network);
    run.ended(&Ended { provider: "anthropic", end, usage, finish: None, chunks: Some(1) });
}

#[tokio::test]
async fn a_prompt_is_billed_although_no_word_came() {
    let server = Server::start([Reply::frames(ANTHROPIC.mime, &[started(&first_usage())])]).await;
    let run = Run::new();
    let error = ANTHROPIC.at(&server).stream().run(ask(), &run.cx).await.unwrap_err();
    is_failure(&error, &ANTHROPIC, FailureClass::Network);
    let (usage, end) =
        (Usage { output_tokens: 0, estimated: true, ..USAGE }, End::Failed(FailureClass::Network));
    run.ended(&Ended { provider: "anthropic", end, usage, finish: None, chunks: Some(0) });
}

#[tokio::test]
async fn an_answer_that_is_held_back_or_too_long_says_so() {
    for (reason, expect) in [
        ("refusal", "content_filter"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop"),
        ("pause_turn", "pause_turn"),
    ] {
        let body = said(&json!([{"type": "text", "text": "A"}]), reason, &usage());
        let server = Server::start([Reply::json(200, &body)]).await;
        let response = ANTHROPIC.at(&server).chat().run(ask(), &WorkflowContext::new()).await.unwrap();
        assert_eq!(response.finish_reason.as_str(), expect);
    }
}

#[tokio::test]
async fn other_refusals_have_classes() {
    use FailureClass as Class;
    let credit = "Your credit balance is too low to access the Anthropic API.";
    let refusals = [
        (
            400,
            error("invalid_request_error", "Output blocked by content filtering policy"),
            Class::ContentFilter,
        ),
        (400, error("invalid_request_error", credit), Class::Quota),
        (403, error("permission_error", "Your API key does not have permission."), Class::Auth),
        (404, error("not_found_error", "model: claude-nobody"), Class::UnknownModel),
        (413, error("request_too_large", "Request exceeds the maximum size"), Class::ContextLength),
        (400, error("invalid_request_error", "max_tokens: Field required"), Class::BadRequest),
    ];
    for (status, body, class) in refusals {
        let server = Server::start([Reply::json(status, &body)]).await;
        let run = Run::new();
        let error = refused(&run, &ANTHROPIC.at(&server)).await;
        is_failure(&error, &ANTHROPIC, class);
    }
}

#[tokio::test]
async fn a_request_without_a_limit_has_that_of_the_model() {
    let server = Server::start([Reply::json(200, &(ANTHROPIC.answer)("Fine."))]).await;
    ANTHROPIC.at(&server).chat().run(ChatRequest::user("?"), &WorkflowContext::new()).await.unwrap();
    assert_eq!(server.only().body["max_tokens"], 64_000);
}
