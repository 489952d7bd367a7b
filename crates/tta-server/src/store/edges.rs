//! Who calls whom: finds the parent of each span, though the two seldom come in one batch.
//!
//! A child is often exported before its parent, and by another process. So the last spans are remembered by their ids, and
//! children whose parent has not come wait for it; both for as long as some ten thousand spans take to come.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::bins::{Tally, minute};
use crate::wire::SpanRef;

/// How many spans a generation has; two are remembered.
const GENERATION: usize = 32_768;
/// How many places are known before all is forgotten: a program whose names have no end would fill the memory.
const NODES: usize = 16_384;

/// A span that was committed, as far as the map needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) trace: u128,
    pub(super) id: u64,
    /// Zero if it has none.
    pub(super) parent: u64,
    pub(super) start: i64,
    pub(super) duration: i64,
    pub(super) is_error: bool,
    pub(super) node: u32,
}

impl Call {
    pub(super) fn new(span: &SpanRef, node: u32) -> Self {
        let SpanRef { trace, id, parent, start, duration, .. } = *span;
        Self { trace, id, parent, start, duration, is_error: span.is_error(), node }
    }
}

/// Stands for the ids of a span: 24 bytes in 8. That two spans of some ten thousand have the same is as likely as one in 10
/// billion, and would cost a wrong call in the map.
type Key = u64;

#[inline]
fn key(trace: u128, id: u64) -> Key {
    let mix = |one: u64, other: u64| {
        let product = u128::from(one) * u128::from(other);
        product as u64 ^ (product >> 64) as u64
    };
    let (high, low) = ((trace >> 64) as u64, trace as u64);
    // Odd numbers without a pattern, those of wyhash.
    mix(low ^ 0xa076_1d64_78bd_642f, id ^ 0xe703_7ed1_a0b4_28db)
        ^ mix(high ^ 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3)
}

/// A map that forgets what is older than two generations.
#[derive(Default)]
struct Recent<V> {
    young: HashMap<Key, V, RandomState>,
    old: HashMap<Key, V, RandomState>,
}

impl<V> Recent<V> {
    /// Answers how many entries of a generation were forgotten.
    fn make_room(&mut self) -> usize {
        if self.young.len() < GENERATION {
            return 0;
        }
        let forgotten = self.old.len();
        self.old = std::mem::take(&mut self.young);
        forgotten
    }
}

/// The calls that are not written yet, and what is needed to find the next ones.
#[derive(Default)]
pub(super) struct Edges {
    nodes: Vec<(Box<str>, Box<str>)>,
    by_name: HashMap<(Box<str>, Box<str>), u32, RandomState>,
    /// The places of the shapes of the file that is written to.
    by_shape: HashMap<u32, u32, RandomState>,
    seen: Recent<u32>,
    waiting: Recent<Vec<Call>>,
    tallies: HashMap<(u32, u32, i64), Tally, RandomState>,
    unresolved: u64,
}

impl Edges {
    /// The number of a place, in this process only.
    pub(super) fn node_of(&mut self, service: &str, place: &str) -> u32 {
        let key = (service.into(), place.into());
        if let Some(node) = self.by_name.get(&key) {
            return *node;
        }
        let node = self.nodes.len() as u32;
        self.nodes.push(key.clone());
        self.by_name.insert(key, node);
        node
    }

    /// The number of the place of a shape, which `name` tells if it is new.
    pub(super) fn node_of_shape<'a>(&mut self, shape: u32, name: impl FnOnce() -> (&'a str, &'a str)) -> u32 {
        if let Some(node) = self.by_shape.get(&shape) {
            return *node;
        }
        let (service, place) = name();
        let node = self.node_of(service, place);
        self.by_shape.insert(shape, node);
        node
    }

    /// Forgets the shapes, which have other numbers in another file.
    pub(super) fn forget_shapes(&mut self) {
        self.by_shape.clear();
    }

    /// Whether so many places are known that all should be forgotten once the sums are written.
    pub(super) fn is_crowded(&self) -> bool {
        self.nodes.len() >= NODES
    }

    pub(super) fn node(&self, node: u32) -> (&str, &str) {
        let (service, place) = &self.nodes[node as usize];
        (service, place)
    }

    pub(super) fn add(&mut self, calls: &[Call]) {
        for call in calls {
            self.seen.make_room();
            self.seen.young.insert(key(call.trace, call.id), call.node);
        }
        for call in calls {
            if call.parent != 0 {
                self.resolve(call);
            }
            self.wake(call);
        }
    }

    fn resolve(&mut self, call: &Call) {
        let key = key(call.trace, call.parent);
        match self.seen.young.get(&key).or_else(|| self.seen.old.get(&key)) {
            Some(caller) => self.tally(*caller, call),
            None => {
                self.unresolved += self.waiting.make_room() as u64;
                self.waiting.young.entry(key).or_default().push(*call);
            }
        }
    }

    /// Resolves the children that came before their parent.
    fn wake(&mut self, parent: &Call) {
        let key = key(parent.trace, parent.id);
        for generation in [&mut self.waiting.young, &mut self.waiting.old] {
            if generation.is_empty() {
                continue;
            }
            for child in generation.remove(&key).into_iter().flatten() {
                let at = (parent.node, child.node, minute(child.start));
                self.tallies.entry(at).or_default().add(child.duration, child.is_error);
            }
        }
    }

    fn tally(&mut self, caller: u32, call: &Call) {
        let tally = self.tallies.entry((caller, call.node, minute(call.start))).or_default();
        tally.add(call.duration, call.is_error);
    }

    pub(super) fn tallies(&self) -> impl Iterator<Item = ((u32, u32, i64), &Tally)> + '_ {
        self.tallies.iter().map(|(key, tally)| (*key, tally))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    /// Whether nothing has come yet.
    pub(super) fn is_new(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Forgets the sums, which are written; and everything, if too much is known.
    pub(super) fn clear(&mut self) {
        self.tallies.clear();
        if self.is_crowded() {
            *self = Self { unresolved: self.unresolved, ..Self::default() };
        }
    }

    /// Forgets the sums only.
    pub(super) fn forget_tallies(&mut self) {
        self.tallies.clear();
    }

    /// How many parents that children waited for were given up.
    pub(super) fn unresolved(&self) -> u64 {
        self.unresolved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_finds_its_parent_whichever_comes_first() {
        let mut edges = Edges::default();
        let (shop, bank) = (edges.node_of("shop", "buy"), edges.node_of("bank", "pay"));
        let call =
            |id, parent, node| Call { trace: 1, id, parent, start: 5, duration: 7, is_error: id == 3, node };
        edges.add(&[call(2, 1, bank)]);
        assert!(edges.is_empty());
        edges.add(&[call(1, 0, shop)]);
        edges.add(&[call(3, 1, bank), call(4, 9, bank), Call { trace: 2, ..call(5, 1, bank) }]);
        let found: Vec<_> = edges.tallies().map(|(key, tally)| (key, tally.count, tally.errors)).collect();
        assert_eq!(found, [((shop, bank, 0), 2, 1)]);
    }
}
