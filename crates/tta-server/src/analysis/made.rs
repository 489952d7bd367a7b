//! Traces for tests.

use std::ops::Range;

use proptest::prelude::*;

use super::trace::{Span, Trace, Words};

/// A trace of spans given by id, parent (0 for none), name and time.
pub(super) fn trace(spans: &[(u64, u64, &str, Range<u64>)]) -> Trace {
    let mut names = Words::default();
    let span = |(id, _, name, time): &(u64, u64, &str, Range<u64>)| Span {
        id: *id,
        start: time.start,
        end: time.end.max(time.start),
        name: names.number(name),
        ..Span::default()
    };
    let mut trace = Trace {
        spans: spans.iter().map(span).collect(),
        services: vec![String::from("service")],
        ..Trace::default()
    };
    trace.names = names.texts;
    let parents: Vec<u64> = spans.iter().map(|(_, parent, _, _)| *parent).collect();
    trace.connect(&parents);
    trace
}

/// Whatever comes: orphans, circles, children that outlive their parents, and clocks that are wrong.
pub(super) fn made() -> impl Strategy<Value = Trace> {
    let span = (0_u64..40, 0_u64..200, 0_u64..100, 0_usize..5);
    proptest::collection::vec(span, 1..40).prop_map(|spans| {
        let names = ["a", "b", "c", "d", "e"];
        let made: Vec<_> = spans
            .iter()
            .enumerate()
            .map(|(at, (parent, start, length, name))| {
                (at as u64 + 1, *parent, names[*name], *start..start + length)
            })
            .collect();
        trace(&made)
    })
}
