//! Where time went, by the path of names.

use std::borrow::Borrow;
use std::collections::HashMap;

use super::trace::{Trace, Words};

/// All spans of some traces that have the same names above them, as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The place in [`Flame::frames`] of what it lies in; always before its own.
    pub parent: Option<usize>,
    /// The number of the service.
    pub service: u32,
    /// The number of the name.
    pub name: u32,
    /// How many spans.
    pub count: u64,
    /// How many of them failed.
    pub errors: u64,
    /// How long they took, added up, in nanoseconds.
    pub duration: u64,
    /// How much of that no child was at work.
    pub own: u64,
    /// The sum of `own` of this frame and of those in it: its width. More than `duration` where children work at the same time.
    pub total: u64,
}

/// A flame graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flame {
    /// The frames, each after the one that it lies in.
    pub frames: Vec<Frame>,
    /// The services, by the numbers that the frames have.
    pub services: Vec<String>,
    /// The names, by the numbers that the frames have.
    pub names: Vec<String>,
}

/// Sums up traces by the names and services on the way from a root to a span.
///
/// # Cost
///
/// `n * log(n)` for n spans.
#[must_use]
pub fn flame<T: Borrow<Trace>>(traces: impl IntoIterator<Item = T>) -> Flame {
    let mut growing = Growing::default();
    traces.into_iter().for_each(|trace| {
        growing.add(trace.borrow());
    });
    growing.finish()
}

/// A flame graph that is being made.
#[derive(Default)]
pub(super) struct Growing {
    frames: Vec<Frame>,
    places: HashMap<(Option<usize>, u32, u32), usize>,
    services: Words,
    names: Words,
}

impl Growing {
    /// Adds a trace. Answers the frame of each of its spans, and what of its time is its own.
    pub(super) fn add(&mut self, trace: &Trace) -> Vec<(usize, u64)> {
        let children = trace.children();
        let services: Vec<u32> = trace.services.iter().map(|text| self.services.number(text)).collect();
        let names: Vec<u32> = trace.names.iter().map(|text| self.names.number(text)).collect();
        let mut found = vec![(0, 0); trace.spans.len()];
        let mut open: Vec<usize> =
            (0..trace.spans.len()).rev().filter(|at| trace.spans[*at].parent.is_none()).collect();
        while let Some(at) = open.pop() {
            let span = &trace.spans[at];
            let parent = span.parent.map(|parent| found[parent].0);
            let (service, name) = (services[span.service as usize], names[span.name as usize]);
            let place = *self.places.entry((parent, service, name)).or_insert_with(|| {
                self.frames.push(Frame { parent, service, name, ..Frame::default() });
                self.frames.len() - 1
            });
            let own = own(trace, at, &children[at]);
            let frame = &mut self.frames[place];
            frame.count += 1;
            frame.errors += u64::from(span.status == crate::wire::span::ERROR);
            frame.duration = frame.duration.saturating_add(span.duration());
            frame.own = frame.own.saturating_add(own);
            found[at] = (place, own);
            open.extend(children[at].iter().rev());
        }
        found
    }

    pub(super) fn finish(mut self) -> Flame {
        for at in (0..self.frames.len()).rev() {
            let frame = &mut self.frames[at];
            frame.total = frame.total.saturating_add(frame.own);
            let (parent, total) = (frame.parent, frame.total);
            if let Some(parent) = parent {
                self.frames[parent].total = self.frames[parent].total.saturating_add(total);
            }
        }
        Flame { frames: self.frames, services: self.services.texts, names: self.names.texts }
    }
}

/// The time of a span in which none of its children was at work.
fn own(trace: &Trace, at: usize, children: &[usize]) -> u64 {
    let span = &trace.spans[at];
    let mut times: Vec<(u64, u64)> = children
        .iter()
        .map(|child| &trace.spans[*child])
        .map(|child| (child.start.max(span.start), child.end.min(span.end)))
        .filter(|(start, end)| start < end)
        .collect();
    times.sort_unstable();
    let (mut covered, mut until) = (0, span.start);
    for (start, end) in times {
        covered += end.saturating_sub(start.max(until));
        until = until.max(end);
    }
    span.duration() - covered
}

impl Flame {
    /// The lines of the folded form that other programs draw from: the names from the root, and the time of its own.
    ///
    /// A semicolon in a name becomes a comma. Frames without time of their own have no line.
    ///
    /// # Cost
    ///
    /// A line is made when it is asked for; all of them have the length of all paths.
    pub fn folded(&self) -> impl Iterator<Item = String> + '_ {
        self.frames.iter().enumerate().filter(|(_, frame)| frame.own > 0).map(|(at, frame)| {
            let mut path = Vec::new();
            let mut above = Some(at);
            while let Some(place) = above {
                let name = self.names.get(self.frames[place].name as usize).map_or("", String::as_str);
                path.push(name.replace(';', ",").replace(['\n', '\r'], " "));
                above = self.frames[place].parent;
            }
            path.reverse();
            format!("{} {}", path.join(";"), frame.own)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::made::{made, trace};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_of_the_same_names_are_one_frame() {
        let one = trace(&[(1, 0, "root", 0..100), (2, 1, "a", 0..30), (3, 1, "a", 40..60)]);
        let other = trace(&[(1, 0, "root", 0..10), (2, 1, "b;c", 2..4)]);
        let lines: Vec<String> = flame([&one, &other]).folded().collect();
        assert_eq!(lines, ["root 58", "root;a 50", "root;b,c 2"]);
    }

    #[test]
    fn what_happens_at_once_is_wider_than_it_is_long() {
        let trace = trace(&[(1, 0, "root", 0..100), (2, 1, "a", 0..90), (3, 1, "b", 0..90)]);
        let flame = flame([&trace]);
        assert_eq!((flame.frames[0].duration, flame.frames[0].own, flame.frames[0].total), (100, 10, 190));
    }

    #[test]
    fn a_deep_trace_has_a_frame_a_level() {
        let spans: Vec<_> = (1..=50_000).map(|id| (id, id - 1, "level", id..200_000 - id)).collect();
        let flame = flame([&trace(&spans)]);
        assert_eq!(flame.frames.len(), 50_000);
        assert_eq!(flame.frames[0].total, flame.frames[0].duration);
    }

    proptest! {
        #[test]
        fn own_times_sum_to_the_total(traces in proptest::collection::vec(made(), 1..4)) {
            let flame = flame(&traces);
            let own: u64 = flame.frames.iter().map(|frame| frame.own).sum();
            let roots = flame.frames.iter().filter(|frame| frame.parent.is_none());
            prop_assert_eq!(own, roots.map(|frame| frame.total).sum::<u64>());
            let spans: usize = traces.iter().map(|trace| trace.spans.len()).sum();
            prop_assert_eq!(flame.frames.iter().map(|frame| frame.count).sum::<u64>(), spans as u64);
            for (at, frame) in flame.frames.iter().enumerate() {
                prop_assert!(frame.parent.is_none_or(|parent| parent < at));
                prop_assert!(frame.own <= frame.duration);
            }
        }
    }
}
