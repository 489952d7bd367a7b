//! A flow behind a cache.

use std::sync::PoisonError;
use std::time::Duration;

use tta_model::name::attribute;

use super::flight::{Part, landed};
use super::making::Making;
use super::settings::{Cache, Core};
use super::store::{CacheKey, Entry, Remembered};
use crate::clock;
use crate::context::{MicroUsd, Shield, WorkflowContext, outliving};
use crate::error::Result;
use crate::flow::{Flow, Role, leaf};
use crate::observe::{CacheOutcome, Event};
use crate::primitive::{Description, Primitive};

impl<I, O, S> Flow<I, O, S>
where
    I: Send + Sync + 'static,
    O: Clone + Send + Sync + 'static,
{
    /// Remembers the outputs of the flow in a cache.
    #[must_use]
    pub fn cached(self, cache: &Cache<I, O>) -> Flow<I, O> {
        let flow = Flow::of_node(self.node);
        Flow::new(Cached { making: Making::of(flow, cache), cache: cache.clone() })
    }
}

struct Cached<I, O> {
    making: Making<I, O>,
    cache: Cache<I, O>,
}

/// An entry of use, and how it was come by.
struct Found<O> {
    entry: Entry<O>,
    outcome: CacheOutcome,
}

impl<I, O> Cached<I, O>
where
    I: Send + Sync + 'static,
    O: Clone + Send + Sync + 'static,
{
    fn core(&self) -> &Core<O> {
        &self.cache.shared.core
    }

    /// What a look-up in the store is good for. A store that fails has nothing.
    fn found(&self, looked_up: Result<Option<Entry<O>>>, cx: &WorkflowContext) -> Option<Found<O>> {
        if let Err(error) = &looked_up {
            self.core().store_failed("get", error, cx);
        }
        let entry = looked_up.ok()??;
        let outcome = self.usable(&entry)?;
        Some(Found { entry, outcome })
    }

    /// As what an entry can be used, if it can.
    fn usable(&self, entry: &Entry<O>) -> Option<CacheOutcome> {
        let (cache, age) = (&self.cache, entry.age);
        let within = |limit: Option<Duration>| limit.is_some_and(|limit| age < limit);
        let stale = || cache.ttl?.checked_add(cache.stale.as_ref()?.window);
        match &entry.outcome {
            Remembered::Failure(_) => within(cache.negative_ttl).then_some(CacheOutcome::NegativeHit),
            Remembered::Value(_) if cache.ttl.is_none() || within(cache.ttl) => Some(CacheOutcome::Hit),
            Remembered::Value(_) => within(stale()).then_some(CacheOutcome::Stale),
        }
    }

    /// Gives out an entry, and has it renewed if its time has passed.
    fn give(&self, found: Found<O>, ask: &Ask<'_, I>) -> Result<O> {
        self.report(ask, found.outcome, Some(&found.entry));
        if found.outcome == CacheOutcome::Stale {
            self.renew(ask);
        }
        match found.entry.outcome {
            Remembered::Value(value) => Ok(value),
            Remembered::Failure(failure) => Err(failure.to_error()),
        }
    }

    /// Makes a new entry beside the caller, unless somebody does so already.
    fn renew(&self, ask: &Ask<'_, I>) {
        let Some(stale) = &self.cache.stale else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let Part::Lead(flight) = self.core().flights.join(&ask.key) else { return };
        let (input, key, making) = ((stale.copy)(ask.input), ask.key.clone(), self.making.renewing());
        // What ends the caller does not end the renewal.
        let cx = ask.cx.shielded();
        let shield = Shield::raise(&cx);
        let work = outliving(&cx.clone(), async move {
            if !making.is_fresh(&key, &cx).await {
                // What it failed with is on its spans; the stale entry stays until its time has passed.
                let _ = making.make(input, &key, &cx, flight).await;
            }
            drop(shield);
        });
        let mut renewals = self.cache.shared.renewals.lock().unwrap_or_else(PoisonError::into_inner);
        while renewals.try_join_next().is_some() {}
        renewals.spawn_on(work, &runtime);
    }

    fn report(&self, ask: &Ask<'_, I>, outcome: CacheOutcome, entry: Option<&Entry<O>>) {
        let (core, cx, took) = (self.core(), ask.cx, Duration::from_nanos(ask.took));
        let age = entry.map(|entry| entry.age);
        let saved = entry.map_or(MicroUsd(0), |entry| entry.cost);
        core.counters.count(outcome, saved);
        cx.emit(&Event::CacheLookedUp {
            cache: &self.cache.name,
            backend: core.store.backend(),
            key_hash: ask.key.hash(),
            outcome,
            age,
            time_to_live: self.cache.ttl,
            took,
            entries: core.store.entries(),
            policy: core.store.policy(),
            saved_micro_usd: saved.0,
        });
        if cx.scope.observation.is_none() {
            return;
        }
        cx.set_attribute(attribute::CACHE_HIT.key(), outcome.is_hit());
        cx.set_attribute(attribute::CACHE_KEY.key(), format!("{:016x}", ask.key.hash()));
        cx.set_attribute(attribute::CACHE_LOOKUP_TIME_MS.key(), took.as_secs_f64() * 1e3);
        let Some(age) = age else { return };
        cx.set_attribute(attribute::CACHE_AGE_SECONDS.key(), age.as_secs_f64());
        cx.set_attribute(attribute::CACHE_SAVINGS_USD.key(), saved.as_usd());
        cx.set_attribute(attribute::CACHE_STALE.key(), outcome == CacheOutcome::Stale);
        cx.set_attribute(attribute::CACHE_SHARED_FLIGHT.key(), outcome == CacheOutcome::Shared);
    }
}

/// What is asked of a cache.
struct Ask<'a, I> {
    input: &'a I,
    key: CacheKey,
    cx: &'a WorkflowContext,
    /// How long the look-up took, in nanoseconds.
    took: u64,
}

impl<I, O> Primitive for Cached<I, O>
where
    I: Send + Sync + 'static,
    O: Clone + Send + Sync + 'static,
{
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let (core, key) = (self.core(), (self.cache.key)(&input));
        let started = clock::ticks();
        let found = self.found(leaf(cx, &core.lookup, core.store.get(&key)).await, cx);
        let ask = Ask { input: &input, key, cx, took: clock::ticks().saturating_sub(started) };
        if let Some(found) = found {
            return self.give(found, &ask);
        }
        if self.making.is_under_way(&ask.key, cx) {
            self.report(&ask, CacheOutcome::Miss, None);
            return self.making.call(input, cx).await;
        }
        loop {
            let outcome = CacheOutcome::Shared;
            match core.flights.join(&ask.key) {
                Part::Wait(flight) => {
                    if let Some(entry) = landed(flight).await {
                        return self.give(Found { entry, outcome }, &ask);
                    }
                }
                Part::Lead(flight) => {
                    // The flight of another may have landed after the look-up and before this one began.
                    if let Some(Found { entry, .. }) = self.found(core.store.get(&ask.key).await, cx) {
                        return self.give(Found { entry, outcome }, &ask);
                    }
                    self.report(&ask, CacheOutcome::Miss, None);
                    let key = ask.key;
                    return self.making.make(input, &key, cx, flight).await;
                }
            }
        }
    }

    fn describe(&self) -> Description {
        let core = self.core();
        let description = Description::new("cache")
            .named(self.cache.name.clone())
            .attribute(attribute::CACHE_NAME.key(), self.cache.name.clone())
            .attribute(attribute::CACHE_TYPE.key(), core.store.backend())
            .attribute(attribute::CACHE_EVICTION_POLICY.key(), core.store.policy())
            .child(Role::Inner, self.making.flow());
        match self.cache.ttl {
            Some(ttl) => description.attribute(attribute::CACHE_TTL_SECONDS.key(), ttl.as_secs_f64()),
            None => description,
        }
    }
}
