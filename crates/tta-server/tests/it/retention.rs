//! What is too old or too much is given up, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tta_server::{Clock, Options, Store};

use super::support::{NOW, count, put, request, settle, span, text};

const DAY: u64 = 24 * 60 * 60;

fn clock(seconds: &Arc<AtomicU64>) -> Clock {
    let seconds = Arc::clone(seconds);
    Clock::new(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)))
}

#[test]
fn days_that_are_too_old_are_given_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let now = Arc::new(AtomicU64::new(NOW / 1_000_000_000));
    let mut options = Options::new(directory.path());
    options.clock = clock(&now);
    options.max_age = Duration::from_secs(2 * DAY);
    let store = Store::open(options.clone()).expect("it opens");
    for day in 1..=5 {
        put(&store, request(vec![("shop", vec![span(day, 1), span(100, day as u64)])]));
        now.fetch_add(DAY, Ordering::Relaxed);
    }
    // The fifth day was begun last: the first two ended more than two days before.
    let left: Vec<usize> = (1..=5).map(|day| count(&store, day)).collect();
    assert_eq!(left, [0, 0, 1, 1, 1]);
    assert_eq!((count(&store, 100), store.stats().files, store.stats().dropped_spans), (3, 3, 4));
    drop(store);
    let store = Store::open(options).expect("it opens");
    assert_eq!((count(&store, 100), store.stats().spans), (3, 6));
}

#[test]
fn what_is_too_much_is_given_up_from_the_oldest_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = Options::new(directory.path());
    options.max_bytes = 4 << 20;
    let store = Store::open(options).expect("it opens");
    let mut random = StdRng::seed_from_u64(3);
    for batch in 1..=50_u128 {
        let noise: String = (0..200_000).map(|_| char::from(random.random_range(b'!'..b'~'))).collect();
        let loud = opentelemetry_proto::tonic::trace::v1::Span {
            attributes: vec![text("noise", noise)],
            ..span(batch, 1)
        };
        put(&store, request(vec![("shop", vec![loud])]));
    }
    settle(&store);
    let stats = store.stats();
    assert!(stats.bytes < (4 << 20) + (3 << 20), "{stats:?}");
    let left: Vec<u128> = (1..=50).filter(|batch| count(&store, *batch) == 1).collect();
    let expect: Vec<u128> = (stats.dropped_spans as u128 + 1..=50).collect();
    assert!(left == expect && left.len() > 8 && stats.dropped_spans > 10, "{left:?} {stats:?}");
}
