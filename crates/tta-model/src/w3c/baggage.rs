//! `baggage`: what an application sends along with a request, to whoever handles it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::trim;
use crate::value::Text;

mod percent;

/// How many members a baggage holds at most; W3C Baggage guarantees this many.
pub const MAX_BAGGAGE_MEMBERS: usize = 64;

/// How many bytes a printed baggage has at most; W3C Baggage guarantees this many.
pub const MAX_BAGGAGE_BYTES: usize = 8192;

/// Named values that travel with a request.
///
/// A baggage never holds more than it may send: 64 members, 8192 bytes. Names are HTTP tokens and
/// case-sensitive; values are any text, percent-encoded on the way. If a name comes twice, the last
/// one wins. An empty baggage needs no memory; a clone costs a reference count, and a change to a
/// clone leaves the original alone.
///
/// # Examples
///
/// ```
/// use tta_model::w3c::Baggage;
///
/// let (mut baggage, dropped) = Baggage::parse("userId=Am%C3%A9lie, isProduction=false;ttl=1");
/// assert!(dropped.is_none());
/// assert_eq!(baggage.get("userId"), Some("Amélie"));
/// baggage.insert("serverNode", "DF 28")?;
/// assert_eq!(baggage.to_string(), "userId=Am%C3%A9lie,isProduction=false;ttl=1,serverNode=DF%2028");
/// # Ok::<(), tta_model::w3c::BaggageError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Baggage {
    /// Never an empty vector.
    members: Option<Arc<Vec<Member>>>,
}

/// One member of a [`Baggage`].
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    name: Text,
    value: Text,
    /// The properties as they are sent, joined by semicolons.
    properties: Text,
}

/// What a header held and the [`Baggage`] does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Members outside the grammar.
    pub invalid: usize,
    /// Members past the 64th, and members that did not fit in 8192 bytes.
    pub excess: usize,
}

impl Dropped {
    /// Whether nothing was dropped.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.invalid == 0 && self.excess == 0
    }
}

/// Why a member cannot be added to a [`Baggage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaggageError {
    /// The name is not an HTTP token.
    Name,
    /// The properties are not names and pairs, joined by semicolons.
    Properties,
    /// There would be more than 64 members or 8192 bytes.
    Full,
}

impl fmt::Display for BaggageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "baggage name is not a token: use letters, digits and !#$%&'*+-.^_`|~",
            Self::Properties => {
                "baggage properties are malformed: use name or name=value, joined by semicolons"
            }
            Self::Full => "baggage is full at 64 members or 8192 bytes: remove a member first",
        })
    }
}

impl std::error::Error for BaggageError {}

impl Baggage {
    /// Makes an empty baggage, without allocating.
    #[must_use]
    pub const fn new() -> Self {
        Self { members: None }
    }

    /// Reads the value of one header, and says what was left out.
    ///
    /// A member outside the grammar is left out and the others stay, as W3C Baggage allows. So is a
    /// member past the limits: always as a whole, the later ones first. Empty members are nothing.
    /// A percent sign without two hex digits stands for itself, and bytes that are not UTF-8 become
    /// U+FFFD.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Dropped) {
        Self::from_headers([text])
    }

    /// Reads every `baggage` header of a request, in order, as if they were one.
    pub fn from_headers<'a>(values: impl IntoIterator<Item = &'a str>) -> (Self, Dropped) {
        let mut dropped = Dropped::default();
        let mut parsed = Vec::new();
        for text in values.into_iter().flat_map(|value| value.split(',')).map(trim) {
            match split_member(text) {
                _ if text.is_empty() => {}
                Some(parts) => parsed.push(parts),
                None => dropped.invalid += 1,
            }
        }
        let mut seen = HashSet::new();
        parsed.reverse();
        parsed.retain(|(name, ..)| seen.insert(*name));
        let mut members = Vec::new();
        let mut bytes = 0;
        for (name, value, properties) in parsed.into_iter().rev() {
            // A later member may still fit where a longer one did not.
            let member = (members.len() < MAX_BAGGAGE_MEMBERS).then(|| Member::new(name, value, properties));
            match member.filter(|member| bytes + member.encoded_len() <= MAX_BAGGAGE_BYTES) {
                Some(member) => {
                    bytes += member.encoded_len() + ",".len();
                    members.push(member);
                }
                None => dropped.excess += 1,
            }
        }
        (Self::of(members), dropped)
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|member| member.name == *name).map(Member::value)
    }

    /// Sets a value, replacing the member of the same name and its properties.
    ///
    /// # Errors
    ///
    /// If the name is not an HTTP token, or the member does not fit; the baggage then stays as it was.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), BaggageError> {
        self.insert_with_properties(name, value, "")
    }

    /// Sets a value with properties as they are sent: `name` or `name=value`, joined by semicolons.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert), and if the properties are outside the grammar.
    pub fn insert_with_properties(
        &mut self,
        name: &str,
        value: &str,
        properties: &str,
    ) -> Result<(), BaggageError> {
        if !is_token(name) {
            return Err(BaggageError::Name);
        }
        let properties = canonical_properties(properties).ok_or(BaggageError::Properties)?;
        let member = Member {
            name: name.to_owned().into(),
            value: value.to_owned().into(),
            properties: properties.into(),
        };
        let others = || self.iter().filter(|other| other.name != *name);
        let bytes: usize = others().map(|other| other.encoded_len() + ",".len()).sum();
        if others().count() >= MAX_BAGGAGE_MEMBERS || bytes + member.encoded_len() > MAX_BAGGAGE_BYTES {
            return Err(BaggageError::Full);
        }
        let members = Arc::make_mut(self.members.get_or_insert_default());
        match members.iter_mut().find(|other| other.name == *name) {
            Some(other) => *other = member,
            None => members.push(member),
        }
        Ok(())
    }

    /// Removes a name, and tells whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let found = self.get(name).is_some();
        if found {
            *self = Self::of(self.iter().filter(|member| member.name != *name).cloned().collect());
        }
        found
    }

    /// The members, in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.as_deref().map(Vec::as_slice).unwrap_or_default().iter()
    }

    /// How many members there are, at most 64.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_none()
    }

    fn of(members: Vec<Member>) -> Self {
        Self { members: (!members.is_empty()).then(|| members.into()) }
    }
}

impl Member {
    /// Makes a member of parts that are in the grammar.
    fn new(name: &str, value: &str, properties: String) -> Self {
        Self {
            name: name.to_owned().into(),
            value: percent::decode(value).into_owned().into(),
            properties: properties.into(),
        }
    }

    /// The name, an HTTP token.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, decoded.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The properties, each a name and perhaps a decoded value; W3C Baggage gives them no meaning.
    pub fn properties(&self) -> impl Iterator<Item = (&str, Option<std::borrow::Cow<'_, str>>)> {
        self.properties.split(';').filter(|text| !text.is_empty()).map(|text| match text.split_once('=') {
            Some((name, value)) => (name, Some(percent::decode(value))),
            None => (text, None),
        })
    }

    fn encoded_len(&self) -> usize {
        let properties = if self.properties.is_empty() { 0 } else { ";".len() + self.properties.len() };
        self.name.len() + "=".len() + percent::encoded_len(&self.value) + properties
    }
}

/// Splits a member into its name, its encoded value and its canonical properties.
fn split_member(text: &str) -> Option<(&str, &str, String)> {
    let (pair, properties) = text.split_once(';').unwrap_or((text, ""));
    let (name, value) = pair.split_once('=')?;
    let (name, value) = (trim(name), trim(value));
    let is_valid = is_token(name) && percent::is_encoded(value);
    is_valid.then(|| canonical_properties(properties)).flatten().map(|properties| (name, value, properties))
}

/// Takes white space and empty properties out, or says that a property is outside the grammar.
fn canonical_properties(text: &str) -> Option<String> {
    let mut canonical = String::new();
    for property in text.split(';').map(trim).filter(|property| !property.is_empty()) {
        let (name, value) = match property.split_once('=') {
            Some((name, value)) => (trim(name), Some(trim(value))),
            None => (property, None),
        };
        if !is_token(name) || !value.is_none_or(percent::is_encoded) {
            return None;
        }
        let separator = if canonical.is_empty() { "" } else { ";" };
        canonical.extend([separator, name]);
        if let Some(value) = value {
            canonical.extend(["=", value]);
        }
    }
    Some(canonical)
}

/// Whether a text is a token of HTTP: RFC 7230, section 3.2.6.
fn is_token(text: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, percent::Encoded(&self.value))?;
        if self.properties.is_empty() { Ok(()) } else { write!(f, ";{}", self.properties) }
    }
}

impl fmt::Display for Baggage {
    /// Prints the value of the header, empty if there is no member.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, member) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{member}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Member {
    /// Shows the name only, as [`Baggage`] does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Baggage {
    /// Shows the names only: values may be personal, and debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Baggage")?;
        f.debug_set().entries(self.iter().map(Member::name)).finish()
    }
}

impl Serialize for Baggage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Baggage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Self::parse(&String::deserialize(deserializer)?) {
            (baggage, dropped) if dropped.is_none() => Ok(baggage),
            (_, Dropped { invalid, excess }) => Err(de::Error::custom(format_args!(
                "baggage has {invalid} invalid members and {excess} past the limits"
            ))),
        }
    }
}
