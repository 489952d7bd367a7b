//! `traceparent`: which trace a request belongs to, and which span sent it.

use std::fmt;
use std::str::FromStr;

use super::{TraceState, trim};
use crate::ids::{SpanContext, SpanId, TraceFlags, TraceId, parse_hex};

/// The value of a `traceparent` header.
///
/// It is read by the rules of version `00`, and a higher version by what it must have in common
/// with `00`. It is always written as version `00`, with the flags that are known and no others.
///
/// # Examples
///
/// ```
/// use tta_model::w3c::TraceParent;
///
/// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent: TraceParent = header.parse()?;
/// assert!(parent.flags.is_sampled());
/// assert_eq!(parent.to_string(), header);
/// # Ok::<(), tta_model::w3c::TraceParentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// The span that sent the request.
    pub span_id: SpanId,
    /// Whether the sender recorded the trace, and whether its id is random.
    pub flags: TraceFlags,
}

/// Why a `traceparent` is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceParentError {
    /// It is shorter than 55 characters, or longer than its version allows.
    Length,
    /// A dash is missing where fields meet.
    Dash,
    /// The version is not two lowercase hex digits, or it is `ff`.
    Version,
    /// The trace id is not hex, or zero.
    TraceId,
    /// The span id is not hex, or zero.
    SpanId,
    /// The flags are not two lowercase hex digits.
    Flags,
    /// There is more than one header, and no way to tell which is right.
    Repeated,
}

impl fmt::Display for TraceParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "traceparent has a wrong length: version 00 has exactly 55 characters",
            Self::Dash => "traceparent lacks a dash between its fields",
            Self::Version => "traceparent has an invalid version: expected 00 to fe in lowercase hex",
            Self::TraceId => {
                "traceparent has an invalid trace id: expected 32 lowercase hex digits, not all zero"
            }
            Self::SpanId => {
                "traceparent has an invalid span id: expected 16 lowercase hex digits, not all zero"
            }
            Self::Flags => "traceparent has invalid flags: expected 2 lowercase hex digits",
            Self::Repeated => "several traceparent headers: send one",
        })
    }
}

impl std::error::Error for TraceParentError {}

impl TraceParent {
    /// The length of a printed `traceparent`, in bytes.
    pub const LEN: usize = 55;

    /// The flags of level 2; other bits are reserved, and neither kept nor sent.
    const KNOWN_FLAGS: u8 = TraceFlags::SAMPLED.0 | TraceFlags::RANDOM.0;

    /// Reads the value of one header, without white space around it.
    ///
    /// # Errors
    ///
    /// If the value breaks a rule; the caller then starts a trace of its own.
    pub fn parse(text: &str) -> Result<Self, TraceParentError> {
        let bytes = text.as_bytes();
        if bytes.len() < Self::LEN {
            return Err(TraceParentError::Length);
        }
        if [bytes[2], bytes[35], bytes[52]] != [b'-'; 3] {
            return Err(TraceParentError::Dash);
        }
        match parse_hex(&bytes[..2]) {
            None | Some(0xff) => return Err(TraceParentError::Version),
            Some(0) if bytes.len() > Self::LEN => return Err(TraceParentError::Length),
            // A later version may add fields, behind a dash.
            Some(_) if bytes.get(Self::LEN).is_some_and(|byte| *byte != b'-') => {
                return Err(TraceParentError::Dash);
            }
            Some(_) => {}
        }
        let trace_id = parse_hex(&bytes[3..35]).and_then(TraceId::new).ok_or(TraceParentError::TraceId)?;
        // 16 digits were read, so the value fits.
        let span_id = parse_hex(&bytes[36..52]).and_then(|id| SpanId::new(id as u64));
        let flags = parse_hex(&bytes[53..55]).ok_or(TraceParentError::Flags)?;
        Ok(Self {
            trace_id,
            span_id: span_id.ok_or(TraceParentError::SpanId)?,
            flags: TraceFlags(flags as u8 & Self::KNOWN_FLAGS),
        })
    }

    /// Reads every `traceparent` header of a request: none, or exactly one.
    ///
    /// White space around the value is allowed, as HTTP allows it around every header.
    ///
    /// # Errors
    ///
    /// If there are several headers, or if the only one breaks a rule.
    pub fn from_headers<'a>(
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Self>, TraceParentError> {
        let mut values = values.into_iter();
        let Some(first) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(TraceParentError::Repeated);
        }
        Self::parse(trim(first)).map(Some)
    }

    /// Prints the value as ASCII, without allocating.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let mut text = [b'-'; Self::LEN];
        write_hex(&mut text, 0, 2, 0);
        write_hex(&mut text, 3, 32, self.trace_id.get());
        write_hex(&mut text, 36, 16, self.span_id.get() as u128);
        write_hex(&mut text, 53, 2, (self.flags.0 & Self::KNOWN_FLAGS) as u128);
        text
    }

    /// Prints the value into a buffer, without allocating, and returns the buffer as text.
    ///
    /// # Examples
    ///
    /// ```
    /// # use tta_model::w3c::TraceParent;
    /// # let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// # let parent: TraceParent = header.parse()?;
    /// assert_eq!(parent.encode(&mut [0; TraceParent::LEN]), header);
    /// # Ok::<(), tta_model::w3c::TraceParentError>(())
    /// ```
    pub fn encode(self, buffer: &mut [u8; Self::LEN]) -> &str {
        *buffer = self.to_bytes();
        std::str::from_utf8(buffer).unwrap_or_default()
    }

    /// The position of the sender, with what other tracing systems added.
    #[must_use]
    pub fn with_state(self, state: TraceState) -> SpanContext {
        SpanContext { trace_id: self.trace_id, span_id: self.span_id, flags: self.flags, state }
    }
}

/// Writes the last `digits` hex digits of a value from `start` on.
const fn write_hex(text: &mut [u8; TraceParent::LEN], start: usize, digits: usize, value: u128) {
    let mut index = 0;
    while index < digits {
        let digit = (value >> (4 * (digits - 1 - index))) as usize & 0xf;
        text[start + index] = b"0123456789abcdef"[digit];
        index += 1;
    }
}

impl From<&SpanContext> for TraceParent {
    fn from(context: &SpanContext) -> Self {
        Self { trace_id: context.trace_id, span_id: context.span_id, flags: context.flags }
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        Self::parse(text)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; Self::LEN]))
    }
}
