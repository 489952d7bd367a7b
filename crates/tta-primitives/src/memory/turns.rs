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
    semaphore: Arc<Semaphore>,
}

impl Turns {
    /// Waits until nobody else speaks in a conversation, in the order of arrival.
    pub(super) async fn begin(self: &Arc<Self>, key: &CacheKey) -> Turn {
        let place = self.join(key);
        // The semaphore is never closed, so there always is a permit in the end.
        let permit = Arc::clone(&place.semaphore).acquire_owned().await.ok();
        Turn { _permit: permit, _place: place }
    }

    fn join(self: &Arc<Self>, key: &CacheKey) -> Place {
        let mut under_way = self.lock();
        let semaphore = under_way.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(1)));
        Place { turns: Arc::clone(self), key: key.clone(), semaphore: Arc::clone(semaphore) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, Arc<Semaphore>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.turns.lock();
        // The list has one and this place has one. Whoever else has one has a place too, and comes by here.
        if Arc::strong_count(&self.semaphore) == 2 {
            under_way.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
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
}
