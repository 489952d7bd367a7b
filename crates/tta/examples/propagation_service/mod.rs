//! The routes of the example, in a module of their own so that tests can serve them too.

use axum::http::{Request, StatusCode, header};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::Deserialize;
use tower::{Layer, ServiceExt, service_fn};
use tta::propagation::{AllowedHosts, ExtractLayer, InjectLayer};
use tta::{Flow, WorkflowContext, WorkflowContextBuilder, fan_out, step_with};

/// What to send to whom.
#[derive(Debug, Deserialize)]
struct Call {
    url: String,
    arguments: serde_json::Value,
}

/// Serves `POST /test`: a list of calls, all of which are made before it answers.
///
/// The contexts of requests begin as the argument says, and baggage goes to the given hosts.
pub(crate) fn router(
    hosts: AllowedHosts,
    contexts: impl Fn() -> WorkflowContextBuilder + Send + Sync + 'static,
) -> Result<Router, reqwest::Error> {
    // Redirects are not followed: they would take the baggage to hosts that may not have it.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let calls = fan_out(call(client, InjectLayer::new().baggage_to(hosts)));
    let handle = |Extension(cx): Extension<WorkflowContext>, Json(list): Json<Vec<Call>>| async move {
        match calls.run(list, &cx).await {
            Ok(_) => (StatusCode::OK, String::new()),
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
        }
    };
    Ok(Router::new().route("/test", post(handle)).layer(ExtractLayer::new().contexts(contexts)))
}

/// Makes one call. Each is a step with a span of its own, which is the parent that the callee sees.
fn call(client: reqwest::Client, inject: InjectLayer) -> Flow<Call, ()> {
    // reqwest's client takes requests of its own type, so it is made a service of the common one.
    let send = service_fn(move |request: Request<String>| {
        let client = client.clone();
        async move { client.execute(reqwest::Request::try_from(request)?).await }
    });
    let client = inject.layer(send);
    step_with("call", move |call: Call, cx: WorkflowContext| {
        let client = client.clone();
        async move {
            let request = Request::post(call.url)
                .header(header::CONTENT_TYPE, "application/json")
                .extension(cx)
                .body(call.arguments.to_string())?;
            client.oneshot(request).await?.error_for_status()?;
            Ok(())
        }
    })
}
