//! The one sketch of all percentiles: bins whose width is a 64th of their octave.
//!
//! The layout is that of HdrHistogram (Gil Tene) with 64 steps for each doubling. The value that stands for a bin
//! lies in its middle, so the relative error of a percentile is at most [`RELATIVE_ERROR`]. A bin is found with a few
//! instructions on integers, which is why each thread can count into bins while a workflow runs.

use super::snapshot::ExponentialBuckets;

/// The steps of an octave are `2^STEP_BITS`.
const STEP_BITS: u32 = 6;
/// How many bins an octave has.
pub(super) const STEPS: usize = 1 << STEP_BITS;
/// How many octaves there are: what is below the first is counted one by one.
pub(super) const OCTAVES: usize = 64 - STEP_BITS as usize + 1;
/// The scale of the exponential buckets that are made of bins: 32 for each doubling.
const SCALE: i32 = 5;
/// The relative error of a percentile: a value of 100 ms may be shown as 99.2 to 100.8 ms.
pub const RELATIVE_ERROR: f64 = 1.0 / 128.0;

/// The bin of a value: its octave, and its step.
#[inline]
pub(super) const fn place(value: u64) -> (usize, usize) {
    let exponent = 63 - (value | (STEPS as u64 - 1)).leading_zeros();
    let octave = exponent + 1 - STEP_BITS;
    let step = (value >> octave.saturating_sub(1)) as usize % STEPS;
    (octave as usize, step)
}

/// The value in the middle of a bin.
fn middle(bin: usize) -> f64 {
    let (octave, step) = (bin / STEPS, bin % STEPS);
    if octave == 0 {
        return step as f64;
    }
    let width = (octave as f64 - 1.0).exp2();
    (STEPS + step) as f64 * width + (width - 1.0) / 2.0
}

/// Counts in bins. Grows with the range of its values, up to a few thousand bins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bins {
    /// The number of the first bin.
    first: usize,
    counts: Vec<u64>,
    total: u64,
}

impl Bins {
    pub(super) fn add(&mut self, value: u64) {
        let (octave, step) = place(value);
        self.add_at(octave * STEPS + step, 1);
    }

    pub(super) fn add_at(&mut self, bin: usize, count: u64) {
        if count == 0 {
            return;
        }
        if self.counts.is_empty() {
            self.first = bin;
        }
        if bin < self.first {
            self.counts.splice(0..0, std::iter::repeat_n(0, self.first - bin));
            self.first = bin;
        }
        let place = bin - self.first;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += count;
        self.total += count;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        // From the end, so that the vector grows once.
        for (place, count) in other.counts.iter().enumerate().rev() {
            self.add_at(other.first + place, *count);
        }
    }

    /// What came since an earlier state of the same bins.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut difference = Self::default();
        for (place, count) in self.counts.iter().enumerate() {
            let bin = self.first + place;
            difference.add_at(bin, count.saturating_sub(earlier.at(bin)));
        }
        difference
    }

    fn at(&self, bin: usize) -> u64 {
        bin.checked_sub(self.first).and_then(|place| self.counts.get(place)).copied().unwrap_or(0)
    }

    pub(super) fn count(&self) -> u64 {
        self.total
    }

    /// The value that this part of the values, from 0 to 1, does not exceed, by nearest rank; none if there are none.
    pub(super) fn quantile(&self, part: f64) -> Option<f64> {
        let rank = ((part * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(middle(self.first + place))
    }

    /// The same as exponential buckets of the values in a unit of which one is `unit` here. Each bin goes as a whole
    /// where its middle belongs, so the edges are sharp within [`RELATIVE_ERROR`].
    pub(super) fn to_exponential(&self, unit: f64) -> ExponentialBuckets {
        let mut buckets = ExponentialBuckets { scale: SCALE, ..ExponentialBuckets::default() };
        for (place, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let value = middle(self.first + place) / unit;
            if value <= 0.0 {
                buckets.zero_count += count;
                continue;
            }
            let index = (value.log2() * f64::from(SCALE).exp2()).ceil() as i32 - 1;
            if buckets.counts.is_empty() {
                buckets.offset = index;
            }
            // Bins come in the order of their values.
            let at = usize::try_from(index - buckets.offset).unwrap_or(0);
            buckets.counts.resize(buckets.counts.len().max(at + 1), 0);
            buckets.counts[at] += count;
        }
        buckets
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn every_value_is_near_the_middle_of_its_bin() {
        let mut value = 1_u64;
        let mut last = 0;
        while value < u64::MAX / 3 {
            for value in [value - 1, value, value + 1, value + value / 3] {
                let (octave, step) = place(value);
                assert!(octave < OCTAVES && step < STEPS);
                let shown = middle(octave * STEPS + step);
                let error = (shown - value as f64).abs();
                assert!(error <= value as f64 * RELATIVE_ERROR, "{value}: {shown}");
            }
            let (octave, step) = place(value);
            assert!(octave * STEPS + step >= last, "bins are in the order of their values");
            last = octave * STEPS + step;
            value = value + value / 33 + 1;
        }
        assert_eq!(place(u64::MAX), (OCTAVES - 1, STEPS - 1));
        assert_eq!(middle(63), 63.0);
    }

    #[test]
    fn a_quantile_is_within_its_error() {
        let mut bins = Bins::default();
        (1..=10_000).for_each(|n| bins.add(n * 7_001));
        for part in [0.001, 0.5, 0.9, 0.95, 0.99, 1.0] {
            let exact = (part * 10_000.0_f64).ceil() * 7_001.0;
            let shown = bins.quantile(part).expect("there are values");
            assert!((shown / exact - 1.0).abs() <= RELATIVE_ERROR, "{part}: {shown} for {exact}");
        }
        assert_eq!(Bins::default().quantile(0.5), None);
    }

    /// Compares percentiles with exact ones.
    fn check(what: &str, mut values: Vec<u64>) {
        let mut bins = Bins::default();
        values.iter().for_each(|value| bins.add(*value));
        values.sort_unstable();
        for part in [0.5, 0.9, 0.95, 0.99, 0.999] {
            let exact = values[(part * values.len() as f64).ceil() as usize - 1] as f64;
            let shown = bins.quantile(part).expect("there are values");
            assert!((shown - exact).abs() <= exact * RELATIVE_ERROR, "{what} {part}: {shown} for {exact}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_data() {
        let mut random = StdRng::seed_from_u64(11);
        let mut unit = || random.random_range(f64::EPSILON..1.0);
        // A Pareto distribution whose variance is infinite.
        check("heavy tail", (0..100_000).map(|_| (1e5 / unit().powf(1.0 / 1.2)) as u64).collect());
        let mut bimodal = |n: u64| if n % 10 < 7 { 1_000 + (unit() * 500.0) as u64 } else { 80_000_000 };
        check("bimodal", (0..100_000).map(&mut bimodal).collect());
        check("constant", vec![123_456_789; 1_000]);
        check("one", vec![7]);
    }

    #[test]
    fn merging_and_subtracting_undo_each_other() {
        let fill = |values: &[u64]| {
            let mut bins = Bins::default();
            values.iter().for_each(|value| bins.add(*value));
            bins
        };
        let (early, late) = (fill(&[500, 90_000]), fill(&[1, 500, 7_000_000]));
        let mut both = early.clone();
        both.merge(&late);
        assert_eq!(both.count(), 5);
        assert_eq!(both.since(&early), late);
    }

    #[test]
    fn exponential_buckets_hold_what_is_between_their_edges() {
        let mut bins = Bins::default();
        (1..=1_000).for_each(|millis| bins.add(millis * 1_000_000));
        let all = bins.to_exponential(1e6);
        let few = all.clone().at_most(40);
        assert!(few.counts.len() <= 40 && few.scale < all.scale);
        for buckets in [all, few] {
            assert_eq!(buckets.counts.iter().sum::<u64>(), 1_000);
            let base = (-f64::from(buckets.scale)).exp2().exp2();
            let below_512: u64 = (buckets.offset..)
                .zip(&buckets.counts)
                .filter(|(index, _)| base.powi(index + 1) <= 512.0 * (1.0 + 1e-9))
                .map(|(_, count)| count)
                .sum();
            assert!((508..=516).contains(&below_512), "{below_512}");
        }
    }
}
