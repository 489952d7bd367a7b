//! `tracestate`: what each tracing system on the way wants to find again.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::trim;

/// How many members a `tracestate` has at most.
pub const MAX_TRACESTATE_MEMBERS: usize = 32;

/// How many characters of a `tracestate` are sent on at most, commas included.
pub const MAX_PROPAGATED_CHARS: usize = 512;

/// When a `tracestate` is too long, members longer than this go first.
const LONG_MEMBER_CHARS: usize = 128;

/// What other tracing systems added to a trace: pairs of key and value, the latest first.
///
/// Keys follow the grammar of Trace Context level 2: up to 256 of `a-z 0-9 _ - * / @`, the first a
/// letter or a digit. It takes every key of level 1, where `@` parts a tenant from its system.
/// Values are up to 256 printable characters without comma and equals sign.
///
/// An empty state needs no memory, and a clone costs a reference count.
///
/// # Examples
///
/// ```
/// use tta_model::w3c::TraceState;
///
/// let mut state: TraceState = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".parse()?;
/// state.insert("congo", "ucfJifl5GOE")?;
/// assert_eq!(state.as_str(), "congo=ucfJifl5GOE,rojo=00f067aa0ba902b7");
/// # Ok::<(), tta_model::w3c::TraceStateError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TraceState {
    /// The canonical header: valid members, joined by commas; never an empty string.
    text: Option<Arc<str>>,
}

/// Why a `tracestate` is ignored, or a member not added to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceStateError {
    /// A member has no equals sign, or a key outside the grammar.
    Key,
    /// A member has a value outside the grammar.
    Value,
    /// There are more than 32 members.
    Members,
}

impl fmt::Display for TraceStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "tracestate has an invalid key: use up to 256 of a-z, 0-9, _, -, *, / and @",
            Self::Value => "tracestate has an invalid value: use 1 to 256 printable characters but , and =",
            Self::Members => "tracestate has more than 32 members",
        })
    }
}

impl std::error::Error for TraceStateError {}

impl TraceState {
    /// Makes an empty state, without allocating.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: None }
    }

    /// Reads the value of one header. Empty members and white space around members are left out, and of members
    /// with the same key all but the first.
    ///
    /// # Errors
    ///
    /// If a member breaks a rule, or there are more than 32 members. The whole
    /// `tracestate` is then void; the `traceparent` beside it stays valid.
    pub fn parse(text: &str) -> Result<Self, TraceStateError> {
        Self::from_headers([text])
    }

    /// Reads every `tracestate` header of a request, in order, as if they were one.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse); the limits hold for all headers together.
    pub fn from_headers<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, TraceStateError> {
        let mut members = Vec::new();
        let mut keys = HashSet::new();
        for member in values.into_iter().flat_map(|value| value.split(',')) {
            // Leading spaces belong to no value: a member begins with its key.
            let member = trim(member);
            if member.is_empty() {
                continue;
            }
            if members.len() == MAX_TRACESTATE_MEMBERS {
                return Err(TraceStateError::Members);
            }
            let (key, value) = member.split_once('=').ok_or(TraceStateError::Key)?;
            check(key, value)?;
            // A sender must not send a key twice; the first is the latest.
            if keys.insert(key) {
                members.push(member);
            }
        }
        Ok(Self::join(members))
    }

    /// The value of the header; empty if there is no member.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_none()
    }

    /// How many members there are, at most 32.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// The members, the latest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members().filter_map(|member| member.split_once('='))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Sets a value and moves its member to the front. A 33rd member pushes out the last.
    ///
    /// # Errors
    ///
    /// If the key or the value is outside the grammar; the state then stays as it was.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<(), TraceStateError> {
        check(key, value)?;
        let member = format!("{key}={value}");
        let others = self.members().filter(|other| !is_member_of(other, key));
        *self = Self::join(std::iter::once(member.as_str()).chain(others).take(MAX_TRACESTATE_MEMBERS));
        Ok(())
    }

    /// Removes a key, and tells whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let found = self.get(key).is_some();
        if found {
            *self = Self::join(self.members().filter(|member| !is_member_of(member, key)));
        }
        found
    }

    /// The state cut to at most `max` characters, in whole members.
    ///
    /// Members longer than 128 characters go first, the last of them before the others, and then
    /// members from the end, as Trace Context asks.
    #[must_use]
    pub fn truncated(&self, max: usize) -> Self {
        if self.as_str().len() <= max {
            return self.clone();
        }
        let mut members: Vec<&str> = self.members().collect();
        let mut length = self.as_str().len();
        while length > max {
            let long = members.iter().rposition(|member| member.len() > LONG_MEMBER_CHARS);
            let removed = members.remove(long.unwrap_or(members.len() - 1));
            // The last member takes no comma with it.
            length -= removed.len() + usize::from(!members.is_empty());
        }
        Self::join(members)
    }

    fn members(&self) -> impl Iterator<Item = &str> {
        self.text.iter().flat_map(|text| text.split(','))
    }

    /// Joins valid members; the caller keeps keys unique.
    fn join<'a>(members: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        for member in members {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(member);
        }
        Self { text: (!text.is_empty()).then(|| text.into()) }
    }
}

fn is_member_of(member: &str, key: &str) -> bool {
    member.split_once('=').is_some_and(|(name, _)| name == key)
}

fn check(key: &str, value: &str) -> Result<(), TraceStateError> {
    let starts_well = key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    if !starts_well || key.len() > 256 || !key.bytes().all(is_key_byte) {
        return Err(TraceStateError::Key);
    }
    if value.is_empty() || value.len() > 256 || value.ends_with(' ') || !value.bytes().all(is_value_byte) {
        return Err(TraceStateError::Value);
    }
    Ok(())
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte)
}

fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b',' && byte != b'='
}

impl FromStr for TraceState {
    type Err = TraceStateError;

    fn from_str(text: &str) -> Result<Self, TraceStateError> {
        Self::parse(text)
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceState({:?})", self.as_str())
    }
}

impl Serialize for TraceState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TraceState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
