//! What came of a demo, for people and as JSON.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use tta::metrics::{ExecutionStats, Window};
use tta::{Flow, Guard};
use tta_model::name::attribute;
use tta_model::{SpanRecord, TraceId};

use super::document::RawDocument;
use super::driver::{Failure, Tally};
use super::text::Report;
use crate::render::table::{Percentiles, SummaryRow};

/// What came of a demo.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// The workflow as a tree.
    pub(super) flow: String,
    /// Where Prometheus finds the metrics.
    pub(super) metrics: Option<String>,
    documents: usize,
    runs: u64,
    succeeded: u64,
    failed: u64,
    seconds: f64,
    retries: u64,
    cache: CacheCounts,
    /// Tokens of the model, and what they cost in US dollars by the price table.
    tokens: u64,
    cost_usd: f64,
    spans: SpanFates,
    failures: Vec<Failure>,
    primitives: Vec<Primitive>,
    pub(super) sample: Option<Sample>,
}

#[derive(Debug, Serialize)]
struct CacheCounts {
    lookups: u64,
    hits: u64,
}

#[derive(Debug, Serialize)]
struct SpanFates {
    recorded: u64,
    exported: u64,
    dropped: u64,
}

/// What the executions of one primitive came to.
#[derive(Debug, Serialize)]
struct Primitive {
    path: String,
    r#type: String,
    executions: u64,
    successes: u64,
    retries: u64,
    cache_hits: u64,
    cache_lookups: u64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

/// One run, to be looked at.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    pub(super) trace_id: TraceId,
    pub(super) document: String,
    /// What the run made of the document.
    pub(super) report: Option<Report>,
    #[serde(skip)]
    pub(super) spans: Vec<SpanRecord>,
}

impl Outcome {
    pub(super) fn new(
        workflow: &Flow<RawDocument, Report>,
        tally: &Tally,
        guard: &Guard,
        sample: Option<Sample>,
    ) -> Self {
        let primitives = guard.metrics().primitives(Window::Start);
        let primitives: Vec<Primitive> = primitives.into_iter().map(Primitive::of).collect();
        let sum = |of: fn(&Primitive) -> u64| primitives.iter().map(of).sum();
        let (counts, costs) = (guard.counts(), guard.costs().report());
        Self {
            flow: workflow.to_tree(),
            metrics: guard.metrics_address().map(|address| format!("http://{address}/metrics")),
            documents: tally.documents,
            runs: tally.runs,
            succeeded: tally.succeeded,
            failed: tally.failed,
            seconds: tally.took.as_secs_f64(),
            retries: sum(|primitive| primitive.retries),
            cache: CacheCounts {
                lookups: sum(|primitive| primitive.cache_lookups),
                hits: sum(|primitive| primitive.cache_hits),
            },
            tokens: costs.tokens,
            cost_usd: costs.spent.as_usd(),
            spans: SpanFates {
                recorded: counts.recorded(),
                exported: counts.exported(),
                dropped: counts.dropped_total(),
            },
            failures: tally.failures.clone(),
            primitives,
            sample,
        }
    }

    /// A row of the table for each primitive.
    pub(super) fn rows(&self) -> Vec<SummaryRow> {
        self.primitives.iter().map(Primitive::row).collect()
    }

    /// What is to be said of all runs together.
    pub(super) fn totals(&self) -> String {
        let Self {
            documents, runs, succeeded, failed, seconds, retries, cache, spans, tokens, cost_usd, ..
        } = self;
        let mut text = format!(
            "{runs} runs over {documents} documents in {seconds:.2} s: {succeeded} succeeded, {failed} failed\n\
             cache: {} hits of {} look-ups; retries: {retries}; tokens: {tokens}, cost: ${cost_usd:.6}\n\
             spans: {} recorded, {} dropped",
            cache.hits, cache.lookups, spans.recorded, spans.dropped,
        );
        for failure in &self.failures {
            text.push_str(&format!("\n  failed: {} ({})", failure.error, failure.kind));
        }
        text
    }
}

impl Primitive {
    fn of(summary: ExecutionStats) -> Self {
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        Self {
            path: summary.path.to_string(),
            r#type: summary.kind.to_string(),
            executions: summary.executions,
            successes: summary.successes,
            retries: summary.retries,
            cache_hits: summary.cache_hits,
            cache_lookups: summary.cache_lookups,
            p50_ms: millis(summary.p50),
            p95_ms: millis(summary.p95),
            p99_ms: millis(summary.p99),
        }
    }

    fn row(&self) -> SummaryRow {
        SummaryRow {
            path: self.path.clone(),
            runs: self.executions,
            succeeded: self.successes,
            percentiles: Some(Percentiles { p50_ms: self.p50_ms, p95_ms: self.p95_ms, p99_ms: self.p99_ms }),
            cache_hits: (self.cache_lookups > 0).then_some(self.cache_hits),
            retries: self.retries,
        }
    }
}

impl Sample {
    /// Chooses the run with most to see: that with most spans, of which the first.
    pub(super) fn choose(spans: Vec<SpanRecord>, tally: &Tally) -> Option<Self> {
        let mut sizes: HashMap<TraceId, usize> = HashMap::new();
        spans.iter().for_each(|span| *sizes.entry(span.trace_id).or_default() += 1);
        let ends = |span: &SpanRecord| (sizes[&span.trace_id], Reverse(span.start_unix_nanos));
        let trace_id = spans.iter().max_by_key(|span| ends(span))?.trace_id;
        let spans: Vec<SpanRecord> = spans.into_iter().filter(|span| span.trace_id == trace_id).collect();
        let document = spans.iter().find_map(|span| span.attribute(&attribute::tag("document"))?.as_text());
        let document = document.unwrap_or_default().to_owned();
        Some(Self { trace_id, report: tally.reports.get(&document).cloned(), document, spans })
    }
}
