//! Who may speak to the server.
//!
//! A page of any web site can make the browser of a developer send requests to 127.0.0.1, and with a name that it makes point there
//! it could read the answers. Browsers tell on themselves: a `Host` that is not ours, or an `Origin` that is not ours, and the
//! request goes no further. No header ever allows another origin anything.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::response::Response;
use http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

/// What is answered to everybody: it tells nothing but that the process lives.
pub(crate) const OPEN_PATH: &str = "/healthz";

/// Checks the requests that come to one address.
#[derive(Debug)]
pub(crate) struct Guard {
    address: SocketAddr,
    hosts: Vec<String>,
    /// The hash of the token, as comparing hashes takes the same time wherever they differ.
    token: Option<blake3::Hash>,
}

impl Guard {
    pub(crate) fn new(address: SocketAddr, hosts: &[String], token: Option<&str>) -> Self {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { address, hosts, token: token.map(|token| blake3::hash(token.as_bytes())) }
    }

    /// The refusal of a request that may not go on.
    pub(crate) fn refusal(&self, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        let named = uri.authority().map(Authority::as_str);
        let mut header = headers.get_all(HOST).iter();
        let host = header.next().map(|host| host.to_str().unwrap_or_default());
        if (named.is_none() && host.is_none()) || header.next().is_some() {
            return Some(refuse(StatusCode::BAD_REQUEST, "the request needs one Host"));
        }
        if !named.into_iter().chain(host).all(|host| self.is_ours(host)) {
            return Some(refuse(
                StatusCode::FORBIDDEN,
                "the Host is not this server's; allow it in the server's settings if it is meant to be",
            ));
        }
        if !headers.get_all(ORIGIN).iter().all(|origin| self.is_our_origin(origin)) {
            return Some(refuse(StatusCode::FORBIDDEN, "requests of other origins are refused"));
        }
        if uri.path() != OPEN_PATH && !self.has_token(headers) {
            let mut response =
                refuse(StatusCode::UNAUTHORIZED, "the request needs the bearer token of this server");
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Some(response);
        }
        None
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let Ok(authority) = host.parse::<Authority>() else { return false };
        if authority.as_str().contains('@') {
            return false;
        }
        let name = authority.host();
        if self.hosts.iter().any(|allowed| *allowed == host || allowed == name) {
            return true;
        }
        let port = authority.port_u16().unwrap_or(80);
        port == self.address.port() && self.is_our_name(name)
    }

    /// Names that a web site can make point here are not ours; addresses of this machine cannot be made to.
    fn is_our_name(&self, name: &str) -> bool {
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match address {
            Ok(address) if address.is_loopback() => true,
            Ok(address) => self.address.ip().is_unspecified() || self.address.ip() == address,
            Err(_) => name == "localhost",
        }
    }

    fn is_our_origin(&self, origin: &HeaderValue) -> bool {
        let origin = origin.to_str().unwrap_or_default();
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| self.is_ours(host))
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
        let (scheme, given) = given.split_at_checked(7).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"Bearer ") && blake3::hash(given.trim_ascii()) == *token
    }
}

fn refuse(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(address: &str, token: Option<&str>) -> Guard {
        let hosts = [String::from("telemetry.example"), String::from("box.example:1")];
        Guard::new(address.parse().expect("an address"), &hosts, token)
    }

    fn check(guard: &Guard, headers: &[(&'static str, &'static str)], expect: u16) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let uri = Uri::from_static("/v1/traces");
        let found = guard.refusal(&uri, &headers).map_or(200, |response| response.status().as_u16());
        assert_eq!(found, expect, "{headers:?}");
    }

    #[test]
    fn only_our_hosts_are_answered() {
        let guard = guard("127.0.0.1:4318", None);
        for host in [
            "127.0.0.1:4318",
            "localhost:4318",
            "LOCALHOST:4318",
            "[::1]:4318",
            "telemetry.example",
            "telemetry.example:99",
            "box.example:1",
        ] {
            check(&guard, &[("host", host)], 200);
        }
        for host in [
            "evil.example:4318",
            "127.0.0.1:4317",
            "localhost",
            "",
            "box.example:2",
            "10.0.0.1:4318",
            "a@localhost:4318",
            "localhost.evil.example:4318",
        ] {
            check(&guard, &[("host", host)], 403);
        }
        check(&guard, &[], 400);
    }

    #[test]
    fn only_our_origins_are_answered() {
        let guard = guard("127.0.0.1:4318", None);
        check(&guard, &[("host", "localhost:4318"), ("origin", "http://localhost:4318")], 200);
        for origin in [
            "null",
            "http://evil.example",
            "http://localhost:3000",
            "file://",
            "",
            "http://localhost:4318.evil.example",
        ] {
            check(&guard, &[("host", "localhost:4318"), ("origin", origin)], 403);
        }
    }

    #[test]
    fn a_token_is_asked_for_where_there_is_one() {
        let guard = guard("0.0.0.0:4318", Some("secret"));
        let host = ("host", "10.0.0.7:4318");
        check(&guard, &[host, ("authorization", "Bearer secret")], 200);
        check(&guard, &[host, ("authorization", "bearer secret")], 200);
        check(&guard, &[("host", "name.example:4318"), ("authorization", "Bearer secret")], 403);
        for wrong in ["Bearer secre", "Bearer secrets", "Basic secret", "Bearer", "", "secret"] {
            check(&guard, &[host, ("authorization", wrong)], 401);
        }
        check(&guard, &[host], 401);
    }
}
