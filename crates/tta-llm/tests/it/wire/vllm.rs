//! Those who speak OpenAI's format, as vLLM does.

use serde_json::json;
use tta_llm::{FailureClass, Provider, Usage};
use tta_primitives::WorkflowContext;

use super::check::{End, Ended};
use super::dialect::Dialect;
use super::openai::{OPENAI, sse};
use super::promises::{Run, ask, drained, is_failure};
use super::server::{Reply, Server, Step};

const VLLM: Dialect = Dialect {
    name: "vllm",
    model: "meta-llama/Llama-3.1-8B-Instruct",
    provider: |url| Provider::openai_compatible("vllm", format!("{}/v1", url.trim_end_matches('/'))),
    path: "/v1/chat/completions",
    stream_path: "/v1/chat/completions",
    // It tells errors without an envelope.
    too_long: || {
        let message =
            "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.";
        (
            400,
            json!({"object": "error", "message": message, "type": "BadRequestError", "param": null, "code": 400}),
        )
    },
    unauthorized: || (401, json!({"error": "Unauthorized"})),
    ..OPENAI
};

promises!(VLLM);

#[tokio::test]
async fn no_key_is_sent_that_could_be_one() {
    let server = Server::start([Reply::json(200, &(VLLM.answer)("Yes."))]).await;
    VLLM.at(&server).chat().run(ask(), &WorkflowContext::new()).await.unwrap();
    let request = server.only();
    assert_eq!(request.header("authorization"), Some("Bearer none"));
    assert_eq!(request.body["model"], "meta-llama/Llama-3.1-8B-Instruct");
}

#[tokio::test]
async fn what_is_told_with_every_chunk_is_billed_when_the_stream_breaks() {
    let chunk = |text: &str, completion: u64| {
        let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": null});
        let usage =
            json!({"prompt_tokens": 11, "completion_tokens": completion, "total_tokens": 11 + completion});
        sse(&json!({"id": "chatcmpl-1", "model": "llama", "choices": [choice], "usage": usage}))
    };
    let steps = vec![Step::send(chunk("A", 1)), Step::send(chunk(" saga", 3)), Step::Cut];
    let server = Server::start([Reply::steps(VLLM.mime, steps)]).await;
    let run = Run::new();
    let mut stream = VLLM.at(&server).stream().run(ask(), &run.cx).await.unwrap();
    is_failure(&drained(&mut stream).await.1.unwrap_err(), &VLLM, FailureClass::Network);
    let usage = Usage { input_tokens: 11, output_tokens: 3, ..Usage::default() };
    let end = End::Failed(FailureClass::Network);
    run.ended(&Ended { provider: "vllm", end, usage, finish: None, chunks: Some(2) });
}
