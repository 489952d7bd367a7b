//! How a provider is reached: through a proxy, and with embeddings beside chats.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tta_llm::{EmbedRequest, FailureClass};
use tta_model::name::span;
use tta_primitives::MicroUsd;

use super::anthropic::ANTHROPIC;
use super::openai::OPENAI;
use super::promises::{Run, ask, is_failure};
use super::server::{Reply, Server};

/// A proxy that sends every request on to where its URL points, and tells to which. It serves one.
async fn proxy() -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut begun = vec![0; 4_096];
        let length = client.read(&mut begun).await.unwrap();
        let text = String::from_utf8_lossy(&begun[..length]).into_owned();
        let target = text.split_whitespace().nth(1).unwrap().to_owned();
        let host = target.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let mut upstream = TcpStream::connect(host).await.unwrap();
        upstream.write_all(&begun[..length]).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
        target
    });
    (url, served)
}

#[tokio::test]
async fn calls_go_through_a_proxy() {
    for dialect in [&OPENAI, &ANTHROPIC] {
        let server =
            Server::start([Reply::json(200, &(dialect.answer)("Yes.")), dialect.streamed(&["Yes."])]).await;
        let (url, served) = proxy().await;
        let llm = dialect.llm((dialect.provider)(&server.url).proxy(url));
        let response = llm.chat().run(ask(), &Run::new().cx).await.unwrap();
        assert_eq!(response.text, "Yes.");
        assert_eq!(served.await.unwrap(), format!("{}{}", server.url, dialect.path));
        let (url, served) = proxy().await;
        let llm = dialect.llm((dialect.provider)(&server.url).proxy(url));
        let response = llm.stream().run(ask(), &Run::new().cx).await.unwrap().response().await.unwrap();
        assert_eq!(response.text, "Yes.");
        assert_eq!(served.await.unwrap(), format!("{}{}", server.url, dialect.stream_path));
    }
}

#[tokio::test]
async fn texts_become_vectors() {
    // They need not come in order.
    let vector =
        |index: u64| json!({"object": "embedding", "index": index, "embedding": [index as f64, 0.5]});
    let body = json!({
        "object": "list", "data": [vector(1), vector(0)], "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 1_000, "total_tokens": 1_000}
    });
    let server = Server::start([Reply::json(200, &body)]).await;
    let llm = OPENAI.llm((OPENAI.provider)(&server.url).header("x-team", "blue"));
    let run = Run::new();
    let mut request: EmbedRequest = ["one", "two"].into_iter().collect();
    request.dimensions = Some(2);
    let embeddings = llm.embed().run(request, &run.cx).await.unwrap();
    assert_eq!(embeddings.vectors, [[0.0, 0.5], [1.0, 0.5]]);
    assert_eq!((embeddings.usage.input_tokens, embeddings.usage.estimated), (1_000, false));
    assert_eq!((embeddings.cost, run.cx.spent()), (Some(MicroUsd(3_000)), MicroUsd(3_000)));
    let sent = server.only();
    assert_eq!((sent.target.as_str(), sent.header("x-team")), ("/embeddings", Some("blue")));
    assert_eq!((&sent.body["input"], &sent.body["dimensions"]), (&json!(["one", "two"]), &json!(2)));
    assert_eq!(run.tape.named(&span::llm("openai", "embed")).len(), 1);
}

#[tokio::test]
async fn vectors_that_are_missing_are_missed() {
    let vector = json!({"object": "embedding", "index": 0, "embedding": [0.5]});
    let body = json!({"object": "list", "data": [vector], "model": "e", "usage": {"prompt_tokens": 2, "total_tokens": 2}});
    let server = Server::start([Reply::json(200, &body)]).await;
    let run = Run::new();
    let request: EmbedRequest = ["one", "two"].into_iter().collect();
    let error = OPENAI.at(&server).embed().run(request, &run.cx).await.unwrap_err();
    is_failure(&error, &OPENAI, FailureClass::Malformed);
}
