//! A server in trouble costs runs their cache and their memory, and nothing else.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tta_primitives::{Cache, ConversationMemory, Flow, WorkflowContext};
use tta_redis::Redis;

use crate::cache::{answer, cache};
use crate::memory::{chat, memory, say};
use crate::server::{Server, until};

/// Longer than any number of deadlines that may be waited for here, and far shorter than one for each run.
const BOUND: Duration = Duration::from_secs(30);
/// How many runs there are. Each asks three times, so one that waited each time would take `RUNS * 3` deadlines.
const RUNS: u64 = 200;

struct World {
    redis: Redis,
    cache: Cache<u64, String>,
    cached: Flow<u64, String>,
    memory: ConversationMemory<String>,
    chat: Flow<String, String>,
}

impl World {
    fn new(redis: Redis) -> Self {
        let (cache, memory) = (cache(&redis), memory(&redis));
        let (cached, chat) = (answer().flow().cached(&cache), chat(&memory));
        Self { redis, cache, cached, memory, chat }
    }

    /// Runs go on without the server: each computes, and no turn knows another.
    async fn goes_on_without(&self) {
        let (began, before) = (Instant::now(), self.cache.stats());
        for n in 0..RUNS {
            let said = self.cached.run(1_000_000 + n, &WorkflowContext::new()).await.unwrap();
            assert!(said.starts_with(&(1_000_000 + n).to_string()), "{said}");
            assert_eq!(say(&self.chat, "a").await, "1 to a");
        }
        assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
        let after = self.cache.stats();
        assert_eq!((after.misses - before.misses, after.hits - before.hits), (RUNS, 0));
        assert_eq!(after.store_failures - before.store_failures, 3 * RUNS);
        assert!(self.redis.stats().refused > 0, "{:?}", self.redis.stats());
    }

    /// The cache hits again, and the memory is one again.
    async fn comes_back(&self) {
        until("a hit", async || {
            let hits = self.cache.stats().hits;
            self.cached.run(7, &WorkflowContext::new()).await.unwrap();
            (self.cache.stats().hits > hits).then_some(())
        })
        .await;
        until("a turn that knows another", async || (say(&self.chat, "b").await != "1 to b").then_some(()))
            .await;
    }
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_found_when_it_is_up() {
    let Some(mut server) = Server::start() else { return };
    server.kill();
    let world = World::new(server.redis());
    world.goes_on_without().await;
    let stats = world.redis.stats();
    assert!(stats.unavailable > 0 && stats.garbage == 0, "{stats:?}");
    assert_eq!(world.memory.stats().store_failures, 2 * RUNS);
    server.start_again();
    world.comes_back().await;
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_again_is_found_again() {
    let Some(mut server) = Server::start() else { return };
    let world = World::new(server.redis());
    world.comes_back().await;
    for _ in 0..2 {
        server.kill();
        world.goes_on_without().await;
        server.start_again();
        world.comes_back().await;
    }
}

#[tokio::test]
async fn a_server_that_stands_still_is_not_waited_for_by_every_run() {
    let Some(server) = Server::start() else { return };
    let world = World::new(server.redis().timeout(Duration::from_millis(250)));
    world.comes_back().await;
    server.send(Signal::STOP);
    world.goes_on_without().await;
    let stats = world.redis.stats();
    assert!(stats.timeouts > 0, "{stats:?}");
    server.send(Signal::CONT);
    world.comes_back().await;
}

#[tokio::test]
async fn something_else_at_the_port_is_no_server() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("redis://{}/", silent.local_addr().unwrap());
    let world = World::new(Redis::open(&url).unwrap().timeout(Duration::from_millis(50)));
    world.goes_on_without().await;
    assert!(world.redis.stats().timeouts > 0, "{:?}", world.redis.stats());

    let talkative = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = talkative.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut stream in talkative.incoming().map_while(Result::ok) {
            // Whoever hangs up in the middle has heard enough.
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let redis = Redis::open(&format!("redis://{address}/")).unwrap().timeout(Duration::from_secs(5));
    let world = World::new(redis);
    world.goes_on_without().await;
    assert!(world.redis.stats().unavailable > 0, "{:?}", world.redis.stats());
}

#[tokio::test]
async fn a_run_that_is_dropped_while_it_asks_leaves_the_server_usable() {
    let Some(server) = Server::start() else { return };
    let world = World::new(server.redis());
    for n in 0..50 {
        let cx = WorkflowContext::new();
        let run = std::pin::pin!(world.cached.run(n, &cx));
        let once = futures::future::select(run, std::future::ready(())).await;
        drop(once);
    }
    world.comes_back().await;
    assert_eq!(world.redis.stats().refused, 0, "nobody found it down");
}

#[test]
fn a_runtime_that_ends_takes_no_server_with_it() {
    let Some(server) = Server::start() else { return };
    let world = World::new(server.redis());
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(world.comes_back());
    }
}
