//! Every carrier gives back what it was given.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;

use tta_observability::propagation::{
    CommandEnvironment, Extract, Inject, MessageHeaders, extract_trace_context, inject_baggage,
    inject_trace_context,
};
use tta_primitives::WorkflowContext;

use super::{TRACE, TRACEPARENT, received};

/// Checks that a context arrives whole.
fn check(cx: &WorkflowContext) {
    assert_eq!(cx.trace_id().expect("a trace").to_string(), TRACE);
    assert_eq!(cx.span_context(), received().span_context());
    assert_eq!(cx.baggage().to_string(), "a=1;p");
}

fn inject(carrier: &mut impl Inject) {
    inject_trace_context(&received(), carrier);
    inject_baggage(&received(), carrier);
}

#[test]
fn maps_and_lists_of_text() {
    let mut map = BTreeMap::new();
    inject(&mut map);
    check(&extract_trace_context(&map).build());
    let mut map = HashMap::new();
    inject(&mut map);
    check(&extract_trace_context(&map).build());
    let mut list = Vec::new();
    inject(&mut list);
    check(&extract_trace_context(&list).build());
}

#[test]
fn headers_of_messages() {
    let mut headers = vec![("TraceState".to_owned(), b"old=1".to_vec()), ("x".to_owned(), vec![0xff])];
    inject(&mut MessageHeaders(&mut headers));
    assert_eq!(headers.len(), 4, "what was there is replaced: {headers:?}");
    check(&extract_trace_context(&MessageHeaders(&headers)).build());
    check(&extract_trace_context(&MessageHeaders(&headers[..])).build());
}

#[test]
fn a_value_that_is_no_text_is_there_and_malformed() {
    let parent = ("traceparent".to_owned(), TRACEPARENT.as_bytes().to_vec());
    let twice = [parent.clone(), ("traceparent".to_owned(), vec![0xff])];
    assert_eq!(extract_trace_context(&MessageHeaders(&twice[..])).build().span_context(), None);
    let state = |value: &[u8]| ("tracestate".to_owned(), value.to_vec());
    let cx =
        extract_trace_context(&MessageHeaders(&[parent, state(b"foo=1"), state(b"bar=\xff")][..])).build();
    assert_eq!((cx.trace_id().unwrap().to_string(), cx.trace_state().len()), (TRACE.to_owned(), 0));
}

#[test]
fn the_environment_of_another_process() {
    let mut command = Command::new("convert");
    inject(&mut CommandEnvironment(&mut command));
    let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
    let set: Vec<_> =
        command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?)))).collect();
    let names: Vec<_> = set.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["BAGGAGE", "TRACEPARENT", "TRACESTATE"]);
    check(&extract_trace_context(&set).build());
    // What this process has is not handed on by chance.
    inject_trace_context(&WorkflowContext::new(), &mut CommandEnvironment(&mut command));
    assert!(command.get_envs().any(|(name, value)| name == "BAGGAGE" && value.is_none()));
}

#[test]
fn trace_context_alone_takes_no_baggage_along() {
    let mut headers =
        vec![("baggage".to_owned(), "old=1".to_owned()), ("Baggage".to_owned(), "b=2".to_owned())];
    inject_trace_context(&received(), &mut headers);
    assert_eq!(headers.values("traceparent").collect::<Vec<_>>(), [TRACEPARENT]);
    assert_eq!(headers.values("tracestate").collect::<Vec<_>>(), ["foo=1"]);
    assert_eq!(headers.values("baggage").count(), 0);
}

#[cfg(feature = "http")]
#[test]
fn headers_of_http() {
    use http::HeaderMap;
    use tta_observability::propagation::Headers;

    let mut headers = HeaderMap::new();
    headers.append("tracestate", "old=1".parse().unwrap());
    headers.append("tracestate", "old=2".parse().unwrap());
    inject(&mut Headers(&mut headers));
    assert_eq!(headers.len(), 3);
    check(&extract_trace_context(&Headers(&headers)).build());
    headers.append("tracestate", "bar=2".parse().unwrap());
    headers.append("baggage", "b=2".parse().unwrap());
    let cx = extract_trace_context(&Headers(&headers)).build();
    assert_eq!((cx.trace_state().as_str(), cx.baggage().to_string().as_str()), ("foo=1,bar=2", "a=1;p,b=2"));
    headers.append("traceparent", TRACEPARENT.parse().unwrap());
    assert_eq!(extract_trace_context(&Headers(&headers)).build().span_context(), None);
    // What HTTP cannot carry is not carried, and what was there is gone.
    Headers(&mut headers).set("traceparent", "a\nb".to_owned());
    assert!(!headers.contains_key("traceparent"));
}
