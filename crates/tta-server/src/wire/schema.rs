//! What OTLP's messages consist of, as far as a decoder would mind.
//!
//! A record is kept as the bytes that came, and decoded when somebody reads it. So what a decoder would refuse has to be
//! found before the record is acknowledged: fields of the wrong type, text that is not UTF-8, nesting without end.

use super::field::{Fields, Slice, Wire};
use super::{Malformed, Rejection};

/// How deep messages may lie in each other; a decoder stops at 100.
const DEEPEST: u32 = 90;

/// The type of a field.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Not known; skipped.
    Any,
    Varint,
    Fixed64,
    Fixed32,
    Bytes,
    /// A text that names something else, such as the key of an attribute.
    Key,
    Text,
    Message(&'static Schema),
    /// Numbers of eight bytes, one by one or packed.
    Fixed64s,
    /// Integers, one by one or packed.
    Varints,
}

/// The fields of a message by their number.
pub(crate) struct Schema(&'static [(u32, Kind)]);

impl Schema {
    #[inline]
    pub(crate) fn kind(&self, number: u32) -> Kind {
        // Most messages list all their fields from one on, so the place is the number.
        match self.0.get(number as usize - 1) {
            Some((at, kind)) if *at == number => *kind,
            _ => self.0.iter().find(|(at, _)| *at == number).map_or(Kind::Any, |(_, kind)| *kind),
        }
    }
}

use Kind::{Any, Bytes, Fixed32, Fixed64, Fixed64s, Key, Message, Text, Varint, Varints};

static ANY_VALUE: Schema = Schema(&[
    (1, Text),
    (2, Varint),
    (3, Varint),
    (4, Fixed64),
    (5, Message(&ARRAY)),
    (6, Message(&KEY_VALUES)),
    (7, Bytes),
    (8, Varint),
]);
static ARRAY: Schema = Schema(&[(1, Message(&ANY_VALUE))]);
static KEY_VALUES: Schema = Schema(&[(1, Message(&KEY_VALUE))]);
pub(crate) static KEY_VALUE: Schema = Schema(&[(1, Key), (2, Message(&ANY_VALUE)), (3, Varint)]);
static ENTITY: Schema = Schema(&[(1, Key), (2, Key), (3, Key), (4, Key)]);
pub(crate) static RESOURCE: Schema = Schema(&[(1, Message(&KEY_VALUE)), (2, Varint), (3, Message(&ENTITY))]);
pub(crate) static SCOPE: Schema = Schema(&[(1, Key), (2, Key), (3, Message(&KEY_VALUE)), (4, Varint)]);
static EVENT: Schema = Schema(&[(1, Fixed64), (2, Text), (3, Message(&KEY_VALUE)), (4, Varint)]);
static LINK: Schema =
    Schema(&[(1, Bytes), (2, Bytes), (3, Key), (4, Message(&KEY_VALUE)), (5, Varint), (6, Fixed32)]);
static STATUS: Schema = Schema(&[(1, Any), (2, Text), (3, Varint)]);
pub(crate) static SPAN: Schema = Schema(&[
    (1, Bytes),
    (2, Bytes),
    (3, Key),
    (4, Bytes),
    (5, Text),
    (6, Varint),
    (7, Fixed64),
    (8, Fixed64),
    (9, Message(&KEY_VALUE)),
    (10, Varint),
    (11, Message(&EVENT)),
    (12, Varint),
    (13, Message(&LINK)),
    (14, Varint),
    (15, Message(&STATUS)),
    (16, Fixed32),
]);
pub(crate) static LOG: Schema = Schema(&[
    (1, Fixed64),
    (2, Varint),
    (3, Text),
    (4, Any),
    (5, Message(&ANY_VALUE)),
    (6, Message(&KEY_VALUE)),
    (7, Varint),
    (8, Fixed32),
    (9, Bytes),
    (10, Bytes),
    (11, Fixed64),
    (12, Text),
]);
static EXEMPLAR: Schema = Schema(&[
    (1, Any),
    (2, Fixed64),
    (3, Fixed64),
    (4, Bytes),
    (5, Bytes),
    (6, Fixed64),
    (7, Message(&KEY_VALUE)),
]);
static NUMBER_POINT: Schema = Schema(&[
    (1, Any),
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Message(&EXEMPLAR)),
    (6, Fixed64),
    (7, Message(&KEY_VALUE)),
    (8, Varint),
]);
static HISTOGRAM_POINT: Schema = Schema(&[
    (1, Any),
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Fixed64s),
    (7, Fixed64s),
    (8, Message(&EXEMPLAR)),
    (9, Message(&KEY_VALUE)),
    (10, Varint),
    (11, Fixed64),
    (12, Fixed64),
]);
static BUCKETS: Schema = Schema(&[(1, Varint), (2, Varints)]);
static EXPONENTIAL_POINT: Schema = Schema(&[
    (1, Message(&KEY_VALUE)),
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Varint),
    (7, Fixed64),
    (8, Message(&BUCKETS)),
    (9, Message(&BUCKETS)),
    (10, Varint),
    (11, Message(&EXEMPLAR)),
    (12, Fixed64),
    (13, Fixed64),
    (14, Fixed64),
]);
static QUANTILE: Schema = Schema(&[(1, Fixed64), (2, Fixed64)]);
static SUMMARY_POINT: Schema = Schema(&[
    (1, Any),
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Message(&QUANTILE)),
    (7, Message(&KEY_VALUE)),
    (8, Varint),
]);
static GAUGE: Schema = Schema(&[(1, Message(&NUMBER_POINT))]);
static SUM: Schema = Schema(&[(1, Message(&NUMBER_POINT)), (2, Varint), (3, Varint)]);
static HISTOGRAM: Schema = Schema(&[(1, Message(&HISTOGRAM_POINT)), (2, Varint)]);
static EXPONENTIAL: Schema = Schema(&[(1, Message(&EXPONENTIAL_POINT)), (2, Varint)]);
static SUMMARY: Schema = Schema(&[(1, Message(&SUMMARY_POINT))]);
pub(crate) static METRIC: Schema = Schema(&[
    (1, Key),
    (2, Text),
    (3, Key),
    (4, Any),
    (5, Message(&GAUGE)),
    (6, Any),
    (7, Message(&SUM)),
    (8, Any),
    (9, Message(&HISTOGRAM)),
    (10, Message(&EXPONENTIAL)),
    (11, Message(&SUMMARY)),
    (12, Message(&KEY_VALUE)),
]);

/// Checks that a decoder will accept a message. `depth` is how many messages it lies in.
pub(crate) fn check(buffer: &[u8], message: Slice, schema: &Schema, depth: u32) -> Result<(), Rejection> {
    if depth > DEEPEST {
        return Err(Rejection::TooDeep);
    }
    let mut fields = Fields::new(buffer, message);
    while let Some((number, value)) = fields.next()? {
        check_field(buffer, schema.kind(number), value, depth)?;
    }
    Ok(())
}

/// Checks one field that lies `depth` messages deep.
#[inline]
pub(crate) fn check_field(buffer: &[u8], kind: Kind, value: Wire, depth: u32) -> Result<(), Rejection> {
    match (kind, value) {
        (Kind::Any, _)
        | (Kind::Varint | Kind::Varints, Wire::Varint(_))
        | (Kind::Fixed64 | Kind::Fixed64s, Wire::Fixed64(_))
        | (Kind::Fixed32, Wire::Fixed32(_))
        | (Kind::Bytes, Wire::Bytes(_)) => Ok(()),
        (Kind::Key | Kind::Text, Wire::Bytes(text)) => check_text(text.of(buffer)),
        (Kind::Message(inner), Wire::Bytes(message)) => check(buffer, message, inner, depth + 1),
        (Kind::Fixed64s, Wire::Bytes(packed)) if packed.len() % 8 == 0 => Ok(()),
        (Kind::Varints, Wire::Bytes(packed)) => check_varints(packed.of(buffer)),
        _ => Err(Rejection::WrongType),
    }
}

#[inline]
pub(crate) fn check_text(text: &[u8]) -> Result<(), Rejection> {
    std::str::from_utf8(text).map(|_| ()).map_err(|_| Rejection::NotUtf8)
}

fn check_varints(packed: &[u8]) -> Result<(), Rejection> {
    let mut reader = crate::varint::Reader::new(packed);
    while !reader.is_empty() {
        reader.u64().ok_or(Malformed("a packed list of integers ends within one"))?;
    }
    Ok(())
}

/// Whether a text of the message holds `needle`, which is in lower case; letters of ASCII match in either case.
pub(crate) fn mentions(buffer: &[u8], message: Slice, schema: &Schema, needle: &[u8]) -> bool {
    let mut fields = Fields::new(buffer, message);
    while let Ok(Some((number, value))) = fields.next() {
        let found = match (schema.kind(number), value) {
            (Kind::Text, Wire::Bytes(text)) => contains(text.of(buffer), needle),
            (Kind::Message(inner), Wire::Bytes(message)) => mentions(buffer, message, inner, needle),
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// Whether a text holds another one that is in lower case.
pub(crate) fn contains(text: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || text.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}
