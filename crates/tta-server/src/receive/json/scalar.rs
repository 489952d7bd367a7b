//! Values of JSON that are not made of others, and how each is written in protobuf.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserialize, Deserializer, Visitor};

use crate::varint;
use crate::wire::field::put_bytes;

/// The type of a field that is no message.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// In base64.
    Bytes,
    /// In hexadecimal digits.
    Id,
    Bool,
    Int,
    Uint,
    /// Small whether it is positive or negative.
    Zigzag,
    Fixed64,
    Sfixed64,
    Fixed32,
    Double,
    /// A number, or one of these names with its number.
    Enum(&'static [(&'static str, i32)]),
}

/// A value.
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or a boolean")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Signed(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }
}

impl Scalar<'_> {
    fn signed(&self) -> Option<i64> {
        match self {
            Self::Unsigned(value) => i64::try_from(*value).ok(),
            Self::Signed(value) => Some(*value),
            Self::Float(value) => whole(*value),
            Self::Text(text) => text.parse().ok(),
            Self::Null | Self::Bool(_) => None,
        }
    }

    fn unsigned(&self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(*value),
            Self::Signed(value) => u64::try_from(*value).ok(),
            Self::Float(value) => whole(*value).and_then(|value| u64::try_from(value).ok()),
            Self::Text(text) => text.parse().ok(),
            Self::Null | Self::Bool(_) => None,
        }
    }

    fn float(&self) -> Option<f64> {
        match self {
            Self::Unsigned(value) => Some(*value as f64),
            Self::Signed(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(text) => match &**text {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                text => text.parse().ok().filter(|value: &f64| value.is_finite()),
            },
            Self::Null | Self::Bool(_) => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A number such as `1.0` or `1e3`, which JSON may write where a whole one is meant.
fn whole(value: f64) -> Option<i64> {
    let fits = value.fract() == 0.0 && value.abs() < 9.0e18;
    fits.then_some(value as i64)
}

/// With either alphabet, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    const EITHER_WAY: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER_WAY);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER_WAY);
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8));
    bytes.collect::<Option<_>>().filter(|_| rest.is_empty())
}

impl Kind {
    /// Writes a value as a field; null writes nothing.
    pub(super) fn write(
        self,
        number: u32,
        value: &Scalar<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        match self {
            _ if matches!(value, Scalar::Null) => {}
            Self::Text => put_bytes(out, number, value.text().ok_or("a text is expected")?.as_bytes()),
            Self::Bytes => {
                let bytes = value.text().and_then(base64).ok_or("a text in base64 is expected")?;
                put_bytes(out, number, &bytes);
            }
            Self::Id => {
                let id = value.text().and_then(hex).ok_or("an id in hexadecimal digits is expected")?;
                put_bytes(out, number, &id);
            }
            Self::Bool | Self::Int | Self::Uint | Self::Zigzag | Self::Enum(_) => {
                varint::put(out, u64::from(number << 3));
                varint::put(out, self.varint(value)?);
            }
            Self::Fixed64 => put_fixed(out, number, value.unsigned().ok_or(POSITIVE)?.to_le_bytes()),
            Self::Sfixed64 => put_fixed(out, number, value.signed().ok_or(INTEGER)?.to_le_bytes()),
            Self::Double => {
                put_fixed(out, number, value.float().ok_or("a number is expected")?.to_le_bytes())
            }
            Self::Fixed32 => {
                let value = value.unsigned().and_then(|value| u32::try_from(value).ok()).ok_or(POSITIVE)?;
                varint::put(out, u64::from(number << 3 | 5));
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        Ok(())
    }

    /// The number that stands for a value of one of the types that are as long as need be.
    fn varint(self, value: &Scalar<'_>) -> Result<u64, &'static str> {
        match self {
            Self::Bool => match value {
                Scalar::Bool(value) => Ok(u64::from(*value)),
                _ => Err("true or false is expected"),
            },
            Self::Uint => value.unsigned().ok_or(POSITIVE),
            Self::Zigzag => {
                let value = value.signed().ok_or(INTEGER)?;
                Ok((value << 1 ^ value >> 63).cast_unsigned())
            }
            Self::Enum(names) => {
                let named = value.text().and_then(|text| names.iter().find(|(name, _)| *name == text));
                let value = named.map(|(_, value)| i64::from(*value)).or_else(|| value.signed());
                Ok(value.ok_or("a number or a name of the enum is expected")?.cast_unsigned())
            }
            _ => Ok(value.signed().ok_or(INTEGER)?.cast_unsigned()),
        }
    }
}

const INTEGER: &str = "an integer that fits is expected";
const POSITIVE: &str = "an integer that fits and is not negative is expected";

fn put_fixed(out: &mut Vec<u8>, number: u32, bytes: [u8; 8]) {
    varint::put(out, u64::from(number << 3 | 1));
    out.extend_from_slice(&bytes);
}
