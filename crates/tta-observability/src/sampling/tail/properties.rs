//! What the tail promises, over random traces: the same as a plain oracle says, within its bounds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tta_model::name::attribute;
use tta_model::{
    ExecutionStatus, SpanContext, SpanId, SpanKind, SpanRecord, SpanStatus, Text, TraceFlags, TraceId, Value,
};

use super::{DECISIONS_REMEMBERED, LINGER, TailConfig, TailSampler, size};
use crate::counts::{DropReason, SpanCounts};
use crate::recorder::Assembled;
use crate::sampling::{Adaptive, Measured, RateLimit, Ratio, Sampler};

const SECOND: Duration = Duration::from_secs(1);

fn ratio(ratio: f64) -> Ratio {
    Ratio::new(ratio).expect("from 0 to 1")
}

fn trace_id(id: u128) -> TraceId {
    TraceId::new(id).expect("not zero")
}

/// A trace id whose random part is a part of what it may be.
fn at(part: f64) -> TraceId {
    trace_id(1 << 100 | (part * 2f64.powi(56)) as u128)
}

/// A root that succeeded, in a millisecond.
fn span(trace_id: TraceId, id: u64) -> SpanRecord {
    SpanRecord {
        trace_id,
        span_id: SpanId::new(id).expect("not zero"),
        parent_span_id: None,
        parent_is_remote: false,
        flags: TraceFlags::SAMPLED,
        state: "".parse().expect("a state"),
        name: "work".into(),
        kind: SpanKind::Internal,
        start_unix_nanos: 5,
        end_unix_nanos: 1_000_005,
        attributes: ended(ExecutionStatus::Success),
        events: Vec::new(),
        links: Vec::new(),
        status: SpanStatus::Ok,
        dropped_attributes: 0,
        dropped_events: 0,
    }
}

fn ended(status: ExecutionStatus) -> Vec<(Text, Value)> {
    vec![(attribute::EXECUTION_STATUS.key(), status.as_str().into())]
}

fn child(trace_id: TraceId, id: u64) -> SpanRecord {
    SpanRecord { parent_span_id: SpanId::new(u64::MAX), ..span(trace_id, id) }
}

fn failed(span: SpanRecord) -> SpanRecord {
    SpanRecord { status: SpanStatus::Error("no".into()), attributes: ended(ExecutionStatus::Error), ..span }
}

fn with_state(span: SpanRecord, state: &str) -> SpanRecord {
    SpanRecord { state: state.parse().expect("a state"), ..span }
}

/// A tail with a clock of its own.
struct World {
    tail: TailSampler,
    counts: Arc<SpanCounts>,
    now: Instant,
    out: Vec<Assembled>,
    offered: u64,
    released: u64,
}

impl World {
    fn new(config: TailConfig) -> Self {
        Self::behind(&Sampler::default(), config)
    }

    fn behind(head: &Sampler, config: TailConfig) -> Self {
        let counts = Arc::new(SpanCounts::default());
        let tail = TailSampler::new(config, head, Arc::clone(&counts));
        Self { tail, counts, now: Instant::now(), out: Vec::new(), offered: 0, released: 0 }
    }

    fn offer(&mut self, record: SpanRecord) {
        self.offered += 1;
        self.tail.offer(Assembled { record, kind: 0 }, self.now, &mut self.out);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        while self.tail.decide_due(self.now, &mut self.out) {}
    }

    fn flush(&mut self) {
        while self.tail.decide_oldest(&mut self.out) {}
    }

    /// What came out since the last time.
    fn take(&mut self) -> Vec<SpanRecord> {
        self.released += self.out.len() as u64;
        self.out.drain(..).map(|span| span.record).collect()
    }

    /// What came out since the last time, by span id.
    fn ids(&mut self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.take().iter().map(|span| span.span_id.get()).collect();
        ids.sort_unstable();
        ids
    }

    /// No span is lost or counted twice, and the books agree with what waits.
    fn check_books(&self) {
        let waiting: usize = self.tail.traces.values().map(|trace| trace.spans.len()).sum();
        let bytes: usize = self.tail.traces.values().map(|trace| trace.bytes).sum();
        assert_eq!((waiting, bytes), (self.tail.spans, self.tail.bytes));
        let gone = self.released + self.out.len() as u64 + self.counts.sampled_out();
        assert_eq!(self.offered, gone + waiting as u64);
        assert!(self.tail.ended.keys().all(|id| self.tail.traces.contains_key(id)));
        assert!(self.tail.traces.values().all(|trace| !trace.spans.is_empty()));
    }
}

#[derive(Clone, Debug)]
struct Generated {
    id: u128,
    rv: Option<u64>,
    spans: Vec<(ExecutionStatus, u64)>,
    root_at: usize,
    remote: bool,
}

fn status() -> impl Strategy<Value = ExecutionStatus> {
    prop_oneof![
        20 => Just(ExecutionStatus::Success),
        2 => Just(ExecutionStatus::Cancelled),
        1 => Just(ExecutionStatus::Error),
        1 => Just(ExecutionStatus::Timeout),
    ]
}

fn traces() -> impl Strategy<Value = Vec<Generated>> {
    let spans = prop::collection::vec((status(), 0..1_050u64), 1..12);
    let rv = prop::option::weighted(0.2, 0..1u64 << 56);
    let one = (1..u128::MAX, rv, spans, 0..12usize, any::<bool>());
    let one = one.prop_map(|(id, rv, spans, root_at, remote)| Generated { id, rv, spans, root_at, remote });
    prop::collection::vec(one, 1..40)
}

impl Generated {
    fn records(&self, trace: u64) -> Vec<SpanRecord> {
        let records = self.spans.iter().enumerate().map(|(index, (status, millis))| {
            let is_root = index == self.root_at.min(self.spans.len() - 1);
            let mut record = span(trace_id(self.id), trace * 100 + index as u64 + 1);
            record.end_unix_nanos = record.start_unix_nanos + millis * 1_000_000;
            record.parent_span_id = if is_root && !self.remote { None } else { SpanId::new(u64::MAX) };
            record.parent_is_remote = is_root && self.remote;
            record.attributes = ended(*status);
            record.status = match status {
                ExecutionStatus::Success => SpanStatus::Ok,
                status => SpanStatus::Error(status.as_str().into()),
            };
            record.state.set_randomness(self.rv).expect("it fits");
            record
        });
        records.collect()
    }

    /// What should become of it: nothing, or its spans with a threshold.
    fn oracle(&self, config: &TailConfig, ratio: Ratio) -> Option<Option<u64>> {
        let fails = |status| matches!(status, ExecutionStatus::Error | ExecutionStatus::Timeout);
        let slow = |millis: u64| config.slow.is_some_and(|slow| Duration::from_millis(millis) >= slow);
        let matters = |(status, millis): &(ExecutionStatus, u64)| {
            (config.keep_errors && fails(*status)) || slow(*millis)
        };
        if self.spans.iter().any(matters) {
            return Some(None);
        }
        let random = self.rv.unwrap_or((self.id % (1 << 56)) as u64);
        let rejected = ((1.0 - ratio.get()) * 2f64.powi(56)).round() as u64;
        (random >= rejected).then_some(Some(rejected))
    }
}

/// Mixes the spans of all traces, each trace's own in order.
fn mixed(traces: &[Generated], seed: u64) -> Vec<SpanRecord> {
    let mut generator = StdRng::seed_from_u64(seed);
    let mut queues: Vec<_> =
        traces.iter().zip(0..).map(|(trace, index)| trace.records(index).into_iter()).collect();
    let mut mixed = Vec::new();
    while !queues.is_empty() {
        let index = generator.random_range(0..queues.len());
        match queues[index].next() {
            Some(record) => mixed.push(record),
            None => drop(queues.swap_remove(index)),
        }
    }
    mixed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keeps_what_the_oracle_keeps(
        traces in traces(), seed: u64, part in prop::sample::select(vec![0.0, 0.25, 0.5, 1.0]),
        keep_errors: bool, slow in prop::option::of(Just(SECOND)),
    ) {
        let config = TailConfig { keep_errors, slow, ..TailConfig::new(ratio(part)) };
        let mut world = World::new(config.clone());
        for record in mixed(&traces, seed) {
            world.offer(record);
            // Less than the linger altogether: the root may end before its children.
            world.pass(LINGER / 1_000);
            world.check_books();
        }
        world.pass(LINGER);
        prop_assert!(world.tail.traces.is_empty(), "each has had a root");
        let kept: HashMap<u64, Option<u64>> =
            world.take().iter().map(|span| (span.span_id.get(), span.state.threshold())).collect();
        world.check_books();
        let mut expected = HashMap::new();
        for (trace, index) in traces.iter().zip(0..) {
            if let Some(threshold) = trace.oracle(&config, ratio(part)) {
                expected.extend(trace.records(index).iter().map(|span| (span.span_id.get(), threshold)));
            }
        }
        prop_assert_eq!(kept, expected);
    }

    #[test]
    fn keeps_traces_whole_within_its_bounds_whatever_comes(
        traces in traces(), seed: u64, max_spans in 0..30usize, max_bytes in 0..40_000usize,
    ) {
        let config = TailConfig { max_spans, max_bytes, ..TailConfig::new(ratio(0.5)) };
        let mut world = World::new(config);
        for record in mixed(&traces, seed) {
            world.offer(record);
            world.pass(LINGER / 20);
            prop_assert!(world.tail.spans <= max_spans && world.tail.bytes <= max_bytes);
            world.check_books();
        }
        world.flush();
        prop_assert_eq!((world.tail.spans, world.tail.bytes), (0, 0));
        let kept: HashSet<u64> = world.take().iter().map(|span| span.span_id.get()).collect();
        world.check_books();
        for (trace, index) in traces.iter().zip(0..) {
            let ids = trace.records(index);
            let count = ids.iter().filter(|span| kept.contains(&span.span_id.get())).count();
            prop_assert!(count == 0 || count == ids.len(), "all of a trace or nothing");
            // What the ratio keeps needs no waiting, so no bound can lose it.
            let plain = TailConfig { keep_errors: false, ..TailConfig::new(ratio(0.5)) };
            prop_assert!(count > 0 || trace.oracle(&plain, ratio(0.5)).is_none());
        }
    }
}

#[test]
fn agrees_with_the_sampler_of_the_same_ratio() {
    let mut generator = StdRng::seed_from_u64(5);
    for part in [0.0, 0.05, 0.2, 0.7, 1.0] {
        let (head, mut world) = (Sampler::Ratio(ratio(part)), World::new(TailConfig::new(ratio(part))));
        for index in 1..2_000 {
            let id = trace_id(generator.random::<u128>() | 1);
            let state = match index % 3 {
                0 => format!("ot=rv:{:014x},a=b", generator.random_range(0..1u64 << 56)),
                _ => String::new(),
            };
            let record = with_state(span(id, index), &state);
            let parent = SpanContext {
                trace_id: id,
                span_id: record.span_id,
                flags: record.flags,
                state: record.state.clone(),
            };
            let decision = head.decide(Some(&parent), id);
            let mut marked = record.state.clone();
            decision.mark(&mut marked);
            world.offer(record);
            world.flush();
            let kept = world.take();
            assert_eq!(kept.len(), usize::from(decision.sampled), "{part}: {id}");
            assert!(kept.iter().all(|span| span.state == marked), "{part}: {marked}");
        }
    }
}

#[test]
fn the_stricter_threshold_says_what_a_kept_trace_stands_for() {
    let check = |head: &Sampler, before: &str, fails: bool, after: &str| {
        let mut world = World::behind(head, TailConfig::new(ratio(0.25)));
        let record = with_state(span(at(0.9), 1), before);
        world.offer(if fails { failed(record) } else { record });
        // The states of a trace may differ: its runs may have had different parents.
        world.offer(with_state(child(at(0.9), 2), "ot=th:f"));
        world.flush();
        let kept = world.take();
        assert_eq!(kept[0].state.as_str(), after, "{head:?} {before} {fails}");
        assert_eq!(kept[1].state.as_str(), "ot=th:f");
    };
    let all = Sampler::default();
    check(&all, "", false, "ot=th:c");
    check(&all, "a=b,ot=rv:ffffffffffffff", false, "ot=th:c;rv:ffffffffffffff,a=b");
    check(&all, "ot=th:8", false, "ot=th:c");
    check(&all, "ot=th:e", false, "ot=th:e");
    check(&all, "ot=th:8", true, "ot=th:8");
    check(&all, "", true, "");
    let limited = Sampler::RateLimited(RateLimit::per_second(1.0).expect("above 0"));
    let limited = Sampler::ParentBased(Box::new(limited));
    // Nobody knows what it stands for, and a quarter of that is no better known.
    check(&limited, "", false, "");
    check(&limited, "ot=th:8", false, "ot=th:c");
}

#[test]
fn a_trace_is_decided_when_its_root_has_ended_and_stragglers_had_their_time() {
    let mut world = World::new(TailConfig::new(Ratio::NONE));
    world.offer(child(at(0.5), 1));
    world.pass(SECOND);
    world.offer(span(at(0.5), 2));
    world.pass(LINGER - Duration::from_nanos(1));
    assert_eq!(world.tail.spans, 2);
    // Another root, as of a second request in the same trace, does not put the decision off.
    world.offer(span(at(0.5), 9));
    world.offer(failed(child(at(0.5), 3)));
    world.pass(Duration::from_nanos(1));
    assert_eq!(world.ids(), [1, 2, 3, 9], "the straggler has the error");
    let remote = SpanRecord { parent_is_remote: true, ..child(at(0.5), 4) };
    world.offer(SpanRecord { trace_id: at(0.6), ..remote });
    world.pass(LINGER);
    assert_eq!(world.counts.sampled_out(), 1, "a remote parent's child is a root here");
}

#[test]
fn a_trace_without_a_root_waits_no_longer_than_it_may() {
    let mut world = World::new(TailConfig { max_wait: SECOND, ..TailConfig::new(Ratio::ALL) });
    world.offer(child(at(0.1), 1));
    world.pass(SECOND / 2);
    world.offer(child(at(0.1), 2));
    world.offer(child(at(0.2), 3));
    world.pass(SECOND / 2 - Duration::from_nanos(1));
    assert!(world.ids().is_empty());
    world.pass(Duration::from_nanos(1));
    assert_eq!(world.ids(), [1, 2], "from its first span");
    world.pass(SECOND / 2);
    assert_eq!(world.ids(), [3]);
    let mut world = World::new(TailConfig { max_wait: Duration::MAX, ..TailConfig::new(Ratio::ALL) });
    world.offer(child(at(0.1), 1));
    world.pass(SECOND * 1_000_000);
    assert!(world.ids().is_empty());
}

#[test]
fn late_spans_follow_the_decision() {
    let mut world = World::new(TailConfig::new(ratio(0.5)));
    for (id, record) in [(0.9, span(at(0.9), 1)), (0.1, span(at(0.1), 2)), (0.2, failed(span(at(0.2), 3)))] {
        assert_eq!(record.trace_id, at(id));
        world.offer(record);
    }
    world.flush();
    assert_eq!(world.ids(), [1, 3]);
    world.offer(with_state(child(at(0.9), 4), "ot=th:4"));
    world.offer(failed(child(at(0.1), 5)));
    world.offer(with_state(child(at(0.2), 6), "ot=th:4"));
    let late = world.take();
    let seen: Vec<_> = late.iter().map(|span| (span.span_id.get(), span.state.as_str())).collect();
    assert_eq!(seen, [(4, "ot=th:8"), (6, "ot=th:4")], "at once, with the same threshold");
    assert_eq!(world.counts.sampled_out(), 2, "also an error does not change what was decided");
}

#[test]
fn the_oldest_trace_makes_room_and_is_judged_by_what_is_known() {
    let mut world = World::new(TailConfig { max_spans: 3, ..TailConfig::new(Ratio::NONE) });
    world.offer(child(at(0.1), 1));
    world.offer(child(at(0.2), 2));
    // A later span leaves the trace as old as it is.
    world.offer(failed(child(at(0.1), 3)));
    world.offer(child(at(0.3), 4));
    assert_eq!((world.ids(), world.tail.spans), (vec![1, 3], 2));
    world.offer(child(at(0.3), 5));
    // The oldest is the span's own trace: it is known to have failed.
    world.offer(failed(child(at(0.2), 6)));
    assert_eq!((world.ids(), world.tail.spans), (vec![2, 6], 2));
    // A single span that is larger than all room there is.
    let mut world = World::new(TailConfig { max_bytes: 1_000, ..TailConfig::new(Ratio::NONE) });
    let large = SpanRecord { name: "x".repeat(1_000).into(), ..failed(child(at(0.5), 1)) };
    world.offer(child(at(0.4), 2));
    world.offer(large);
    assert_eq!((world.ids(), world.counts.sampled_out(), world.tail.bytes), (vec![1], 1, 0));
}

#[test]
fn a_flood_of_traces_that_never_end_stays_within_the_bounds() {
    let by_spans = TailConfig::new(ratio(0.000_1));
    let by_bytes = TailConfig { max_bytes: 8 << 20, ..by_spans.clone() };
    for config in [by_spans, by_bytes] {
        let (spans, bytes) = (config.max_spans, config.max_bytes);
        let mut world = World::new(config);
        let (mut most_spans, mut most_bytes) = (0, 0);
        for index in 1..=1_000_000u64 {
            // Two spans a trace, and now and then a large one.
            let id = trace_id(u128::from((index / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1 << 100);
            let mut record = child(id, index);
            if index % 1_000 == 0 {
                record.attributes.push(("blob".into(), "x".repeat(50_000).into()));
            }
            world.offer(record);
            assert!(world.tail.spans <= spans && world.tail.bytes <= bytes);
            (most_spans, most_bytes) = (most_spans.max(world.tail.spans), most_bytes.max(world.tail.bytes));
            world.released += world.out.drain(..).len() as u64;
        }
        assert!(
            most_spans == spans || most_bytes > bytes / 100 * 99,
            "{most_spans} spans, {most_bytes} bytes"
        );
        assert_eq!(world.tail.decided.len(), DECISIONS_REMEMBERED);
        world.check_books();
        let waiting = world.tail.spans as u64;
        drop(world.tail);
        assert_eq!(
            world.counts.dropped(DropReason::Shutdown),
            waiting,
            "what nobody decides about is a loss"
        );
    }
}

#[test]
fn remembers_the_decisions_used_last() {
    let mut world = World::new(TailConfig::new(Ratio::NONE));
    let id = |index: u128| trace_id(index + 1);
    world.offer(failed(span(id(0), 1)));
    world.offer(failed(span(id(1), 2)));
    world.flush();
    for index in 2..DECISIONS_REMEMBERED as u128 + 1 {
        if index == 10 {
            world.offer(child(id(0), 3));
        }
        world.offer(span(id(index), 4));
        world.flush();
    }
    assert_eq!(world.ids(), [1, 2, 3]);
    assert_eq!(world.tail.decided.len(), DECISIONS_REMEMBERED);
    world.offer(child(id(0), 5));
    world.offer(child(id(1), 6));
    world.flush();
    assert_eq!(world.ids(), [5], "the other one is forgotten, so its span is a trace of its own");
}

#[test]
fn only_what_failed_is_an_error() {
    let check = |status: SpanStatus, ended_as: Option<ExecutionStatus>, kept: bool| {
        let mut world = World::new(TailConfig::new(Ratio::NONE));
        let attributes = ended_as.map(ended).unwrap_or_default();
        world.offer(SpanRecord { status: status.clone(), attributes, ..span(at(0.5), 1) });
        world.flush();
        assert_eq!(world.take().len(), usize::from(kept), "{status:?} {ended_as:?}");
    };
    let error = || SpanStatus::Error("no".into());
    check(SpanStatus::Ok, Some(ExecutionStatus::Success), false);
    check(SpanStatus::Unset, None, false);
    check(error(), Some(ExecutionStatus::Error), true);
    check(error(), Some(ExecutionStatus::Timeout), true);
    check(SpanStatus::Ok, Some(ExecutionStatus::Timeout), true);
    check(error(), Some(ExecutionStatus::Cancelled), false);
    check(error(), Some(ExecutionStatus::Success), true);
    check(error(), None, true);
}

#[test]
fn an_adaptive_ratio_decides_as_it_stands() {
    let adaptive = Adaptive::new(Ratio::ALL);
    let mut world = World::new(TailConfig::new(adaptive.clone()));
    world.offer(span(at(0.5), 1));
    world.flush();
    adaptive.adjust(&Measured { interval: SECOND, drain_cpu: SECOND, spans: 0, process_cpu: SECOND });
    world.offer(span(at(0.6), 2));
    world.offer(span(at(0.999), 3));
    world.flush();
    let kept = world.take();
    let thresholds: Vec<_> = kept.iter().map(|span| (span.span_id.get(), span.state.threshold())).collect();
    assert_eq!(thresholds, [(1, Some(0)), (3, Some(adaptive.threshold()))]);
}

#[test]
fn the_estimate_grows_with_what_a_span_holds() {
    let plain = size::held_by(&span(at(0.5), 1));
    assert!(plain >= size_of::<(Text, Value)>(), "it has an attribute");
    let grows = |change: &dyn Fn(&mut SpanRecord), by: usize| {
        let mut record = span(at(0.5), 1);
        change(&mut record);
        let grown = size::held_by(&record) - plain;
        assert!((by..by + 400).contains(&grown), "{grown} for {by}");
    };
    let text = || "x".repeat(1_000);
    grows(&|span| span.name = text().into(), 1_000);
    grows(&|span| span.status = SpanStatus::Error(text().into()), 1_000);
    grows(&|span| span.attributes.push((text().into(), text().into())), 2_000);
    grows(&|span| span.attributes.push(("list".into(), vec![text(), text()].into())), 2_000);
    grows(&|span| span.attributes.push(("bytes".into(), Value::Bytes(vec![0; 1_000].into()))), 1_000);
    let map = || Value::Map(vec![(Text::from(text()), Value::from(text()))].into());
    grows(&|span| span.attributes.push(("map".into(), map())), 2_000);
}
