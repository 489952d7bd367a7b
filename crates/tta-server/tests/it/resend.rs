//! A batch that is sent again counts once.

use tta_server::read::{self, RedQuery, SpanQuery};

use super::support::{count, id, open, put, request, settle, span, text};

fn counted(store: &tta_server::Store) -> u64 {
    let total = RedQuery::default();
    let series = read::red(&store.reader(), &total).expect("it is read");
    series.iter().flat_map(|series| &series.points).map(|point| point.count).sum()
}

#[test]
fn a_whole_batch_counts_once_also_after_opening_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let body = request(vec![("shop", (1..=10).map(|n| span(1, n)).collect())]);
    let store = open(directory.path());
    // Several at once lie in one commit.
    let tickets: Vec<_> = (0..5)
        .map(|_| store.submit(super::support::scan(body.clone()).into()).expect("there is room"))
        .collect();
    tickets.into_iter().for_each(|ticket| ticket.blocking_wait().expect("it is written"));
    assert_eq!((store.stats().spans, counted(&store), count(&store, 1)), (10, 10, 10));
    drop(store);
    let store = open(directory.path());
    put(&store, body);
    settle(&store);
    assert_eq!((store.stats().spans, counted(&store), count(&store, 1)), (10, 10, 10));
}

#[test]
fn a_span_that_comes_again_is_shown_as_it_came_last() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    put(&store, request(vec![("shop", vec![span(1, 1), span(1, 2)])]));
    let mut again = span(1, 2);
    again.name = String::from("another");
    again.attributes = vec![text("colour", "red")];
    put(&store, request(vec![("shop", vec![span(1, 3), again])]));
    let trace = read::trace(&store.reader(), id(1)).expect("it is read");
    let names: Vec<&str> = trace.spans.iter().map(|stored| &stored.span.name[..]).collect();
    assert_eq!(names, ["operation 1", "another", "operation 0"]);
    let found = |query: SpanQuery| read::search(&store.reader(), &query).expect("it is read").hits.len();
    let named = |name: &str| SpanQuery { name: Some(name.to_owned()), ..SpanQuery::default() };
    assert_eq!(
        (found(named("operation 2")), found(named("another")), found(SpanQuery::default())),
        (0, 1, 3)
    );
    // What the sums promise of a batch that overlaps another: each copy counts.
    assert_eq!(counted(&store), 4);
}
