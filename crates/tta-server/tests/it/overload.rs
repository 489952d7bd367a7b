//! More than can be written is refused, and those who read are in nobody's way.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use tta_server::read::{self, SpanQuery};
use tta_server::{Options, Store, Ticket, WriteError};

use super::support::{count, open, put, request, scan, span};

#[test]
fn what_is_too_much_to_wait_is_refused_and_the_rest_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = Options::new(directory.path());
    options.queue_batches = 10;
    let store = Store::open(options).expect("it opens");
    put(&store, request(vec![("shop", vec![span(1, 1)])]));
    let file = std::fs::read_dir(directory.path())
        .expect("it is there")
        .map(|file| file.expect("it is there").path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "sqlite"));
    // As long as somebody else holds the file, the writer waits.
    let other = Connection::open(file.expect("one file")).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    let mut tickets: Vec<Ticket> = Vec::new();
    let refused = loop {
        let trace = tickets.len() as u128 + 2;
        match store.submit(scan(request(vec![("shop", vec![span(trace, 1)])])).into()) {
            Ok(ticket) => tickets.push(ticket),
            Err(refused) => break refused,
        }
    };
    // Ten wait, and at most those that the writer took before.
    assert!(refused == WriteError::Full && tickets.len() >= 10, "{refused} {}", tickets.len());
    assert_eq!((count(&store, 1), store.stats().waiting_batches), (1, 10));
    other.execute_batch("ROLLBACK").expect("it was begun");
    let last = tickets.len() as u128 + 1;
    tickets.into_iter().for_each(|ticket| ticket.blocking_wait().expect("it is written"));
    assert!((1..=last).all(|trace| count(&store, trace) == 1));
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn readers_see_whole_batches_while_they_are_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let reader = store.reader();
    let mut commits = reader.commits();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also when something goes wrong below.
        let at_end = Done(&done);
        let watching = scope.spawn(|| {
            let (mut most, mut rounds) = (0, 0);
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                let all = SpanQuery { limit: 10_000, ..SpanQuery::default() };
                let found = read::search(&reader, &all).expect("it is read").hits.len();
                assert!(found.is_multiple_of(20) && found >= most, "{found} after {most}");
                (most, rounds) = (found, rounds + 1);
            }
        });
        for trace in 1..=100 {
            put(&store, request(vec![("shop", (1..=20).map(|n| span(trace, n)).collect())]));
        }
        drop(at_end);
        watching.join().expect("it saw whole batches only");
    });
    assert!(commits.has_changed().expect("the store is open"));
    assert_eq!((*commits.borrow_and_update(), store.stats().spans), (100, 2_000));
}

#[tokio::test]
async fn a_ticket_can_be_awaited_and_the_reader_outlives_the_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let ticket = store.submit(scan(request(vec![("shop", vec![span(1, 1)])])).into()).expect("there is room");
    ticket.wait().await.expect("it is written");
    let reader = store.reader();
    let abandoned =
        store.submit(scan(request(vec![("shop", vec![span(2, 1)])])).into()).expect("there is room");
    drop(abandoned);
    drop(store);
    let found = read::search(&reader, &SpanQuery::default()).expect("it is read");
    assert_eq!(found.hits.len(), 2, "what waits when the store is closed is written");
}
