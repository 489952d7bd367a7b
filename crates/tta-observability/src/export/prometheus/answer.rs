//! What the page answers to a request.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HOST, VARY,
};
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};

use super::accept;
use super::encode::Format;
use super::source::Source;

/// Where the metrics are.
const PATH: &str = "/metrics";
const METHODS: &str = "GET, HEAD";
const PLAIN: &str = "text/plain; charset=utf-8";
const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");
/// How much of a body is read before the answer, so that the client gets to read that; nothing is done with it.
const IGNORED: usize = 64 * 1024;
/// How long that may take.
const IGNORED_TIME: Duration = Duration::from_secs(2);

/// Answers a request. `is_local` says that the page is for this machine alone.
pub(super) async fn answer(
    request: Request<Incoming>,
    source: &Source,
    is_local: bool,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head, ());
    // Whatever is wrong with the body, the answer is the same.
    let ignored = Limited::new(body, IGNORED).collect();
    let _ = tokio::time::timeout(IGNORED_TIME, ignored).await;
    if is_local && !names_this_machine(&request) {
        return said(
            StatusCode::MISDIRECTED_REQUEST,
            "this page is for this machine alone: ask for it as localhost, 127.0.0.1 or [::1], \
             or bind it to an address that others reach\n",
        );
    }
    let is_known = matches!(request.uri().path(), PATH | "/");
    if is_known && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = said(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD work here\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
        return refusal;
    }
    match request.uri().path() {
        PATH => metrics(&request, source).await,
        "/" => said(StatusCode::OK, "the metrics of this process are at /metrics\n"),
        _ => said(StatusCode::NOT_FOUND, "there is nothing here; the metrics are at /metrics\n"),
    }
}

async fn metrics(request: &Request<()>, source: &Source) -> Response<Full<Bytes>> {
    let format = accept::format(request.headers());
    let is_zipped = accept::wants_gzip(request.headers());
    let finish = move |text: String| if is_zipped { zip(&text) } else { Ok(text.into_bytes()) };
    let Ok(Ok(body)) = source.text(format, finish).await else {
        return said(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics could not be read: a panic, told where this program writes its errors\n",
        );
    };
    page(format, is_zipped, body)
}

fn page(format: Format, is_zipped: bool, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = response(StatusCode::OK, format.content_type(), Bytes::from(body));
    let headers = response.headers_mut();
    if is_zipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.append(VARY, HeaderValue::from(ACCEPT));
    headers.append(VARY, HeaderValue::from(ACCEPT_ENCODING));
    response
}

fn said(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    response(status, PLAIN, Bytes::from_static(text.as_bytes()))
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Labels are written by others; no browser shall guess a script in them.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn zip(text: &str) -> std::io::Result<Vec<u8>> {
    let mut zipped = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    zipped.write_all(text.as_bytes())?;
    zipped.finish()
}

/// Whether every host that the request names is this machine. A page in a browser may make its own name point
/// here, and would then be allowed to read the answer; but it cannot hide that name.
fn names_this_machine(request: &Request<()>) -> bool {
    let named = request.headers().get_all(HOST).into_iter().map(HeaderValue::as_bytes);
    let asked = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    named.chain(asked).all(|host| Authority::try_from(host).is_ok_and(|host| is_this_machine(host.host())))
}

fn is_this_machine(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_this_machine() {
        let check = |uri: &str, hosts: &[&str], expected: bool| {
            let begun = Request::get(uri);
            let request = hosts.iter().fold(begun, |begun, host| begun.header(HOST, *host));
            assert_eq!(names_this_machine(&request.body(()).unwrap()), expected, "{uri} {hosts:?}");
        };
        check("/metrics", &["localhost"], true);
        check("/metrics", &["LocalHost:9464"], true);
        check("/metrics", &["127.0.0.1:1"], true);
        check("/metrics", &["127.8.9.1"], true);
        check("/metrics", &["[::1]:9464"], true);
        check("/metrics", &["[::1]"], true);
        check("/metrics", &[], true);
        check("/metrics", &["evil.example"], false);
        check("/metrics", &["evil.example:9464"], false);
        check("/metrics", &["localhost.evil.example"], false);
        check("/metrics", &["localhost@evil.example"], false);
        check("/metrics", &["192.168.1.7:9464"], false);
        check("/metrics", &["[2001:db8::1]:9464"], false);
        check("/metrics", &["localhost", "evil.example"], false);
        check("/metrics", &[""], false);
        check("/metrics", &["local host"], false);
        check("http://evil.example/metrics", &["localhost"], false);
        check("http://localhost/metrics", &["localhost"], true);
    }
}
