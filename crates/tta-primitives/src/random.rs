//! The only place that draws random numbers.
//!
//! One small generator a thread, seeded by the operating system. It is fast and well distributed; it
//! is not meant for secrets.

use std::cell::RefCell;

use rand::RngExt;
#[cfg(feature = "test-kit")]
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tta_model::{SpanId, TraceId};
use uuid::Uuid;

thread_local! {
    static GENERATOR: RefCell<SmallRng> = RefCell::new(rand::make_rng());
}

fn with<T>(draw: impl FnOnce(&mut SmallRng) -> T) -> T {
    GENERATOR.with_borrow_mut(draw)
}

/// Makes this thread draw the same numbers as every other thread that was given the same seed.
#[cfg(feature = "test-kit")]
pub(crate) fn seed(seed: u64) {
    with(|generator| *generator = SmallRng::seed_from_u64(seed));
}

/// A new trace id, all of whose bytes are random.
#[must_use]
pub fn trace_id() -> TraceId {
    loop {
        if let Some(id) = TraceId::new(with(|generator| generator.random())) {
            return id;
        }
    }
}

/// A new span id.
#[must_use]
pub fn span_id() -> SpanId {
    loop {
        if let Some(id) = SpanId::new(with(|generator| generator.random())) {
            return id;
        }
    }
}

/// A number in `0.0..1.0`.
#[must_use]
pub fn unit() -> f64 {
    with(|generator| generator.random())
}

/// A position at random, each as often as its weight says in proportion to the others; the first one if all weights
/// are zero.
#[must_use]
pub fn weighted(weights: &[u32]) -> usize {
    position(weights, unit())
}

/// The position at which a point in `0.0..1.0` lies when every position has its weight.
fn position(weights: &[u32], point: f64) -> usize {
    let total: f64 = weights.iter().copied().map(f64::from).sum();
    let mut left = point * total;
    for (index, weight) in weights.iter().enumerate() {
        left -= f64::from(*weight);
        if left < 0.0 {
            return index;
        }
    }
    weights.iter().rposition(|weight| *weight > 0).unwrap_or(0)
}

/// The number in `0.0..1.0` at a place of the sequence that belongs to a seed; the same wherever it is drawn.
#[cfg(feature = "test-kit")]
pub(crate) fn unit_at(seed: u64, place: u64) -> f64 {
    SmallRng::seed_from_u64(seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15)).random()
}

/// A new identifier, as UUID version 4.
pub(crate) fn uuid() -> Uuid {
    uuid::Builder::from_random_bytes(with(|generator| generator.random())).into_uuid()
}

#[cfg(test)]
mod tests {
    #[test]
    fn identifiers_differ() {
        let ids: std::collections::HashSet<_> = (0..1_000).map(|_| super::span_id()).collect();
        assert_eq!(ids.len(), 1_000);
        assert_eq!(super::uuid().get_version_num(), 4);
    }
}
