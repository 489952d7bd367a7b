//! Numbers that look drawn and are the same everywhere.

use std::time::Duration;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::request::ChatRequest;

/// What a number is used for, so that no two uses share one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use {
    /// The time to the first piece.
    First,
    /// The time between two pieces.
    Gap,
    /// The name of a call.
    Call,
}

/// The numbers of a request and a seed.
///
/// They are hashes of their place, and not a sequence: one more piece changes no other number. XXH3 gives the same
/// numbers on every platform and in every version, which the hashes of the standard library do not promise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    seed: u64,
}

impl Chance {
    /// The numbers of a request. Requests that differ in anything have others.
    pub(super) fn new(seed: u64, request: &ChatRequest) -> Self {
        // A request is made of texts, numbers and JSON, all of which can be written.
        let written = serde_json::to_vec(request).unwrap_or_default();
        Self { seed: xxh3_64_with_seed(&written, seed) }
    }

    /// The number at a place.
    pub(super) fn number(&self, what: Use, place: usize) -> u64 {
        let mut bytes = [0; 9];
        bytes[0] = what as u8;
        bytes[1..].copy_from_slice(&(place as u64).to_le_bytes());
        xxh3_64_with_seed(&bytes, self.seed)
    }

    /// A time with a median, spread as those of real services are: most are near it, a few are many times as long. Their
    /// logarithm has a normal distribution with the given deviation.
    pub(super) fn time(&self, what: Use, place: usize, (median, deviation): (Duration, f64)) -> Duration {
        let first = self.number(what, place);
        let second = xxh3_64(&first.to_le_bytes());
        // The method of Box and Muller (1958); 1 - u, since the logarithm of zero is not a number.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - unit(first)));
        let normal = radius * libm::cos(std::f64::consts::TAU * unit(second));
        median.mul_f64(libm::exp(deviation * normal))
    }
}

/// A number in `0.0..1.0`, from the 53 bits that a float can hold.
fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_median_and_a_long_tail() {
        let chance = Chance::new(7, &ChatRequest::user("?"));
        let median = Duration::from_millis(80);
        let mut times: Vec<Duration> =
            (0..10_001).map(|place| chance.time(Use::Gap, place, (median, 0.5))).collect();
        times.sort_unstable();
        let part = |share: f64| times[(10_000.0 * share) as usize].as_secs_f64() * 1000.0;
        assert!((part(0.5) - 80.0).abs() < 2.0, "{}", part(0.5));
        // e^(0.5 * 1.2816) = 1.898 times the median, and the same below it.
        assert!((part(0.9) - 151.8).abs() < 6.0, "{}", part(0.9));
        assert!((part(0.1) - 42.2).abs() < 2.0, "{}", part(0.1));
        assert!(times[10_000] < Duration::from_secs(2));
    }

    #[test]
    fn every_use_and_place_has_its_number() {
        let chance = Chance::new(0, &ChatRequest::default());
        let mut numbers: Vec<u64> = [Use::First, Use::Gap, Use::Call]
            .into_iter()
            .flat_map(|what| (0..100).map(move |place| chance.number(what, place)))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 300);
        assert_ne!(chance.seed, Chance::new(1, &ChatRequest::default()).seed);
        assert_ne!(chance.seed, Chance::new(0, &ChatRequest::user("")).seed);
    }
}
