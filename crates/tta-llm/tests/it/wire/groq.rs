//! Groq, which speaks OpenAI's format but for the usage of a stream.

use serde_json::{Value as Json, json};
use tta_llm::{Api, FailureClass, Provider};

use super::check::{End, Ended};
use super::dialect::{Dialect, USAGE};
use super::openai::{DONE, OPENAI, sse};
use super::promises::{Run, ask, is_failure, refused};
use super::server::{Reply, Server};

const GROQ: Dialect = Dialect {
    name: "groq",
    model: "llama-3.3-70b-versatile",
    provider: |url| Provider::new("groq", Api::Groq, format!("{}/openai/v1", url.trim_end_matches('/'))),
    path: "/openai/v1/chat/completions",
    stream_path: "/openai/v1/chat/completions",
    begin: || {
        let choice =
            json!({"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null});
        vec![frame(&choice, &json!({"id": "req_01j"}))]
    },
    piece: |text| frame(&json!({"index": 0, "delta": {"content": text}, "finish_reason": null}), &Json::Null),
    end: || {
        let usage = json!({
            "queue_time": 0.02, "prompt_tokens": 120, "prompt_time": 0.001, "completion_tokens": 30,
            "completion_time": 0.1, "total_tokens": 150, "total_time": 0.1,
            "prompt_tokens_details": {"cached_tokens": 20}
        });
        let choice = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
        vec![frame(&choice, &json!({"id": "req_01j", "usage": usage})), DONE.to_owned()]
    },
    ..OPENAI
};

fn frame(choice: &Json, groq: &Json) -> String {
    let mut frame = json!({
        "id": "chatcmpl-f5", "object": "chat.completion.chunk", "created": 1, "model": "llama-3.3-70b-versatile",
        "system_fingerprint": "fp_a4", "choices": [choice]
    });
    if !groq.is_null() {
        frame["x_groq"] = groq.clone();
    }
    sse(&frame)
}

promises!(GROQ);

/// What it does when asked for usage in the way of OpenAI, beside its own.
#[tokio::test]
async fn usage_in_a_frame_of_its_own_is_read_as_well() {
    let mut frames = GROQ.half("A saga");
    frames.push(frame(&json!({"index": 0, "delta": {}, "finish_reason": "stop"}), &json!({"id": "req_01j"})));
    let usage = json!({"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150, "prompt_tokens_details": {"cached_tokens": 20}});
    frames.push(sse(
        &json!({"id": "chatcmpl-f5", "model": "llama-3.3-70b-versatile", "choices": [], "usage": usage}),
    ));
    frames.push(DONE.to_owned());
    let server = Server::start([Reply::frames(GROQ.mime, &frames)]).await;
    let run = Run::new();
    GROQ.at(&server).stream().run(ask(), &run.cx).await.unwrap().response().await.unwrap();
    let (end, finish) = (End::Answered, Some("stop"));
    run.ended(&Ended { provider: "groq", end, usage: USAGE, finish, chunks: Some(1) });
}

#[tokio::test]
async fn a_capacity_that_is_used_up_is_an_overload() {
    let body = json!({"error": {"message": "Flex tier capacity exceeded", "type": "internal_server_error"}});
    let server = Server::start([Reply::json(498, &body)]).await;
    let run = Run::new();
    let error = refused(&run, &GROQ.at(&server)).await;
    is_failure(&error, &GROQ, FailureClass::Overload);
}
