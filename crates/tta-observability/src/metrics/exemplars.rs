//! Examples of measurements, with the spans in which they were made.
//!
//! They come from spans that were handed to the exporters, so that whoever follows one finds its trace.

use std::collections::HashMap;

use tta_model::name::metric::BUCKETS_MS;

use super::cell::BUCKETS;
use super::snapshot::Exemplar;

/// The latest example for each bucket of each kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Exemplars {
    by_kind: HashMap<usize, Box<[Option<Exemplar>; BUCKETS]>>,
}

impl Exemplars {
    /// Keeps an example of the duration of a kind, in milliseconds.
    pub(super) fn keep(&mut self, kind: usize, exemplar: Exemplar) {
        let bucket = BUCKETS_MS.partition_point(|bound| *bound < exemplar.value);
        self.by_kind.entry(kind).or_insert_with(|| Box::new([None; BUCKETS]))[bucket] = Some(exemplar);
    }

    /// The examples of a kind, by duration.
    pub(super) fn of(&self, kind: usize) -> Vec<Exemplar> {
        self.by_kind.get(&kind).into_iter().flat_map(|kept| kept.iter().flatten().copied()).collect()
    }
}
