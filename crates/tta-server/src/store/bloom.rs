//! Tells of a run which attributes its spans cannot have: a Bloom filter as large as it has to be.
//!
//! It is filled at its largest, and then folded in halves for as long as no more than half of its bits are set. So nobody has
//! to know before how many different attributes will come.

use crate::varint;

/// The bits of the largest one: enough for the attributes of a run of loud spans.
const LARGEST: usize = 1 << 17;
/// How many bits an attribute sets: with half of all set, one of 32 that are not there seems to be.
const PROBES: u64 = 5;
/// The least words of 64 bits.
const LEAST: usize = 2;

pub(crate) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    pub(crate) fn new() -> Self {
        Self { words: vec![0; LARGEST / 64] }
    }

    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.words.resize(LARGEST / 64, 0);
    }

    #[inline]
    pub(crate) fn add(&mut self, hash: u64) {
        for bit in bits(hash) {
            let at = bit as usize % LARGEST;
            self.words[at / 64] |= 1 << (at % 64);
        }
    }

    /// Writes it as small as it may be. It has to be cleared then.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>) {
        while self.words.len() > LEAST {
            let half = self.words.len() / 2;
            let (one, other) = self.words.split_at(half);
            let set: u32 = one.iter().zip(other).map(|(one, other)| (one | other).count_ones()).sum();
            if set as usize > half * 32 {
                break;
            }
            for at in 0..half {
                self.words[at] |= self.words[half + at];
            }
            self.words.truncate(half);
        }
        out.clear();
        self.words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        varint::seal(out, 0);
    }
}

/// Bits that are far from each other, of which the lower parts are the places in smaller filters.
#[inline]
fn bits(hash: u64) -> impl Iterator<Item = u64> {
    let step = (hash >> 32) | 1;
    (0..PROBES).map(move |n| hash.wrapping_add(n.wrapping_mul(step)) & u64::from(u32::MAX))
}

/// Whether what was added to a written filter may include one of these; true also if it is damaged.
pub(crate) fn may_have(written: &[u8], hashes: &[u64]) -> bool {
    let Some(bytes) =
        varint::unseal(written).filter(|bytes| bytes.len().is_power_of_two() && bytes.len() >= 8)
    else {
        return true;
    };
    let is_set = |bit: u64| {
        let at = bit as usize % (bytes.len() * 8);
        bytes[at / 8] & 1 << (at % 8) != 0
    };
    hashes.iter().any(|hash| bits(*hash).all(is_set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_and_little_else() {
        let hash = |n: u64| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes());
        let (mut bloom, mut written) = (Bloom::new(), Vec::new());
        for (count, largest) in [(0, 16), (1, 16), (20, 64), (2_500, 4_096), (200_000, 16_384)] {
            bloom.clear();
            (0..count).for_each(|n| bloom.add(hash(n)));
            bloom.write(&mut written);
            assert!(written.len() <= largest + 4, "{count}: {}", written.len());
            assert!((0..count).step_by(97).all(|n| may_have(&written, &[hash(n)])));
            let wrong = (count..count + 1_000).filter(|n| may_have(&written, &[hash(*n)])).count();
            assert!(wrong < 45 || count > 100_000, "{count}: {wrong}");
        }
        written[0] ^= 1;
        assert!(may_have(&written, &[7]), "damage hides nothing");
    }
}
