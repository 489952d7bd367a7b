//! Texts as vectors, without a model.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::text;

/// How long the vectors are unless somebody says.
const DIMENSIONS: u32 = 256;

/// Turns each text into a vector of length 1, by the words that it has.
///
/// Each word adds 1 to one of the dimensions, or takes 1 from it, as its hash says (Weinberger and others, "Feature
/// Hashing for Large Scale Multitask Learning", 2009). Texts that share words are near to each other, whatever the order
/// of the words and whatever they mean. Upper and lower case are the same. A text without words is all zeros.
///
/// Without `dimensions` a vector has 256.
///
/// ```
/// use tta_llm::local::embed;
///
/// let vectors = embed(&["A red apple", "the RED apple", "Bananas are yellow"], Some(64));
/// let likeness = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
/// assert!(likeness(&vectors[0], &vectors[1]) > likeness(&vectors[0], &vectors[2]));
/// ```
#[must_use]
pub fn embed(texts: &[impl AsRef<str>], dimensions: Option<u32>) -> Vec<Vec<f32>> {
    let dimensions = dimensions.unwrap_or(DIMENSIONS);
    texts.iter().map(|text| vector(text.as_ref(), dimensions)).collect()
}

fn vector(text: &str, dimensions: u32) -> Vec<f32> {
    let mut counts: BTreeMap<usize, i64> = BTreeMap::new();
    for word in text::words(text).filter(|_| dimensions > 0) {
        let hash = xxh3_64(word.to_lowercase().as_bytes());
        // The sign is a bit of its own, so that words which fall together do not add up.
        let sign = if hash >> 63 == 0 { 1 } else { -1 };
        *counts.entry((hash % u64::from(dimensions)) as usize).or_default() += sign;
    }
    // Whole numbers up to the root, which is exact: the same on every platform.
    let length = (counts.values().map(|count| count * count).sum::<i64>() as f64).sqrt();
    let mut vector = vec![0.0; dimensions as usize];
    for (dimension, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
        vector[dimension] = (count as f64 / length) as f32;
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(a: &str, b: &str) -> f32 {
        let vectors = embed(&[a, b], None);
        vectors[0].iter().zip(&vectors[1]).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_have_length_one() {
        for text in ["one", "to be or not to be", "これはペンです", "Größe"] {
            let vector = &embed(&[text], Some(64))[0];
            let length: f32 = vector.iter().map(|part| part * part).sum();
            assert!(vector.len() == 64 && (length - 1.0).abs() < 1e-5, "{text} {length}");
        }
    }

    #[test]
    fn texts_that_share_words_are_near_to_each_other() {
        assert!((likeness("a red apple", "Apple: a RED!") - 1.0).abs() < 1e-6);
        let near = likeness("the saga undoes its steps", "a saga has steps");
        let far = likeness("the saga undoes its steps", "bananas taste yellow");
        assert!(near > far + 0.2, "{near} {far}");
    }

    #[test]
    fn nothing_has_no_direction() {
        assert_eq!(embed(&["", "🎉"], Some(3)), [[0.0; 3]; 2]);
        assert_eq!(embed(&["word"], Some(0)), [[0.0; 0]]);
        assert!(embed(&[""; 0], None).is_empty());
        assert_eq!(embed(&["word"], None)[0].len(), 256);
    }

    /// Part of the promise: the same vector on every platform and in every version. The numbers are those of another
    /// implementation of XXH3, that of Python.
    #[test]
    fn a_vector_is_the_same_everywhere() {
        let place = |word: &str| {
            let vector = &embed(&[word], Some(1000))[0];
            let place = vector.iter().position(|part| *part != 0.0).unwrap();
            (place, vector[place])
        };
        assert_eq!(place("saga"), (204, -1.0));
        assert_eq!(place("retry"), (696, 1.0));
    }
}
