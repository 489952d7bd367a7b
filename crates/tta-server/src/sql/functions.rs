//! The functions that statements may use beside those of SQLite.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Error, Result};
use tta_model::{SpanId, TraceId};

use super::json;
use super::source::Source;
use super::table::Cell;
use crate::read::ReadError;

/// A function that statements may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// How it is called, with its arguments.
    pub call: &'static str,
    /// What it answers.
    pub about: &'static str,
}

const FUNCTIONS: &[FunctionInfo] = &[
    FunctionInfo {
        call: "attribute(trace_id, span_id, key)",
        about: "an attribute of a stored span, or else of its resource; null if it has none",
    },
    FunctionInfo {
        call: "attr(json, key)",
        about: "the value of a key of a JSON object, also of a key with dots; null if it has none",
    },
    FunctionInfo {
        call: "ago(time)",
        about: "so long before now, as in 1h or 2d, in nanoseconds since 1970",
    },
    FunctionInfo {
        call: "unix_ns(time)",
        about: "a time as in 2026-11-20 or 2026-11-20T10:00:00Z, in nanoseconds since 1970",
    },
    FunctionInfo {
        call: "percentile(x, p)",
        about: "the value that p percent of the values do not exceed, p from 0 to 100, between two values in proportion",
    },
    FunctionInfo { call: "median(x)", about: "as percentile(x, 50)" },
];

/// Tells of each function that is not SQLite's own.
#[must_use]
pub fn functions() -> &'static [FunctionInfo] {
    FUNCTIONS
}

/// Makes the functions known.
pub(super) fn register(connection: &Connection, source: &Arc<Source>) -> Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let of = Arc::clone(source);
    // Within a statement they answer the same to the same.
    connection.create_scalar_function("attribute", 3, pure, move |context| attribute(context, &of))?;
    let of = Arc::clone(source);
    connection.create_scalar_function("ago", 1, pure, move |context| ago(context, of.now()))?;
    connection.create_scalar_function("attr", 2, pure, attr)?;
    connection.create_scalar_function("unix_ns", 1, pure, unix_ns)?;
    connection.create_aggregate_function("percentile", 2, pure, Percentile)?;
    connection.create_aggregate_function("median", 1, pure, Percentile)
}

fn refuse(message: impl Into<String>) -> Error {
    Error::UserFunctionError(message.into().into())
}

/// The text of an argument; none if it is null.
fn text(context: &Context<'_>, at: usize) -> Result<Option<String>> {
    match context.get_raw(at) {
        ValueRef::Null => Ok(None),
        ValueRef::Text(text) => Ok(Some(String::from_utf8_lossy(text).into_owned())),
        other => Err(refuse(format!("argument {} is {}, and no text", at + 1, article(other.data_type())))),
    }
}

fn article(kind: Type) -> &'static str {
    match kind {
        Type::Null => "null",
        Type::Integer => "an integer",
        Type::Real => "a number",
        Type::Text => "a text",
        Type::Blob => "a blob",
    }
}

fn attribute(context: &Context<'_>, source: &Source) -> Result<Cell> {
    let (Some(trace), Some(span), Some(key)) = (text(context, 0)?, text(context, 1)?, text(context, 2)?)
    else {
        return Ok(Cell::Null);
    };
    let no_id = |what: &str, text: &str| refuse(format!("`{text}` is not the id of a {what}"));
    let trace: TraceId = trace.parse().map_err(|_| no_id("trace", &trace))?;
    let span: SpanId = span.parse().map_err(|_| no_id("span", &span))?;
    source.guard.ask()?;
    let failed = |error: ReadError| refuse(error.to_string());
    let Some(stored) = source.span(trace, span).map_err(failed)? else { return Ok(Cell::Null) };
    let of_span = stored.span.attributes.iter().rfind(|attribute| attribute.key == key);
    let of_resource = || stored.origin.resource.attributes.iter().rfind(|attribute| attribute.key == key);
    let found = of_span.or_else(of_resource);
    Ok(found.map_or(Cell::Null, |attribute| json::cell(attribute.value.as_ref())))
}

fn attr(context: &Context<'_>) -> Result<Cell> {
    let (Some(object), Some(key)) = (text(context, 0)?, text(context, 1)?) else { return Ok(Cell::Null) };
    json::member(&object, &key).map_err(|error| refuse(format!("attr() reads a JSON object: {error}")))
}

fn ago(context: &Context<'_>, now: i64) -> Result<Cell> {
    let Some(age) = text(context, 0)? else { return Ok(Cell::Null) };
    let before = humantime::parse_duration(&age)
        .map_err(|error| refuse(format!("ago() takes a time such as 1h or 2d: {error}")))?;
    let before = i64::try_from(before.as_nanos()).unwrap_or(i64::MAX);
    Ok(Cell::Int(now.saturating_sub(before)))
}

fn unix_ns(context: &Context<'_>) -> Result<Cell> {
    let Some(time) = text(context, 0)? else { return Ok(Cell::Null) };
    let whole = if time.len() == 10 { format!("{time}T00:00:00Z") } else { time.clone() };
    let parsed = humantime::parse_rfc3339_weak(&whole).ok();
    let since = parsed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanos = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
    let wrong =
        || refuse(format!("unix_ns() takes a time in UTC such as 2026-11-20T10:00:00Z, and not `{time}`"));
    Ok(Cell::Int(nanos.ok_or_else(wrong)?))
}

/// `percentile` and `median`. SQLite has them too, but not in the form that is built in here; the numbers are the same.
struct Percentile;

/// The values so far, and the percentile that is wanted.
#[derive(Default)]
struct Values {
    values: Vec<f64>,
    percent: f64,
}

impl Aggregate<Values, Option<f64>> for Percentile {
    fn init(&self, _context: &mut Context<'_>) -> Result<Values> {
        Ok(Values::default())
    }

    fn step(&self, context: &mut Context<'_>, values: &mut Values) -> Result<()> {
        let percent = if context.len() == 1 { Some(50.0) } else { number(context, 1)? };
        values.percent = percent
            .filter(|percent| (0.0..=100.0).contains(percent))
            .ok_or_else(|| refuse("percentile() takes a second argument from 0 to 100"))?;
        values.values.extend(number(context, 0)?);
        Ok(())
    }

    fn finalize(&self, _context: &mut Context<'_>, values: Option<Values>) -> Result<Option<f64>> {
        let Some(Values { mut values, percent }) = values.filter(|values| !values.values.is_empty()) else {
            return Ok(None);
        };
        values.sort_unstable_by(f64::total_cmp);
        let place = percent / 100.0 * (values.len() - 1) as f64;
        let (below, part) = (place.floor() as usize, place.fract());
        let above = values[(below + 1).min(values.len() - 1)];
        Ok(Some(values[below] + (above - values[below]) * part))
    }
}

/// The number of an argument; none if it is null.
fn number(context: &Context<'_>, at: usize) -> Result<Option<f64>> {
    match context.get_raw(at) {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(int) => Ok(Some(int as f64)),
        ValueRef::Real(real) => Ok(Some(real)),
        other => Err(refuse(format!("argument {} is {}, and no number", at + 1, article(other.data_type())))),
    }
}
