//! OTLP's JSON, turned into its protobuf.
//!
//! The rules are those of protobuf's JSON with OTLP's exceptions: trace and span ids are in hexadecimal digits, not in
//! base64. Numbers of 64 bits come as texts or as numbers, enums as numbers or as names, and fields that nobody knows
//! are passed by. It is written straight to protobuf, so that all that follows is the same for both.

mod scalar;
mod skip;
mod table;

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Signal;
use crate::varint;
use scalar::{Kind, Scalar};
use skip::Skip;

/// The fields of a message: the name in JSON, the number in protobuf, and the type.
pub(super) struct Table(&'static [(&'static str, u32, Type)]);

/// The type of a field.
#[derive(Clone, Copy)]
pub(super) enum Type {
    One(Kind),
    Many(Kind),
    Message(&'static Table),
    Messages(&'static Table),
}

/// Why a request in JSON cannot be translated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is no JSON, or not OTLP's.
    #[error("the request is not valid JSON of OTLP: {0}")]
    Malformed(String),
    /// It becomes larger than the limit.
    #[error("the request has more than {0} bytes; send smaller batches")]
    TooLarge(usize),
}

/// Translates a request in OTLP's JSON to its protobuf, as the receiver does, for whoever hands batches to a
/// [`Store`](crate::Store) without a network.
///
/// # Errors
///
/// When it is no JSON, a value has the wrong type, values lie more than about 40 deep in each other, or it becomes larger than
/// `max_bytes`.
///
/// # Examples
///
/// ```
/// use tta_server::{Signal, Traces, json_to_protobuf};
/// let protobuf = json_to_protobuf(Signal::Traces, br#"{"resourceSpans": []}"#, 1 << 20)?;
/// assert!(Traces::scan(protobuf.into())?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn json_to_protobuf(signal: Signal, json: &[u8], max_bytes: usize) -> Result<Vec<u8>, JsonError> {
    let table = match signal {
        Signal::Traces => &table::TRACES,
        Signal::Logs => &table::LOGS,
        Signal::Metrics => &table::METRICS,
    };
    let mut out = Vec::with_capacity(json.len() / 2);
    let mut input = serde_json::Deserializer::from_slice(json);
    let message = Message { table, out: &mut out, most: max_bytes };
    let read = message.deserialize(&mut input).and_then(|()| input.end());
    match read {
        Ok(()) => Ok(out),
        Err(_) if out.len() > max_bytes => Err(JsonError::TooLarge(max_bytes)),
        Err(error) => Err(JsonError::Malformed(error.to_string())),
    }
}

/// Reads an object as a message.
struct Message<'a> {
    table: &'static Table,
    out: &'a mut Vec<u8>,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            let known = self.table.0.iter().find(|(known, ..)| *known == name);
            let Some((_, number, kind)) = known else {
                map.next_value::<Skip>()?;
                continue;
            };
            if self.out.len() > self.most {
                return Err(A::Error::custom("it is too large"));
            }
            map.next_value_seed(Field { number: *number, kind: *kind, out: self.out, most: self.most })?;
        }
        Ok(())
    }
}

/// The name of a field, which is copied only where it has escapes.
struct Name<'de>(std::borrow::Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(input)? {
            Scalar::Text(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("the name of a field is a text")),
        }
    }
}

/// Reads the value of a field; null is as if it were not there.
struct Field<'a> {
    number: u32,
    kind: Type,
    out: &'a mut Vec<u8>,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        match self.kind {
            Type::One(kind) => {
                let value = Scalar::deserialize(input)?;
                kind.write(self.number, &value, self.out).map_err(D::Error::custom)
            }
            _ => input.deserialize_option(self),
        }
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        match self.kind {
            Type::Message(table) => {
                Inner { number: self.number, table, out: self.out, most: self.most }.deserialize(input)
            }
            _ => input.deserialize_seq(self),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let (number, most) = (self.number, self.most);
        loop {
            if self.out.len() > most {
                return Err(A::Error::custom("it is too large"));
            }
            let more = match self.kind {
                Type::Messages(table) | Type::Message(table) => {
                    list.next_element_seed(Inner { number, table, out: self.out, most })?.is_some()
                }
                Type::Many(kind) | Type::One(kind) => match list.next_element::<Scalar<'de>>()? {
                    Some(value) => {
                        kind.write(number, &value, self.out).map_err(A::Error::custom)?;
                        true
                    }
                    None => false,
                },
            };
            if !more {
                return Ok(());
            }
        }
    }
}

/// Reads a message within another, with its length before it.
struct Inner<'a> {
    number: u32,
    table: &'static Table,
    out: &'a mut Vec<u8>,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Inner<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        varint::put(self.out, u64::from(self.number << 3 | 2));
        let start = self.out.len();
        Message { table: self.table, out: self.out, most: self.most }.deserialize(input)?;
        // The length is known only now; most messages have less than 128 bytes, and one byte in front is little to move.
        let end = self.out.len();
        varint::put(self.out, (end - start) as u64);
        let width = self.out.len() - end;
        self.out[start..].rotate_right(width);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
