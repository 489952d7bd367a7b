//! What is different between two traces.

use super::flame::Growing;
use super::trace::Trace;

/// What one trace has at a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// How many spans; none says that the path is only in the other trace.
    pub count: u64,
    /// How many of them failed.
    pub errors: u64,
    /// How long they took, added up, in nanoseconds.
    pub duration: u64,
    /// How much of that no child was at work.
    pub own: u64,
}

/// The spans of both traces that have the same names above them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// The place in [`Comparison::pairs`] of what it lies in; always before its own.
    pub parent: Option<usize>,
    /// The number of the service.
    pub service: u32,
    /// The number of the name.
    pub name: u32,
    /// What the first trace has.
    pub a: Side,
    /// What the second trace has.
    pub b: Side,
}

/// Two traces beside each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The pairs, each after the one that it lies in.
    pub pairs: Vec<Pair>,
    /// The services, by the numbers that the pairs have.
    pub services: Vec<String>,
    /// The names, by the numbers that the pairs have.
    pub names: Vec<String>,
}

/// Puts two traces beside each other, by the names and services on the way from a root to a span.
#[must_use]
pub fn compare(a: &Trace, b: &Trace) -> Comparison {
    let mut growing = Growing::default();
    let places = [growing.add(a), growing.add(b)];
    let flame = growing.finish();
    let pair = |frame: &super::Frame| Pair {
        parent: frame.parent,
        service: frame.service,
        name: frame.name,
        ..Pair::default()
    };
    let mut pairs: Vec<Pair> = flame.frames.iter().map(pair).collect();
    for (is_second, (trace, places)) in [a, b].into_iter().zip(places).enumerate() {
        for (span, (place, own)) in trace.spans.iter().zip(places) {
            let pair = &mut pairs[place];
            let side = if is_second == 1 { &mut pair.b } else { &mut pair.a };
            side.count += 1;
            side.errors += u64::from(span.status == crate::wire::span::ERROR);
            side.duration = side.duration.saturating_add(span.duration());
            side.own = side.own.saturating_add(own);
        }
    }
    Comparison { pairs, services: flame.services, names: flame.names }
}

#[cfg(test)]
mod tests {
    use super::super::made::{made, trace};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_in_one_or_in_both() {
        let a = trace(&[(1, 0, "root", 0..100), (2, 1, "same", 0..30), (3, 1, "gone", 40..60)]);
        let b = trace(&[(1, 0, "root", 0..90), (2, 1, "same", 0..20), (3, 2, "new", 0..5)]);
        let compared = compare(&a, &b);
        let told: Vec<_> = compared
            .pairs
            .iter()
            .map(|pair| {
                let name = compared.names[pair.name as usize].as_str();
                (name, pair.a.count, pair.b.count, pair.b.duration as i64 - pair.a.duration as i64)
            })
            .collect();
        assert_eq!(told, [("root", 1, 1, -10), ("same", 1, 1, -10), ("gone", 1, 0, -20), ("new", 0, 1, 5)]);
    }

    proptest! {
        #[test]
        fn no_span_is_lost(a in made(), b in made()) {
            let compared = compare(&a, &b);
            prop_assert_eq!(compared.pairs.iter().map(|pair| pair.a.count).sum::<u64>(), a.spans.len() as u64);
            prop_assert_eq!(compared.pairs.iter().map(|pair| pair.b.count).sum::<u64>(), b.spans.len() as u64);
        }

        #[test]
        fn a_trace_is_as_itself(trace in made()) {
            prop_assert!(compare(&trace, &trace).pairs.iter().all(|pair| pair.a == pair.b));
        }
    }
}
