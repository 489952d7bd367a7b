//! Memory: what was said is known in the next turn, and only what was said.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tta_primitives::testkit::{Tape, use_paused_time};
use tta_primitives::{
    CacheKey, ConversationMemory, Error, ErrorKind, Flow, Keep, MemoryStore, Result, WorkflowContext, step,
};

/// Takes ten milliseconds, and answers with all that it heard; refuses what says so.
fn parrot() -> Flow<Vec<String>, String> {
    step("parrot", |said: Vec<String>| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        match said.last().is_some_and(|last| last == "refuse") {
            true => Err(Error::failed("no")),
            false => Ok(format!("[{}]", said.join(" "))),
        }
    })
}

fn session(id: &str) -> WorkflowContext {
    WorkflowContext::builder().session_id(id.to_owned()).build()
}

async fn say(flow: &Flow<String, String>, text: &str, cx: &WorkflowContext) -> Result<String> {
    flow.run(text.to_owned(), cx).await
}

#[tokio::test(start_paused = true)]
async fn a_turn_knows_what_was_said_before_in_its_session() {
    let memory = ConversationMemory::new("chat");
    let chat = parrot().with_memory(&memory);
    let (ada, bob) = (session("ada"), session("bob"));
    assert_eq!(say(&chat, "a", &ada).await.unwrap(), "[a]");
    assert_eq!(say(&chat, "b", &bob).await.unwrap(), "[b]");
    assert_eq!(say(&chat, "c", &ada).await.unwrap(), "[a [a] c]");
    assert_eq!(memory.recall("ada", &ada).await, ["a", "[a]", "c", "[a [a] c]"]);
    let stats = memory.stats();
    assert_eq!((stats.reads, stats.writes, stats.conversations), (4, 3, 2));
    memory.forget("ada", &ada).await.unwrap();
    assert_eq!(say(&chat, "d", &ada).await.unwrap(), "[d]");
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_seen_and_its_key_is_not() {
    use_paused_time();
    let memory = ConversationMemory::new("chat").max_messages(2);
    let chat = parrot().with_memory_by(&memory, |_, _| Some("ada@example.org"));
    let tape = Tape::new();
    let cx = tape.context();
    say(&chat, "a", &cx).await.unwrap();
    say(&chat, "b", &cx).await.unwrap();
    let turn = "\
workflow.chat.execute
  primitive.memory.execute memory.name=chat
    memory.memory.read memory.name=chat memory.messages=0
    primitive.parrot.execute
    memory.memory.write memory.name=chat memory.messages=2 memory.evicted=0
";
    let next = turn.replace("messages=0", "messages=2").replace("evicted=0", "evicted=2");
    let tree = tape.tree_with(&["memory.name", "memory.messages", "memory.evicted"]);
    assert_eq!(tree, format!("{turn}{next}"));
    let key = format!("{:016x}", CacheKey::new("ada@example.org").hash());
    for span in [&tape.named("memory.memory.read")[0], &tape.named("memory.memory.write")[0]] {
        assert_eq!(span.attribute("memory.key").map(ToString::to_string).as_ref(), Some(&key));
    }
    assert!(!format!("{:?}", tape.spans()).contains("ada@"));
    assert_eq!(tape.check(), []);
}

#[tokio::test]
async fn without_a_session_the_error_says_what_to_do() {
    let chat = parrot().with_memory(&ConversationMemory::new("chat"));
    let error = say(&chat, "a", &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    for word in ["chat", "session_id", "with_memory_by"] {
        assert!(error.message().contains(word), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_fails_or_is_dropped_leaves_nothing() {
    let memory = ConversationMemory::new("chat");
    let chat = parrot().with_memory(&memory);
    let cx = session("ada");
    say(&chat, "a", &cx).await.unwrap();
    say(&chat, "refuse", &cx).await.unwrap_err();
    let late = tokio::time::timeout(Duration::from_millis(5), say(&chat, "late", &cx)).await;
    assert!(late.is_err(), "it was dropped in the middle of its turn");
    let cancelled = session("ada");
    let (outcome, ()) = tokio::join!(say(&chat, "cancelled", &cancelled), async { cancelled.cancel() });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(memory.recall("ada", &cx).await, ["a", "[a]"]);
    assert_eq!(say(&chat, "b", &cx).await.unwrap(), "[a [a] b]", "nobody still has the turn");
}

#[tokio::test(start_paused = true)]
async fn turns_of_one_conversation_come_one_after_the_other() {
    let memory = ConversationMemory::new("chat").max_messages(1_000);
    let chat = step("count", |said: Vec<usize>| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(said.len())
    });
    let chat = chat.with_memory_by(&memory, |n, _| Some(n % 2));
    let cx = WorkflowContext::new();
    let began = tokio::time::Instant::now();
    let answers = join_all((0..100).map(|n| chat.run(n, &cx))).await;
    assert_eq!(
        began.elapsed(),
        Duration::from_millis(500),
        "the two conversations do not wait for each other"
    );
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), n / 2 * 2 + 1, "it has heard every turn before");
    }
    let said = memory.recall("1", &cx).await;
    let expect: Vec<usize> = (0..50).flat_map(|turn| [2 * turn + 1, 2 * turn + 1]).collect();
    assert_eq!(said, expect);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_lose_no_turn_and_cut_none_in_two() {
    let memory = ConversationMemory::new("chat").max_messages(1_000);
    let chat = step("negate", |said: Vec<i64>| async move {
        tokio::task::yield_now().await;
        Ok(-said.last().copied().unwrap_or_default())
    });
    let chat = chat.with_memory(&memory);
    let turns = (1..=200).map(|n| {
        let chat = chat.clone();
        tokio::spawn(async move { chat.run(n, &session("one")).await.unwrap() })
    });
    join_all(turns.collect::<Vec<_>>()).await;
    let said = memory.recall("one", &session("one")).await;
    assert_eq!(said.len(), 400);
    assert!(said.chunks(2).all(|turn| turn[0] == -turn[1]), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_speaks_in_its_own_turn_does_not_wait_for_itself() {
    let memory = ConversationMemory::new("chat");
    let inner = parrot().with_memory(&memory);
    let outer = step("first", |said: Vec<String>| ready(Ok(said.join("+")))) >> inner;
    let cx = session("ada");
    assert_eq!(say(&outer.with_memory(&memory), "a", &cx).await.unwrap(), "[a]");
    assert_eq!(memory.recall("ada", &cx).await, ["a", "[a]", "a", "[a]"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_bounded_in_number_and_time() {
    let memory =
        ConversationMemory::new("chat").max_conversations(2).max_messages(3).ttl(Duration::from_secs(60));
    let cx = WorkflowContext::new();
    for key in ["a", "b", "c"] {
        memory.remember(key, vec![1, 2], &cx).await;
        memory.remember(key, vec![3, 4], &cx).await;
    }
    assert_eq!(memory.recall("a", &cx).await, [0; 0], "who was silent longest is forgotten");
    assert_eq!(memory.recall("c", &cx).await, [2, 3, 4]);
    let stats = memory.stats();
    assert_eq!((stats.evicted_messages, stats.evicted_conversations, stats.conversations), (3, 1, 2));
    tokio::time::advance(Duration::from_secs(40)).await;
    memory.remember("b", vec![5], &cx).await;
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(memory.recall("c", &cx).await, [0; 0]);
    assert_eq!(memory.recall("b", &cx).await, [3, 4, 5], "a write begins the time again");
    tokio::time::advance(Duration::from_secs(40)).await;
    memory.remember("b", vec![6], &cx).await;
    assert_eq!(memory.recall("b", &cx).await, [6], "what was over does not come back");
}

struct Broken;

fn broken<T: Send + 'static>() -> BoxFuture<'static, Result<T>> {
    Box::pin(ready(Err(Error::new(ErrorKind::Unavailable, "no connection"))))
}

impl MemoryStore<String> for Broken {
    fn backend(&self) -> &'static str {
        "broken"
    }

    fn read<'a>(&'a self, _: &'a CacheKey) -> BoxFuture<'a, Result<Vec<String>>> {
        broken()
    }

    fn append<'a>(&'a self, _: &'a CacheKey, _: Vec<String>, _: Keep) -> BoxFuture<'a, Result<u64>> {
        broken()
    }

    fn forget<'a>(&'a self, _: &'a CacheKey) -> BoxFuture<'a, Result<()>> {
        broken()
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_an_empty_memory_and_never_a_failed_turn() {
    use_paused_time();
    let memory = ConversationMemory::new("chat").store(Broken);
    let chat = parrot().with_memory_by(&memory, |_, _| Some(1));
    let tape = Tape::new();
    let cx = tape.context();
    assert_eq!(say(&chat, "a", &cx).await.unwrap(), "[a]");
    tape.assert_tree(
        "
        workflow.chat.execute
          primitive.memory.execute
            memory.broken.read [error]
            primitive.parrot.execute
            memory.broken.write [error]
        ",
    );
    let events = tape.named("primitive.memory.execute").remove(0).events;
    let told = |operation: &str| {
        events.iter().any(|event| event.contains("StoreFailed") && event.contains(operation))
    };
    assert!(told("\"read\"") && told("\"write\""), "{events:?}");
    assert_eq!(memory.forget("1", &cx).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(memory.stats().store_failures, 3);
}

#[test]
fn stores_are_objects_and_memories_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<ConversationMemory<String>>();
    shared::<Arc<dyn MemoryStore<String>>>();
}
