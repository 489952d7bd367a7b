//! Headers of HTTP as a carrier.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use tta_model::w3c::{Extract, Inject};

use super::carrier::text;

/// The headers of an HTTP request; the metadata of a gRPC request is one too, by `as_ref` and `as_mut`.
///
/// # Examples
///
/// ```
/// use http::HeaderMap;
/// use tta_observability::propagation::{Headers, extract_trace_context, inject_trace_context};
///
/// let mut received = HeaderMap::new();
/// received.insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?);
/// let cx = extract_trace_context(&Headers(&received)).build();
/// let mut sent = HeaderMap::new();
/// inject_trace_context(&cx, &mut Headers(&mut sent));
/// assert_eq!(sent, received);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub struct Headers<T>(pub T);

impl<T> fmt::Debug for Headers<T> {
    /// Shows nothing of what is carried: there may be credentials beside the trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Headers(..)")
    }
}

impl Extract for Headers<&HeaderMap> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.get_all(name).iter().map(|value| text(value.as_bytes()))
    }
}

impl Inject for Headers<&mut HeaderMap> {
    /// Sets the header. One that HTTP cannot carry, or that the map has no room for, is removed instead.
    fn set(&mut self, name: &str, value: String) {
        self.unset(name);
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            // It fails when there are 32,768 headers: the request matters more than its trace.
            let _ = self.0.try_insert(name, value);
        }
    }

    fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }
}
