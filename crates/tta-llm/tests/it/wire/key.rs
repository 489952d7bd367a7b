//! Keys come from the environment, at each call, and go into the header of each provider.

use std::process::Command;

use tta_llm::{FailureClass, Models, Provider};
use tta_primitives::WorkflowContext;

use super::anthropic::ANTHROPIC;
use super::check::{End, Ended};
use super::dialect::Dialect;
use super::openai::OPENAI;
use super::promises::{Run, ask, is_failure, refused};
use super::server::{Reply, Server};

/// Where the child finds the server.
const SERVER: &str = "TTA_TEST_SERVER";
/// What the child takes its key from, which is not the usual name.
const KEY: &str = "TTA_TEST_KEY";
/// The name of the test that is the child.
const CHILD: &str = "wire::key::calls_every_provider_where_it_is_told_to";

fn providers(url: &str) -> [(Provider, &'static str); 5] {
    let known = [
        (Provider::openai(), "openai/gpt-4o-mini"),
        (Provider::groq(), "groq/llama-3.3-70b-versatile"),
        (Provider::anthropic(), "anthropic/claude-sonnet-4-5"),
        (Provider::gemini(), "gemini/gemini-2.5-flash"),
        (Provider::ollama(), "ollama/llama3.2"),
    ];
    known.map(|(provider, model)| (provider.base_url(url).key_from_env(KEY), model))
}

/// Only when it is run by the test below has it something to do.
#[tokio::test]
async fn calls_every_provider_where_it_is_told_to() {
    let Ok(url) = std::env::var(SERVER) else { return };
    for (provider, model) in providers(&url) {
        let llm = Models::builder().provider(provider).build().model(model).unwrap();
        // The server understands none of them, but it has seen the key by then.
        assert!(llm.chat().run(ask(), &WorkflowContext::new()).await.is_err());
        assert!(llm.stream().run(ask(), &WorkflowContext::new()).await.is_err());
    }
}

#[tokio::test]
async fn each_provider_gets_its_key_where_it_looks_for_it() {
    let server = Server::start([Reply::text(500, "text/plain", "")]).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", CHILD]).env(SERVER, &server.url).env(KEY, "s3cret ");
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let bearer = ("authorization", "Bearer s3cret");
    let headers = [bearer, bearer, ("x-api-key", "s3cret"), ("x-goog-api-key", "s3cret"), bearer];
    let received = server.received();
    assert_eq!(received.len(), 2 * headers.len());
    for (requests, (name, value)) in received.chunks(2).zip(headers) {
        for request in requests {
            assert_eq!(request.header(name), Some(value), "{request:?}");
            assert!(!request.target.contains("s3cret"));
        }
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    const MISSING: &str = "TTA_TEST_KEY_THAT_NOBODY_SETS";
    let server = Server::start([Reply::text(500, "text/plain", "")]).await;
    let with_key = |dialect: &Dialect| dialect.llm((dialect.provider)(&server.url).key_from_env(MISSING));
    for dialect in [&OPENAI, &ANTHROPIC] {
        let (run, llm) = (Run::new(), with_key(dialect));
        let error = refused(&run, &llm).await;
        is_failure(&error, dialect, FailureClass::Auth);
        assert!(error.to_string().contains(MISSING), "{error}");
        let end = End::Failed(FailureClass::Auth);
        let ended =
            Ended { provider: dialect.name, end, usage: Default::default(), finish: None, chunks: None };
        run.ended(&ended);
        let run = Run::new();
        let error = llm.stream().run(ask(), &run.cx).await.unwrap_err();
        is_failure(&error, dialect, FailureClass::Auth);
        run.ended(&Ended { chunks: Some(0), ..ended });
    }
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn a_key_that_a_provider_quotes_is_not_told_on() {
    let body = serde_json::json!({"error": {"message": "Incorrect API key provided: sk-proj-abcdefghijklmnop1234567890."}});
    let server = Server::start([Reply::json(401, &body)]).await;
    let error = refused(&Run::new(), &OPENAI.at(&server)).await;
    assert!(!format!("{error} {error:?}").contains("abcdefghijklmnop"), "{error:?}");
}
