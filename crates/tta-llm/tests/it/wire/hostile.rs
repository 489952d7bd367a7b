//! What a provider says that nobody should believe.

use futures::StreamExt;
use serde_json::{Value as Json, json};
use tta_llm::{ChatRequest, Usage, tokens};
use tta_primitives::{MicroUsd, WorkflowContext};

use super::anthropic::ANTHROPIC;
use super::check::{End, Ended};
use super::dialect::Dialect;
use super::gemini::GEMINI;
use super::ollama::OLLAMA;
use super::openai::{OPENAI, sse};
use super::promises::{Run, ask};
use super::server::{Reply, Server, Step};

/// Numbers of tokens that no call has, in every field in which a provider tells of some.
fn absurd(number: &Json) -> [(&'static Dialect, Json); 4] {
    let with = |dialect: &Dialect, key: &str, usage: Json| {
        let mut body = (dialect.answer)("A saga undoes.");
        body[key] = usage;
        body
    };
    let openai = json!({
        "prompt_tokens": number, "completion_tokens": number, "total_tokens": number,
        "prompt_tokens_details": {"cached_tokens": number, "cache_write_tokens": number},
        "completion_tokens_details": {"reasoning_tokens": number}
    });
    let anthropic = json!({
        "input_tokens": number, "output_tokens": number, "cache_read_input_tokens": number,
        "cache_creation_input_tokens": number, "cache_creation": {"ephemeral_1h_input_tokens": number},
        "output_tokens_details": {"thinking_tokens": number}
    });
    let gemini = json!({
        "promptTokenCount": number, "candidatesTokenCount": number, "totalTokenCount": number,
        "thoughtsTokenCount": number, "toolUsePromptTokenCount": number, "cachedContentTokenCount": number
    });
    let mut ollama = (OLLAMA.answer)("A saga undoes.");
    for key in ["prompt_eval_count", "eval_count", "prompt_eval_cached_count"] {
        ollama[key] = number.clone();
    }
    [
        (&OPENAI, with(&OPENAI, "usage", openai)),
        (&ANTHROPIC, with(&ANTHROPIC, "usage", anthropic)),
        (&GEMINI, with(&GEMINI, "usageMetadata", gemini)),
        (&OLLAMA, ollama),
    ]
}

/// What a call has if its tokens are counted here.
fn counted(dialect: &Dialect, request: &ChatRequest, text: &str) -> Usage {
    let model = dialect.model;
    Usage::estimated(tokens::count_request(model, request), tokens::count_answer(model, text, &[]))
}

#[tokio::test]
async fn numbers_that_no_call_has_are_not_believed() {
    for number in [json!(u64::MAX), json!(i64::MAX), json!(-1), json!(1.5e300), json!("12"), json!([])] {
        for (dialect, body) in absurd(&number) {
            let server = Server::start([Reply::json(200, &body)]).await;
            let run = Run::new();
            let response = dialect.at(&server).chat().run(ask(), &run.cx).await.unwrap();
            let expect = counted(dialect, &ask(), "A saga undoes.");
            assert_eq!(response.usage, expect, "{} {number}", dialect.name);
            assert_eq!(run.cx.spent(), response.cost.unwrap());
            assert!(run.cx.spent() < MicroUsd(1_000));
        }
    }
}

/// Takes the first piece of a stream and drops the rest.
async fn cut_short(dialect: &Dialect, frame: String, text: &str) {
    let server = Server::start([Reply::steps(
        dialect.mime,
        vec![Step::send(frame), Step::Hold(std::sync::Arc::default())],
    )])
    .await;
    let run = Run::new();
    let mut stream = dialect.at(&server).stream().run(ask(), &run.cx).await.unwrap();
    drop(stream.next().await.unwrap().unwrap());
    drop(stream);
    let output_tokens = tokens::count_answer(dialect.model, text, &[]);
    let usage = Usage { input_tokens: 120, output_tokens, estimated: true, ..Usage::default() };
    run.ended(&Ended { provider: dialect.name, end: End::Cancelled, usage, finish: None, chunks: Some(1) });
}

#[tokio::test]
async fn a_cancelled_stream_is_billed_for_what_came_though_the_provider_told_of_nothing_yet() {
    let text = "A saga undoes what was done.";
    let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": null});
    for usage in [
        json!({"prompt_tokens": 120, "completion_tokens": 0, "total_tokens": 120}),
        json!({"prompt_tokens": 120, "total_tokens": 120}),
    ] {
        let frame = sse(&json!({"id": "c", "model": "m", "choices": [choice.clone()], "usage": usage}));
        cut_short(&OPENAI, frame, text).await;
    }
    let frame = sse(&json!({
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 120, "totalTokenCount": 120}, "modelVersion": "gemini-2.5-flash"
    }));
    cut_short(&GEMINI, frame, text).await;
}

#[tokio::test]
async fn what_is_no_answer_ends_in_an_error_or_in_an_answer() {
    let deep = format!("data: {}{}\n\n", "[".repeat(200_000), "]".repeat(200_000)).into_bytes();
    let nul = sse(&json!({"choices": [{"index": 0, "delta": {"content": "\u{0}\u{1b}[31mred\u{202e}"}}]}));
    let invalid = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n".to_vec();
    let huge = sse(&json!({"choices": [{"index": 0, "delta": {"content": "x y ".repeat(1_000_000)}}]}));
    for bytes in [deep, nul.into_bytes(), invalid, huge.into_bytes()] {
        let server = Server::start([Reply::steps(OPENAI.mime, vec![Step::Send(bytes)])]).await;
        let cx = WorkflowContext::new();
        if let Ok(stream) = OPENAI.at(&server).stream().run(ask(), &cx).await {
            assert!(stream.response().await.is_err());
        }
        assert_eq!(cx.reserved(), MicroUsd(0));
    }
}
