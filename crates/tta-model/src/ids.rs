//! Identifiers of traces and spans, as W3C Trace Context defines them.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::w3c::TraceState;

/// Why a string is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdError {
    /// The string has another length than the one given, in characters.
    Length(usize),
    /// A character is not one of `0-9a-f`; upper case is not allowed.
    Character,
    /// All digits are zero, which W3C Trace Context reserves for "no identifier".
    Zero,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(expected) => write!(f, "expected {expected} lowercase hex digits"),
            Self::Character => f.write_str("only the digits 0-9 and a-f are allowed"),
            Self::Zero => f.write_str("an identifier of zeros is not valid"),
        }
    }
}

impl std::error::Error for IdError {}

/// Reads exactly `text.len()` lowercase hex digits, at most 32.
pub(crate) fn parse_hex(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0u128, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $int:ty, $bytes:literal, $digits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZero<$int>);

        impl $name {
            /// Makes an identifier of an integer, or `None` if it is zero.
            #[must_use]
            pub const fn new(value: $int) -> Option<Self> {
                match NonZero::new(value) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }

            /// Makes an identifier of big-endian bytes, or `None` if all are zero.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                Self::new(<$int>::from_be_bytes(bytes))
            }

            /// The identifier as big-endian bytes.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.0.get().to_be_bytes()
            }

            /// The identifier as an integer, never zero.
            #[must_use]
            pub const fn get(self) -> $int {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $digits, "x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:0", $digits, "x})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.len() != $digits {
                    return Err(IdError::Length($digits));
                }
                let value = parse_hex(text.as_bytes()).ok_or(IdError::Character)?;
                // At most $digits digits were read, so the value fits.
                Self::new(value as $int).ok_or(IdError::Zero)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

identifier!(
    /// The identifier of a trace: 16 bytes, never zero, written as 32 lowercase hex digits.
    ///
    /// ```
    /// use tta_model::TraceId;
    /// let id: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse()?;
    /// assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    /// # Ok::<(), tta_model::IdError>(())
    /// ```
    TraceId, u128, 16, 32
);

identifier!(
    /// The identifier of a span: 8 bytes, never zero, written as 16 lowercase hex digits.
    SpanId, u64, 8, 16
);

/// The flags of a trace, as the last field of `traceparent` carries them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TraceFlags(pub u8);

impl TraceFlags {
    /// The caller recorded this trace.
    pub const SAMPLED: Self = Self(0x01);
    /// The last seven bytes of the trace id are random (W3C Trace Context level 2).
    pub const RANDOM: Self = Self(0x02);

    /// Whether the trace is recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    /// Whether the trace id is known to be random.
    #[must_use]
    pub const fn is_random(self) -> bool {
        self.0 & Self::RANDOM.0 != 0
    }

    /// The same flags with the sampled bit set or cleared.
    #[must_use]
    pub const fn with_sampled(self, sampled: bool) -> Self {
        if sampled { Self(self.0 | Self::SAMPLED.0) } else { Self(self.0 & !Self::SAMPLED.0) }
    }

    /// The same flags with the random bit set or cleared.
    #[must_use]
    pub const fn with_random(self, random: bool) -> Self {
        if random { Self(self.0 | Self::RANDOM.0) } else { Self(self.0 & !Self::RANDOM.0) }
    }
}

/// The position of a span in its trace: all that a child, here or in another process, must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// Whether the trace is recorded, and whether its id is random.
    #[serde(default)]
    pub flags: TraceFlags,
    /// What other tracing systems added, kept for them.
    #[serde(default, skip_serializing_if = "TraceState::is_empty")]
    pub state: TraceState,
}
