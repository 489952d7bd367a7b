//! Reading and writing the three headers in whatever carries a request.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasher;

use super::{
    BAGGAGE, Baggage, Dropped, MAX_PROPAGATED_CHARS, TRACEPARENT, TRACESTATE, TraceParent, TraceState,
};
use crate::ids::SpanContext;

/// Something that headers can be read from.
///
/// Implemented for lists and maps of strings. The header map of a framework takes a wrapper of a
/// few lines; a value that is not text is left out.
pub trait Extract {
    /// The values of a header, in order; its name is compared without regard to case.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str>;
}

/// Something that headers can be written to.
pub trait Inject {
    /// Sets a header, replacing every value it had; its name is lowercase.
    fn set(&mut self, name: &str, value: String);

    /// Removes every value of a header.
    fn unset(&mut self, name: &str);
}

/// What [`extract`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// The span that sent the request, if it named a valid one.
    pub span: Option<SpanContext>,
    /// The baggage of the request, empty if it had none.
    pub baggage: Baggage,
    /// How many members of the baggage were left out.
    pub dropped: Dropped,
}

/// Reads trace and baggage from a carrier. What breaks the rules counts as absent.
///
/// Without a valid `traceparent` the `tracestate` is not looked at. An invalid `tracestate` leaves
/// the `traceparent` valid. Baggage stands on its own.
///
/// # Examples
///
/// ```
/// use tta_model::w3c;
///
/// let headers = [("TraceParent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("baggage", "tier=gold")];
/// let found = w3c::extract(&headers[..]);
/// assert_eq!(found.span.unwrap().span_id.to_string(), "00f067aa0ba902b7");
/// assert_eq!(found.baggage.get("tier"), Some("gold"));
/// ```
pub fn extract<C: Extract + ?Sized>(carrier: &C) -> Extracted {
    let parent = TraceParent::from_headers(carrier.values(TRACEPARENT)).ok().flatten();
    let span = parent.map(|parent| {
        parent.with_state(TraceState::from_headers(carrier.values(TRACESTATE)).unwrap_or_default())
    });
    let (baggage, dropped) = Baggage::from_headers(carrier.values(BAGGAGE));
    Extracted { span, baggage, dropped }
}

/// Writes trace and baggage into a carrier, and removes what an earlier request left there.
///
/// A `tracestate` is cut to 512 characters. An empty `tracestate` or baggage is not sent.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
/// use tta_model::w3c::{self, Baggage, TraceParent, TraceState};
///
/// let parent: TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// let mut headers = BTreeMap::new();
/// w3c::inject(&parent.with_state(TraceState::new()), &Baggage::new(), &mut headers);
/// assert_eq!(headers["traceparent"], parent.to_string());
/// # Ok::<(), w3c::TraceParentError>(())
/// ```
pub fn inject<C: Inject + ?Sized>(span: &SpanContext, baggage: &Baggage, carrier: &mut C) {
    carrier.set(TRACEPARENT, TraceParent::from(span).to_string());
    let state = span.state.truncated(MAX_PROPAGATED_CHARS);
    set_or_remove(carrier, TRACESTATE, state.to_string());
    set_or_remove(carrier, BAGGAGE, baggage.to_string());
}

fn set_or_remove<C: Inject + ?Sized>(carrier: &mut C, name: &str, value: String) {
    if value.is_empty() { carrier.unset(name) } else { carrier.set(name, value) }
}

/// The name of the environment variable that stands for a header: `TRACEPARENT` for `traceparent`.
#[must_use]
pub fn environment_name(header: &str) -> String {
    header.to_ascii_uppercase().replace('-', "_")
}

/// Writes headers under the names of environment variables, for the start of a child process.
///
/// Reading needs no counterpart, because [`Extract`] compares names without regard to case: collect
/// `std::env::vars()` into a vector.
///
/// # Examples
///
/// ```
/// use tta_model::w3c::{Environment, Inject};
///
/// let mut variables: Vec<(String, String)> = Vec::new();
/// Environment(&mut variables).set("baggage", "tier=gold".to_owned());
/// assert_eq!(variables, [("BAGGAGE".to_owned(), "tier=gold".to_owned())]);
/// ```
pub struct Environment<'a, C: ?Sized>(pub &'a mut C);

impl<C: ?Sized> fmt::Debug for Environment<'_, C> {
    /// Shows nothing of what is carried: there may be credentials beside the trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment(..)")
    }
}

impl<C: Inject + ?Sized> Inject for Environment<'_, C> {
    fn set(&mut self, name: &str, value: String) {
        self.0.set(&environment_name(name), value);
    }

    fn unset(&mut self, name: &str) {
        self.0.unset(&environment_name(name));
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Extract for [(K, V)] {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.iter().filter(move |(key, _)| key.as_ref().eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_ref())
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Extract for Vec<(K, V)> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.as_slice().values(name)
    }
}

impl Inject for Vec<(String, String)> {
    fn set(&mut self, name: &str, value: String) {
        self.unset(name);
        self.push((name.to_owned(), value));
    }

    fn unset(&mut self, name: &str) {
        self.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }
}

macro_rules! map_carrier {
    ($map:ty $(, $hasher:ident)?) => {
        impl$(<$hasher: BuildHasher>)? Extract for $map {
            fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
                let named = self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
                named.map(|(_, value)| value.as_str())
            }
        }

        impl$(<$hasher: BuildHasher>)? Inject for $map {
            fn set(&mut self, name: &str, value: String) {
                self.unset(name);
                self.insert(name.to_owned(), value);
            }

            fn unset(&mut self, name: &str) {
                self.retain(|key, _| !key.eq_ignore_ascii_case(name));
            }
        }
    };
}

map_carrier!(HashMap<String, String, S>, S);
map_carrier!(BTreeMap<String, String>);
