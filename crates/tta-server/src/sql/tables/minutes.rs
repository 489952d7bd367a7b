//! `red_1m` and `edges_1m`: rate, errors and durations by minute.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::source::Source;
use super::super::table::{Cell, Col, ColumnType::*, Pushed, Rows, Table, Wanted, key, millis, time};
use crate::read::{Call, ReadError, Reader, RedBy, RedPoint, RedQuery, Times, map, red, sums};
use crate::store::bins::{MINUTE, minute};

/// How many minutes are added up at once.
const WINDOW: i64 = 60;

pub(in crate::sql) struct Red;
pub(in crate::sql) struct Edges;

pub(in crate::sql) struct RedRow {
    service: Arc<str>,
    operation: Arc<str>,
    point: RedPoint,
}

/// Goes through the minutes in which there is something, a window at a time, so that a week is never in memory at once.
fn windows<R: 'static>(
    times: &RangeInclusive<i64>,
    next: impl Fn(i64) -> Result<Option<i64>, ReadError> + 'static,
    read: impl Fn(&Times) -> Result<Vec<R>, ReadError> + 'static,
) -> Rows<R> {
    let (mut from, last) = (minute(*times.start()), minute(*times.end()));
    let window = move || -> Result<Option<Vec<R>>, ReadError> {
        let Some(first) = next(from)?.filter(|first| *first <= last) else { return Ok(None) };
        let end = first.saturating_add(WINDOW - 1).min(last);
        from = end.saturating_add(1);
        let times = first.saturating_mul(MINUTE)..=end.saturating_add(1).saturating_mul(MINUTE) - 1;
        read(&times).map(Some)
    };
    let mut window = Some(window);
    let windows = std::iter::from_fn(move || {
        let found = window.as_mut()?().transpose();
        if !matches!(found, Some(Ok(_))) {
            window = None;
        }
        found
    });
    Box::new(windows.flat_map(|rows| match rows {
        Ok(rows) => rows.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) => vec![Err(error)],
    }))
}

/// A number of nanoseconds as milliseconds.
fn ms(nanos: u64) -> Result<Cell, ReadError> {
    Ok(millis(i64::try_from(nanos).unwrap_or(i64::MAX)))
}

type OfRed = Col<RedRow>;
type OfEdges = Col<Call>;

impl Table for Red {
    type Row = RedRow;
    const NAME: &'static str = "red_1m";
    const ABOUT: &'static str = "the executions of an operation that started in one minute; percentiles are right within 0.8 %, and a span that came again counts each time";
    const COLUMNS: &'static [OfRed] = &[
        OfRed::new("service", Text, "the service", |row| Ok(Cell::Shared(Arc::clone(&row.service))))
            .pushed(Pushed::Equal),
        OfRed::new("operation", Text, "the name of the spans", |row| {
            Ok(Cell::Shared(Arc::clone(&row.operation)))
        })
        .pushed(Pushed::Equal),
        OfRed::new("minute_unix_ns", Integer, "the start of the minute, in nanoseconds since 1970", |row| {
            Ok(row.point.start_unix_nanos.into())
        })
        .pushed(Pushed::Range),
        OfRed::new("minute", Text, "the start of the minute, as RFC 3339 in UTC", |row| {
            Ok(time(row.point.start_unix_nanos))
        }),
        OfRed::new("count", Integer, "how many executions", |row| Ok(row.point.count.into())),
        OfRed::new("errors", Integer, "how many of them failed", |row| Ok(row.point.errors.into())),
        OfRed::new("mean_ms", Real, "the mean of the durations, in milliseconds", |row| {
            ms(row.point.mean_nanos)
        }),
        OfRed::new("p50_ms", Real, "what half of them did not exceed", |row| ms(row.point.p50_nanos)),
        OfRed::new("p90_ms", Real, "what 90 % did not exceed", |row| ms(row.point.p90_nanos)),
        OfRed::new("p95_ms", Real, "what 95 % did not exceed", |row| ms(row.point.p95_nanos)),
        OfRed::new("p99_ms", Real, "what 99 % did not exceed", |row| ms(row.point.p99_nanos)),
        OfRed::new("max_ms", Real, "the longest", |row| ms(row.point.max_nanos)),
    ];

    fn rows(source: &Arc<Source>, wanted: &Wanted) -> Result<Rows<RedRow>, ReadError> {
        let (service, name) = (wanted.owned("service"), wanted.owned("operation"));
        let query = RedQuery { service, name, step_minutes: 1, by: RedBy::Operation, ..RedQuery::default() };
        let (one, other) = (source.reader.clone(), source.reader.clone());
        let read = move |times: &Times| red_rows(&other, &RedQuery { times: times.clone(), ..query.clone() });
        Ok(windows(&wanted.range("minute_unix_ns"), move |from| sums::next_minute(&one, from), read))
    }

    fn key(row: &RedRow) -> u64 {
        let minute = row.point.start_unix_nanos.to_le_bytes();
        key(&[row.service.as_bytes(), row.operation.as_bytes(), &minute])
    }
}

fn red_rows(reader: &Reader, query: &RedQuery) -> Result<Vec<RedRow>, ReadError> {
    let mut rows = Vec::new();
    for series in red(reader, query)? {
        let (service, operation): (Arc<str>, Arc<str>) = (series.service.into(), series.name.into());
        let row = |point| RedRow { service: Arc::clone(&service), operation: Arc::clone(&operation), point };
        rows.extend(series.points.into_iter().map(row));
    }
    Ok(rows)
}

impl Table for Edges {
    type Row = Call;
    const NAME: &'static str = "edges_1m";
    const ABOUT: &'static str = "the calls from one place to another that started in one minute; a place is a primitive, or else an operation";
    const COLUMNS: &'static [OfEdges] = &[
        OfEdges::new("caller_service", Text, "the service that calls", |row| {
            Ok(row.caller_service.clone().into())
        }),
        OfEdges::new("caller", Text, "the place that calls", |row| Ok(row.caller.clone().into())),
        OfEdges::new("callee_service", Text, "the service that is called", |row| {
            Ok(row.callee_service.clone().into())
        }),
        OfEdges::new("callee", Text, "the place that is called", |row| Ok(row.callee.clone().into())),
        OfEdges::new(
            "minute_unix_ns",
            Integer,
            "the start of the minute, in nanoseconds since 1970",
            |row| Ok(row.executions.start_unix_nanos.into()),
        )
        .pushed(Pushed::Range),
        OfEdges::new("minute", Text, "the start of the minute, as RFC 3339 in UTC", |row| {
            Ok(time(row.executions.start_unix_nanos))
        }),
        OfEdges::new("count", Integer, "how many calls", |row| Ok(row.executions.count.into())),
        OfEdges::new("errors", Integer, "how many of them failed", |row| Ok(row.executions.errors.into())),
        OfEdges::new("mean_ms", Real, "the mean of the durations, in milliseconds", |row| {
            ms(row.executions.mean_nanos)
        }),
        OfEdges::new("p95_ms", Real, "what 95 % did not exceed", |row| ms(row.executions.p95_nanos)),
    ];

    fn rows(source: &Arc<Source>, wanted: &Wanted) -> Result<Rows<Call>, ReadError> {
        let (one, other) = (source.reader.clone(), source.reader.clone());
        let read = move |times: &Times| map::calls_by_minute(&other, times);
        Ok(windows(&wanted.range("minute_unix_ns"), move |from| map::next_minute(&one, from), read))
    }

    fn key(row: &Call) -> u64 {
        let texts = [&row.caller_service, &row.caller, &row.callee_service, &row.callee];
        let [one, two, three, four] = texts.map(|text| text.as_bytes());
        key(&[one, two, three, four, &row.executions.start_unix_nanos.to_le_bytes()])
    }
}
