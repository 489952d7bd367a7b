//! Entries live in Redis: every process finds them, as long as they live.

use std::time::Duration;

use tta_primitives::testkit::{Mock, Tape};
use tta_primitives::{
    Cache, CacheKey, CacheStore, Entry, Error, ErrorKind, Flow, MicroUsd, Remembered, WorkflowContext,
};
use tta_redis::{Redis, RedisStore};

use crate::server::{Server, until};

/// A cache of one process; each has a connection of its own.
pub fn cache(redis: &Redis) -> Cache<u64, String> {
    Cache::new("answers", |n: &u64| *n).ttl(Duration::from_secs(600)).store(redis.store("answers/v1"))
}

pub fn answer() -> Mock<u64, String> {
    Mock::new("answer").otherwise(|n: &u64, call| Ok(format!("{n} by call {call}")))
}

#[tokio::test]
async fn what_one_process_has_computed_the_others_find() {
    let Some(server) = Server::start() else { return };
    let compute = answer();
    let first = cache(&server.redis());
    let tape = Tape::new();
    let flow = compute.flow().cached(&first);
    assert_eq!(flow.run(7, &tape.context()).await.unwrap(), "7 by call 1");
    tape.assert_tree(
        "
        workflow.answers.execute
          primitive.cache.execute
            cache.redis.lookup
            primitive.answer.execute
            cache.redis.store
        ",
    );
    let second = cache(&server.redis());
    let cx = WorkflowContext::new();
    let flow: Flow<u64, String> = compute.flow().cached(&second);
    assert_eq!(flow.run(7, &cx).await.unwrap(), "7 by call 1");
    assert_eq!((second.stats().hits, second.stats().misses), (1, 0));
    assert_eq!((first.stats().store_failures, second.stats().store_failures), (0, 0));
    compute.assert_calls(1);

    second.forget(&7, &cx).await;
    assert_eq!(flow.run(7, &cx).await.unwrap(), "7 by call 2");
    let span = &tape.named("primitive.cache.execute")[0];
    assert_eq!(span.attribute("cache.type").map(ToString::to_string).as_deref(), Some("redis"));
    assert_eq!(span.attribute("cache.eviction_policy").map(ToString::to_string).as_deref(), Some("server"));
}

#[tokio::test]
async fn keys_say_whose_they_are_and_not_what_they_are() {
    let Some(server) = Server::start() else { return };
    let redis = server.redis().prefix("shop");
    let people = Cache::new("people", |mail: &String| mail.clone()).store(redis.store("people/v3"));
    let flow = Mock::new("find").otherwise(|_: &String, _| Ok(1_u8)).flow().cached(&people);
    flow.run("ada@example.org".to_owned(), &WorkflowContext::new()).await.unwrap();
    let key = server.key();
    let hash = key.strip_prefix("shop:cache1:people/v3:").expect("it says whose it is");
    assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(hash.len(), 64);
    assert!(!key.contains("ada"));
    assert_eq!(server.ask::<i64>(&["PTTL", &key]), -1, "without a time to live it stays");
}

#[tokio::test]
async fn an_entry_goes_when_its_time_is_over_and_is_as_old_as_the_server_says() {
    let Some(server) = Server::start() else { return };
    let compute = answer();
    let cache = cache(&server.redis());
    let flow = compute.flow().cached(&cache);
    let cx = WorkflowContext::new();
    flow.run(7, &cx).await.unwrap();
    let key = server.key();
    let left: i64 = server.ask(&["PTTL", &key]);
    assert!((500_000..=600_000).contains(&left), "{left}");

    let store = server.redis().store("answers/v1");
    let seven = CacheKey::new("7");
    let age = until("it grows older", async || {
        let found: Entry<String> = store.get(&seven).await.unwrap().unwrap();
        (found.age >= Duration::from_millis(5)).then_some(found.age)
    });
    assert!(age.await < Duration::from_secs(60));

    let _: i64 = server.ask(&["PEXPIRE", &key, "1"]);
    until("its time is over", async || (server.ask::<i64>(&["EXISTS", &key]) == 0).then_some(())).await;
    assert_eq!(flow.run(7, &cx).await.unwrap(), "7 by call 2");
}

#[tokio::test]
async fn a_failure_is_remembered_with_its_kind() {
    let Some(server) = Server::start() else { return };
    let cx = WorkflowContext::new();
    for _ in 0..2 {
        let refuse = Mock::<u64, String>::new("refuse")
            .otherwise(|_, _| Err(Error::new(ErrorKind::RateLimited, "come back later").retryable(false)));
        let cache = cache(&server.redis()).negative_ttl(Duration::from_secs(60));
        let error = refuse.flow().cached(&cache).run(7, &cx).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::RateLimited, false));
        assert_eq!(error.message(), "come back later");
        let stats = cache.stats();
        assert_eq!((stats.misses + stats.negative_hits, stats.store_failures), (1, 0));
    }
    let key = server.key();
    assert!(server.ask::<i64>(&["PTTL", &key]) <= 60_000);
}

#[tokio::test]
async fn values_come_back_to_the_last_bit() {
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    enum Shape {
        Empty,
        Number(f64),
        Deep { by_number: std::collections::BTreeMap<u32, Option<Vec<u8>>>, text: String },
    }
    let Some(server) = Server::start() else { return };
    let store: RedisStore = server.redis().store("shapes");
    let shapes = [
        Shape::Empty,
        Shape::Number(0.1 + 0.2),
        Shape::Number(f64::INFINITY),
        Shape::Deep {
            by_number: [(1, None), (u32::MAX, Some(vec![0, 255]))].into(),
            text: "\u{0}é🦀".into(),
        },
    ];
    for shape in shapes {
        let key = CacheKey::new(format!("{shape:?}"));
        let entry =
            Entry { outcome: Remembered::Value(shape.clone()), age: Duration::ZERO, cost: MicroUsd(17) };
        store.insert(&key, entry, None).await.unwrap();
        let found: Entry<Shape> = store.get(&key).await.unwrap().unwrap();
        assert_eq!(found.cost, MicroUsd(17));
        assert!(matches!(found.outcome, Remembered::Value(value) if value == shape));
    }
}

#[tokio::test]
async fn values_may_have_any_size() {
    let Some(server) = Server::start() else { return };
    let cache = cache(&server.redis().max_value_bytes(usize::MAX));
    let flow = answer().flow().cached(&cache);
    for _ in 0..2 {
        assert_eq!(flow.run(7, &WorkflowContext::new()).await.unwrap(), "7 by call 1");
    }
    assert_eq!((cache.stats().hits, cache.stats().store_failures), (1, 0));
}
