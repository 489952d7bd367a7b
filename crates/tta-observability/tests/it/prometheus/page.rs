//! The page that Prometheus scrapes.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use tta_observability::export::prometheus::{BindError, Format, MetricsPage, encode};
use tta_observability::metrics::Snapshot;

use super::browse::{ENOUGH, ask, connect, get, read, send};
use super::{large, lookups, resource};

const OPEN_METRICS: &str = "Accept: application/openmetrics-text\r\n";
const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn bind(source: impl Fn() -> Snapshot + Send + Sync + 'static) -> MetricsPage {
    MetricsPage::bind(LOCAL, source, &resource()).expect("a port is free")
}

#[test]
fn a_scrape_shows_what_is_measured_now() {
    let count = Arc::new(AtomicI64::new(0));
    let counted = Arc::clone(&count);
    let page = bind(move || lookups(counted.fetch_add(1, Ordering::Relaxed)));
    assert_ne!(page.address().port(), 0);
    for n in 0..3 {
        let answer = get(page.address(), "");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), encode(lookups(n), &resource(), Format::Classic));
        assert_eq!(
            answer.header("content-type").as_deref(),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(answer.header("vary").as_deref(), Some("accept, accept-encoding"));
        assert_eq!(answer.header("etag"), None);
        assert_eq!(answer.header("content-encoding"), None);
    }
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

#[test]
fn the_client_gets_the_format_that_it_asks_for() {
    let page = bind(|| lookups(5));
    let answer = get(page.address(), OPEN_METRICS);
    assert_eq!(
        answer.header("content-type").as_deref(),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert_eq!(answer.text(), encode(lookups(5), &resource(), Format::OpenMetrics));
}

#[test]
fn gzip_is_the_same_page() {
    let page = bind(large);
    for (accept, format) in [("", Format::Classic), (OPEN_METRICS, Format::OpenMetrics)] {
        let answer = get(page.address(), &format!("{accept}Accept-Encoding: deflate, gzip\r\n"));
        assert_eq!(answer.header("content-encoding").as_deref(), Some("gzip"));
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string()));
        assert!(answer.unzipped() == encode(large(), &resource(), format), "{format:?}");
    }
    let plain = get(page.address(), "Accept-Encoding: gzip;q=0, deflate\r\n");
    assert_eq!(plain.header("content-encoding"), None);
    assert!(plain.text() == encode(large(), &resource(), Format::Classic));
}

#[test]
fn head_is_the_head_of_the_page() {
    let page = bind(|| lookups(5));
    let (head, whole) =
        (ask(page.address(), "HEAD", "/metrics", OPEN_METRICS), get(page.address(), OPEN_METRICS));
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-type", "content-length", "cache-control", "vary"] {
        assert!(head.header(name).is_some() && head.header(name) == whole.header(name), "{name}");
    }
}

#[test]
fn other_methods_and_paths_say_what_works() {
    let page = bind(|| lookups(5));
    let check = |method: &str, path: &str, headers: &str, status: u16, says: &str| {
        let answer = ask(page.address(), method, path, headers);
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.text().contains(says), "{method} {path}: {}", answer.text());
        assert_eq!(answer.header("allow").is_some(), status == 405);
    };
    check("POST", "/metrics", "Content-Length: 0\r\n", 405, "GET and HEAD");
    check("DELETE", "/metrics", "", 405, "GET and HEAD");
    check("PUT", "/", "Content-Length: 3\r\n\r\nabc", 405, "GET and HEAD");
    check("GET", "/", "", 200, "/metrics");
    check("GET", "/metrics/", "", 404, "/metrics");
    check("GET", "/other", "", 404, "/metrics");
    check("POST", "/other", "Content-Length: 0\r\n", 404, "/metrics");
    check("GET", "/metrics?name=x", "", 200, "cache_total 5");
    assert_eq!(ask(page.address(), "OPTIONS", "/metrics", "").header("allow").as_deref(), Some("get, head"));
}

#[test]
fn a_body_is_ignored() {
    let page = bind(|| lookups(5));
    let body = "x".repeat(30_000);
    let answer = get(page.address(), &format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(answer.status, 200);
}

#[test]
fn what_is_no_http_is_refused_and_the_page_lives() {
    let page = bind(|| lookups(5));
    assert_eq!(send(page.address(), "\u{16}\u{3}\u{1} nonsense\r\n\r\n").status, 400);
    let long = format!("X-Long: {}\r\n", "x".repeat(200_000));
    let mut stream = connect(page.address());
    // The page may close before all of it is sent.
    let _ = stream.write_all(format!("GET /metrics HTTP/1.1\r\n{long}").as_bytes());
    assert_eq!(get(page.address(), "").status, 200);
}

#[test]
fn a_foreign_host_is_refused_on_loopback() {
    let page = bind(|| lookups(5));
    let check = |host: &str, status: u16| {
        let answer = send(page.address(), &format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.status, status, "{host}");
        assert_eq!(answer.text().contains("cache_total"), status == 200);
    };
    check("localhost:1", 200);
    check("127.0.0.1", 200);
    check("[::1]:9464", 200);
    check("rebound.example:9464", 421);
    check("10.0.0.1", 421);
}

#[test]
fn a_page_for_others_answers_to_any_host() {
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let page = MetricsPage::bind(everywhere, || lookups(5), &resource()).expect("a port is free");
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, page.address().port()));
    let answer = send(here, "GET /metrics HTTP/1.1\r\nHost: shop.example:9464\r\n\r\n");
    assert_eq!(answer.status, 200);
}

#[test]
fn a_slow_client_blocks_nobody() {
    let page = bind(large);
    let mut silent = connect(page.address());
    silent.write_all(b"GET /metrics HT").expect("the page listens");
    // A page of some megabytes does not fit into what the system buffers.
    let mut deaf = connect(page.address());
    deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the page listens");
    for _ in 0..3 {
        assert_eq!(get(page.address(), "").status, 200);
    }
    assert!(read(deaf).text() == encode(large(), &resource(), Format::Classic));
    silent.write_all(b"TP/1.1\r\nHost: localhost\r\n\r\n").expect("the page listens");
    assert_eq!(read(silent).status, 200);
}

#[test]
fn a_slow_snapshot_blocks_no_other() {
    let (begin, begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (is_first, begin, released) = (AtomicBool::new(true), Mutex::new(begin), Mutex::new(released));
    let page = bind(move || {
        if is_first.swap(false, Ordering::Relaxed) {
            begin.lock().unwrap().send(()).unwrap();
            released.lock().unwrap().recv_timeout(ENOUGH).unwrap();
        }
        lookups(5)
    });
    let address = page.address();
    let slow = std::thread::spawn(move || get(address, "").status);
    begun.recv_timeout(ENOUGH).expect("the first snapshot begins");
    assert_eq!(get(address, "").status, 200);
    release.send(()).unwrap();
    assert_eq!(slow.join().unwrap(), 200);
}

#[test]
fn a_place_that_is_left_is_free_again() {
    let page = bind(|| lookups(5));
    let mut crowd: Vec<_> = (0..64).map(|_| connect(page.address())).collect();
    let mut late = connect(page.address());
    late.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the system queues it");
    crowd.pop();
    assert_eq!(read(late).status, 200);
}

#[test]
fn a_panic_in_the_snapshot_is_an_answer() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    let page = bind(move || {
        assert!(!broken.load(Ordering::Relaxed), "the snapshot is broken");
        lookups(5)
    });
    for _ in 0..5 {
        let answer = get(page.address(), "");
        assert_eq!(answer.status, 500);
        assert!(answer.text().contains("a panic") && !answer.text().contains("broken"), "{}", answer.text());
    }
    is_broken.store(false, Ordering::Relaxed);
    assert_eq!(get(page.address(), "").status, 200);
}

#[test]
fn two_pages_live_side_by_side() {
    let (one, two) = (bind(|| lookups(1)), bind(|| lookups(2)));
    assert_ne!(one.address(), two.address());
    assert!(get(one.address(), "").text().ends_with("cache_total 1\n"));
    assert!(get(two.address(), "").text().ends_with("cache_total 2\n"));
    drop(one);
    assert!(get(two.address(), "").text().ends_with("cache_total 2\n"));
}

#[test]
fn a_taken_port_says_what_to_do() {
    let first = bind(|| lookups(1));
    let error =
        MetricsPage::bind(first.address(), || lookups(2), &resource()).expect_err("the port is taken");
    let port = first.address().port();
    let said = error.to_string();
    assert!(
        said.starts_with(&format!("cannot serve metrics at 127.0.0.1:{port}: port {port} is taken")),
        "{said}"
    );
    assert!(said.contains("port 0"), "{said}");
    assert!(matches!(error, BindError::Address { address, .. } if address == first.address()));
    assert_eq!(get(first.address(), "").status, 200);
}

#[test]
fn an_address_of_another_machine_says_so() {
    let elsewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 0));
    let error =
        MetricsPage::bind(elsewhere, || lookups(1), &resource()).expect_err("it is for documentation");
    assert!(error.to_string().contains("192.0.2.1 is not an address of this machine"), "{error}");
}

#[test]
fn a_dropped_page_frees_its_port_at_once_whoever_is_connected() {
    let page = bind(large);
    let address = page.address();
    let mut deaf = connect(address);
    deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the page listens");
    let _silent = connect(address);
    page.shutdown();
    TcpListener::bind(address).expect("the port is free again");
}

#[test]
fn a_page_ends_while_a_snapshot_hangs() {
    let (begin, begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (begin, released) = (Mutex::new(begin), Mutex::new(released));
    let page = bind(move || {
        begin.lock().unwrap().send(()).unwrap();
        // Ends when the test does.
        let _ = released.lock().unwrap().recv();
        lookups(5)
    });
    let mut stream = connect(page.address());
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the page listens");
    begun.recv_timeout(ENOUGH).expect("the snapshot begins");
    drop(page);
    drop(release);
}

#[test]
fn ipv6_works_where_the_machine_has_it() {
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let bound = MetricsPage::bind(address, || lookups(5), &resource());
    if TcpListener::bind(address).is_ok() {
        let page = bound.expect("a port is free");
        assert_eq!(get(page.address(), "").status, 200);
        let foreign = send(page.address(), "GET /metrics HTTP/1.1\r\nHost: rebound.example\r\n\r\n");
        assert_eq!(foreign.status, 421);
    } else {
        assert!(bound.is_err());
    }
}

#[tokio::test]
async fn a_page_may_be_bound_and_dropped_inside_of_a_runtime() {
    let page = bind(|| lookups(5));
    let address = page.address();
    let answer = tokio::task::spawn_blocking(move || get(address, "").status).await;
    assert_eq!(answer.unwrap(), 200);
    drop(page);
    let taken = bind(|| lookups(5));
    assert!(MetricsPage::bind(taken.address(), || lookups(5), &resource()).is_err());
}
