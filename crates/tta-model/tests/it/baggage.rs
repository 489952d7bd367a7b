//! `baggage` is read, changed and printed by W3C Baggage.

use proptest::prelude::*;
use tta_model::w3c::{Baggage, BaggageError as Error, Dropped};

use crate::asserted;

/// Reads headers, one a line, and compares what is kept and how many members were dropped.
#[track_caller]
fn check(input: &str, printed: &str, (invalid, excess): (usize, usize)) {
    let (baggage, dropped) = Baggage::from_headers(input.split('\n'));
    assert_eq!((&*baggage.to_string(), dropped), (printed, Dropped { invalid, excess }), "{input}");
}

#[test]
fn members_have_a_name_a_value_and_properties() {
    check("", "", (0, 0));
    check("SomeKey=SomeValue", "SomeKey=SomeValue", (0, 0));
    check("a=,b=x=y==", "a=,b=x=y==", (0, 0));
    let text = "k1=v1;p1;p2,k2=v2;q=1;r=";
    check(text, text, (0, 0));
    let (baggage, _) = Baggage::parse("k=v;p;q=a%20b");
    let properties: Vec<_> = baggage.iter().flat_map(|member| member.properties()).collect();
    assert_eq!(properties, [("p", None), ("q", Some("a b".into()))]);
}

#[test]
fn white_space_and_empty_parts_are_left_out() {
    let spaced = "Key \t = \t Value \t ; \t Prop \t , \t Key2 \t = \t Value2 \t ; \t P \t = \t V \t";
    check(spaced, "Key=Value;Prop,Key2=Value2;P=V", (0, 0));
    check(",a=1, ,b=2;;p;,", "a=1,b=2;p", (0, 0));
}

#[test]
fn headers_are_combined_and_the_last_of_a_name_wins() {
    check(
        "userId =   alice\nserverNode = DF%2028, prod = false",
        "userId=alice,serverNode=DF%2028,prod=false",
        (0, 0),
    );
    check("a=1,b=2\na=3;p", "b=2,a=3;p", (0, 0));
    check("a=1,A=2", "a=1,A=2", (0, 0));
    check("a=1,a=b c", "a=1", (1, 0));
}

#[test]
fn members_outside_the_grammar_are_left_out() {
    for member in [
        "novalue",
        "=v",
        "k k=v",
        "ké=v",
        "k=a b",
        "k=é",
        "k=\"v\"",
        "k=a\\b",
        "k=v;p p",
        "k=v;=x",
        "k=v;p=a b",
    ] {
        check(&format!("a=1,{member},b=2"), "a=1,b=2", (1, 0));
    }
}

#[test]
fn values_are_percent_encoded() {
    let decoded = |text: &str, expected: &str| {
        let (baggage, _) = Baggage::parse(&format!("k={text}"));
        assert_eq!(baggage.get("k"), Some(expected), "{text}");
    };
    decoded("Am%C3%A9lie", "Amélie");
    decoded("Am%c3%a9lie", "Amélie");
    decoded("%09%20%22%27%3B%3Dasdf%21%40%23%24%25%5E%26%2A%28%29", "\t \"';=asdf!@#$%^&*()");
    decoded("a+b", "a+b");
    decoded("%ff%C3", "\u{fffd}\u{fffd}");
    decoded("100%,", "100%");
    decoded("%zz%4", "%zz%4");
    check("k=100%", "k=100%25", (0, 0));

    let mut baggage = Baggage::new();
    baggage.insert("k", "a b,c;d\\e\"f%20é\n").unwrap();
    assert_eq!(baggage.to_string(), "k=a%20b%2Cc%3Bd%5Ce%22f%2520%C3%A9%0A");
}

#[test]
fn there_are_at_most_64_members() {
    let numbered = |count| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    check(&numbered(64), &numbered(64), (0, 0));
    check(&numbered(70), &numbered(64), (0, 6));
    let (mut full, _) = Baggage::parse(&numbered(64));
    assert_eq!(full.insert("new", "v"), Err(Error::Full));
    assert_eq!(full.insert("k0", "w"), Ok(()), "replacing needs no room");
    assert_eq!((full.len(), full.get("k0")), (64, Some("w")));
}

#[test]
fn there_are_at_most_8192_bytes() {
    let whole = format!("a={}", "v".repeat(8190));
    check(&whole, &whole, (0, 0));
    check(&format!("{whole}v"), "", (0, 1));
    check(&format!("{whole},b="), &whole, (0, 1));
    // A member is dropped as a whole, and a smaller one after it still fits.
    let half = format!("a={}", "v".repeat(8000));
    check(&format!("{half},b={half},c=1"), &format!("{half},c=1"), (0, 1));
    // The size is that of what is sent, and not of what came.
    check(&format!("a={}", "%".repeat(8000)), "", (0, 1));

    let (mut full, _) = Baggage::parse(&whole);
    assert_eq!(full.insert("b", ""), Err(Error::Full));
    assert_eq!(full.to_string(), whole);
}

#[test]
fn members_can_be_set_and_removed() {
    let mut baggage = Baggage::new();
    assert!(baggage.is_empty() && !baggage.remove("a"));
    baggage.insert_with_properties("a", "1", " p ; q = 2").unwrap();
    baggage.insert("b", "2").unwrap();
    assert_eq!(baggage.to_string(), "a=1;p;q=2,b=2");
    baggage.insert("a", "3").unwrap();
    assert_eq!(baggage.to_string(), "a=3,b=2");
    assert_eq!(baggage.insert("a b", ""), Err(Error::Name));
    assert_eq!(baggage.insert("", ""), Err(Error::Name));
    assert_eq!(baggage.insert_with_properties("a", "", "é"), Err(Error::Properties));
    assert!(baggage.remove("a") && baggage.remove("b"));
    assert!(baggage.is_empty() && baggage == Baggage::default());
}

#[test]
fn a_change_to_a_clone_leaves_the_original_alone() {
    const EMPTY: Baggage = Baggage::new();
    let (original, _) = Baggage::parse("a=1");
    let mut copy = original.clone();
    assert_eq!(original.get("a").map(str::as_ptr), copy.get("a").map(str::as_ptr), "a clone is shared");
    copy.insert("a", "2").unwrap();
    assert_eq!((original.get("a"), copy.get("a"), EMPTY.get("a")), (Some("1"), Some("2"), None));
}

#[test]
fn debug_output_hides_the_values() {
    assert_eq!(format!("{:?}", Baggage::parse("user=alice,b=2").0), r#"Baggage{"user", "b"}"#);
}

#[test]
fn it_is_serialised_as_the_header() {
    let (baggage, _) = Baggage::parse("a=1;p,b=x%20y");
    let json = serde_json::to_string(&baggage).unwrap();
    assert_eq!(json, r#""a=1;p,b=x%20y""#);
    assert_eq!(serde_json::from_str::<Baggage>(&json).unwrap(), baggage);
    assert!(serde_json::from_str::<Baggage>(r#""a b""#).is_err());
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        asserted::baggage(&bytes);
    }

    #[test]
    fn almost_valid(text in "([a-zA-Z]{1,3}[ ]?=[ ]?[!-~]{0,40}(;[a-z]{0,3}(=[a-z%]{0,3})?){0,3}[,\n]){0,90}") {
        asserted::baggage(text.as_bytes());
    }

    #[test]
    fn any_value_reads_back(value in ".{0,200}") {
        let mut baggage = Baggage::new();
        baggage.insert("k", &value).unwrap();
        let (again, _) = Baggage::parse(&baggage.to_string());
        prop_assert_eq!(again.get("k"), Some(&*value));
    }
}
