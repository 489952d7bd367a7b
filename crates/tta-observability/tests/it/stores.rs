//! The trouble of stores is counted, told once in a while, and shown on spans.

use std::future::ready;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;
use tta_model::name::metric;
use tta_observability::Telemetry;
use tta_observability::export::memory::MemoryExporter;
use tta_observability::logs::{Lines, LogFormat};
use tta_primitives::testkit::use_paused_time;
use tta_primitives::{Cache, CacheKey, CacheStore, Entry, Error, ErrorKind, Result, WorkflowContext, step};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What was written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().expect("nobody panics with it").clone();
        let text = String::from_utf8(bytes).expect("lines are text");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

/// A store of which nothing is ever heard but an error.
struct Broken;

fn broken<T: Send + 'static>() -> BoxFuture<'static, Result<T>> {
    Box::pin(ready(Err(Error::new(ErrorKind::Unavailable, "no connection; password=hunter2hunter2"))))
}

impl CacheStore<u64> for Broken {
    fn backend(&self) -> &'static str {
        "broken"
    }

    fn policy(&self) -> &'static str {
        "ttl"
    }

    fn get<'a>(&'a self, _: &'a CacheKey) -> BoxFuture<'a, Result<Option<Entry<u64>>>> {
        broken()
    }

    fn insert<'a>(
        &'a self,
        _: &'a CacheKey,
        _: Entry<u64>,
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<()>> {
        broken()
    }

    fn remove<'a>(&'a self, _: &'a CacheKey) -> BoxFuture<'a, Result<()>> {
        broken()
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_told_of_once_a_minute_and_counted_each_time() {
    use_paused_time();
    let written = Written::default();
    let lines = Lines::to(LogFormat::Json, written.clone());
    let _listening =
        tracing::dispatcher::set_default(&Dispatch::new(tracing_subscriber::registry().with(lines)));
    let spans = MemoryExporter::new();
    let (observer, guard) = Telemetry::new().exporter(spans.clone()).build().unwrap();
    let cx = WorkflowContext::builder().observer(observer.unwrap()).build();
    let cache = Cache::new("answers", |n: &u64| *n).store(Broken);
    let flow = step("compute", |n: u64| ready(Ok(n + 1))).cached(&cache);
    for n in 0..3 {
        assert_eq!(flow.run(n, &cx).await.unwrap(), n + 1);
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(flow.run(3, &cx).await.unwrap(), 4);

    let snapshot = guard.metrics().snapshot();
    for (operation, count) in [("get", 8.0), ("insert", 4.0)] {
        let labels = [("store", "answers"), ("backend", "broken"), ("operation", operation)];
        assert_eq!(snapshot.total(&metric::TTA_STORE_ERRORS_TOTAL, &labels), count, "{operation}");
    }
    let told = written.lines().into_iter().filter(|line| line["message"] == "store_failed");
    let told: Vec<_> = told
        .map(|line| {
            assert_eq!((&line["level"], &line["subject"]), (&"WARN".into(), &"answers".into()), "{line}");
            assert_eq!(
                (&line["choice"], &line["target"]),
                (&"broken".into(), &"tta::store".into()),
                "{line}"
            );
            assert!(!line.to_string().contains("hunter2"), "{line}");
            (line["reason"].as_str().unwrap().to_owned(), line["count"].as_u64())
        })
        .collect();
    let of = |operation: &str, count| (operation.to_owned(), count);
    assert_eq!(told, [of("get", None), of("insert", None), of("get", Some(5)), of("insert", Some(2))]);

    drop(guard);
    let spans = spans.spans();
    let cached = spans.iter().find(|span| span.name == "primitive.cache.execute").unwrap();
    let failed = cached.events.iter().filter(|event| event.name == "store.failed");
    assert_eq!(failed.count(), 3, "two look-ups and an insertion");
}
