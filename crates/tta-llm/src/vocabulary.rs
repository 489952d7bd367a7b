//! Counts the tokens of a text with a vocabulary of byte pairs, as OpenAI's tokenizers do.
//!
//! A text is split into pieces by a regular expression, and in each piece the two neighbours whose union ranks first are
//! merged until no two can be. Only the number of what is left matters here.
//!
//! The crates for this carry their automata ready made, 47 MB in every binary. A hash of the tokens is made of 2.5 MB in a
//! twentieth of a second, and most pieces are found in it as they are.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use foldhash::fast::RandomState;
use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};

/// That of the models since `gpt-4o`.
pub(crate) static O200K_BASE: LazyLock<Vocabulary> = LazyLock::new(|| {
    Vocabulary::new(include_bytes!("../data/o200k_base.tiktoken.gz"), &O200K_PIECES.join("|"))
});
/// That of the models before.
pub(crate) static CL100K_BASE: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::new(include_bytes!("../data/cl100k_base.tiktoken.gz"), CL100K_PIECES));

/// The patterns of tiktoken, but for the space before a word, which [`SPACES`] finds.
const CL100K_PIECES: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+$";
const O200K_PIECES: [&str; 6] = [
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s+$",
];
/// tiktoken's `\s+(?!\S)`: spaces but for the one that belongs to what follows. The engine cannot look ahead, so one more is matched,
/// and given back.
const SPACES: &str = r"\s+\s";
const LAST: &str = r"\s+";
/// The number of [`SPACES`] among the patterns.
const GIVES_BACK: usize = 1;

/// Pieces up to this many bytes are merged by looking at all pairs again after each merge: the square of little.
const SHORT: usize = 96;
/// Longer ones are taken in parts of this many bytes, which no text of a person has.
const LONGEST: usize = 1 << 30;
/// The rank of two tokens that cannot be merged.
const NONE: u32 = u32::MAX;

/// The tokens of a family of models, and how a text is split before.
pub(crate) struct Vocabulary {
    ranks: HashMap<&'static [u8], u32, RandomState>,
    pieces: Regex,
}

impl Vocabulary {
    fn new(compressed: &[u8], pieces: &str) -> Self {
        let (tokens, ends) = read(compressed);
        let pieces = Regex::new_many(&[pieces, SPACES, LAST]).expect("the patterns are ours");
        // It is made once and lives as long as the program.
        let tokens: &'static [u8] = Vec::leak(tokens);
        let mut ranks = HashMap::with_capacity_and_hasher(ends.len(), RandomState::default());
        let mut start = 0;
        for (end, rank) in ends {
            ranks.insert(&tokens[start..end], rank);
            start = end;
        }
        Self { ranks, pieces }
    }

    /// How many tokens a text has. Names of special tokens are text like any other.
    pub(crate) fn count(&self, text: &str) -> usize {
        let mut rest = text;
        let mut count = 0;
        while let Some(end) = self.piece(rest) {
            let (piece, after) = rest.split_at(end);
            count += self.count_piece(piece.as_bytes());
            rest = after;
        }
        count
    }

    /// Where the first piece of a text ends; none if nothing is left.
    fn piece(&self, text: &str) -> Option<usize> {
        let found = self.pieces.find(Input::new(text).anchored(Anchored::Yes))?;
        let given_back = match found.pattern().as_usize() {
            GIVES_BACK => text[..found.end()].chars().next_back().map_or(0, char::len_utf8),
            _ => 0,
        };
        Some(found.end() - given_back).filter(|end| *end > 0)
    }

    fn count_piece(&self, piece: &[u8]) -> usize {
        match piece.len() {
            0 | 1 => piece.len(),
            _ if self.ranks.contains_key(piece) => 1,
            ..=SHORT => self.merge_short(piece),
            _ => piece.chunks(LONGEST).map(|part| self.merge_long(part)).sum(),
        }
    }

    fn rank(&self, token: &[u8]) -> Option<u32> {
        self.ranks.get(token).copied()
    }

    fn merge_short(&self, piece: &[u8]) -> usize {
        // Where each token begins, with the rank of it and the next one together.
        let pair = |start: usize, end: Option<&usize>| end.and_then(|end| self.rank(&piece[start..*end]));
        let mut starts: Vec<usize> = (0..=piece.len()).collect();
        let mut ranks: Vec<u32> =
            (0..piece.len()).map(|at| pair(at, starts.get(at + 2)).unwrap_or(NONE)).collect();
        loop {
            let best = ranks.iter().enumerate().min_by_key(|(_, rank)| **rank);
            let Some((at, _)) = best.filter(|(_, rank)| **rank != NONE) else { return ranks.len() };
            starts.remove(at + 1);
            ranks.remove(at + 1);
            for near in at.saturating_sub(1)..=at {
                ranks[near] = pair(starts[near], starts.get(near + 2)).unwrap_or(NONE);
            }
        }
    }

    /// The same in time that grows with the piece, and not with its square: what ranks the same is merged in one go.
    fn merge_long(&self, piece: &[u8]) -> usize {
        let mut chain = Chain::new(piece.len());
        let mut waiting: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for at in 0..piece.len() - 1 {
            if let Some(rank) = self.rank(&piece[at..at + 2]) {
                waiting.entry(rank).or_default().push(at as u32);
            }
        }
        let mut count = piece.len();
        while let Some((rank, mut places)) = waiting.pop_first() {
            places.sort_unstable();
            for at in places {
                let at = at as usize;
                let pair = chain.pair(at);
                if pair.is_none_or(|(start, end)| self.rank(&piece[start..end]) != Some(rank)) {
                    continue;
                }
                chain.merge(at);
                count -= 1;
                for near in [chain.before(at), Some(at)].into_iter().flatten() {
                    let ranked = chain.pair(near).and_then(|(start, end)| self.rank(&piece[start..end]));
                    if let Some(rank) = ranked {
                        waiting.entry(rank).or_default().push(near as u32);
                    }
                }
            }
        }
        count
    }
}

/// The tokens of a long piece, each known by its first byte.
struct Chain {
    /// Where the token that begins here ends; zero if none does.
    ends: Vec<u32>,
    /// Where the token begins that ends before this one.
    befores: Vec<u32>,
}

impl Chain {
    fn new(length: usize) -> Self {
        let length = u32::try_from(length).expect("a part is shorter");
        Self { ends: (1..=length).collect(), befores: (0..length).map(|at| at.wrapping_sub(1)).collect() }
    }

    /// The token that begins here and the next one, together.
    fn pair(&self, at: usize) -> Option<(usize, usize)> {
        let next = self.ends[at] as usize;
        (next > 0).then(|| self.ends.get(next)).flatten().map(|end| (at, *end as usize))
    }

    fn before(&self, at: usize) -> Option<usize> {
        (at > 0).then(|| self.befores[at] as usize)
    }

    fn merge(&mut self, at: usize) {
        let next = self.ends[at] as usize;
        let end = std::mem::take(&mut self.ends[next]);
        self.ends[at] = end;
        if let Some(before) = self.befores.get_mut(end as usize) {
            *before = at as u32;
        }
    }
}

/// Reads a vocabulary: all tokens one after the other, and where each ends, with its rank.
fn read(compressed: &[u8]) -> (Vec<u8>, Vec<(usize, u32)>) {
    let mut text = String::new();
    flate2::read::GzDecoder::new(compressed).read_to_string(&mut text).expect("the file is ours");
    let (mut tokens, mut ends) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let (token, rank) = line.split_once(' ').expect("a line is a token and its rank");
        BASE64_STANDARD.decode_vec(token, &mut tokens).expect("a token is in base64");
        ends.push((tokens.len(), rank.parse().expect("a rank is a number")));
    }
    (tokens, ends)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_vocabularies_are_those_that_openai_publishes() {
        let check = |compressed: &[u8], expect: &str| {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(compressed).read_to_end(&mut text).expect("it is whole");
            let hash: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, expect);
        };
        check(
            include_bytes!("../data/cl100k_base.tiktoken.gz"),
            "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        );
        check(
            include_bytes!("../data/o200k_base.tiktoken.gz"),
            "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        );
    }

    #[test]
    fn long_pieces_are_merged_as_short_ones_are() {
        let unbroken = |words: &str| words.replace(|found: char| !found.is_alphabetic(), "");
        for text in [
            unbroken(include_str!("../data/README.md")),
            unbroken(include_str!("tokens.rs")).chars().take(2_000).collect(),
            "ab".repeat(500),
            "aab".repeat(333),
            "お誕生日おめでとう".repeat(40),
        ] {
            for vocabulary in [&*O200K_BASE, &*CL100K_BASE] {
                let (short, long) =
                    (vocabulary.merge_short(text.as_bytes()), vocabulary.merge_long(text.as_bytes()));
                assert_eq!(long, short, "{text}");
            }
        }
    }

    /// Texts of words, spaces, numbers and signs in whatever order, and of any characters.
    fn texts() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[a-zA-Z]{1,12}",
            "[ \t\r\n]{1,4}",
            "[0-9]{1,6}",
            "[!-/:-@{-~]{1,5}",
            "('s|'LL|don't| we've)",
            "[äßЯñ語日🎉\u{301}\u{200d}]{1,5}",
            "\\PC{1,20}",
            "[a-z]{40,120}",
        ];
        proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        /// Against the crate that finds the same tokens in another way.
        #[test]
        fn every_text_has_as_many_tokens_as_another_implementation_finds(text in texts()) {
            prop_assert_eq!(O200K_BASE.count(&text), bpe_openai::o200k_base().count(&text), "o200k {:?}", text);
            prop_assert_eq!(CL100K_BASE.count(&text), bpe_openai::cl100k_base().count(&text), "cl100k {:?}", text);
        }
    }
}
