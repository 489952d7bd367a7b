//! `traces`: one row for each trace.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;
use tta_model::TraceId;

use super::super::source::Source;
use super::super::table::{Cell, Col, ColumnType::*, Pushed, Rows, Table, Wanted, key, millis, time};
use super::spans::{STATUSES, scan};
use crate::analysis::Trace;
use crate::read::{ReadError, SpanQuery, SpanWalk};
use crate::wire::span::ERROR;

pub(in crate::sql) struct Traces;

/// A trace, which is read when somebody asks for more than its id.
pub(in crate::sql) struct TraceRow {
    id: TraceId,
    source: Arc<Source>,
    summary: OnceCell<Summary>,
}

struct Summary {
    service: String,
    name: String,
    status: &'static str,
    start: i64,
    duration: i64,
    spans: usize,
    errors: usize,
    services: usize,
    cost_usd: f64,
    total_tokens: i64,
}

impl Summary {
    fn of(source: &Source, id: TraceId) -> Result<Self, ReadError> {
        let whole = source.trace(id)?;
        let trace = Trace::of(&whole.stored);
        let root = trace.root().map(|root| trace.spans[root]).unwrap_or_default();
        let (start, end) = trace.times();
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (mut cost_usd, mut total_tokens) = (0.0, 0_u64);
        let usages = whole.stored.spans.iter().filter_map(|stored| scan(&stored.span)?.1.usage);
        for usage in usages {
            cost_usd += usage.cost_usd;
            total_tokens = total_tokens.saturating_add(usage.prompt_tokens + usage.completion_tokens);
        }
        Ok(Self {
            service: trace.service(&root).to_owned(),
            name: trace.name(&root).to_owned(),
            status: STATUSES.get(usize::from(root.status)).unwrap_or(&STATUSES[0]),
            start: number(start),
            duration: number(end - start),
            spans: trace.spans.len(),
            errors: trace.spans.iter().filter(|span| span.status == ERROR).count(),
            services: trace.services.len(),
            cost_usd,
            total_tokens: number(total_tokens),
        })
    }
}

impl TraceRow {
    fn of(&self, value: impl FnOnce(&Summary) -> Cell) -> Result<Cell, ReadError> {
        if let Some(summary) = self.summary.get() {
            return Ok(value(summary));
        }
        let summary = Summary::of(&self.source, self.id)?;
        Ok(value(self.summary.get_or_init(|| summary)))
    }

    fn count(&self, value: impl FnOnce(&Summary) -> usize) -> Result<Cell, ReadError> {
        self.of(|summary| Cell::from(value(summary) as u64))
    }
}

type Column = Col<TraceRow>;

impl Table for Traces {
    type Row = TraceRow;
    const NAME: &'static str = "traces";
    const ABOUT: &'static str =
        "a trace, as far as its spans are stored; it is read as a whole, in about a tenth of a millisecond";
    const COLUMNS: &'static [Column] = &[
        Column::new("trace_id", Text, "the trace, in 32 hexadecimal digits", |row| {
            Ok(row.id.to_string().into())
        })
        .pushed(Pushed::Trace),
        Column::new("service", Text, "the service of the root, or else of the first span", |row| {
            row.of(|summary| summary.service.clone().into())
        })
        .pushed(Pushed::Equal),
        Column::new("name", Text, "the name of the root, or else of the first span", |row| {
            row.of(|summary| summary.name.clone().into())
        })
        .pushed(Pushed::Equal),
        Column::new("status", Text, "the status of the root: unset, ok or error", |row| {
            row.of(|summary| Cell::Static(summary.status))
        }),
        Column::new(
            "start_unix_ns",
            Integer,
            "when the first span started, in nanoseconds since 1970",
            |row| row.of(|summary| summary.start.into()),
        )
        .pushed(Pushed::Range),
        Column::new("start", Text, "when the first span started, as RFC 3339 in UTC", |row| {
            row.of(|summary| time(summary.start))
        }),
        Column::new("duration_ns", Integer, "from the first start to the last end, in nanoseconds", |row| {
            row.of(|summary| summary.duration.into())
        }),
        Column::new("duration_ms", Real, "from the first start to the last end, in milliseconds", |row| {
            row.of(|summary| millis(summary.duration))
        }),
        Column::new("spans", Integer, "how many spans", |row| row.count(|summary| summary.spans)),
        Column::new("errors", Integer, "how many spans failed", |row| row.count(|summary| summary.errors))
            .pushed(Pushed::Range),
        Column::new("services", Integer, "of how many services", |row| row.count(|summary| summary.services)),
        Column::new("cost_usd", Real, "what its model calls cost, in US dollars", |row| {
            row.of(|summary| summary.cost_usd.into())
        }),
        Column::new(
            "total_tokens",
            Integer,
            "the tokens of its model calls, of prompts and answers",
            |row| row.of(|summary| summary.total_tokens.into()),
        ),
    ];

    fn rows(source: &Arc<Source>, wanted: &Wanted) -> Result<Rows<TraceRow>, ReadError> {
        let source = Arc::clone(source);
        if let Some(trace) = wanted.trace() {
            let Some(id) = trace else { return Ok(Box::new(std::iter::empty())) };
            let id = (!source.trace(id)?.stored.spans.is_empty()).then_some(id);
            let row = move |id| Ok(TraceRow { id, source: Arc::clone(&source), summary: OnceCell::new() });
            return Ok(Box::new(id.into_iter().map(row)));
        }
        let mut walk = SpanWalk::new(&source.reader, query(wanted));
        let mut seen: HashSet<TraceId, RandomState> = HashSet::default();
        Ok(Box::new(std::iter::from_fn(move || {
            loop {
                let id = match walk.next().transpose()? {
                    Ok(found) => found.trace_id,
                    Err(error) => return Some(Err(error)),
                };
                // A trace of many spans is passed by for long.
                if let Err(error) = source.guard.ask() {
                    return Some(Err(error.into()));
                }
                if seen.insert(id) {
                    return Some(Ok(TraceRow { id, source: Arc::clone(&source), summary: OnceCell::new() }));
                }
            }
        })))
    }

    fn key(row: &TraceRow) -> u64 {
        key(&[&row.id.to_bytes()])
    }
}

/// A span that each trace has which fits: its root, or what stands for it, is of the service and has the name; its first span starts when it
/// does; and one failed if any did. These may be different spans, so only one of the three is asked for.
fn query(wanted: &Wanted) -> SpanQuery {
    let query = SpanQuery::default();
    let (service, name) = (wanted.owned("service"), wanted.owned("name"));
    let times = wanted.range("start_unix_ns");
    if *wanted.range("errors").start() > 0 {
        return SpanQuery { status: Some(ERROR), times: *times.start()..=i64::MAX, ..query };
    }
    if service.is_some() || name.is_some() {
        return SpanQuery { service, name, times: *times.start()..=i64::MAX, ..query };
    }
    SpanQuery { times, ..query }
}
