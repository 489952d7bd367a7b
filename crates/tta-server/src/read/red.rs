//! Rate, errors and durations over time, from the sums by minute.

use std::collections::HashMap;

use super::snapshot::Snapshot;
use super::sums::{Key, Steps, Sums, Table, add_runs, add_summed};
use super::{ALWAYS, ReadError, Reader, Times};
use crate::store::Shape;
use crate::store::bins::{Tally, lower};

/// What the series are told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedBy {
    /// One series for each operation of each service.
    Operation,
    /// One for each primitive of each service. Spans that name none do not count.
    Primitive,
    /// One for each workflow of each service. Only its runs count, unless operations or primitives are asked for as well.
    Workflow,
    /// One for each service.
    Service,
    /// One of all.
    Total,
}

/// Which executions are wanted: those that fit all that is given.
///
/// # Examples
///
/// How often `summarise` failed in each minute, in whatever service it is:
///
/// ```
/// use tta_server::read::{RedBy, RedQuery};
/// let query = RedQuery {
///     primitive: Some(String::from("summarise")),
///     step_minutes: 1,
///     by: RedBy::Primitive,
///     ..RedQuery::default()
/// };
/// ```
#[derive(Clone, Debug)]
pub struct RedQuery {
    /// Of this service.
    pub service: Option<String>,
    /// Of operations of this name.
    pub name: Option<String>,
    /// Of this primitive.
    pub primitive: Option<String>,
    /// Of this workflow: its runs, or what was executed in them if operations or primitives are asked for as well.
    pub workflow: Option<String>,
    /// Those that started in the minutes that this time touches.
    pub times: Times,
    /// How many minutes are summed up in a point; 0 sums up the whole time.
    pub step_minutes: u32,
    /// What the series are told by.
    pub by: RedBy,
}

impl Default for RedQuery {
    /// All executions in one point.
    fn default() -> Self {
        let (service, name, primitive, workflow) = (None, None, None, None);
        Self { service, name, primitive, workflow, times: ALWAYS, step_minutes: 0, by: RedBy::Total }
    }
}

/// Executions over time.
#[derive(Clone, Debug, PartialEq)]
pub struct RedSeries {
    /// The service; empty in a total.
    pub service: String,
    /// The operation, primitive or workflow; empty in a total and for a service.
    pub name: String,
    /// The steps in which something was executed, in their order.
    pub points: Vec<RedPoint>,
}

/// Executions in one step. Percentiles are right within [`RELATIVE_ERROR`](crate::RELATIVE_ERROR).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RedPoint {
    /// The start of the step, in nanoseconds since 1970.
    pub start_unix_nanos: i64,
    /// How many executions.
    pub count: u64,
    /// How many of them failed.
    pub errors: u64,
    /// The mean of the durations, in nanoseconds.
    pub mean_nanos: u64,
    /// The duration that half of them did not exceed.
    pub p50_nanos: u64,
    /// That 90 % did not exceed.
    pub p90_nanos: u64,
    /// That 95 % did not exceed.
    pub p95_nanos: u64,
    /// That 99 % did not exceed.
    pub p99_nanos: u64,
    /// The longest.
    pub max_nanos: u64,
}

impl RedPoint {
    pub(super) fn of(tally: &Tally, start_unix_nanos: i64) -> Self {
        let part = |part| tally.bins.quantile(part).unwrap_or(0);
        Self {
            start_unix_nanos,
            count: tally.count,
            errors: tally.errors,
            mean_nanos: tally.total / tally.count.max(1),
            p50_nanos: part(0.5),
            p90_nanos: part(0.9),
            p95_nanos: part(0.95),
            p99_nanos: part(0.99),
            max_nanos: part(1.0),
        }
    }
}

/// Part of a heat map: how many executions of one step took how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeatCell {
    /// The start of the step, in nanoseconds since 1970.
    pub start_unix_nanos: i64,
    /// The shortest duration of the cell, in nanoseconds.
    pub from_nanos: u64,
    /// The end of the durations of the cell, in nanoseconds: four cells are a doubling.
    pub to_nanos: u64,
    /// How many.
    pub count: u64,
}

/// Reads rate, errors and durations over time, the series by service and name.
///
/// # Errors
///
/// When the files cannot be read.
///
/// # Cost
///
/// Operations, primitives and workflows are summed up, each by itself. A question that has to do with two of them is answered from
/// the index of spans, at some tens of nanoseconds for each span that started in the time.
pub fn red(reader: &Reader, query: &RedQuery) -> Result<Vec<RedSeries>, ReadError> {
    Ok(series(sums(reader, query, query.by)?))
}

/// The series of sums, by service and name.
pub(super) fn series(sums: Sums) -> Vec<RedSeries> {
    let one = |((service, name), steps): (Key, HashMap<i64, Tally>)| {
        let mut points: Vec<RedPoint> =
            steps.iter().map(|(start, tally)| RedPoint::of(tally, *start)).collect();
        points.sort_by_key(|point| point.start_unix_nanos);
        RedSeries { service: service.to_string(), name: name.to_string(), points }
    };
    let mut series: Vec<RedSeries> = sums.into_iter().map(one).collect();
    series.sort_by(|one, other| (&one.service, &one.name).cmp(&(&other.service, &other.name)));
    series
}

/// Reads how many executions took how long in which step, of all series together: by primitive, only those of primitives count.
///
/// # Errors
///
/// When the files cannot be read.
pub fn heatmap(reader: &Reader, query: &RedQuery) -> Result<Vec<HeatCell>, ReadError> {
    /// A quarter of an octave of 64 bins.
    const WIDTH: usize = 16;
    let mut cells: HashMap<(i64, usize), u64> = HashMap::new();
    for (start, tally) in sums(reader, query, RedBy::Total)?.into_values().flatten() {
        for (bin, count) in tally.bins.filled() {
            *cells.entry((start, bin / WIDTH)).or_default() += count;
        }
    }
    let cell = |((start_unix_nanos, at), count)| {
        let (from_nanos, to_nanos) = (lower(at * WIDTH), lower((at + 1) * WIDTH));
        HeatCell { start_unix_nanos, from_nanos, to_nanos, count }
    };
    let mut cells: Vec<HeatCell> = cells.into_iter().map(cell).collect();
    cells.sort_unstable();
    Ok(cells)
}

/// What a question has to do with beside services.
#[derive(Clone, Copy)]
struct About {
    operations: bool,
    primitives: bool,
    workflows: bool,
}

impl About {
    fn of(query: &RedQuery) -> Self {
        Self {
            operations: query.by == RedBy::Operation || query.name.is_some(),
            primitives: query.by == RedBy::Primitive || query.primitive.is_some(),
            workflows: query.by == RedBy::Workflow || query.workflow.is_some(),
        }
    }

    /// The sums that know all of it; none if no sums do.
    fn table(self) -> Option<Table> {
        match (self.operations, self.primitives, self.workflows) {
            (_, false, false) => Some(Table::Operations),
            (false, true, false) => Some(Table::Primitives),
            (false, false, true) => Some(Table::Workflows),
            _ => None,
        }
    }

    /// Whether a span counts, whichever words it has.
    fn counts(self, shape: &Shape) -> bool {
        let only_runs = self.table() == Some(Table::Workflows);
        (!self.primitives || shape.primitive != 0)
            && (!self.workflows || shape.workflow != 0)
            && (!only_runs || shape.is_run)
    }
}

/// Adds up what is asked for, in series that are told by `by`.
fn sums(reader: &Reader, query: &RedQuery, by: RedBy) -> Result<Sums, ReadError> {
    let steps = Steps::new(&query.times, query.step_minutes);
    let about = About::of(query);
    let mut sums = Sums::new();
    reader.each_of(&steps.times(), |snapshot| {
        let key =
            |shape: &Shape| if about.counts(shape) { key(snapshot, (query, by), shape) } else { Ok(None) };
        let after = match about.table() {
            Some(table) => {
                add_summed(snapshot, (table, steps), key, &mut sums)?;
                table.rolled(snapshot)?
            }
            None => 0,
        };
        add_runs(snapshot, (after, steps), key, &mut sums)
    })?;
    Ok(sums)
}

/// The series that a shape of a file belongs to, if its words are asked for.
fn key(
    snapshot: &Snapshot<'_>,
    (query, by): (&RedQuery, RedBy),
    shape: &Shape,
) -> rusqlite::Result<Option<Key>> {
    let text = |word| snapshot.text(word);
    let fits = |wanted: &Option<String>, word: u32| match wanted {
        Some(wanted) => Ok::<_, rusqlite::Error>(**wanted == *text(word)?),
        None => Ok(true),
    };
    let is_asked_for = fits(&query.service, shape.service)?
        && fits(&query.name, shape.name)?
        && fits(&query.primitive, shape.primitive)?
        && fits(&query.workflow, shape.workflow)?;
    if !is_asked_for {
        return Ok(None);
    }
    let service = text(shape.service)?;
    Ok(Some(match by {
        RedBy::Operation => (service, text(shape.name)?),
        RedBy::Primitive => (service, text(shape.primitive)?),
        RedBy::Workflow => (service, text(shape.workflow)?),
        RedBy::Service => (service, "".into()),
        RedBy::Total => ("".into(), "".into()),
    }))
}
