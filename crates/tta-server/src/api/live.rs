//! What is written, told as it happens.
//!
//! One task reads what is new after each commit, as long as anybody listens, and tells it to all listeners. Nobody waits for a
//! listener: one that is slow loses the oldest summaries, and is told how many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tokio::sync::broadcast;

use super::ApiState;
use super::status::ApiError;
use crate::read::{self, NewTrace, Seen};

/// How many summaries wait for the slowest listener before it loses the oldest.
const WAITING: usize = 1_024;

/// Tells listeners of traces after they were committed.
#[derive(Clone, Debug)]
pub(super) struct Live {
    sender: broadcast::Sender<NewTrace>,
    is_followed: Arc<AtomicBool>,
}

impl Default for Live {
    fn default() -> Self {
        Self { sender: broadcast::channel(WAITING).0, is_followed: Arc::default() }
    }
}

impl ApiState {
    /// Listens to what is written from now on.
    pub(super) async fn listen(&self) -> Result<broadcast::Receiver<NewTrace>, ApiError> {
        let listener = self.live.sender.subscribe();
        let commits = self.reader.commits();
        let seen = self.blocking(|reader| Ok(read::seen(reader)?)).await?;
        if !self.live.is_followed.swap(true, SeqCst) {
            let follower = Follower { state: self.clone(), commits, seen };
            self.tasks.spawn(follower.follow());
        }
        Ok(listener)
    }
}

struct Follower {
    state: ApiState,
    commits: tokio::sync::watch::Receiver<u64>,
    seen: Seen,
}

impl Follower {
    /// Tells of every commit until nobody listens, or the store is closed.
    async fn follow(mut self) {
        loop {
            let is_open = tokio::select! {
                changed = self.commits.changed() => changed.is_ok(),
                () = self.state.live.sender.closed() => true,
            };
            if is_open && self.state.live.sender.receiver_count() > 0 {
                // What cannot be read now is told after the next commit.
                let _ = self.tell().await;
                continue;
            }
            self.state.live.is_followed.store(false, SeqCst);
            // Somebody may have come in between, and have seen that this one still follows.
            let is_needed = is_open && self.state.live.sender.receiver_count() > 0;
            if !is_needed || self.state.live.is_followed.swap(true, SeqCst) {
                return;
            }
        }
    }

    async fn tell(&mut self) -> Result<(), ApiError> {
        loop {
            let since = self.seen.clone();
            let news = self.state.blocking(move |reader| Ok(read::news(reader, &since)?)).await?;
            self.seen = news.seen;
            for trace in news.traces {
                // The last listener may be gone by now.
                let _ = self.state.live.sender.send(trace);
            }
            if !news.is_cut {
                return Ok(());
            }
        }
    }
}
