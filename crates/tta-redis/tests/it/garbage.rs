//! Whatever lies under our keys, a wrong value never comes out.

use std::time::Duration;

use tta_primitives::{Cache, CacheKey, CacheStore, Entry, ErrorKind, Result, WorkflowContext};

use crate::cache::{answer, cache};
use crate::memory::{chat, memory, say};
use crate::server::Server;

/// What somebody else could have put under a key, made of what we put there.
fn spoiled(sealed: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let changed = |at: usize| {
        let mut bytes = sealed.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    vec![
        ("plain text", b"hello".to_vec()),
        ("JSON", br#"{"outcome":{"Value":"7 by call 1"},"cost":0}"#.to_vec()),
        ("the magic alone", sealed[..3].to_vec()),
        ("half a header", sealed[..20].to_vec()),
        ("a header alone", sealed[..36].to_vec()),
        ("cut off", sealed[..sealed.len() - 1].to_vec()),
        ("too long", [sealed, b"!"].concat()),
        ("another version", changed(3)),
        ("another type", changed(4)),
        ("another time", changed(12)),
        ("another checksum", changed(20)),
        ("another value", changed(sealed.len() - 2)),
    ]
}

#[tokio::test]
async fn garbage_under_the_key_of_an_entry_is_a_miss_and_is_written_over() {
    let Some(server) = Server::start() else { return };
    let redis = server.redis();
    let (compute, cache) = (answer(), cache(&redis));
    let flow = compute.flow().cached(&cache);
    let cx = WorkflowContext::new();
    assert_eq!(flow.run(7, &cx).await.unwrap(), "7 by call 1");
    let key = server.key();
    let good: Vec<u8> = server.ask(&["GET", &key]);
    let mut calls = 1;
    for (what, bytes) in spoiled(&good) {
        server.set(&key, &bytes);
        let (before, garbage) = (cache.stats(), redis.stats().garbage);
        calls += 1;
        assert_eq!(flow.run(7, &cx).await.unwrap(), format!("7 by call {calls}"), "{what}");
        let after = cache.stats();
        assert_eq!(after.misses, before.misses + 1, "{what}");
        assert_eq!(after.store_failures, before.store_failures + 2, "{what}: both looks found it");
        assert_eq!(redis.stats().garbage, garbage + 2, "{what}");
        assert_eq!(flow.run(7, &cx).await.unwrap(), format!("7 by call {calls}"), "{what} is gone");
    }
    for command in [["RPUSH", &key, "a"], ["SADD", &key, "a"]] {
        let _: i64 = server.ask(&["DEL", &key]);
        let _: i64 = server.ask(&command);
        calls += 1;
        assert_eq!(flow.run(7, &cx).await.unwrap(), format!("7 by call {calls}"));
        assert_eq!(flow.run(7, &cx).await.unwrap(), format!("7 by call {calls}"), "it is gone");
    }
    let stats = redis.stats();
    assert_eq!((stats.garbage, stats.rejected, stats.unavailable), (2 * 14, 0, 0));
}

#[tokio::test]
async fn an_entry_is_of_use_only_under_its_own_key_and_as_its_own_type() {
    let Some(server) = Server::start() else { return };
    let redis = server.redis();
    let store = redis.store("answers/v1");
    let cx = WorkflowContext::new();
    let flow = answer().flow().cached(&cache(&redis));
    flow.run(7, &cx).await.unwrap();
    let seven = server.key();
    let as_number: Result<Option<Entry<u64>>> = store.get(&CacheKey::new("7")).await;
    assert_eq!(as_number.unwrap_err().kind(), ErrorKind::Invalid);
    let of_others: Result<Option<Entry<String>>> = redis.store("answers/v2").get(&CacheKey::new("7")).await;
    assert!(of_others.unwrap().is_none(), "another namespace has other keys");

    flow.run(8, &cx).await.unwrap();
    let keys: Vec<String> = server.ask(&["KEYS", "*"]);
    let eight = keys.iter().find(|key| **key != seven).unwrap();
    let _: i64 = server.ask(&["COPY", &seven, eight, "REPLACE"]);
    assert_eq!(flow.run(8, &cx).await.unwrap(), "8 by call 3", "what was moved here is not believed");
    assert_eq!(redis.stats().garbage, 3);
}

#[tokio::test]
async fn garbage_in_a_conversation_begins_a_new_one() {
    let Some(server) = Server::start() else { return };
    let redis = server.redis();
    let memory = memory(&redis);
    let chat = chat(&memory);
    assert_eq!(say(&chat, "a").await, "1 to a");
    let key = server.key();
    let good: Vec<u8> = server.ask(&["LINDEX", &key, "0"]);
    for (count, (what, bytes)) in (1..).zip(spoiled(&good)) {
        let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        redis::cmd("LSET").arg(&key).arg(0).arg(bytes).exec(&mut connection).unwrap();
        assert_eq!(say(&chat, "b").await, "1 to b", "{what}");
        assert_eq!(say(&chat, "c").await, "3 to c", "{what} is gone");
        assert_eq!((memory.stats().store_failures, redis.stats().garbage), (count, count), "{what}");
    }
    server.set(&key, b"no list at all");
    assert_eq!(say(&chat, "b").await, "1 to b");
    // It comes between the read and the write of a turn.
    server.set(&key, b"no list at all");
    memory.remember("room 7", vec!["x".into()], &WorkflowContext::new()).await;
    assert_eq!(memory.recall("room 7", &WorkflowContext::new()).await, ["x"]);
}

#[tokio::test]
async fn what_is_too_large_is_neither_stored_nor_read() {
    let Some(server) = Server::start() else { return };
    let redis = server.redis().max_value_bytes(1_000);
    let cx = WorkflowContext::new();
    let size = |n: &usize| *n;
    let cache = Cache::new("texts", size).ttl(Duration::from_secs(60)).store(redis.store("texts/v1"));
    let compute = tta_primitives::testkit::Mock::new("text").otherwise(|n: &usize, _| Ok("x".repeat(*n)));
    let flow = compute.flow().cached(&cache);
    for _ in 0..2 {
        assert_eq!(flow.run(2_000, &cx).await.unwrap().len(), 2_000);
    }
    compute.assert_calls(2);
    assert_eq!((cache.stats().store_failures, redis.stats().too_large), (2, 2));
    assert_eq!(server.ask::<Vec<String>>(&["KEYS", "*"]).len(), 0);

    let generous = Cache::new("texts", size).store(server.redis().store("texts/v1"));
    compute.flow().cached(&generous).run(2_000, &cx).await.unwrap();
    assert_eq!(flow.run(2_000, &cx).await.unwrap().len(), 2_000);
    assert_eq!(cache.stats().hits, 0, "nor is what another process stored read");

    let memory = memory(&redis);
    memory.remember("room 7", vec!["short".into(), "x".repeat(2_000)], &cx).await;
    assert_eq!(memory.recall("room 7", &cx).await, [""; 0], "all of it or nothing");
    assert_eq!(memory.stats().store_failures, 1);
}

#[tokio::test]
async fn values_that_cannot_be_written_or_read_fail_without_a_panic() {
    /// Panics when it is written, or when it is read.
    #[derive(Clone, Debug)]
    struct Rude(bool);

    impl serde::Serialize for Rude {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            assert!(!self.0, "I will not be written");
            serializer.serialize_unit()
        }
    }

    impl<'de> serde::Deserialize<'de> for Rude {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("I will not be read")
        }
    }

    let Some(server) = Server::start() else { return };
    let redis = server.redis();
    let cache = Cache::new("rude", |rude: &bool| *rude).store(redis.store("rude"));
    let compute = tta_primitives::testkit::Mock::new("make").otherwise(|rude: &bool, _| Ok(Rude(*rude)));
    let flow = compute.flow().cached(&cache);
    for rude in [true, false, false] {
        assert_eq!(flow.run(rude, &WorkflowContext::new()).await.unwrap().0, rude);
    }
    compute.assert_calls(3);
    assert_eq!((cache.stats().store_failures, redis.stats().garbage), (3, 3));
}
