//! `traceparent` is read and printed by W3C Trace Context levels 1 and 2.

use proptest::prelude::*;
use tta_model::w3c::{TraceParent, TraceParentError as Error, TraceState};
use tta_model::{SpanId, TraceFlags, TraceId};

use crate::asserted;

const IDS: &str = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

#[track_caller]
fn check(input: &str, expected: Result<&str, Error>) {
    let printed = TraceParent::parse(input).map(|parent| parent.to_string());
    assert_eq!(printed.as_deref().map_err(|error| *error), expected, "{input}");
}

#[test]
fn version_00_has_exactly_four_fields() {
    check(&format!("00-{IDS}-01"), Ok(&format!("00-{IDS}-01")));
    check(&format!("00-{IDS}-00"), Ok(&format!("00-{IDS}-00")));
    for (input, error) in [
        ("", Error::Length),
        ("00", Error::Length),
        (&*format!("00-{IDS}-0"), Error::Length),
        (&*format!("00-{IDS}-01."), Error::Length),
        (&*format!("00-{IDS}-01-what-the-future-will-be-like"), Error::Length),
        (&*format!("00-{IDS}-001"), Error::Length),
        (&*format!("0-{IDS}-01"), Error::Length),
        (&*format!("000-{IDS}-01"), Error::Dash),
        (&*format!(" 00-{IDS}-01"), Error::Dash),
        (&*format!("00_{IDS}-01"), Error::Dash),
        (&*format!("00-{IDS}_01"), Error::Dash),
    ] {
        check(input, Err(error));
    }
}

#[test]
fn versions_are_two_lowercase_digits_and_not_ff() {
    for version in ["ff", ".0", "0.", "0A", "CC", "é"] {
        check(&format!("{version}-{IDS}-01"), Err(Error::Version));
    }
}

#[test]
fn a_higher_version_is_read_by_what_it_shares_with_00() {
    let known = format!("00-{IDS}-01");
    check(&format!("cc-{IDS}-01"), Ok(&known));
    check(&format!("fe-{IDS}-01-"), Ok(&known));
    check(&format!("cc-{IDS}-01-what-the-future-will-be-like"), Ok(&known));
    check(&format!("01-{IDS}-01-é"), Ok(&known));
    check(&format!("cc-{IDS}-01.what-the-future-will-be-like"), Err(Error::Dash));
    check(&format!("cc-{IDS}-011"), Err(Error::Dash));
}

#[test]
fn ids_are_lowercase_hex_and_not_zero() {
    let check_ids = |ids: &str, error| check(&format!("00-{ids}-01"), Err(error));
    check_ids("00000000000000000000000000000000-00f067aa0ba902b7", Error::TraceId);
    check_ids("4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7", Error::TraceId);
    check_ids(".bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", Error::TraceId);
    check_ids("4bf92f3577b34da6a3ce929d0e0e473+-00f067aa0ba902b7", Error::TraceId);
    check_ids("4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000", Error::SpanId);
    check_ids("4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7", Error::SpanId);
    check_ids("4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b.", Error::SpanId);
}

#[test]
fn only_known_flags_are_kept() {
    check(&format!("00-{IDS}-02"), Ok(&format!("00-{IDS}-02")));
    check(&format!("00-{IDS}-ff"), Ok(&format!("00-{IDS}-03")));
    check(&format!("cc-{IDS}-09"), Ok(&format!("00-{IDS}-01")));
    check(&format!("00-{IDS}-.0"), Err(Error::Flags));
    check(&format!("00-{IDS}-0F"), Err(Error::Flags));
}

#[test]
fn a_request_has_at_most_one() {
    let header = format!("00-{IDS}-01");
    let parent = TraceParent::parse(&header).unwrap();
    assert_eq!(TraceParent::from_headers([]), Ok(None));
    assert_eq!(TraceParent::from_headers([&*format!(" \t{header}\t ")]), Ok(Some(parent)));
    assert_eq!(TraceParent::from_headers([&*header, &*header]), Err(Error::Repeated));
}

#[test]
fn printing_needs_no_allocator() {
    // The compiler evaluates this, and it has no allocator.
    const PRINTED: [u8; 55] = match (TraceId::new(10), SpanId::new(11)) {
        (Some(trace_id), Some(span_id)) => {
            TraceParent { trace_id, span_id, flags: TraceFlags::SAMPLED }.to_bytes()
        }
        _ => panic!(),
    };
    assert_eq!(PRINTED, *b"00-0000000000000000000000000000000a-000000000000000b-01");
}

#[test]
fn a_span_context_keeps_its_parts() {
    let parent = TraceParent::parse(&format!("00-{IDS}-01")).unwrap();
    let context = parent.with_state(TraceState::parse("rojo=1").unwrap());
    assert_eq!(context.state.get("rojo"), Some("1"));
    assert_eq!(TraceParent::from(&context), parent);
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        asserted::traceparent(&bytes);
    }

    #[test]
    fn almost_valid(text in "(00|cc|[0-9a-g]{2})-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-fA]{2}(-.{0,9})?") {
        asserted::traceparent(text.as_bytes());
    }

    #[test]
    fn what_is_printed_reads_back(trace in 1u128.., span in 1u64.., flags in 0..4u8) {
        let (trace_id, span_id) = (TraceId::new(trace).unwrap(), SpanId::new(span).unwrap());
        let parent = TraceParent { trace_id, span_id, flags: TraceFlags(flags) };
        prop_assert_eq!(TraceParent::parse(&parent.to_string()), Ok(parent));
    }
}
