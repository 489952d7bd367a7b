//! The sketch of all percentiles: bins whose width is a 64th of their octave.
//!
//! The layout is that of HdrHistogram (Gil Tene) with 64 steps for each doubling. The value that stands for a bin lies in
//! its middle, so the relative error of a percentile is at most [`RELATIVE_ERROR`]. Sketches of any number of minutes add
//! up to that of the whole, with the same error.

use crate::varint;

const STEP_BITS: u32 = 6;
const STEPS: u64 = 1 << STEP_BITS;
/// The greatest number of a bin, and one.
const BINS: usize = (64 - STEP_BITS as usize + 1) * STEPS as usize;

/// The relative error of a percentile: a value of 100 ms may be shown as 99.2 to 100.8 ms.
pub const RELATIVE_ERROR: f64 = 1.0 / 128.0;

/// The bin of a value.
#[inline]
pub(crate) fn place(value: u64) -> usize {
    let exponent = 63 - (value | (STEPS - 1)).leading_zeros();
    let octave = exponent + 1 - STEP_BITS;
    let step = (value >> octave.saturating_sub(1)) % STEPS;
    (u64::from(octave) * STEPS + step) as usize
}

/// The least value of a bin; that of the bin behind the last one is the end of all values.
pub(crate) fn lower(bin: usize) -> u64 {
    let (octave, step) = (bin as u64 / STEPS, bin as u64 % STEPS);
    match octave {
        0 => step,
        octave => (STEPS + step).checked_shl(octave as u32 - 1).unwrap_or(u64::MAX),
    }
}

/// The value in the middle of a bin.
fn middle(bin: usize) -> u64 {
    let (octave, lower) = (bin as u64 / STEPS, lower(bin));
    if octave == 0 { lower } else { lower + ((1_u64 << (octave - 1)) - 1) / 2 }
}

/// Counts in bins; as long as the range of its values asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bins {
    first: usize,
    counts: Vec<u64>,
    total: u64,
}

impl Bins {
    #[inline]
    pub(crate) fn add(&mut self, value: u64) {
        self.add_at(place(value), 1);
    }

    pub(crate) fn add_at(&mut self, bin: usize, count: u64) {
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

    /// The bins that hold something, in the order of their values.
    pub(crate) fn filled(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let counts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(place, count)| (self.first + place, *count))
    }

    /// The value that this part of the values, from 0 to 1, does not exceed, by nearest rank; none if there are none.
    pub(crate) fn quantile(&self, part: f64) -> Option<u64> {
        let rank = ((part * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(middle(self.first + place))
    }

    /// Appends the bins that hold something: the distance from the one before, and the count.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let mut before = 0;
        for (bin, count) in self.filled() {
            varint::put(out, (bin - before) as u64);
            varint::put(out, count);
            before = bin;
        }
        varint::seal(out, start);
    }

    /// Adds what [`write`](Self::write) wrote, or nothing and answers none if it is damaged.
    pub(crate) fn merge(&mut self, written: &[u8]) -> Option<()> {
        let mut reader = varint::Reader::new(varint::unseal(written)?);
        let mut bin = 0_usize;
        while !reader.is_empty() {
            let (distance, count) = reader.pair()?;
            bin = bin.checked_add(usize::try_from(distance).ok()?)?;
            if bin >= BINS {
                return None;
            }
            // Sums meet mostly what they have seen; what lies below their first bin is far beyond their last one, too.
            match self.counts.get_mut(bin.wrapping_sub(self.first)) {
                Some(sum) => {
                    *sum += count;
                    self.total += count;
                }
                None => self.add_at(bin, count),
            }
        }
        Some(())
    }
}

/// What is known of the executions of something in one minute.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) errors: u64,
    /// The sum of the durations, in nanoseconds.
    pub(crate) total: u64,
    pub(crate) bins: Bins,
}

impl Tally {
    #[inline]
    pub(crate) fn add(&mut self, duration: i64, is_error: bool) {
        let duration = duration.cast_unsigned();
        self.count += 1;
        self.errors += u64::from(is_error);
        self.total = self.total.saturating_add(duration).min(i64::MAX as u64);
        self.bins.add(duration);
    }
}

/// The minute of a time in nanoseconds since 1970.
#[inline]
pub(crate) fn minute(nanos: i64) -> i64 {
    nanos.div_euclid(MINUTE)
}

/// The nanoseconds of a minute.
pub(crate) const MINUTE: i64 = 60_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_near_the_middle_of_its_bin() {
        let mut value = 1_u64;
        while value < u64::MAX / 3 {
            for value in [value - 1, value, value + value / 3] {
                let bin = place(value);
                assert!(bin < BINS && lower(bin) <= value && value < lower(bin + 1), "{value}");
                let error = middle(bin).abs_diff(value) as f64;
                assert!(error <= value as f64 * RELATIVE_ERROR, "{value}: {}", middle(bin));
            }
            value = value + value / 33 + 1;
        }
        assert_eq!(place(u64::MAX), BINS - 1);
    }

    #[test]
    fn what_is_written_adds_up() {
        let mut one = Bins::default();
        (1..1_000).for_each(|n| one.add(n * 1_001));
        let mut written = Vec::new();
        one.write(&mut written);
        let mut two = one.clone();
        two.merge(&written).expect("it is whole");
        assert_eq!((two.total, two.quantile(0.5)), (1_998, one.quantile(0.5)));
        written[3] ^= 1;
        assert_eq!(two.merge(&written), None);
    }
}
