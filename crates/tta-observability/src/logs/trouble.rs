//! Trouble that comes with every run is told once in a while: a store that is down fails at every look-up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tta_model::Text;
use tta_model::name::metric::OTHER;
use tta_primitives::clock;

/// How long after a line about an operation of a store there is no other one: 60 s.
const WINDOW_NANOS: u64 = 60_000_000_000;
/// How many operations of stores are told of apart; those of all other stores are one more, each.
const MAX_WINDOWS: usize = 256;

/// When trouble was told of the last time, by the name of the store and the operation.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    windows: Mutex<HashMap<(Text, &'static str), Window>>,
}

#[derive(Debug)]
struct Window {
    /// When the line was written, in ticks.
    since: u64,
    left_out: u64,
}

impl Troubles {
    /// How many lines were left out since the last one, if it is time for another.
    pub(super) fn tell(&self, store: &Text, operation: &'static str) -> Option<u64> {
        let now = clock::ticks();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (store.clone(), operation);
        if windows.len() >= MAX_WINDOWS && !windows.contains_key(&key) {
            key.0 = Text::Static(OTHER);
        }
        let Some(window) = windows.get_mut(&key) else {
            windows.insert(key, Window { since: now, left_out: 0 });
            return Some(0);
        };
        if now.saturating_sub(window.since) < WINDOW_NANOS {
            window.left_out = window.left_out.saturating_add(1);
            return None;
        }
        let before = std::mem::replace(window, Window { since: now, left_out: 0 });
        Some(before.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_stores_are_told_of_apart() {
        let troubles = Troubles::default();
        let name = |n: usize| Text::from(format!("store {n}"));
        let told = (0..2 * MAX_WINDOWS).filter(|n| troubles.tell(&name(*n), "get").is_some());
        assert_eq!(told.count(), MAX_WINDOWS + 1, "all that came late are one");
        let windows = troubles.windows.lock().unwrap();
        let other = &windows[&(Text::Static(OTHER), "get")];
        assert_eq!((windows.len(), other.left_out), (MAX_WINDOWS + 1, MAX_WINDOWS as u64 - 1));
    }
}
