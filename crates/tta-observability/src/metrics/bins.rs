//! The one sketch of all percentiles: bins that grow by a constant factor.
//!
//! The bins are those of OpenTelemetry's exponential histogram at [`SCALE`], so that what percentiles are read from
//! is also what OTLP sends. A bin is about 1.1 % wide, and the value that stands for it lies in the middle, so
//! the relative error of a percentile is at most [`RELATIVE_ERROR`]. This is the guarantee of DDSketch (Masson, Rim
//! and Lee, 2019) with another base; libraries of it do not show their bins.

use super::snapshot::ExponentialBuckets;

/// Bins for each doubling: `2^SCALE`.
pub(crate) const SCALE: u32 = 6;
/// How many bins a doubling has.
pub(crate) const PER_OCTAVE: usize = 1 << SCALE;
/// The relative error of a percentile: a value of 100 ms may be shown as 99.5 to 100.5 ms.
pub const RELATIVE_ERROR: f64 = 0.0055;
/// The octave of the smallest value that is kept apart, about a nanosecond in milliseconds; what is smaller is counted there.
pub(crate) const LOWEST_OCTAVE: i32 = -20;
/// How many octaves are kept apart: up to 2^36 milliseconds, two years, or 68 billion tokens.
pub(crate) const OCTAVES: usize = 56;

/// The lower edge of each bin of an octave, as the 52 bits of a mantissa.
const EDGES: [u64; PER_OCTAVE] = edges();

/// The mantissas of `2^(j / 64)`, by square roots, since a constant cannot call `exp2`.
const fn edges() -> [u64; PER_OCTAVE] {
    // 2^(1/64) to 2^(32/64) in fixed point with 62 bits behind the point; products give the rest.
    const ONE: u128 = 1 << 62;
    let mut roots = [0u128; SCALE as usize];
    let mut value = 2 * ONE;
    let mut step = 0;
    while step < SCALE as usize {
        value = square_root(value * ONE);
        roots[step] = value;
        step += 1;
    }
    let mut edges = [0; PER_OCTAVE];
    let mut j = 0;
    while j < PER_OCTAVE {
        let mut product = ONE;
        let mut bit = 0;
        while bit < SCALE as usize {
            if j & (1 << (SCALE as usize - 1 - bit)) != 0 {
                product = product * roots[bit] / ONE;
            }
            bit += 1;
        }
        edges[j] = ((product - ONE) >> 10) as u64;
        j += 1;
    }
    edges
}

/// The bin in which each 64th of an octave begins: bins are narrower than those at first, and wider later.
const STARTS: [u8; PER_OCTAVE] = starts();

const fn starts() -> [u8; PER_OCTAVE] {
    let mut starts = [0; PER_OCTAVE];
    let (mut part, mut place) = (0, 0);
    while part < PER_OCTAVE {
        let begin = (part as u64) << (52 - SCALE);
        while place + 1 < PER_OCTAVE && EDGES[place + 1] < begin {
            place += 1;
        }
        starts[part] = place as u8;
        part += 1;
    }
    starts
}

const fn square_root(square: u128) -> u128 {
    let mut root = 1 << 63;
    loop {
        let next = (root + square / root) / 2;
        if next >= root {
            return root;
        }
        root = next;
    }
}

/// The bin of a value: its octave, from zero, and its place in it. Zero and what is no number are in the first.
#[inline]
pub(crate) fn place(value: f64) -> (usize, usize) {
    let bits = value.to_bits();
    let octave = ((bits >> 52) & 0x7ff) as i32 - 1023 - LOWEST_OCTAVE;
    let mantissa = bits & ((1 << 52) - 1);
    if octave < 0 || value <= 0.0 || value.is_nan() {
        return (0, 0);
    }
    if mantissa == 0 {
        // An edge belongs to the bin below it.
        return if octave == 0 { (0, 0) } else { clamp(octave as usize - 1, PER_OCTAVE - 1) };
    }
    let mut place = usize::from(STARTS[(mantissa >> (52 - SCALE)) as usize]);
    while place + 1 < PER_OCTAVE && EDGES[place + 1] < mantissa {
        place += 1;
    }
    clamp(octave as usize, place)
}

fn clamp(octave: usize, place: usize) -> (usize, usize) {
    if octave < OCTAVES { (octave, place) } else { (OCTAVES - 1, PER_OCTAVE - 1) }
}

/// Counts in bins. Grows with the range of its values, up to [`OCTAVES`] doublings.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bins {
    /// The number of the first bin, from the lowest octave on.
    first: usize,
    counts: Vec<u64>,
    total: u64,
}

impl Bins {
    pub(crate) fn add(&mut self, value: f64) {
        let (octave, place) = place(value);
        self.add_at(octave * PER_OCTAVE + place, 1);
    }

    pub(crate) fn add_at(&mut self, bin: usize, count: u64) {
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

    pub(crate) fn merge(&mut self, other: &Self) {
        // The ends first, so that the vector grows once.
        for (place, count) in other.counts.iter().enumerate().rev() {
            self.add_at(other.first + place, *count);
        }
    }

    /// What came since an earlier state of the same bins.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
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

    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    /// The value below which this part of the measurements lies, from 0 to 1, by nearest rank; none if there are none.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let rank = ((part * self.total as f64).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(middle(self.first + place))
    }

    /// The bins as OTLP has them.
    pub(crate) fn to_buckets(&self) -> ExponentialBuckets {
        let offset = self.first as i32 + LOWEST_OCTAVE * PER_OCTAVE as i32;
        ExponentialBuckets { scale: SCALE as i32, zero_count: 0, offset, counts: self.counts.clone() }
    }
}

/// The value that stands for a bin: the one whose relative distance to both edges is the same.
fn middle(bin: usize) -> f64 {
    let index = bin as i32 + LOWEST_OCTAVE * PER_OCTAVE as i32;
    let base = (1.0 / PER_OCTAVE as f64).exp2();
    let lower = (f64::from(index) / PER_OCTAVE as f64).exp2();
    2.0 * lower * base / (1.0 + base)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: the greatest index whose lower edge is below the value.
    fn index_by_logarithm(value: f64) -> i64 {
        (value.log2() * PER_OCTAVE as f64).ceil() as i64 - 1
    }

    fn index(value: f64) -> i64 {
        let (octave, place) = place(value);
        (octave as i64 + i64::from(LOWEST_OCTAVE)) * PER_OCTAVE as i64 + place as i64
    }

    #[test]
    fn bins_are_those_of_the_definition() {
        let mut value = 2e-6;
        while value < 1e9 {
            let expected = index_by_logarithm(value);
            // On an edge the logarithm is rounded.
            let distance = (value.log2() * PER_OCTAVE as f64).rem_euclid(1.0);
            if (1e-6..1.0 - 1e-6).contains(&distance) {
                assert_eq!(index(value), expected, "{value}");
            }
            value *= 1.000_37;
        }
        assert_eq!(index(1.0), -1, "an edge belongs to the bin below it");
        assert_eq!(index(1.0 + f64::EPSILON), 0);
        assert_eq!(index(2.0), 63);
        assert_eq!(index(0.5), -65);
    }

    #[test]
    fn what_is_out_of_range_is_counted_at_the_end() {
        for small in [0.0, -1.0, f64::NAN, f64::MIN_POSITIVE, 1e-9] {
            assert_eq!(place(small), (0, 0), "{small}");
        }
        for large in [f64::INFINITY, f64::MAX, 1e12] {
            assert_eq!(place(large), (OCTAVES - 1, PER_OCTAVE - 1), "{large}");
        }
    }

    #[test]
    fn a_quantile_is_within_its_error() {
        let mut bins = Bins::default();
        (1..=10_000).for_each(|n| bins.add(f64::from(n) / 7.0));
        for part in [0.001, 0.5, 0.9, 0.95, 0.99, 1.0] {
            let exact = (part * 10_000.0_f64).ceil() / 7.0;
            let shown = bins.quantile(part).expect("there are values");
            assert!((shown / exact - 1.0).abs() <= RELATIVE_ERROR, "{part}: {shown} for {exact}");
        }
        assert_eq!(Bins::default().quantile(0.5), None);
    }

    #[test]
    fn merging_and_subtracting_undo_each_other() {
        let fill = |values: &[f64]| {
            let mut bins = Bins::default();
            values.iter().for_each(|value| bins.add(*value));
            bins
        };
        let (early, late) = (fill(&[5.0, 900.0]), fill(&[0.01, 5.0, 70_000.0]));
        let mut both = early.clone();
        both.merge(&late);
        assert_eq!(both.count(), 5);
        assert_eq!(both.since(&early), late);
    }

    #[test]
    fn halving_the_resolution_keeps_every_count() {
        let mut bins = Bins::default();
        (1..=1_000).for_each(|n| bins.add(f64::from(n)));
        let all = bins.to_buckets();
        let few = all.clone().at_most(160);
        assert!(few.counts.len() <= 160 && few.scale < all.scale);
        assert_eq!(few.counts.iter().sum::<u64>(), 1_000);
        let base = (-f64::from(few.scale)).exp2().exp2();
        let below_512: u64 = (few.offset..)
            .zip(&few.counts)
            .filter(|(index, _)| base.powi(index + 1) <= 512.0 * (1.0 + 1e-9))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(below_512, 512);
    }
}
