//! Where a page ended, as a word that can stand in an address.

use tta_model::{SpanId, TraceId};

use crate::api::status::ApiError;
use crate::read::{Cursor, LogCursor, Mark, Seen, TraceCursor};

const SEPARATOR: char = '_';

pub(super) fn write_traces(cursor: &TraceCursor) -> String {
    let TraceCursor { after, as_of } = cursor;
    let ids = format!("{:032x}{SEPARATOR}{:016x}", after.trace_id.get(), after.span_id.get());
    format!("{}{SEPARATOR}{ids}{SEPARATOR}{}{SEPARATOR}{}", after.start_unix_nanos, as_of.part, as_of.file)
}

pub(super) fn read_traces(text: &str) -> Result<TraceCursor, ApiError> {
    let read = || {
        let mut words = text.splitn(5, SEPARATOR);
        let start_unix_nanos = words.next()?.parse().ok()?;
        let trace_id = TraceId::new(u128::from_str_radix(words.next()?, 16).ok()?)?;
        let span_id = SpanId::new(u64::from_str_radix(words.next()?, 16).ok()?)?;
        let as_of = Mark { part: words.next()?.parse().ok()?, file: words.next()?.to_owned() };
        Some(TraceCursor { after: Cursor { start_unix_nanos, trace_id, span_id }, as_of })
    };
    read().ok_or_else(|| wrong(text))
}

pub(super) fn write_logs(cursor: &LogCursor) -> String {
    format!("{}{SEPARATOR}{}{SEPARATOR}{}", cursor.time_unix_nanos, cursor.id, cursor.file)
}

pub(super) fn read_logs(text: &str) -> Result<LogCursor, ApiError> {
    let read = || {
        let mut words = text.splitn(3, SEPARATOR);
        let time_unix_nanos = words.next()?.parse().ok()?;
        let id = words.next()?.parse().ok()?;
        Some(LogCursor { time_unix_nanos, id, file: words.next()?.to_owned() })
    };
    read().ok_or_else(|| wrong(text))
}

pub(super) fn write_seen(seen: &Seen) -> String {
    format!("{}{SEPARATOR}{}", seen.part, seen.file)
}

pub(super) fn read_seen(text: &str) -> Option<Seen> {
    let (part, file) = text.split_once(SEPARATOR)?;
    Some(Seen { part: part.parse().ok()?, file: file.to_owned() })
}

fn wrong(text: &str) -> ApiError {
    ApiError::parameter(
        format!("parameter 'cursor': {text:?} is none"),
        "take it from 'next' of the page before, and leave the other parameters as they were",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let after = Cursor {
            start_unix_nanos: -5,
            trace_id: TraceId::new(7).expect("not zero"),
            span_id: SpanId::new(u64::MAX).expect("not zero"),
        };
        let as_of = Mark { file: String::from("2026-11-20.003.sqlite"), part: i64::MAX };
        let cursor = TraceCursor { after, as_of };
        assert_eq!(read_traces(&write_traces(&cursor)), Ok(cursor));
        let cursor = LogCursor { time_unix_nanos: 9, file: String::from("a_b"), id: 3 };
        assert_eq!(read_logs(&write_logs(&cursor)), Ok(cursor));
        let seen = Seen { file: String::from("2026-11-20.003.sqlite"), part: i64::MAX };
        assert_eq!(read_seen(&write_seen(&seen)), Some(seen));
        assert_eq!(read_seen("x"), None);
        assert!(read_traces("1_2").is_err() && read_logs("x").is_err());
    }
}
