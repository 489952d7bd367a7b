//! One call for all who miss the same key at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::store::{CacheKey, Entry};

/// What a flight came to; none until it has landed.
type Landed<V> = Option<Entry<V>>;

/// The calls that are under way, by their keys.
#[derive(Debug)]
pub(super) struct Flights<V> {
    under_way: Mutex<HashMap<CacheKey, watch::Receiver<Landed<V>>>>,
}

/// The part that a caller has in a flight.
pub(super) enum Part<V> {
    /// It makes the call.
    Lead(Flight<V>),
    /// It waits for the call of another.
    Wait(watch::Receiver<Landed<V>>),
}

impl<V> Flights<V> {
    pub(super) fn new() -> Self {
        Self { under_way: Mutex::new(HashMap::new()) }
    }

    /// Joins the flight of a key, or begins one.
    pub(super) fn join(self: &Arc<Self>, key: &CacheKey) -> Part<V> {
        let mut under_way = self.lock();
        if let Some(flight) = under_way.get(key) {
            return Part::Wait(flight.clone());
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key.clone(), receiver);
        Part::Lead(Flight { flights: Arc::clone(self), key: key.clone(), sender })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, watch::Receiver<Landed<V>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that others may wait for. Dropped before it has landed, one of those who wait takes over.
pub(super) struct Flight<V> {
    flights: Arc<Flights<V>>,
    key: CacheKey,
    sender: watch::Sender<Landed<V>>,
}

impl<V> Flight<V> {
    /// Gives what the call came to to all who wait.
    pub(super) fn land(self, entry: Entry<V>) {
        self.sender.send_replace(Some(entry));
    }
}

impl<V> Drop for Flight<V> {
    fn drop(&mut self) {
        let receiver = self.flights.lock().remove(&self.key);
        drop(receiver);
    }
}

/// Waits for a flight. None if it was given up before it landed.
pub(super) async fn landed<V: Clone>(mut flight: watch::Receiver<Landed<V>>) -> Option<Entry<V>> {
    let landed = flight.wait_for(Option::is_some).await.ok()?;
    landed.clone()
}
