//! `tracestate` is read, changed and printed by W3C Trace Context level 2.

use proptest::prelude::*;
use tta_model::w3c::{MAX_ADJUSTED_COUNT, TraceState, TraceStateError as Error};

use crate::asserted;

#[track_caller]
fn check(input: &str, expected: Result<&str, Error>) {
    let state = TraceState::from_headers(input.split('\n'));
    assert_eq!(state.as_ref().map(TraceState::as_str).map_err(|error| *error), expected, "{input}");
}

fn numbered(count: usize) -> String {
    let members: Vec<String> = (0..count).map(|number| format!("k{number}=v")).collect();
    members.join(",")
}

#[test]
fn headers_are_combined_in_order() {
    check("foo=1,bar=2", Ok("foo=1,bar=2"));
    check("foo=1,bar=2\nrojo=1,congo=2\nbaz=3", Ok("foo=1,bar=2,rojo=1,congo=2,baz=3"));
}

#[test]
fn empty_members_and_white_space_are_left_out() {
    check("", Ok(""));
    check(" ,\t,", Ok(""));
    check("foo=1\n\n,bar=2,", Ok("foo=1,bar=2"));
    check("\t foo=1 \t , \t bar=2, \t baz=3\t", Ok("foo=1,bar=2,baz=3"));
}

#[test]
fn keys_follow_level_2() {
    for key in ["a", "0", "9foo", "t@s", "fw529a3039@dt", "a-_*/@z", "foo@", "f@@o", &*"z".repeat(256)] {
        check(&format!("{key}=1"), Ok(&format!("{key}=1")));
    }
    for key in ["", "@foo", "_a", "-a", "*a", "/a", "FOO", "foo.bar", "foo ", "fo o", "é", &*"z".repeat(257)]
    {
        check(&format!("{key}=1,bar=2"), Err(Error::Key));
    }
    check("foo", Err(Error::Key));
}

#[test]
fn values_are_printable_without_comma_and_equals_sign() {
    let all: String = (' '..='~').filter(|char| !",=".contains(*char)).collect();
    check(&format!("foo={all}"), Ok(&format!("foo={all}")));
    check("foo=  a b  ", Ok("foo=  a b"));
    check(&format!("foo={}", "v".repeat(256)), Ok(&format!("foo={}", "v".repeat(256))));
    for value in ["", " ", "a=b", "a\u{7f}", "a\tb", "é", &*"v".repeat(257)] {
        check(&format!("foo={value},bar=2"), Err(Error::Value));
    }
}

#[test]
fn of_a_duplicate_key_the_first_member_stays() {
    check("foo=1,foo=1", Ok("foo=1"));
    check("foo=1\nbar=1,foo=2", Ok("foo=1,bar=1"));
}

#[test]
fn there_are_at_most_32_members() {
    check(&numbered(32), Ok(&numbered(32)));
    check(&format!("{},,", numbered(32)), Ok(&numbered(32)));
    check(&numbered(33), Err(Error::Members));
}

#[test]
fn a_change_moves_to_the_front() {
    let mut state = TraceState::parse("foo=1,bar=2,baz=3").unwrap();
    state.insert("bar", "4").unwrap();
    assert_eq!(state.as_str(), "bar=4,foo=1,baz=3");
    state.insert("new", "5").unwrap();
    assert_eq!(state.as_str(), "new=5,bar=4,foo=1,baz=3");
    assert!(state.remove("foo") && !state.remove("foo"));
    assert_eq!(state.as_str(), "new=5,bar=4,baz=3");
    assert_eq!(state.insert("bar", "a,b"), Err(Error::Value));
    assert_eq!(state.as_str(), "new=5,bar=4,baz=3");

    let mut full = TraceState::parse(&numbered(32)).unwrap();
    full.insert("new", "1").unwrap();
    assert_eq!((full.len(), full.get("k31"), full.get("new")), (32, None, Some("1")));
}

#[test]
fn truncation_takes_long_members_first_and_then_the_end() {
    let long = |key: &str| format!("{key}={}", "v".repeat(150));
    let text = format!("a=1,{},b=2,{},c=3", long("x"), long("y"));
    let state = TraceState::parse(&text).unwrap();
    let check = |max, expected: &str| assert_eq!(state.truncated(max).as_str(), expected, "{max}");
    check(text.len(), &text);
    check(text.len() - 1, &format!("a=1,{},b=2,c=3", long("x")));
    check(100, "a=1,b=2,c=3");
    check(11, "a=1,b=2,c=3");
    check(10, "a=1,b=2");
    check(3, "a=1");
    check(2, "");
}

#[test]
fn open_telemetry_sub_keys_live_side_by_side() {
    let mut state = TraceState::parse("rojo=1,ot=p:8;th:c;rv:6e6d1a75832a2f").unwrap();
    assert_eq!(state.threshold(), Some(MAX_ADJUSTED_COUNT / 4 * 3));
    assert_eq!(state.randomness(), Some(0x6e6d1a75832a2f));
    state.set_threshold(Some(MAX_ADJUSTED_COUNT / 2)).unwrap();
    assert_eq!(state.as_str(), "ot=th:8;p:8;rv:6e6d1a75832a2f,rojo=1");
    state.set_threshold(Some(0)).unwrap();
    assert_eq!(state.get("ot"), Some("th:0;p:8;rv:6e6d1a75832a2f"));
    state.set_threshold(None).unwrap();
    state.set_randomness(Some(1)).unwrap();
    assert_eq!(state.get("ot"), Some("rv:00000000000001;p:8"));
    assert_eq!(state.set_threshold(Some(MAX_ADJUSTED_COUNT)), Err(Error::Value));

    let mut only = TraceState::new();
    only.set_threshold(Some(1)).unwrap();
    assert_eq!(only.as_str(), "ot=th:00000000000001");
    only.set_threshold(None).unwrap();
    assert!(only.is_empty());
}

#[test]
fn a_malformed_sub_key_counts_as_absent() {
    for value in ["th:", "th:C", "th:x", "th:000000000000001", "th", "xth:1", "p:8"] {
        let state = TraceState::parse(&format!("ot={value}")).unwrap();
        assert_eq!(state.threshold(), None, "{value}");
    }
    assert_eq!(TraceState::parse("ot=rv:123").unwrap().randomness(), None);
    let mut full = TraceState::parse(&format!("ot=p:{}", "8".repeat(254))).unwrap();
    assert_eq!(full.set_threshold(Some(0)), Err(Error::Value), "there is no room for another sub-key");
}

#[test]
fn an_empty_state_is_free_and_a_clone_is_shared() {
    const EMPTY: TraceState = TraceState::new();
    assert_eq!(EMPTY, TraceState::default());
    let state = TraceState::parse("foo=1").unwrap();
    assert_eq!(state.as_str().as_ptr(), state.clone().as_str().as_ptr());
}

#[test]
fn it_is_serialised_as_the_header() {
    let state = TraceState::parse("foo=1, bar=2").unwrap();
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(json, r#""foo=1,bar=2""#);
    assert_eq!(serde_json::from_str::<TraceState>(&json).unwrap(), state);
    assert!(serde_json::from_str::<TraceState>(r#""foo""#).is_err());
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        asserted::tracestate(&bytes);
    }

    #[test]
    fn almost_valid(text in "([a-z][a-z0-9@*]{0,9}=[ -+a-z:;.]{0,200}[ ]?,){0,34}(ot=(th:[0-9a-f]{0,15};?)?(rv:[0-9a-f]{14})?)?") {
        asserted::tracestate(text.as_bytes());
    }
}
