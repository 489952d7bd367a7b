//! One turn of a conversation after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cache::CacheKey;

/// The conversations in which somebody speaks or waits.
#[derive(Debug, Default)]
pub(super) struct Turns {
    under_way: Mutex<HashMap<CacheKey, Arc<Semaphore>>>,
}

/// The turn of a caller, until it is dropped.
pub(super) struct Turn {
    // Given back before the place, which sees whether anybody is left.
    _permit: Option<OwnedSemaphorePermit>,
    _place: Place,
}

/// A place among those who speak or wait in a conversation.
struct Place {
    turns: Arc<Turns>,
    key: CacheKey,
    /// None once the place is left.
    semaphore: Option<Arc<Semaphore>>,
}

impl Turns {
    /// Waits until nobody else speaks in a conversation, in the order of arrival.
    pub(super) async fn begin(self: &Arc<Self>, key: &CacheKey) -> Turn {
        let (place, semaphore) = self.join(key);
        // The semaphore is never closed, so there always is a permit in the end.
        let permit = semaphore.acquire_owned().await.ok();
        Turn { _permit: permit, _place: place }
    }

    fn join(self: &Arc<Self>, key: &CacheKey) -> (Place, Arc<Semaphore>) {
        let mut under_way = self.lock();
        let semaphore = under_way.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(1)));
        let place =
            Place { turns: Arc::clone(self), key: key.clone(), semaphore: Some(Arc::clone(semaphore)) };
        (place, Arc::clone(semaphore))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, Arc<Semaphore>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.turns.lock();
        // Given back while the list is locked, so that of two who leave together the second one sees that it is the last.
        drop(self.semaphore.take());
        // Only the list has one. Whoever else had one would have a place too, and come by here.
        if under_way.get(&self.key).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            under_way.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::FutureExt;

    use super::*;

    #[test]
    fn nothing_is_left_of_conversations_in_which_nobody_speaks() {
        let turns = Arc::new(Turns::default());
        let (ada, bob) = (CacheKey::new("ada"), CacheKey::new("bob"));
        let first = turns.begin(&ada).now_or_never().expect("nobody else speaks");
        let other = turns.begin(&bob).now_or_never().expect("nor there");
        let mut second = Box::pin(turns.begin(&ada));
        assert!((&mut second).now_or_never().is_none());
        let mut third = Box::pin(turns.begin(&ada));
        assert!((&mut third).now_or_never().is_none());
        drop((second, other));
        assert_eq!(turns.lock().len(), 1);
        drop(first);
        let third = third.now_or_never().expect("the one before was given up");
        assert_eq!(turns.lock().len(), 1);
        drop(third);
        assert_eq!(turns.lock().len(), 0);
    }

    #[test]
    fn nor_when_two_leave_at_the_same_moment() {
        let (turns, came) = (Arc::new(Turns::default()), AtomicU32::new(0));
        let leave = |round: u32| {
            let (place, semaphore) = turns.join(&CacheKey::new(round.to_string()));
            drop(semaphore);
            came.fetch_add(1, Ordering::SeqCst);
            // What wakes a thread takes longer than what is raced for here.
            while came.load(Ordering::SeqCst) < 2 * (round + 1) {
                std::hint::spin_loop();
            }
            drop(place);
        };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..5_000).for_each(leave));
            }
        });
        assert_eq!(turns.lock().len(), 0);
    }
}
