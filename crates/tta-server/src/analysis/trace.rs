//! The spans of a trace as a forest.

use std::collections::HashMap;

use crate::read::{Outline, OutlineSpan, StoredTrace};

/// A trace, its texts each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The spans, by their start.
    pub spans: Vec<Span>,
    /// The services, by the numbers that the spans have.
    pub services: Vec<String>,
    /// The names of spans, by the numbers that the spans have.
    pub names: Vec<String>,
}

/// A span without what it tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its id.
    pub id: u64,
    /// The place of its parent in [`Trace::spans`]; none for one whose parent is not there.
    pub parent: Option<usize>,
    /// Whether it names a parent that is not there, or that is one of its own children.
    pub is_orphan: bool,
    /// When it started, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended; never before its start.
    pub end: u64,
    /// The number of its service.
    pub service: u32,
    /// The number of its name.
    pub name: u32,
    /// Its kind, by OTLP's numbers from 0 to 5.
    pub kind: u8,
    /// Its status, by OTLP's numbers: 0 is unset, 1 ok, 2 an error.
    pub status: u8,
}

impl Span {
    /// How long it took, in nanoseconds.
    #[must_use]
    pub fn duration(&self) -> u64 {
        self.end - self.start
    }
}

impl Trace {
    /// Makes a forest of the spans of a trace.
    #[must_use]
    pub fn of(stored: &StoredTrace) -> Self {
        let (mut services, mut names) = (Words::default(), Words::default());
        let mut trace = Self::default();
        let mut parents = Vec::with_capacity(stored.spans.len());
        for stored in &stored.spans {
            let span = &stored.span;
            parents.push(id(&span.parent_span_id));
            trace.spans.push(Span {
                id: id(&span.span_id),
                parent: None,
                is_orphan: false,
                start: span.start_time_unix_nano,
                end: span.end_time_unix_nano.max(span.start_time_unix_nano),
                service: services.number(stored.origin.service()),
                name: names.number(&span.name),
                kind: u8::try_from(span.kind).unwrap_or(0),
                status: span.status.as_ref().map_or(0, |status| u8::try_from(status.code).unwrap_or(0)),
            });
        }
        (trace.services, trace.names) = (services.texts, names.texts);
        trace.connect(&parents);
        trace
    }

    /// Makes a forest of the outline of a trace, the same as of all of it.
    #[must_use]
    pub fn of_outline(outline: Outline) -> Self {
        let of_span = |span: &OutlineSpan| Span {
            id: span.id,
            parent: None,
            is_orphan: false,
            start: span.start_unix_nanos,
            end: span.end_unix_nanos,
            service: span.service,
            name: span.name,
            kind: span.kind,
            status: span.status,
        };
        let parents: Vec<u64> = outline.spans.iter().map(|span| span.parent).collect();
        let spans = outline.spans.iter().map(of_span).collect();
        let mut trace = Self { spans, services: outline.services, names: outline.names };
        trace.connect(&parents);
        trace
    }

    /// Finds the parents by their ids; 0 stands for none.
    pub(super) fn connect(&mut self, parents: &[u64]) {
        let places: HashMap<u64, usize> =
            self.spans.iter().enumerate().map(|(at, span)| (span.id, at)).collect();
        for (at, parent) in parents.iter().enumerate() {
            let found = places.get(parent).copied().filter(|_| *parent != 0);
            self.spans[at].parent = found;
            self.spans[at].is_orphan = *parent != 0 && found.is_none();
        }
        self.cut_circles();
    }

    /// Makes an orphan of one span of each circle.
    fn cut_circles(&mut self) {
        // The walk in which a span was first met; 0 is none yet.
        let mut met = vec![0; self.spans.len()];
        for first in 0..self.spans.len() {
            let mut at = first;
            while met[at] == 0 {
                met[at] = first + 1;
                let Some(parent) = self.spans[at].parent else { break };
                if met[parent] == first + 1 {
                    self.spans[at].parent = None;
                    self.spans[at].is_orphan = true;
                    break;
                }
                at = parent;
            }
        }
    }

    /// The span that stands for the whole: the first without a parent, or else the first whose parent is missing.
    #[must_use]
    pub fn root(&self) -> Option<usize> {
        let is_root = |span: &Span| span.parent.is_none() && !span.is_orphan;
        let true_root = self.spans.iter().position(is_root);
        true_root.or_else(|| self.spans.iter().position(|span| span.parent.is_none()))
    }

    /// The children of each span, by their start.
    #[must_use]
    pub fn children(&self) -> Vec<Vec<usize>> {
        let mut children = vec![Vec::new(); self.spans.len()];
        for (at, span) in self.spans.iter().enumerate() {
            if let Some(parent) = span.parent {
                children[parent].push(at);
            }
        }
        children
    }

    /// The earliest start and the latest end, in nanoseconds since 1970; both zero of nothing.
    #[must_use]
    pub fn times(&self) -> (u64, u64) {
        let start = self.spans.iter().map(|span| span.start).min().unwrap_or(0);
        (start, self.spans.iter().map(|span| span.end).max().unwrap_or(start))
    }

    /// The name of the service of a span.
    #[must_use]
    pub fn service(&self, span: &Span) -> &str {
        self.services.get(span.service as usize).map_or("", String::as_str)
    }

    /// The name of a span.
    #[must_use]
    pub fn name(&self, span: &Span) -> &str {
        self.names.get(span.name as usize).map_or("", String::as_str)
    }
}

/// Texts by the order in which they first came.
#[derive(Default)]
pub(super) struct Words {
    pub(super) texts: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Words {
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// The number that an id is; zero if it is none.
fn id(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::super::made::{made, trace};
    use proptest::prelude::*;

    #[test]
    fn a_missing_parent_makes_an_orphan() {
        let trace = trace(&[(1, 0, "root", 0..10), (2, 9, "lost", 1..2), (3, 1, "child", 2..3)]);
        assert_eq!(trace.root(), Some(0));
        assert!(trace.spans[1].is_orphan && trace.spans[1].parent.is_none());
        assert_eq!(trace.children()[0], [2]);
    }

    #[test]
    fn a_circle_is_cut_once() {
        let trace = trace(&[(1, 3, "a", 0..10), (2, 1, "b", 1..2), (3, 2, "c", 2..3), (4, 4, "d", 3..4)]);
        let orphans: Vec<u64> =
            trace.spans.iter().filter(|span| span.is_orphan).map(|span| span.id).collect();
        assert_eq!(orphans, [2, 4]);
    }

    proptest! {
        #[test]
        fn every_span_hangs_below_a_root(trace in made()) {
            for at in 0..trace.spans.len() {
                let (mut top, mut steps) = (at, 0);
                while let Some(parent) = trace.spans[top].parent {
                    (top, steps) = (parent, steps + 1);
                    prop_assert!(steps <= trace.spans.len());
                }
            }
        }
    }
}
