//! A Redis in trouble is seen where trouble is looked for: in counts, on spans and in lines.

use std::net::{Ipv4Addr, TcpListener};

use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;
use tta::export::memory::MemoryExporter;
use tta::logs::{Lines, LogFormat};
use tta::model::name::metric;
use tta::redis::Redis;
use tta::{Cache, ConversationMemory, Telemetry, WorkflowContext, step};

use crate::logs::Written;

#[tokio::test]
async fn a_server_that_is_down_is_counted_and_told_of_and_no_run_fails() {
    let written = Written::default();
    let lines = Lines::to(LogFormat::Json, written.clone());
    let _listening =
        tracing::dispatcher::set_default(&Dispatch::new(tracing_subscriber::registry().with(lines)));
    let spans = MemoryExporter::new();
    let (observer, guard) = Telemetry::new().exporter(spans.clone()).build().unwrap();
    let cx = WorkflowContext::builder().session_id("s-1").observer(observer.unwrap()).build();

    // Free, and nobody listens there.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let redis = Redis::open(&format!("redis://:hunter2hunter2@127.0.0.1:{port}/")).unwrap();
    let cache = Cache::new("answers", |said: &Vec<String>| said.join("\n")).store(redis.store("answers/v1"));
    let memory = ConversationMemory::new("chat").store(redis.store("chat/v1"));
    let answer = step("answer", |said: Vec<String>| async move { Ok(said.len().to_string()) });
    let chat = answer.cached(&cache).with_memory(&memory);
    for _ in 0..10 {
        assert_eq!(chat.run("ada@example.org".to_owned(), &cx).await.unwrap(), "1");
    }

    let snapshot = guard.metrics().snapshot();
    for (store, operation, count) in [
        ("answers", "get", 20.0),
        ("answers", "insert", 10.0),
        ("chat", "read", 10.0),
        ("chat", "write", 10.0),
    ] {
        let labels = [("store", store), ("backend", "redis"), ("operation", operation)];
        assert_eq!(snapshot.total(&metric::TTA_STORE_ERRORS_TOTAL, &labels), count, "{store} {operation}");
    }
    let told: Vec<_> = written.lines().into_iter().filter(|line| line["message"] == "store_failed").collect();
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[0]["error"].as_str().unwrap().contains(&format!("redis at 127.0.0.1:{port}")), "{told:#?}");
    drop(guard);
    let spans = spans.spans();
    assert_eq!(spans.iter().filter(|span| span.name == "cache.redis.lookup").count(), 10);
    assert_eq!(spans.iter().filter(|span| span.name == "memory.redis.write").count(), 10);
    let everything = format!("{spans:?}{}", written.text());
    assert!(!everything.contains("hunter2") && !everything.contains("ada@"), "{everything}");
}
