//! Trace and baggage go in and out of any carrier, and broken headers count as absent.

use std::collections::{BTreeMap, HashMap};

use tta_model::w3c::{
    Baggage, Environment, Extract, Extracted, Inject, TraceParent, TraceState, extract, inject,
};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Extracts from headers and prints what was found.
#[track_caller]
fn check(headers: &[(&str, &str)], expected: &str) {
    let Extracted { span, baggage, .. } = extract(headers);
    let span = span.map(|span| format!("{} [{}] ", TraceParent::from(&span), span.state));
    assert_eq!(span.unwrap_or_default() + &baggage.to_string(), expected, "{headers:?}");
}

#[test]
fn each_header_falls_alone_but_for_tracestate() {
    check(&[], "");
    check(&[("traceparent", PARENT)], &format!("{PARENT} [] "));
    check(
        &[("TraceParent", PARENT), ("TRACESTATE", "a=1"), ("tracestate", "b=2")],
        &format!("{PARENT} [a=1,b=2] "),
    );
    check(
        &[("traceparent", PARENT), ("tracestate", "a=1,a"), ("baggage", "k=v")],
        &format!("{PARENT} [] k=v"),
    );
    check(&[("traceparent", "00-0"), ("tracestate", "a=1"), ("baggage", "k=v")], "k=v");
    check(&[("traceparent", PARENT), ("Traceparent", PARENT), ("tracestate", "a=1")], "");
    check(&[("trace-parent", PARENT), ("trace.state", "a=1")], "");
    check(&[("tracestate", "a=1"), ("Baggage", "k=v"), ("baggage", "l=w")], "k=v,l=w");
}

/// Injects into a carrier that holds the headers of an earlier request, and extracts again.
#[track_caller]
fn round_trip<C: Extract + Inject>(mut carrier: C, stale: &[(&str, &str)]) {
    for (name, value) in stale {
        carrier.set(name, (*value).to_owned());
    }
    let state = TraceState::parse("a=1").unwrap();
    let span = TraceParent::parse(PARENT).unwrap().with_state(state);
    let (baggage, dropped) = Baggage::parse("k=v");
    inject(&span, &baggage, &mut carrier);
    assert_eq!(extract(&carrier), Extracted { span: Some(span.clone()), baggage, dropped });

    let bare = TraceParent::from(&span).with_state(TraceState::new());
    inject(&bare, &Baggage::new(), &mut carrier);
    assert_eq!(
        extract(&carrier),
        Extracted { span: Some(bare), ..Extracted::default() },
        "nothing stale is left"
    );
}

#[test]
fn what_is_injected_is_extracted() {
    let stale = [("Traceparent", "x"), ("TraceState", "old=1"), ("BAGGAGE", "old=1")];
    round_trip(Vec::new(), &stale);
    round_trip(HashMap::new(), &stale);
    round_trip(BTreeMap::new(), &stale);
}

#[test]
fn environment_variables_are_upper_case() {
    let span = TraceParent::parse(PARENT).unwrap().with_state(TraceState::parse("a=1").unwrap());
    let mut variables: Vec<(String, String)> = Vec::new();
    inject(&span, &Baggage::parse("k=v").0, &mut Environment(&mut variables));
    let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["TRACEPARENT", "TRACESTATE", "BAGGAGE"]);
    assert_eq!(extract(&variables).span, Some(span));
}

#[test]
fn a_long_tracestate_is_cut_on_the_way_out() {
    let members: Vec<String> = (0..20).map(|n| format!("k{n}={}", "v".repeat(40))).collect();
    let state = TraceState::parse(&members.join(",")).unwrap();
    let mut headers = BTreeMap::new();
    inject(&TraceParent::parse(PARENT).unwrap().with_state(state), &Baggage::new(), &mut headers);
    assert_eq!(headers["tracestate"], members[..11].join(","));
}
