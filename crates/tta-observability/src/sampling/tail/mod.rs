//! Decides about whole traces once they have ended.
//!
//! The spans of a trace end one after the other, on many threads, the root last. So they wait here until the root
//! has ended and stragglers had their time. Nothing waits for ever, and not too much waits: a bound on
//! time, one on spans and one on bytes have the oldest trace decided early. What was decided is remembered
//! for a while, so that late spans share the fate of their trace.
//!
//! Nothing here reads a clock: the moment is told, and is never before the one told last.

mod config;
#[cfg(test)]
mod properties;
mod size;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hashlink::{LinkedHashMap, LruCache};
use tta_model::{SpanRecord, TraceId};

pub use config::{TailConfig, TailRatio};

use super::Sampler;
use super::ratio::randomness;
use crate::counts::{DropReason, SpanCounts};
use crate::recorder::Assembled;
use verdict::{Marker, Verdict};

/// How long a trace waits for stragglers after its root has ended: 100 ms. That is twice the time in which the
/// drain thread asks every other thread for its spans.
pub const LINGER: Duration = Duration::from_millis(100);

/// How many decisions are remembered: 100,000, the latest used, in about 8 MB.
pub const DECISIONS_REMEMBERED: usize = 100_000;

/// What a waiting trace takes beside its spans, as an estimate: its places in the maps.
const TRACE_BYTES: usize = size_of::<Trace>() + 128;

/// Holds spans back until their traces are decided.
#[derive(Debug)]
pub(crate) struct TailSampler {
    config: TailConfig,
    counts: Arc<SpanCounts>,
    marker: Marker,
    /// Undecided traces, in the order of their first spans.
    traces: LinkedHashMap<TraceId, Trace>,
    /// Those of them whose root has ended, and when, in that order.
    ended: LinkedHashMap<TraceId, Instant>,
    decided: LruCache<TraceId, Verdict>,
    spans: usize,
    bytes: usize,
}

/// What is known of an undecided trace.
#[derive(Debug)]
struct Trace {
    since: Instant,
    spans: Vec<Assembled>,
    bytes: usize,
    randomness: u64,
    /// Something failed or was slow, so it is kept.
    matters: bool,
}

impl TailSampler {
    /// Stands behind a sampler, and counts what it leaves out.
    pub(crate) fn new(config: TailConfig, head: &Sampler, counts: Arc<SpanCounts>) -> Self {
        Self {
            config,
            counts,
            marker: Marker::new(head.counts()),
            traces: LinkedHashMap::new(),
            ended: LinkedHashMap::new(),
            decided: LruCache::new(DECISIONS_REMEMBERED),
            spans: 0,
            bytes: 0,
        }
    }

    /// Takes a span over at a moment, and adds to `out` what is kept of the traces that had to be decided for it.
    pub(crate) fn offer(&mut self, span: Assembled, now: Instant, out: &mut Vec<Assembled>) {
        let trace_id = span.record.trace_id;
        if let Some(verdict) = self.decided.get(&trace_id) {
            let verdict = *verdict;
            return self.follow(verdict, span, out);
        }
        self.learn(&span.record, now);
        let room = self.traces.get(&trace_id).map_or(0, Trace::room);
        let bytes = size::held_by(&span.record) + room;
        self.make_room(trace_id, bytes, out);
        match self.traces.get_mut(&trace_id) {
            Some(trace) => {
                trace.push(span, bytes);
                self.spans += 1;
                self.bytes += bytes;
            }
            // Its own trace had to make room, or there can be none for it: it was decided with this span known.
            None => {
                let verdict = self.decided.get(&trace_id).copied().unwrap_or(Verdict::Out);
                self.follow(verdict, span, out);
            }
        }
    }

    /// Decides one trace whose time has come, and adds to `out` what is kept of it; says whether there was one.
    pub(crate) fn decide_due(&mut self, now: Instant, out: &mut Vec<Assembled>) -> bool {
        let passed = |since: Instant, time| now.saturating_duration_since(since) >= time;
        let ended = self.ended.front().filter(|(_, at)| passed(**at, LINGER)).map(|(id, _)| *id);
        let oldest = self.traces.front();
        let waited = oldest.filter(|(_, trace)| passed(trace.since, self.config.max_wait)).map(|(id, _)| *id);
        ended.or(waited).is_some_and(|trace_id| self.decide(trace_id, out))
    }

    /// Decides the oldest trace whatever the time, and adds to `out` what is kept of it; says whether there was one.
    pub(crate) fn decide_oldest(&mut self, out: &mut Vec<Assembled>) -> bool {
        let oldest = self.traces.front().map(|(trace_id, _)| *trace_id);
        oldest.is_some_and(|trace_id| self.decide(trace_id, out))
    }

    /// Notes what a span says of its trace.
    fn learn(&mut self, span: &SpanRecord, now: Instant) {
        let slow = self.config.slow.is_some_and(|slow| u128::from(span.duration_nanos()) >= slow.as_nanos());
        let matters = slow || (self.config.keep_errors && verdict::failed(span));
        let is_root = span.parent_span_id.is_none() || span.parent_is_remote;
        // Only what is not there is inserted: what is there would lose its place in the order.
        if is_root && !self.ended.contains_key(&span.trace_id) {
            self.ended.insert(span.trace_id, now);
        }
        if let Some(trace) = self.traces.get_mut(&span.trace_id) {
            trace.matters |= matters;
            return;
        }
        let randomness = randomness(Some(&span.state), span.trace_id);
        let trace = Trace { since: now, spans: Vec::new(), bytes: 0, randomness, matters };
        self.traces.insert(span.trace_id, trace);
    }

    /// Decides the oldest traces until one more span of a trace fits, of so many bytes. If that trace is
    /// itself among the oldest, nothing has to fit any more.
    fn make_room(&mut self, trace_id: TraceId, bytes: usize, out: &mut Vec<Assembled>) {
        let is_full = |tail: &Self| {
            tail.spans >= tail.config.max_spans || tail.bytes.saturating_add(bytes) > tail.config.max_bytes
        };
        while is_full(self) && self.traces.contains_key(&trace_id) {
            self.decide_oldest(out);
        }
    }

    fn decide(&mut self, trace_id: TraceId, out: &mut Vec<Assembled>) -> bool {
        self.ended.remove(&trace_id);
        let Some(trace) = self.traces.remove(&trace_id) else { return false };
        let threshold = self.config.ratio.threshold();
        let verdict = match trace.randomness >= threshold {
            _ if trace.matters => Verdict::Kept,
            true => Verdict::KeptAt(threshold),
            false => Verdict::Out,
        };
        self.decided.insert(trace_id, verdict);
        self.spans -= trace.spans.len();
        self.bytes -= trace.bytes;
        trace.spans.into_iter().for_each(|span| self.follow(verdict, span, out));
        true
    }

    fn follow(&mut self, verdict: Verdict, mut span: Assembled, out: &mut Vec<Assembled>) {
        match verdict {
            Verdict::Out => return self.counts.add_sampled_out(1),
            Verdict::Kept => {}
            Verdict::KeptAt(threshold) => self.marker.raise(&mut span.record.state, threshold),
        }
        out.push(span);
    }
}

impl Trace {
    /// How many more records it will have room for when one is added: none as long as there is some left.
    fn growth(&self) -> usize {
        if self.spans.len() < self.spans.capacity() { 0 } else { self.spans.len().max(1) }
    }

    /// How many bytes that growth takes, and the trace itself with its first span.
    fn room(&self) -> usize {
        let itself = if self.spans.is_empty() { TRACE_BYTES } else { 0 };
        self.growth() * size_of::<Assembled>() + itself
    }

    fn push(&mut self, span: Assembled, bytes: usize) {
        // By default a list grows to four at once, which would be thrice too many for a trace of one span.
        self.spans.reserve_exact(self.growth());
        self.spans.push(span);
        self.bytes += bytes;
    }
}

impl Drop for TailSampler {
    /// Counts what still waits: nobody decides about it any more.
    fn drop(&mut self) {
        self.counts.add_dropped(DropReason::Shutdown, self.spans);
    }
}
