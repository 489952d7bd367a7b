//! OpenAI's chat completions.

use futures::StreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tta_llm::{ChatRequest, FailureClass, Llm, Message, Provider, Tool, ToolCall, Usage};
use tta_primitives::{ErrorKind, WorkflowContext};

use super::check::{End, Ended};
use super::dialect::Dialect;
use super::promises::{Run, ask, drained, is_failure, refused};
use super::server::{Reply, Server, Step};

pub(crate) const OPENAI: Dialect = Dialect {
    name: "openai",
    model: "gpt-4o-mini",
    provider: |url| Provider::openai_compatible("openai", url),
    path: "/chat/completions",
    stream_path: "/chat/completions",
    mime: "text/event-stream; charset=utf-8",
    answer,
    begin: || vec![chunk(&json!({"role": "assistant", "content": "", "refusal": null}))],
    piece: |text| chunk(&json!({"content": text})),
    end: || vec![last("stop"), usage_frame(&usage()), DONE.to_owned()],
    told: (None, None),
    rate_limited: || {
        let message = "Rate limit reached for gpt-4o-mini in organization org-x on requests per min (RPM): Limit 3, \
                       Used 3, Requested 1. Please try again in 20s.";
        (429, error(message, "requests", "rate_limit_exceeded"))
    },
    broken: || {
        (
            500,
            error(
                "The server had an error while processing your request. Sorry about that!",
                "server_error",
                Json::Null,
            ),
        )
    },
    overloaded: || {
        (
            503,
            error(
                "The engine is currently overloaded, please try again later",
                "service_unavailable_error",
                Json::Null,
            ),
        )
    },
    unauthorized: || {
        (401, error("Incorrect API key provided: sk-no.", "invalid_request_error", "invalid_api_key"))
    },
    too_long: || {
        let message = "This model's maximum context length is 128000 tokens. However, your messages resulted in 200010 \
                       tokens. Please reduce the length of the messages.";
        (400, error(message, "invalid_request_error", "context_length_exceeded"))
    },
    failing: || {
        (
            sse(&error("The server had an error while processing your request", "server_error", Json::Null)),
            FailureClass::Server,
        )
    },
};

/// What ends a stream.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

pub(crate) fn sse(frame: &Json) -> String {
    format!("data: {frame}\n\n")
}

fn error(message: &str, kind: &str, code: impl Into<Json>) -> Json {
    let code: Json = code.into();
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

fn usage() -> Json {
    json!({
        "prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 20, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0
        }
    })
}

fn answer(text: &str) -> Json {
    said(&json!({"role": "assistant", "content": text, "refusal": null, "annotations": []}), "stop", &usage())
}

fn said(message: &Json, reason: &str, usage: &Json) -> Json {
    json!({
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "object": "chat.completion", "created": 1_741_570_283,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": reason}],
        "usage": usage, "service_tier": "default", "system_fingerprint": "fp_fc9f1d7035"
    })
}

fn frame(choices: &Json, usage: &Json) -> String {
    sse(&json!({
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "object": "chat.completion.chunk", "created": 1_741_570_283,
        "model": "gpt-4o-mini-2024-07-18", "service_tier": "default", "system_fingerprint": "fp_fc9f1d7035",
        "choices": choices, "usage": usage
    }))
}

fn chunk(delta: &Json) -> String {
    frame(&json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]), &Json::Null)
}

fn last(reason: &str) -> String {
    frame(&json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason}]), &Json::Null)
}

fn usage_frame(usage: &Json) -> String {
    frame(&json!([]), usage)
}

fn at(server: &Server) -> Llm {
    OPENAI.at(server)
}

promises!(OPENAI);

pub(crate) fn weather() -> Tool {
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    Tool { name: "get_weather".into(), description: "The weather of a city".into(), parameters }
}

/// The two calls of the tests.
pub(crate) fn calls() -> [ToolCall; 2] {
    ["Paris", "Rome"].map(|city| ToolCall {
        id: format!("call_{city}"),
        name: "get_weather".into(),
        arguments: json!({"city": city}),
    })
}

/// A conversation in which both were called and answered.
pub(crate) fn answered() -> ChatRequest {
    let called = Message { tool_calls: calls().to_vec(), ..Message::assistant("I look.") };
    ChatRequest::user("The weather?")
        .system("Be brief.")
        .tool(weather())
        .message(called)
        .message(Message::tool("call_Paris", "sun"))
        .message(Message::tool("call_Rome", "rain"))
}

fn call_json(city: &str) -> Json {
    let arguments = json!({"city": city}).to_string();
    json!({"id": format!("call_{city}"), "type": "function", "function": {"name": "get_weather", "arguments": arguments}})
}

#[tokio::test]
async fn a_request_has_the_form_of_the_reference() {
    let server = Server::start([Reply::json(200, &answer("Fine.")), OPENAI.streamed(&["Fine."])]).await;
    let mut request = answered().temperature(0.5).max_tokens(64);
    (request.top_p, request.seed, request.stop) = (Some(0.9), Some(7), vec!["END".into()]);
    at(&server).chat().run(request.clone(), &WorkflowContext::new()).await.unwrap();
    let stream = at(&server).stream().run(request, &WorkflowContext::new()).await.unwrap();
    stream.response().await.unwrap();
    let mut expect = json!({
        "model": "gpt-4o-mini", "stream": false,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "The weather?"},
            {"role": "assistant", "content": "I look.", "tool_calls": [call_json("Paris"), call_json("Rome")]},
            {"role": "tool", "tool_call_id": "call_Paris", "content": "sun"},
            {"role": "tool", "tool_call_id": "call_Rome", "content": "rain"}
        ],
        "tools": [{"type": "function", "function": {
            "name": "get_weather", "description": "The weather of a city", "strict": false,
            "parameters": weather().parameters
        }}],
        "temperature": 0.5, "top_p": 0.9, "seed": 7, "max_tokens": 64, "stop": ["END"]
    });
    assert_eq!(server.received()[0].body, expect);
    expect["stream"] = json!(true);
    expect["stream_options"] = json!({"include_usage": true});
    assert_eq!(server.received()[1].body, expect);
}

#[tokio::test]
async fn the_name_of_a_model_is_sent_as_it_is() {
    for (model, limit) in
        [("gpt-5.1-codex-max", "max_completion_tokens"), ("openai/o3-mini-high", "max_tokens")]
    {
        let server = Server::start([Reply::json(200, &answer("Fine."))]).await;
        let models = tta_llm::Models::builder().provider((OPENAI.provider)(&server.url)).build();
        let llm = models.model(&format!("openai/{model}")).unwrap().max_tokens(9);
        llm.chat().run(ask(), &WorkflowContext::new()).await.unwrap();
        let body = server.only().body;
        assert_eq!((body["model"].as_str(), body["reasoning_effort"].as_str()), (Some(model), None));
        assert_eq!(body[limit], 9);
    }
}

#[tokio::test]
async fn tools_are_called() {
    let message =
        json!({"role": "assistant", "content": null, "tool_calls": [call_json("Paris"), call_json("Rome")]});
    let server = Server::start([Reply::json(200, &said(&message, "tool_calls", &usage()))]).await;
    let run = Run::new();
    let response = at(&server).chat().run(ask().tool(weather()), &run.cx).await.unwrap();
    assert_eq!((response.text.as_str(), &response.tool_calls[..]), ("", &calls()[..]));
    let usage = response.usage;
    let (provider, finish) = ("openai", Some("tool_calls"));
    run.ended(&Ended { provider, end: End::Answered, usage, finish, chunks: None });
}

/// The calls, with their arguments in pieces and without being told again whose they are.
fn called_in_pieces() -> Vec<String> {
    let begins = |index: usize, call: &ToolCall| {
        let function = json!({"name": call.name, "arguments": ""});
        chunk(
            &json!({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}),
        )
    };
    let goes_on = |index: usize, piece: &str| {
        chunk(&json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    };
    let [paris, rome] = calls();
    let mut frames = vec![chunk(&json!({"role": "assistant", "content": null}))];
    frames.extend([begins(0, &paris), goes_on(0, "{\"ci"), goes_on(0, "ty\":\"Pa"), goes_on(0, "ris\"}")]);
    frames.extend([begins(1, &rome), goes_on(1, "{\"city\":"), goes_on(1, "\"Rome\"}")]);
    frames
}

#[tokio::test]
async fn tools_are_called_in_pieces() {
    let mut frames = called_in_pieces();
    frames.extend([last("tool_calls"), usage_frame(&usage()), DONE.to_owned()]);
    let server = Server::start([Reply::frames(OPENAI.mime, &frames)]).await;
    let run = Run::new();
    let mut stream = at(&server).stream().run(ask().tool(weather()), &run.cx).await.unwrap();
    let (said, response) = drained(&mut stream).await;
    let response = response.unwrap();
    assert_eq!((said.as_str(), &response.tool_calls[..]), ("", &calls()[..]));
    let (provider, finish) = ("openai", Some("tool_calls"));
    run.ended(&Ended { provider, end: End::Answered, usage: response.usage, finish, chunks: Some(7) });
}

#[tokio::test]
async fn a_call_that_is_cut_in_the_middle_of_its_arguments_is_billed_as_far_as_it_came() {
    let mut steps: Vec<Step> = called_in_pieces().into_iter().take(4).map(Step::send).collect();
    steps.push(Step::Cut);
    let server = Server::start([Reply::steps(OPENAI.mime, steps)]).await;
    let (run, request) = (Run::new(), ask().tool(weather()));
    let mut stream = at(&server).stream().run(request.clone(), &run.cx).await.unwrap();
    is_failure(&drained(&mut stream).await.1.unwrap_err(), &OPENAI, FailureClass::Network);
    let input = tta_llm::tokens::count_request("gpt-4o-mini", &request);
    let output = tta_llm::tokens::count("gpt-4o-mini", "get_weather")
        + tta_llm::tokens::count("gpt-4o-mini", "{\"city\":\"Pa");
    let usage = Usage::estimated(input, output);
    let end = End::Failed(FailureClass::Network);
    run.ended(&Ended { provider: "openai", end, usage, finish: None, chunks: Some(3) });
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_billed_by_what_it_tells() {
    let call =
        json!({"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{\"ci"}});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let server = Server::start([Reply::json(200, &said(&message, "length", &usage()))]).await;
    let run = Run::new();
    let error = refused(&run, &at(&server)).await;
    is_failure(&error, &OPENAI, FailureClass::Malformed);
    let end = End::Failed(FailureClass::Malformed);
    run.ended(&Ended { provider: "openai", end, usage: super::dialect::USAGE, finish: None, chunks: None });
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct City {
    pub(crate) name: String,
    pub(crate) people: u32,
}

#[tokio::test]
async fn an_answer_has_the_form_of_a_type() {
    let server =
        Server::start([Reply::json(200, &answer("{\"name\": \"Paris\", \"people\": 2100000}"))]).await;
    let city = at(&server).structured::<City>().run(ask(), &WorkflowContext::new()).await.unwrap();
    assert_eq!(city, City { name: "Paris".into(), people: 2_100_000 });
    let format = &server.only().body["response_format"];
    assert_eq!((&format["type"], &format["json_schema"]["name"]), (&json!("json_schema"), &json!("City")));
    assert_eq!(format["json_schema"]["strict"], true);
    let schema = &format["json_schema"]["schema"];
    assert_eq!(schema["required"], json!(["name", "people"]));
    assert_eq!(schema["additionalProperties"], false);
    let server = Server::start([Reply::json(200, &answer("Paris is nice."))]).await;
    let run = Run::new();
    let error = at(&server).structured::<City>().run(ask(), &run.cx).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Invalid, true));
    // The call itself went well, and is paid for.
    let usage = super::dialect::USAGE;
    run.ended(&Ended { provider: "openai", end: End::Answered, usage, finish: Some("stop"), chunks: None });
}

fn reasoned() -> (Json, Usage) {
    let told = json!({
        "prompt_tokens": 2_000, "completion_tokens": 500, "total_tokens": 2_500,
        "prompt_tokens_details": {"cached_tokens": 1_024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 448, "audio_tokens": 0}
    });
    let usage = Usage {
        input_tokens: 2_000,
        output_tokens: 500,
        cache_read_tokens: 1_024,
        reasoning_tokens: 448,
        ..Usage::default()
    };
    (told, usage)
}

#[tokio::test]
async fn classes_of_tokens_are_kept_apart() {
    let (told, usage) = reasoned();
    let plain = said(&json!({"role": "assistant", "content": "42"}), "stop", &told);
    let frames = [chunk(&json!({"content": "42"})), last("stop"), usage_frame(&told), DONE.to_owned()];
    let server = Server::start([Reply::json(200, &plain), Reply::frames(OPENAI.mime, &frames)]).await;
    let run = Run::new();
    let response = at(&server).chat().run(ask(), &run.cx).await.unwrap();
    // 976 at 3, 1024 at 0.30 and 500 at 15, which is 10735.2.
    assert_eq!((response.usage, response.cost.unwrap().0), (usage, 10_735));
    run.ended(&Ended { provider: "openai", end: End::Answered, usage, finish: Some("stop"), chunks: None });
    let run = Run::new();
    let response = at(&server).stream().run(ask(), &run.cx).await.unwrap().response().await.unwrap();
    assert_eq!((response.usage, response.cost.unwrap().0), (usage, 10_735));
    run.ended(&Ended {
        provider: "openai",
        end: End::Answered,
        usage,
        finish: Some("stop"),
        chunks: Some(1),
    });
}

#[tokio::test]
async fn thoughts_that_are_not_in_the_sum_are_added_to_it() {
    let told = json!({
        "prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94}
    });
    let body =
        said(&json!({"role": "assistant", "content": "42", "reasoning_content": "Hm."}), "stop", &told);
    let server = Server::start([Reply::json(200, &body)]).await;
    let response = at(&server).chat().run(ask(), &WorkflowContext::new()).await.unwrap();
    let usage = Usage { input_tokens: 32, output_tokens: 103, reasoning_tokens: 94, ..Usage::default() };
    assert_eq!((response.usage, response.text.as_str()), (usage, "42"));
}

#[tokio::test]
async fn what_the_provider_told_before_a_stream_broke_is_billed() {
    let frames: Vec<String> =
        OPENAI.half("A saga").into_iter().chain([last("stop"), usage_frame(&usage())]).collect();
    let mut steps: Vec<Step> = frames.into_iter().map(Step::send).collect();
    steps.push(Step::Cut);
    let server = Server::start([Reply::steps(OPENAI.mime, steps)]).await;
    let run = Run::new();
    let mut stream = at(&server).stream().run(ask(), &run.cx).await.unwrap();
    is_failure(&drained(&mut stream).await.1.unwrap_err(), &OPENAI, FailureClass::Network);
    let end = End::Failed(FailureClass::Network);
    run.ended(&Ended {
        provider: "openai",
        end,
        usage: super::dialect::USAGE,
        finish: None,
        chunks: Some(1),
    });
}

#[tokio::test]
async fn what_is_not_told_is_counted() {
    let mut body = answer("A saga undoes.");
    body.as_object_mut().unwrap().remove("usage");
    let frames = [chunk(&json!({"content": "A saga undoes."})), last("stop"), DONE.to_owned()];
    let server = Server::start([Reply::json(200, &body), Reply::frames(OPENAI.mime, &frames)]).await;
    // 3 for the answer's beginning, and of the message 3, 1 for its role and 5 for its text.
    let usage = Usage::estimated(12, 5);
    let run = Run::new();
    assert_eq!(at(&server).chat().run(ask(), &run.cx).await.unwrap().usage, usage);
    run.ended(&Ended { provider: "openai", end: End::Answered, usage, finish: Some("stop"), chunks: None });
    let run = Run::new();
    at(&server).stream().run(ask(), &run.cx).await.unwrap().response().await.unwrap();
    run.ended(&Ended {
        provider: "openai",
        end: End::Answered,
        usage,
        finish: Some("stop"),
        chunks: Some(1),
    });
}

#[tokio::test]
async fn an_answer_that_is_held_back_or_too_long_says_so() {
    for (reason, expect) in [("content_filter", "content_filter"), ("length", "length")] {
        let plain = said(&json!({"role": "assistant", "content": "A"}), reason, &usage());
        let frames = [chunk(&json!({"content": "A"})), last(reason), usage_frame(&usage()), DONE.to_owned()];
        let server = Server::start([Reply::json(200, &plain), Reply::frames(OPENAI.mime, &frames)]).await;
        let response = at(&server).chat().run(ask(), &WorkflowContext::new()).await.unwrap();
        assert_eq!(response.finish_reason.as_str(), expect);
        let stream = at(&server).stream().run(ask(), &WorkflowContext::new()).await.unwrap();
        assert_eq!(stream.response().await.unwrap().finish_reason.as_str(), expect);
    }
}

#[tokio::test]
async fn other_refusals_have_classes() {
    use FailureClass as Class;
    let safety = "Your request was rejected as a result of our safety system.";
    let quota = "You exceeded your current quota, please check your plan and billing details.";
    let refusals = [
        (400, error(safety, "invalid_request_error", "content_policy_violation"), Class::ContentFilter),
        (429, error(quota, "insufficient_quota", "insufficient_quota"), Class::Quota),
        (
            404,
            error("The model `x` does not exist", "invalid_request_error", "model_not_found"),
            Class::UnknownModel,
        ),
        (400, error("Invalid value: 'x'.", "invalid_request_error", "invalid_value"), Class::BadRequest),
        // OpenRouter answers so with status 200 when the provider behind it failed.
        (200, json!({"error": {"code": 502, "message": "Provider returned error"}}), Class::Server),
        (200, json!({"error": {"code": 429, "message": "Slow down"}}), Class::RateLimit),
    ];
    for (status, body, class) in refusals {
        let server = Server::start([Reply::json(status, &body)]).await;
        let run = Run::new();
        let error = refused(&run, &at(&server)).await;
        is_failure(&error, &OPENAI, class);
        let (provider, end) = ("openai", End::Failed(class));
        run.ended(&Ended { provider, end, usage: Usage::default(), finish: None, chunks: None });
    }
}

#[tokio::test]
async fn comments_and_other_line_ends_are_no_part_of_an_answer() {
    let mut text = ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n: x\n\n: x\n\n: x\n\n".to_owned();
    text.push_str(&OPENAI.frames(&["A", " saga"]).concat());
    let text = text.replace('\n', "\r\n");
    // Every byte by itself, so that frames and letters are cut everywhere.
    let steps: Vec<Step> = text.bytes().map(|byte| Step::Send(vec![byte])).collect();
    let server = Server::start([Reply::steps(OPENAI.mime, steps)]).await;
    let run = Run::new();
    let mut stream = at(&server).stream().run(ask(), &run.cx).await.unwrap();
    let mut chunks = 0;
    while let Some(chunk) = stream.next().await {
        chunk.unwrap();
        chunks += 1;
    }
    assert_eq!(chunks, 3);
    let (usage, finish) = (super::dialect::USAGE, Some("stop"));
    run.ended(&Ended { provider: "openai", end: End::Answered, usage, finish, chunks: Some(2) });
    let span = &run.tape.named(&tta_model::name::span::llm("openai", "stream"))[0];
    let model = span.attribute(&tta_model::name::attribute::GEN_AI_RESPONSE_MODEL.key());
    assert_eq!(model, Some(&"gpt-4o-mini-2024-07-18".into()));
}
