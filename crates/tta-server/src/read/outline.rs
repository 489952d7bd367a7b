//! The outline of a trace: which spans it has, when they were and how they hang together.
//!
//! Most of a span is what it tells of itself, and most questions about a whole trace do not need it. So a record is only
//! looked at here, not decoded: nothing is allocated for a span but its place in a list.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use tta_model::TraceId;

use super::snapshot::Snapshot;
use super::{ReadError, Reader};
use crate::wire::{Glance, glance};

/// A trace without what its spans tell of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The spans by their start, each once, as it came last. The first is the root, if it came and no clock is wrong.
    pub spans: Vec<OutlineSpan>,
    /// The services, by the numbers that the spans have.
    pub services: Vec<String>,
    /// The names of spans, by the numbers that the spans have.
    pub names: Vec<String>,
    /// The workflow that the earliest span names that names one; empty if none does.
    pub workflow: String,
}

/// A span without what it tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutlineSpan {
    /// Its id.
    pub id: u64,
    /// The id of its parent; zero if it has none.
    pub parent: u64,
    /// When it started, in nanoseconds since 1970.
    pub start_unix_nanos: u64,
    /// When it ended; never before its start.
    pub end_unix_nanos: u64,
    /// The number of its service.
    pub service: u32,
    /// The number of its name.
    pub name: u32,
    /// Its kind, by OTLP's numbers from 0 to 5.
    pub kind: u8,
    /// Its status, by OTLP's numbers: 0 is unset, 1 ok, 2 an error.
    pub status: u8,
}

/// Reads the outline of a trace; empty if no span of it is stored.
///
/// # Errors
///
/// When the files cannot be read.
///
/// # Cost
///
/// That of opening the blocks, and of passing over each record once.
pub fn outline(reader: &Reader, id: TraceId) -> Result<Outline, ReadError> {
    let mut draft = Draft::default();
    reader.each(|snapshot| draft.read(snapshot, id))?;
    Ok(draft.finish())
}

/// The latest start of a trace's spans, whichever copy of them has it.
pub(super) fn latest_start(reader: &Reader, id: TraceId) -> Result<Option<i64>, ReadError> {
    let mut latest = None;
    reader.each(|snapshot| {
        snapshot.each_span(id, |_, _, raw| {
            latest = latest.max(glance(raw).ok().and_then(|found| i64::try_from(found.start).ok()));
            Ok(())
        })
    })?;
    Ok(latest)
}

/// A span that was looked at.
#[derive(Clone, Copy)]
struct Seen {
    span: OutlineSpan,
    has_parent: bool,
    /// The number of its workflow among the words, and one; zero if it names none.
    workflow: u32,
}

/// An outline in the making.
#[derive(Default)]
pub(super) struct Draft {
    seen: Vec<Seen>,
    places: HashMap<u64, usize, RandomState>,
    words: Words,
}

impl Draft {
    /// Adds the spans of one file, in the order in which they came.
    pub(super) fn read(&mut self, snapshot: &Snapshot<'_>, id: TraceId) -> rusqlite::Result<()> {
        // Spans of one service lie together.
        let mut service = None;
        snapshot.each_span(id, |id, envelopes, raw| {
            let service = match service {
                Some((of, number)) if of == envelopes => number,
                _ => {
                    let number = self.words.number(snapshot.origin(envelopes)?.service());
                    service = Some((envelopes, number));
                    number
                }
            };
            match glance(raw) {
                Ok(found) => self.add(raw, (id, service), &found),
                Err(error) => snapshot.report(&format!("a span cannot be read: {error}")),
            }
            Ok(())
        })
    }

    fn add(&mut self, raw: &[u8], (id, service): (u64, u32), found: &Glance) {
        let span = OutlineSpan {
            id,
            parent: found.parent,
            start_unix_nanos: found.start,
            end_unix_nanos: found.end.max(found.start),
            service,
            name: self.words.number(found.name.text(raw)),
            kind: found.kind,
            status: found.status,
        };
        let workflow =
            if found.workflow.is_empty() { 0 } else { self.words.number(found.workflow.text(raw)) + 1 };
        let seen = Seen { span, has_parent: found.has_parent, workflow };
        match self.places.get(&id) {
            Some(at) => self.seen[*at] = seen,
            None => {
                self.places.insert(id, self.seen.len());
                self.seen.push(seen);
            }
        }
    }

    pub(super) fn finish(mut self) -> Outline {
        self.seen.sort_by_key(|seen| (seen.span.start_unix_nanos, seen.has_parent));
        let workflow = self.seen.iter().find(|seen| seen.workflow != 0);
        let workflow =
            workflow.map_or_else(String::new, |seen| self.words.texts[seen.workflow as usize - 1].clone());
        let (mut services, mut names) = (Renumbered::default(), Renumbered::default());
        let of_span = |seen: &Seen| OutlineSpan {
            service: services.number(&self.words.texts, seen.span.service),
            name: names.number(&self.words.texts, seen.span.name),
            ..seen.span
        };
        let spans = self.seen.iter().map(of_span).collect();
        Outline { spans, services: services.texts, names: names.texts, workflow }
    }
}

/// Texts by the order in which they came.
#[derive(Default)]
struct Words {
    texts: Vec<String>,
    numbers: HashMap<String, u32, RandomState>,
}

impl Words {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// Some of the words, by the order of the spans: a copy that does not count may have brought words that no span has.
#[derive(Default)]
struct Renumbered {
    texts: Vec<String>,
    numbers: HashMap<u32, u32, RandomState>,
}

impl Renumbered {
    fn number(&mut self, words: &[String], word: u32) -> u32 {
        *self.numbers.entry(word).or_insert_with(|| {
            self.texts.push(words[word as usize].clone());
            self.texts.len() as u32 - 1
        })
    }
}
