//! Whether it makes sense to ask a server, so that not every run waits for one that is down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tta_primitives::{Backoff, Waits};

/// The first pause is 100 ms and the longest one 5 s. Half of each is fixed, and half is drawn.
const HALF_BASE: Duration = Duration::from_millis(50);
const HALF_MAX: Duration = Duration::from_millis(2_500);

/// The health of a server, as far as its last answers show.
#[derive(Debug)]
pub(crate) struct Health {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Counts the changes, so that a late answer does not speak about a state that is over.
    number: u64,
    phase: Phase,
    fixed: Waits,
    drawn: Waits,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// It answers.
    Well,
    /// It does not, and is asked again at this moment.
    Pausing(Instant),
    /// One operation tries it, and the others do not.
    Trying,
}

/// The permission to ask. Dropped before it was told how that went, it says nothing.
pub(crate) struct Pass {
    health: Arc<Health>,
    number: u64,
    is_told: bool,
}

fn waits() -> (Waits, Waits) {
    let drawn = Backoff::exponential(HALF_BASE).max_delay(HALF_MAX);
    (drawn.without_jitter().waits(), drawn.waits())
}

impl Health {
    pub(crate) fn new() -> Arc<Self> {
        let (fixed, drawn) = waits();
        Arc::new(Self { state: Mutex::new(State { number: 0, phase: Phase::Well, fixed, drawn }) })
    }

    /// The permission to ask the server, unless it was just found not to answer.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Pass> {
        let mut state = self.lock();
        match state.phase {
            Phase::Well => {}
            Phase::Pausing(until) if Instant::now() >= until => state.enter(Phase::Trying),
            Phase::Pausing(_) | Phase::Trying => return None,
        }
        Some(Pass { health: Arc::clone(self), number: state.number, is_told: false })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.number += 1;
        self.phase = phase;
    }
}

impl Pass {
    /// The server has answered.
    pub(crate) fn succeeded(mut self) {
        self.is_told = true;
        let mut state = self.health.lock();
        if state.number == self.number && matches!(state.phase, Phase::Trying) {
            (state.fixed, state.drawn) = waits();
            state.enter(Phase::Well);
        }
    }

    /// It has not. Of all who find that out together the first one begins the pause.
    pub(crate) fn failed(mut self) {
        self.is_told = true;
        let mut state = self.health.lock();
        if state.number == self.number {
            let wait = state.fixed.next().unwrap_or(HALF_MAX) + state.drawn.next().unwrap_or(HALF_MAX);
            let until = Instant::now() + wait;
            state.enter(Phase::Pausing(until));
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.health.lock();
        if !self.is_told && state.number == self.number && matches!(state.phase, Phase::Trying) {
            state.enter(Phase::Pausing(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long nobody is admitted, in milliseconds.
    async fn paused_for(health: &Arc<Health>) -> (u64, Pass) {
        for millis in 0..10_000 {
            if let Some(pass) = health.admit() {
                return (millis, pass);
            }
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        panic!("nobody is ever admitted again");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_five_seconds_and_begin_again_after_an_answer() {
        let health = Health::new();
        health.admit().expect("nothing is known").failed();
        for longest in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            let (paused, pass) = paused_for(&health).await;
            assert!((longest / 2..=longest + 1).contains(&paused), "{paused} of {longest}");
            assert!(health.admit().is_none(), "one tries, the others do not");
            pass.failed();
        }
        let (_, pass) = paused_for(&health).await;
        pass.succeeded();
        let (first, second) = (health.admit().expect("well"), health.admit().expect("well"));
        first.failed();
        second.failed();
        let (paused, _) = paused_for(&health).await;
        assert!(paused <= 101, "those who fail together begin one pause: {paused}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_trying_lets_the_next_one_try() {
        let health = Health::new();
        let early = health.admit().expect("nothing is known");
        health.admit().expect("nothing is known").failed();
        let (_, pass) = paused_for(&health).await;
        drop(pass);
        let trying = health.admit().expect("nobody tries");
        early.succeeded();
        assert!(health.admit().is_none(), "an answer from before says nothing about now");
        trying.succeeded();
        assert!(health.admit().is_some());
    }
}
