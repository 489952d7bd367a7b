//! Conversations live in Redis: every process knows what was said in the others.

use std::time::Duration;

use futures::future::join_all;
use tta_primitives::testkit::Tape;
use tta_primitives::{ConversationMemory, Flow, WorkflowContext, step};
use tta_redis::Redis;

use crate::server::Server;

/// The memory of one process; each has a connection of its own.
pub fn memory(redis: &Redis) -> ConversationMemory<String> {
    ConversationMemory::new("chat")
        .ttl(Duration::from_secs(600))
        .max_messages(4)
        .store(redis.store("chat/v1"))
}

/// Answers with how many messages it heard.
pub fn chat(memory: &ConversationMemory<String>) -> Flow<String, String> {
    let answer = step("answer", |said: Vec<String>| async move {
        Ok(format!("{} to {}", said.len(), said[said.len() - 1]))
    });
    answer.with_memory_by(memory, |_, _| Some("room 7"))
}

pub async fn say(flow: &Flow<String, String>, text: &str) -> String {
    flow.run(text.to_owned(), &WorkflowContext::new()).await.unwrap()
}

#[tokio::test]
async fn a_turn_in_one_process_knows_those_in_the_others() {
    let Some(server) = Server::start() else { return };
    let (first, second) = (memory(&server.redis()), memory(&server.redis()));
    let tape = Tape::new();
    chat(&first).run("a".to_owned(), &tape.context()).await.unwrap();
    tape.assert_tree(
        "
        workflow.chat.execute
          primitive.memory.execute
            memory.redis.read
            primitive.answer.execute
            memory.redis.write
        ",
    );
    assert_eq!(say(&chat(&second), "b").await, "3 to b");
    assert_eq!(say(&chat(&first), "c").await, "5 to c");
    let cx = WorkflowContext::new();
    let said = ["b", "3 to b", "c", "5 to c"];
    assert_eq!(second.recall("room 7", &cx).await, said, "the oldest are thrown out");
    assert_eq!((first.stats().evicted_messages, first.stats().store_failures), (2, 0));
    let left: i64 = server.ask(&["PTTL", &server.key()]);
    assert!((500_000..=600_000).contains(&left), "{left}");

    first.remember("room 7", vec!["1".into(), "2".into(), "3".into(), "4".into(), "5".into()], &cx).await;
    assert_eq!(second.recall("room 7", &cx).await, ["2", "3", "4", "5"]);
    assert_eq!(first.stats().evicted_messages, 2 + 5);
    second.forget("room 7", &cx).await.unwrap();
    assert_eq!(first.recall("room 7", &cx).await, [""; 0]);
    assert_eq!(server.ask::<Vec<String>>(&["KEYS", "*"]).len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_at_once_cut_no_turn_in_two() {
    let Some(server) = Server::start() else { return };
    let memories = [memory(&server.redis()).max_messages(1_000), memory(&server.redis()).max_messages(1_000)];
    let negate = |memory: &ConversationMemory<String>| {
        let answer =
            step("negate", |said: Vec<String>| async move { Ok(format!("-{}", said[said.len() - 1])) });
        answer.with_memory_by(memory, |_, _| Some("room 7"))
    };
    let flows = memories.each_ref().map(negate);
    let turns = (0..200).map(|n| {
        let flow = flows[n % 2].clone();
        tokio::spawn(async move { say(&flow, &n.to_string()).await })
    });
    join_all(turns.collect::<Vec<_>>()).await.into_iter().for_each(|said| drop(said.unwrap()));
    let said = memories[0].recall("room 7", &WorkflowContext::new()).await;
    assert_eq!(said.len(), 400);
    assert!(said.chunks(2).all(|turn| turn[1] == format!("-{}", turn[0])), "{said:?}");
}

#[tokio::test]
async fn without_a_time_to_live_it_stays() {
    let Some(server) = Server::start() else { return };
    let memory = ConversationMemory::new("chat").store(server.redis().store("chat/v1"));
    let cx = WorkflowContext::new();
    memory.remember("room 7", vec![1, 2], &cx).await;
    memory.remember("room 7", Vec::new(), &cx).await;
    assert_eq!(memory.recall("room 7", &cx).await, [1, 2]);
    assert_eq!(server.ask::<i64>(&["PTTL", &server.key()]), -1);
    // A server that lost its scripts is given them again.
    let _: String = server.ask(&["SCRIPT", "FLUSH"]);
    memory.remember("room 7", vec![3], &cx).await;
    assert_eq!((memory.recall("room 7", &cx).await, memory.stats().store_failures), (vec![1, 2, 3], 0));
}
