//! What a trace waited for.

use super::trace::Trace;

/// A time in which the whole waited for one span itself, and not for one of its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The place of the span in [`Trace::spans`].
    pub span: usize,
    /// In nanoseconds since 1970.
    pub start: u64,
    /// The end, which is not part of it; always after the start.
    pub end: u64,
}

/// A span that is being gone through, backwards.
struct Open {
    span: usize,
    /// Nothing before counts: the span's start, or that of what it lies in.
    from: u64,
    /// Its end, or that of what it lies in.
    end: u64,
    /// What comes after is told already.
    until: u64,
    /// How many of its children, by their end, are still to be looked at.
    left: usize,
}

/// Finds the critical path below a span: what made it take as long as it took, in order of time.
///
/// The segments are disjoint, lie within the span and fill it. Backwards from its end, the child that ended last is what it waited
/// for; before that child started, the one that had ended last by then; in between, itself. A child that goes on after its
/// parent counts up to the parent's end.
///
/// # Cost
///
/// `n * log(n)` for n spans, whatever their shape.
#[must_use]
pub fn critical_path(trace: &Trace, root: usize) -> Vec<Segment> {
    let mut children = trace.children();
    for of_one in &mut children {
        of_one.sort_by_key(|child| (trace.spans[*child].end, trace.spans[*child].start));
    }
    let mut path = Vec::new();
    let Some(whole) = trace.spans.get(root) else { return path };
    let begin = |span: usize, from, end| Open { span, from, end, until: end, left: children[span].len() };
    let mut open = vec![begin(root, whole.start, whole.end)];
    while let Some(top) = open.last_mut() {
        let Some(left) = top.left.checked_sub(1) else {
            push(&mut path, top, top.from);
            open.pop();
            continue;
        };
        top.left = left;
        let place = children[top.span][left];
        let child = &trace.spans[place];
        // A child that outlives the whole is what it waited for at its end; one that overlaps what is told is not.
        let end = child.end.min(top.end);
        let start = child.start.max(top.from);
        if end > top.until || start >= end {
            continue;
        }
        push(&mut path, top, end);
        top.until = start;
        open.push(begin(place, start, end));
    }
    path.reverse();
    path
}

/// Tells the time from `from` to what is told already.
fn push(path: &mut Vec<Segment>, open: &Open, from: u64) {
    if from < open.until {
        path.push(Segment { span: open.span, start: from, end: open.until });
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::super::made::{made, trace};
    use super::*;
    use proptest::prelude::*;

    fn check(spans: &[(u64, u64, &str, Range<u64>)], expect: &[(&str, Range<u64>)]) {
        let trace = trace(spans);
        let path = critical_path(&trace, 0);
        let path: Vec<_> = path
            .iter()
            .map(|segment| (trace.name(&trace.spans[segment.span]), segment.start..segment.end))
            .collect();
        assert_eq!(path, expect);
    }

    #[test]
    fn a_sequence_is_its_steps_and_the_time_between() {
        check(
            &[(1, 0, "root", 0..100), (2, 1, "a", 10..40), (3, 1, "b", 50..90)],
            &[("root", 0..10), ("a", 10..40), ("root", 40..50), ("b", 50..90), ("root", 90..100)],
        );
    }

    #[test]
    fn of_branches_the_last_one_counts() {
        check(
            &[(1, 0, "root", 0..100), (2, 1, "slow", 10..90), (3, 1, "fast", 10..40), (4, 2, "deep", 20..80)],
            &[("root", 0..10), ("slow", 10..20), ("deep", 20..80), ("slow", 80..90), ("root", 90..100)],
        );
    }

    #[test]
    fn what_goes_on_after_its_parent_counts_to_its_end() {
        check(
            &[(1, 0, "root", 0..100), (2, 1, "tail", 60..200), (3, 2, "deeper", 70..150)],
            &[("root", 0..60), ("tail", 60..70), ("deeper", 70..100)],
        );
    }

    #[test]
    fn a_deep_trace_has_a_path() {
        let spans: Vec<_> = (1..=50_000).map(|id| (id, id - 1, "level", id..200_000 - id)).collect();
        assert_eq!(critical_path(&trace(&spans), 0).len(), 99_999);
    }

    proptest! {
        #[test]
        fn segments_fill_the_root(trace in made()) {
            let root = trace.root().expect("it has a span");
            let (start, end) = (trace.spans[root].start, trace.spans[root].end);
            let mut at = start;
            for segment in critical_path(&trace, root) {
                prop_assert_eq!(segment.start, at);
                prop_assert!(segment.start < segment.end);
                let span = trace.spans[segment.span];
                prop_assert!(span.start <= segment.start && segment.end <= span.end);
                at = segment.end;
            }
            prop_assert_eq!(at, end);
        }
    }
}
