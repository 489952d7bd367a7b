//! Named moments of a run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tta_model::Text;

/// How many checkpoints a run keeps; later ones are counted and left out.
pub const CHECKPOINT_LIMIT: usize = 1_024;

/// A named moment of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What had just happened.
    pub name: Text,
    /// The time since the context was made.
    pub elapsed: Duration,
}

/// The checkpoints of one branch of a run, in order.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    kept: Vec<(Text, u64)>,
    dropped: u64,
}

impl Checkpoints {
    /// Adds a checkpoint at a tick.
    pub(crate) fn add(&self, name: Text, ticks: u64) {
        let mut log = self.lock();
        if log.kept.len() < CHECKPOINT_LIMIT {
            log.kept.push((name, ticks));
        } else {
            log.dropped += 1;
        }
    }

    /// Appends the checkpoints of a branch that has ended.
    pub(crate) fn append(&self, branch: &Self) {
        let branch = std::mem::take(&mut *branch.lock());
        let mut log = self.lock();
        let room = CHECKPOINT_LIMIT - log.kept.len();
        log.dropped += branch.dropped + branch.kept.len().saturating_sub(room) as u64;
        log.kept.extend(branch.kept.into_iter().take(room));
    }

    /// The checkpoints with the time since a tick.
    pub(crate) fn since(&self, start: u64) -> Vec<Checkpoint> {
        let elapsed = |ticks: u64| Duration::from_nanos(ticks.saturating_sub(start));
        let log = self.lock();
        log.kept.iter().map(|(name, at)| Checkpoint { name: name.clone(), elapsed: elapsed(*at) }).collect()
    }

    /// How many checkpoints were left out.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(crate) fn restore(checkpoints: Vec<Checkpoint>, start: u64) -> Self {
        let at =
            |elapsed: Duration| start.saturating_add(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        let kept = checkpoints.into_iter().take(CHECKPOINT_LIMIT).map(|c| (c.name, at(c.elapsed))).collect();
        Self { log: Mutex::new(Log { kept, dropped: 0 }) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_bounded_and_the_rest_counted() {
        let all = Checkpoints::default();
        let branch = Checkpoints::default();
        (0..CHECKPOINT_LIMIT as u64 - 1).for_each(|tick| all.add("a".into(), tick));
        (0..3).for_each(|tick| branch.add("b".into(), tick));
        all.append(&branch);
        let kept = all.since(0);
        assert_eq!((kept.len(), all.dropped()), (CHECKPOINT_LIMIT, 2));
        assert_eq!(kept.last().map(|c| c.name.as_str()), Some("b"));
    }
}
