//! Our own API, under `/api/tta/v1`.
//!
//! Its units are in its names, everywhere: what ends in `_unix_nanos` is a time, in nanoseconds since 1970, as a text, because
//! JavaScript's numbers end before; what ends in `_nanos` is a length of time in nanoseconds, as a number, which is exact up to 104
//! days. What is too much for one answer comes in pages: `next` is the `cursor` of the next one, and null after the last.

mod columns;
mod cost;
mod cursor;
mod detail;
mod feed;
mod logs;
mod map;
mod names;
mod params;
mod red;
mod search;
mod slo;
mod stats;
mod view;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::status::ApiError;
use super::{ApiState, json_response, to_json};

/// Where the API is.
const ROOT: &str = "/api/tta/v1";

fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(search::search))
        .routes(routes!(columns::trace))
        .routes(routes!(detail::span_detail))
        .routes(routes!(view::critical_path))
        .routes(routes!(view::flame_of_trace))
        .routes(routes!(view::flame))
        .routes(routes!(view::compare))
        .routes(routes!(names::services))
        .routes(routes!(names::primitives))
        .routes(routes!(red::red))
        .routes(routes!(red::heatmap))
        .routes(routes!(map::map))
        .routes(routes!(cost::cost))
        .routes(routes!(slo::slo))
        .routes(routes!(logs::logs))
        .routes(routes!(stats::stats))
        .routes(routes!(feed::live))
}

/// The routes under `/api/tta/v1`.
pub(super) fn router() -> Router<ApiState> {
    let routes = Router::from(routes())
        .route("/openapi.json", get(document))
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::NoMethod);
    Router::new().nest(ROOT, routes)
}

/// The description of the API, made from its code.
#[must_use]
pub fn openapi() -> OpenApi {
    let info = InfoBuilder::new()
        .title("TTA")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "What the server of TTA stores: traces, what they show, rates, costs and log records.\n\nNames that end in `_unix_nanos` are times, in nanoseconds since 1970, as texts; names that end in `_nanos` are lengths of time in nanoseconds. Times in a query are in nanoseconds since 1970, and durations as in `1.5s` or `20ms`. An answer with `next` that is not null has more: ask again with `cursor` set to it.",
        ))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
        .build();
    let document = OpenApiBuilder::new().info(info).build();
    let (_, document) = OpenApiRouter::with_openapi(document).nest(ROOT, routes()).split_for_parts();
    document
}

async fn document() -> Result<Response, ApiError> {
    Ok(json_response(to_json(&openapi())?))
}
