//! Google's Gemini.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tta_llm::{Api, FailureClass, Provider, ToolCall, Usage};
use tta_primitives::{Retry, WorkflowContext};

use super::check::{End, Ended};
use super::dialect::{Dialect, USAGE};
use super::openai::{City, answered, calls, sse, weather};
use super::promises::{Run, ask, drained, is_failure, refused};
use super::server::{Reply, Server, Step};

pub(super) const GEMINI: Dialect = Dialect {
    name: "gemini",
    model: "gemini-2.5-flash",
    provider: |url| Provider::new("gemini", Api::Gemini, format!("{}/v1beta", url.trim_end_matches('/'))),
    path: "/v1beta/models/gemini-2.5-flash:generateContent",
    stream_path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
    mime: "text/event-stream",
    answer: |text| said(&json!([{"text": text}]), Some("STOP"), &usage(30)),
    begin: Vec::new,
    piece: |text| sse(&said(&json!([{"text": text}]), None, &usage(7))),
    end: || vec![sse(&said(&json!([{"text": ""}]), Some("STOP"), &usage(30)))],
    told: (Some(Usage { output_tokens: 0, ..USAGE }), Some(7)),
    rate_limited: || {
        (
            429,
            error(
                429,
                "You exceeded your current quota, please check your plan.",
                "RESOURCE_EXHAUSTED",
                &Json::Null,
            ),
        )
    },
    broken: || (500, error(500, "An internal error has occurred.", "INTERNAL", &Json::Null)),
    overloaded: || {
        (503, error(503, "The model is overloaded. Please try again later.", "UNAVAILABLE", &Json::Null))
    },
    unauthorized: || {
        let info = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
            "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}
        }]);
        (400, error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", &info))
    },
    too_long: || {
        let message =
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).";
        (400, error(400, message, "INVALID_ARGUMENT", &Json::Null))
    },
    failing: || {
        (sse(&error(503, "The model is overloaded.", "UNAVAILABLE", &Json::Null)), FailureClass::Overload)
    },
};

fn error(code: u16, message: &str, status: &str, details: &Json) -> Json {
    let mut error = json!({"code": code, "message": message, "status": status});
    if !details.is_null() {
        error["details"] = details.clone();
    }
    json!({ "error": error })
}

fn usage(said: u64) -> Json {
    json!({
        "promptTokenCount": 120, "candidatesTokenCount": said, "totalTokenCount": 120 + said,
        "cachedContentTokenCount": 20, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 120}]
    })
}

fn said(parts: &Json, reason: Option<&str>, usage: &Json) -> Json {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let Some(reason) = reason {
        candidate["finishReason"] = json!(reason);
    }
    json!({
        "candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash",
        "responseId": "mAitaLmkHPPlz7IPvtfUqQ4"
    })
}

promises!(GEMINI);

#[tokio::test]
async fn a_request_has_the_form_of_the_reference() {
    let server =
        Server::start([Reply::json(200, &(GEMINI.answer)("Fine.")), GEMINI.streamed(&["Fine."])]).await;
    let mut request = answered().temperature(0.5).max_tokens(64);
    (request.top_p, request.seed, request.stop) = (Some(0.9), Some(7), vec!["END".into()]);
    let llm = GEMINI.at(&server);
    llm.chat().run(request.clone(), &WorkflowContext::new()).await.unwrap();
    llm.stream().run(request, &WorkflowContext::new()).await.unwrap().response().await.unwrap();
    let call = |city: &str| json!({"functionCall": {"id": format!("call_{city}"), "name": "get_weather", "args": {"city": city}}});
    let response = |city: &str, said: &str| {
        let response = json!({"name": "get_weather", "content": said});
        json!({"functionResponse": {"id": format!("call_{city}"), "name": "get_weather", "response": response}})
    };
    let expect = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "The weather?"}]},
            {"role": "model", "parts": [{"text": "I look."}, call("Paris"), call("Rome")]},
            {"role": "user", "parts": [response("Paris", "sun"), response("Rome", "rain")]}
        ],
        "tools": [{"functionDeclarations": [{
            "name": "get_weather", "description": "The weather of a city", "parametersJsonSchema": weather().parameters
        }]}],
        "generationConfig": {"temperature": 0.5, "topP": 0.9, "seed": 7, "maxOutputTokens": 64, "stopSequences": ["END"]}
    });
    assert_eq!(server.received()[0].body, expect);
    assert_eq!(server.received()[1].body, expect);
}

fn call_part(city: &str, id: bool) -> Json {
    let mut call = json!({"name": "get_weather", "args": {"city": city}});
    if id {
        call["id"] = json!(format!("call_{city}"));
    }
    json!({ "functionCall": call })
}

#[tokio::test]
async fn tools_are_called() {
    let parts = json!([call_part("Paris", true), call_part("Rome", true)]);
    let server = Server::start([Reply::json(200, &said(&parts, Some("STOP"), &usage(30)))]).await;
    let run = Run::new();
    let response = GEMINI.at(&server).chat().run(ask().tool(weather()), &run.cx).await.unwrap();
    assert_eq!(&response.tool_calls[..], &calls()[..]);
    let (end, finish) = (End::Answered, Some("tool_calls"));
    run.ended(&Ended { provider: "gemini", end, usage: USAGE, finish, chunks: None });
}

/// Without identifiers, the calls are told apart all the same, and go back without one.
#[tokio::test]
async fn calls_without_identifiers_in_frames_of_their_own_are_told_apart() {
    let frames = [
        sse(&said(&json!([call_part("Paris", false)]), None, &usage(7))),
        sse(&said(&json!([call_part("Rome", false)]), Some("STOP"), &usage(30))),
    ];
    let server =
        Server::start([Reply::frames(GEMINI.mime, &frames), Reply::json(200, &(GEMINI.answer)("Fine."))])
            .await;
    let run = Run::new();
    let request = ask().tool(weather());
    let mut stream = GEMINI.at(&server).stream().run(request.clone(), &run.cx).await.unwrap();
    let response = drained(&mut stream).await.1.unwrap();
    let cities: Vec<&Json> = response.tool_calls.iter().map(|call| &call.arguments["city"]).collect();
    assert_eq!(cities, ["Paris", "Rome"]);
    let [paris, rome]: [ToolCall; 2] = response.tool_calls.clone().try_into().unwrap();
    assert_ne!(paris.id, rome.id);
    let (end, finish) = (End::Answered, Some("tool_calls"));
    run.ended(&Ended { provider: "gemini", end, usage: USAGE, finish, chunks: Some(2) });

    let tool = |call: &ToolCall, text: &str| tta_llm::Message::tool(&call.id, text);
    let request = request
        .message(response.clone().into_message())
        .message(tool(&paris, "sun"))
        .message(tool(&rome, "rain"));
    GEMINI.at(&server).chat().run(request, &WorkflowContext::new()).await.unwrap();
    let sent = &server.received()[1].body["contents"];
    let back = |said: &str| json!({"functionResponse": {"name": "get_weather", "response": {"name": "get_weather", "content": said}}});
    assert_eq!(sent[1]["parts"], json!([call_part("Paris", false), call_part("Rome", false)]));
    assert_eq!(sent[2]["parts"], json!([back("sun"), back("rain")]));
}

#[tokio::test]
async fn calls_that_came_before_a_stream_broke_are_all_known() {
    let steps = vec![
        Step::send(sse(&said(&json!([call_part("Paris", false)]), None, &usage(7)))),
        Step::send(sse(&said(&json!([call_part("Rome", false)]), None, &usage(14)))),
        Step::Cut,
    ];
    let server = Server::start([Reply::steps(GEMINI.mime, steps)]).await;
    let run = Run::new();
    let mut stream = GEMINI.at(&server).stream().run(ask().tool(weather()), &run.cx).await.unwrap();
    is_failure(&drained(&mut stream).await.1.unwrap_err(), &GEMINI, FailureClass::Network);
    let (usage, end) = (Usage { output_tokens: 14, ..USAGE }, End::Failed(FailureClass::Network));
    run.ended(&Ended { provider: "gemini", end, usage, finish: None, chunks: Some(2) });
}

#[tokio::test]
async fn an_answer_has_the_form_of_a_type() {
    let server =
        Server::start([Reply::json(200, &(GEMINI.answer)("{\"name\": \"Paris\", \"people\": 2100000}"))])
            .await;
    let city = GEMINI.at(&server).structured::<City>().run(ask(), &WorkflowContext::new()).await.unwrap();
    assert_eq!(city, City { name: "Paris".into(), people: 2_100_000 });
    let config = &server.only().body["generationConfig"];
    assert_eq!(config["responseMimeType"], "application/json");
    assert_eq!(config["responseJsonSchema"]["required"], json!(["name", "people"]));
}

#[tokio::test]
async fn classes_of_tokens_are_kept_apart() {
    let told = json!({
        "promptTokenCount": 2_000, "cachedContentTokenCount": 1_024, "candidatesTokenCount": 52,
        "thoughtsTokenCount": 448, "toolUsePromptTokenCount": 10, "totalTokenCount": 2_510
    });
    let usage = Usage {
        input_tokens: 2_010,
        output_tokens: 500,
        cache_read_tokens: 1_024,
        reasoning_tokens: 448,
        ..Usage::default()
    };
    let parts = json!([{"text": "Hm.", "thought": true}, {"text": "42", "thoughtSignature": "EqQB"}]);
    let body = said(&parts, Some("STOP"), &told);
    let server = Server::start([Reply::json(200, &body), Reply::frames(GEMINI.mime, &[sse(&body)])]).await;
    let run = Run::new();
    let response = GEMINI.at(&server).chat().run(ask(), &run.cx).await.unwrap();
    // 986 at 3, 1024 at 0.30 and 500 at 15, which is 10765.2.
    assert_eq!((response.text.as_str(), response.usage, response.cost.unwrap().0), ("42", usage, 10_765));
    run.ended(&Ended { provider: "gemini", end: End::Answered, usage, finish: Some("stop"), chunks: None });
    let run = Run::new();
    let response = GEMINI.at(&server).stream().run(ask(), &run.cx).await.unwrap().response().await.unwrap();
    assert_eq!((response.text.as_str(), response.usage), ("42", usage));
    run.ended(&Ended {
        provider: "gemini",
        end: End::Answered,
        usage,
        finish: Some("stop"),
        chunks: Some(2),
    });
}

/// The limit of tokens was reached while it thought: nothing is said, and the thoughts are billed.
#[tokio::test]
async fn thoughts_without_an_answer_are_billed() {
    let told = json!({"promptTokenCount": 120, "cachedContentTokenCount": 20, "thoughtsTokenCount": 61, "totalTokenCount": 181});
    let body = json!({
        "candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}],
        "usageMetadata": told, "modelVersion": "gemini-2.5-flash"
    });
    let server = Server::start([Reply::json(200, &body), Reply::frames(GEMINI.mime, &[sse(&body)])]).await;
    let usage = Usage { output_tokens: 61, reasoning_tokens: 61, ..USAGE };
    let run = Run::new();
    let response = GEMINI.at(&server).chat().run(ask(), &run.cx).await.unwrap();
    assert_eq!((response.text.as_str(), response.usage), ("", usage));
    run.ended(&Ended { provider: "gemini", end: End::Answered, usage, finish: Some("length"), chunks: None });
    let run = Run::new();
    GEMINI.at(&server).stream().run(ask(), &run.cx).await.unwrap().response().await.unwrap();
    run.ended(&Ended {
        provider: "gemini",
        end: End::Answered,
        usage,
        finish: Some("length"),
        chunks: Some(0),
    });
}

#[tokio::test]
async fn a_prompt_that_is_blocked_is_told_of_and_billed() {
    let body = json!({
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 120, "totalTokenCount": 120, "cachedContentTokenCount": 20},
        "modelVersion": "gemini-2.5-flash"
    });
    let server = Server::start([Reply::json(200, &body), Reply::frames(GEMINI.mime, &[sse(&body)])]).await;
    let (usage, end) = (Usage { output_tokens: 0, ..USAGE }, End::Failed(FailureClass::ContentFilter));
    let run = Run::new();
    let error = refused(&run, &GEMINI.at(&server)).await;
    is_failure(&error, &GEMINI, FailureClass::ContentFilter);
    assert!(error.to_string().contains("PROHIBITED_CONTENT"), "{error}");
    run.ended(&Ended { provider: "gemini", end, usage, finish: None, chunks: None });
    let run = Run::new();
    let error = GEMINI.at(&server).stream().run(ask(), &run.cx).await.unwrap_err();
    is_failure(&error, &GEMINI, FailureClass::ContentFilter);
    run.ended(&Ended { provider: "gemini", end, usage, finish: None, chunks: Some(0) });
}

#[tokio::test]
async fn an_answer_that_is_held_back_says_so() {
    for (reason, expect) in
        [("SAFETY", "content_filter"), ("MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL")]
    {
        let body = json!({"candidates": [{"finishReason": reason, "index": 0}], "usageMetadata": usage(0)});
        let server =
            Server::start([Reply::json(200, &body), Reply::frames(GEMINI.mime, &[sse(&body)])]).await;
        let response = GEMINI.at(&server).chat().run(ask(), &WorkflowContext::new()).await.unwrap();
        assert_eq!(response.finish_reason.as_str(), expect);
        let stream = GEMINI.at(&server).stream().run(ask(), &WorkflowContext::new()).await.unwrap();
        assert_eq!(stream.response().await.unwrap().finish_reason.as_str(), expect);
    }
}

#[tokio::test]
async fn a_wait_in_a_body_is_kept_to() {
    let details = json!([
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "PerMinute"}]},
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}
    ]);
    let limited = error(429, "You exceeded your current quota.", "RESOURCE_EXHAUSTED", &details);
    let replies = [
        Reply::json(429, &limited),
        Reply::json(200, &(GEMINI.answer)("Yes.")),
        Reply::frames(GEMINI.mime, &[sse(&limited)]),
        GEMINI.streamed(&["Yes."]),
    ];
    let (server, wait) = (Server::start(replies).await, Duration::from_millis(50));
    let retry = Retry::constant(2, Duration::from_millis(1));
    let began = std::time::Instant::now();
    let flow = GEMINI.at(&server).chat().retry(retry.clone());
    flow.run(ask(), &WorkflowContext::new()).await.unwrap();
    assert!(began.elapsed() >= wait);
    let began = std::time::Instant::now();
    let stream = GEMINI.at(&server).stream().retry(retry).run(ask(), &WorkflowContext::new()).await.unwrap();
    assert_eq!(stream.response().await.unwrap().text, "Yes.");
    assert!(began.elapsed() >= wait);
    assert_eq!(server.received().len(), 4);
}
