//! Interceptors of tonic, on the metadata of requests.

use tonic::Request;
use tonic::service::Interceptor;
use tta_observability::propagation::{AllowedHosts, ExtractInterceptor, InjectInterceptor};
use tta_primitives::WorkflowContext;

use super::{TRACE, TRACEPARENT, received};

fn sent(interceptor: &mut InjectInterceptor, cx: Option<WorkflowContext>) -> Request<()> {
    let mut request = Request::new(());
    request.metadata_mut().insert("baggage", "old=1".parse().expect("a value"));
    if let Some(cx) = cx {
        request.extensions_mut().insert(cx);
    }
    interceptor.call(request).expect("it refuses nothing")
}

#[test]
fn a_trace_goes_on_from_client_to_server() {
    let allowed = AllowedHosts::of(["*.internal"]).unwrap();
    let mut client = InjectInterceptor::new().baggage_to("billing.internal", &allowed);
    let mut arrived = Request::new(());
    *arrived.metadata_mut() = sent(&mut client, Some(received())).metadata().clone();
    let handled = ExtractInterceptor.call(arrived).unwrap();
    let cx = handled.extensions().get::<WorkflowContext>().unwrap();
    assert_eq!(cx.span_context(), received().span_context());
    assert_eq!(cx.baggage().to_string(), "a=1;p");
}

#[test]
fn baggage_needs_a_host_that_is_allowed() {
    let allowed = AllowedHosts::of(["*.internal"]).unwrap();
    for mut interceptor in
        [InjectInterceptor::new(), InjectInterceptor::new().baggage_to("internal", &allowed)]
    {
        let request = sent(&mut interceptor, Some(received()));
        assert_eq!(request.metadata().get("baggage"), None);
        assert_eq!(request.metadata().get("traceparent").unwrap(), TRACEPARENT);
    }
    assert_eq!(sent(&mut InjectInterceptor::new(), None).metadata().len(), 0);
}

#[test]
fn malformed_metadata_counts_as_absent() {
    let mut request = Request::new(());
    request.metadata_mut().append("traceparent", TRACEPARENT.parse().unwrap());
    request
        .metadata_mut()
        .append("traceparent", TRACEPARENT.replace(TRACE, &TRACE.replace('9', "8")).parse().unwrap());
    let request = ExtractInterceptor.call(request).unwrap();
    assert_eq!(request.extensions().get::<WorkflowContext>().unwrap().span_context(), None);
}
