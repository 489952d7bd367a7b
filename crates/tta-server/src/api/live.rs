//! What is written, told as it happens.
//!
//! One task reads what is new after each commit, as long as anybody listens, and tells it to all listeners. Nobody waits for a
//! listener: one that is slow loses the oldest summaries, and is told how many.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use super::ApiState;
use super::status::ApiError;
use crate::read::{self, NewTrace, Seen};

/// How many summaries wait for the slowest listener before it loses the oldest.
const WAITING: usize = 1_024;

/// Tells listeners of traces after they were committed.
#[derive(Clone, Debug)]
pub(super) struct Live {
    sender: broadcast::Sender<Told>,
    /// Up to where listeners were told; none while nobody follows what is written.
    told: Arc<Mutex<Option<Seen>>>,
}

/// What is told of a trace.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) trace: NewTrace,
    /// Up to where this and what came before is all there is; only with the last of what was read at once.
    pub(super) seen: Option<Seen>,
}

/// Hears what is written after a moment.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) receiver: broadcast::Receiver<Told>,
    /// The moment: nothing of what came before is heard, and all that came later.
    pub(super) since: Seen,
}

impl Default for Live {
    fn default() -> Self {
        Self { sender: broadcast::channel(WAITING).0, told: Arc::default() }
    }
}

impl Live {
    /// Who holds it sees all that was told up to there, and nothing is told meanwhile.
    fn told(&self) -> MutexGuard<'_, Option<Seen>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what was read at once.
    fn tell(&self, traces: Vec<NewTrace>, seen: &Seen) {
        let mut told = self.told();
        let mut traces = traces.into_iter().peekable();
        while let Some(trace) = traces.next() {
            let seen = traces.peek().is_none().then(|| seen.clone());
            // The last listener may be gone by now.
            let _ = self.sender.send(Told { trace, seen });
        }
        *told = Some(seen.clone());
    }
}

impl ApiState {
    /// Listens to what is written from now on.
    pub(super) async fn listen(&self) -> Result<Listener, ApiError> {
        let commits = self.reader.commits();
        let now = self.blocking(|reader| Ok(read::seen(reader)?)).await?;
        let mut told = self.live.told();
        let receiver = self.live.sender.subscribe();
        let since = told.clone().unwrap_or_else(|| {
            *told = Some(now.clone());
            let follower = Follower { state: self.clone(), commits, seen: now.clone() };
            self.tasks.spawn(follower.follow());
            now
        });
        Ok(Listener { receiver, since })
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
            {
                // Who comes to listen holds this too, so nobody takes one for following that is about to end.
                let mut told = self.state.live.told();
                if !is_open || self.state.live.sender.receiver_count() == 0 {
                    *told = None;
                    return;
                }
            }
            // What cannot be read now is told after the next commit.
            let _ = self.tell().await;
        }
    }

    async fn tell(&mut self) -> Result<(), ApiError> {
        loop {
            let since = self.seen.clone();
            let news = self.state.blocking(move |reader| Ok(read::news(reader, &since)?)).await?;
            self.seen = news.seen;
            self.state.live.tell(news.traces, &self.seen);
            if !news.is_cut {
                return Ok(());
            }
        }
    }
}
