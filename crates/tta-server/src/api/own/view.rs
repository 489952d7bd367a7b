//! What traces show: critical path, flame graph, comparison.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tta_model::TraceId;
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use super::params::{Asked, Named, limit, no_trace, times, trace_id};
use crate::analysis::{self, Side, Trace};
use crate::api::ApiState;
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, Reader, SpanQuery};

const DEFAULT_LIMIT: usize = 100;
const MOST: usize = 1_000;

fn read_trace(reader: &Reader, id: TraceId) -> Result<(Trace, usize), ApiError> {
    let trace = Trace::of_outline(read::outline(reader, id)?);
    let root = trace.root().ok_or_else(|| no_trace(&id.to_string()))?;
    Ok((trace, root))
}

/// What made a trace take as long as it took: segments that do not overlap and fill the root. The arrays have one entry for each
/// segment, in order of time.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct CriticalPath {
    trace_id: String,
    /// The place of the root among the spans of the trace.
    root: usize,
    /// How long the root took.
    duration_nanos: u64,
    /// The place of the span that was waited for.
    span: Vec<usize>,
    /// The start of the segment, from the start of the trace.
    start_nanos: Vec<u64>,
    /// The length of the segment.
    segment_nanos: Vec<u64>,
}

/// Shows the critical path of a trace.
#[utoipa::path(get, path = "/traces/{trace_id}/critical-path", tag = "traces", params(
    ("trace_id" = String, Path, description = "Its hexadecimal digits, 32 or fewer.", pattern = "^[0-9a-fA-F]{1,32}$", example = "00000000000000000000000000000001"),
), responses(
    (status = 200, body = CriticalPath),
    (status = 400, description = "The id is none.", body = ErrorBody),
    (status = 404, description = "Nothing of it is stored.", body = ErrorBody),
))]
pub(super) async fn critical_path(
    State(state): State<ApiState>,
    Named(id): Named<TraceId>,
) -> Result<Response, ApiError> {
    state
        .json(move |reader| {
            let (trace, root) = read_trace(reader, id)?;
            let (start, _) = trace.times();
            let duration_nanos = trace.spans[root].duration();
            let mut path =
                CriticalPath { trace_id: id.to_string(), root, duration_nanos, ..CriticalPath::default() };
            for segment in analysis::critical_path(&trace, root) {
                path.span.push(segment.span);
                path.start_nanos.push(segment.start - start);
                path.segment_nanos.push(segment.end - segment.start);
            }
            Ok(path)
        })
        .await
}

/// A flame graph. The arrays in `frames` have one entry for each frame, which comes after the one that it lies in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FlameGraph {
    /// How many traces it is made of.
    traces: usize,
    /// The texts that numbers of services and names stand for.
    services: Vec<String>,
    names: Vec<String>,
    frames: FrameColumns,
    /// The `cursor` of the traces that follow; null if these are all.
    next: Option<String>,
}

/// The frames, by columns.
#[derive(Debug, Default, Serialize, ToSchema)]
struct FrameColumns {
    /// The place of the frame that it lies in, or -1.
    parent: Vec<i64>,
    service: Vec<u32>,
    name: Vec<u32>,
    /// How many spans.
    count: Vec<u64>,
    /// How many of them failed.
    errors: Vec<u64>,
    /// How long they took, added up.
    duration_nanos: Vec<u64>,
    /// How much of that no child was at work.
    own_nanos: Vec<u64>,
    /// The own time of the frame and of those in it: its width.
    total_nanos: Vec<u64>,
}

fn graph(flame: analysis::Flame, traces: usize, next: Option<String>) -> FlameGraph {
    let mut frames = FrameColumns::default();
    for frame in &flame.frames {
        frames.parent.push(place(frame.parent));
        frames.service.push(frame.service);
        frames.name.push(frame.name);
        frames.count.push(frame.count);
        frames.errors.push(frame.errors);
        frames.duration_nanos.push(frame.duration);
        frames.own_nanos.push(frame.own);
        frames.total_nanos.push(frame.total);
    }
    FlameGraph { traces, services: flame.services, names: flame.names, frames, next }
}

fn place(parent: Option<usize>) -> i64 {
    parent.map_or(-1, |parent| parent as i64)
}

/// Shows the flame graph of a trace.
#[utoipa::path(get, path = "/traces/{trace_id}/flame", tag = "traces", params(
    ("trace_id" = String, Path, description = "Its hexadecimal digits, 32 or fewer.", pattern = "^[0-9a-fA-F]{1,32}$", example = "00000000000000000000000000000001"),
), responses(
    (status = 200, body = FlameGraph),
    (status = 400, description = "The id is none.", body = ErrorBody),
    (status = 404, description = "Nothing of it is stored.", body = ErrorBody),
))]
pub(super) async fn flame_of_trace(
    State(state): State<ApiState>,
    Named(id): Named<TraceId>,
) -> Result<Response, ApiError> {
    state.json(move |reader| Ok(graph(analysis::flame([read_trace(reader, id)?.0]), 1, None))).await
}

/// Which traces are summed up.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FlameParams {
    /// The workflow.
    workflow: String,
    /// From this time on, in nanoseconds since 1970.
    start: Option<i64>,
    /// Up to this time, in nanoseconds since 1970.
    end: Option<i64>,
    /// How many traces at most, the latest first: 1 to 1,000, or else 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next` of the traces before.
    cursor: Option<String>,
}

/// Shows the flame graph of the latest runs of a workflow, summed up by the path of names.
#[utoipa::path(get, path = "/flame", tag = "traces", params(FlameParams), responses(
    (status = 200, body = FlameGraph),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
))]
pub(super) async fn flame(
    State(state): State<ApiState>,
    Asked(params): Asked<FlameParams>,
) -> Result<Response, ApiError> {
    let from = params.cursor.as_deref().map(cursor::read_traces).transpose()?;
    let query = SpanQuery {
        times: times(params.start, params.end)?,
        limit: limit(params.limit, DEFAULT_LIMIT, MOST)?,
        workflow: Some(params.workflow),
        ..SpanQuery::default()
    };
    state
        .json(move |reader| {
            let page = read::traces(reader, &query, from.as_ref())?;
            let mut failed = None;
            // One after the other, so that only one of them is in memory.
            let traces = page.traces.iter().map_while(|id| match read::outline(reader, *id) {
                Ok(outline) => Some(Trace::of_outline(outline)),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            });
            let flame = analysis::flame(traces);
            match failed {
                Some(error) => Err(error.into()),
                None => Ok(graph(flame, page.traces.len(), page.next.as_ref().map(cursor::write_traces))),
            }
        })
        .await
}

/// Which traces are compared.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CompareParams {
    /// The first trace.
    #[param(pattern = "^[0-9a-fA-F]{1,32}$", example = "00000000000000000000000000000001")]
    a: String,
    /// The second trace.
    #[param(pattern = "^[0-9a-fA-F]{1,32}$", example = "00000000000000000000000000000001")]
    b: String,
}

/// Two traces beside each other, their spans by the path of names. A path with a `count` of 0 is only in the other trace.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Compared {
    /// The texts that numbers of services and names stand for.
    services: Vec<String>,
    names: Vec<String>,
    /// The place of the path that it lies in, or -1. This array and those that follow have one entry for each path.
    parent: Vec<i64>,
    service: Vec<u32>,
    name: Vec<u32>,
    a: SideColumns,
    b: SideColumns,
}

/// What one trace has at each path.
#[derive(Debug, Default, Serialize, ToSchema)]
struct SideColumns {
    count: Vec<u64>,
    errors: Vec<u64>,
    duration_nanos: Vec<u64>,
    own_nanos: Vec<u64>,
}

impl SideColumns {
    fn push(&mut self, side: &Side) {
        self.count.push(side.count);
        self.errors.push(side.errors);
        self.duration_nanos.push(side.duration);
        self.own_nanos.push(side.own);
    }
}

/// Compares two traces.
#[utoipa::path(get, path = "/compare", tag = "traces", params(CompareParams), responses(
    (status = 200, body = Compared),
    (status = 400, description = "An id is none.", body = ErrorBody),
    (status = 404, description = "Nothing of one of them is stored.", body = ErrorBody),
))]
pub(super) async fn compare(
    State(state): State<ApiState>,
    Asked(params): Asked<CompareParams>,
) -> Result<Response, ApiError> {
    let (a, b) = (trace_id("a", &params.a)?, trace_id("b", &params.b)?);
    state
        .json(move |reader| {
            let found = analysis::compare(&read_trace(reader, a)?.0, &read_trace(reader, b)?.0);
            let mut compared = Compared {
                services: found.services,
                names: found.names,
                parent: found.pairs.iter().map(|pair| place(pair.parent)).collect(),
                service: found.pairs.iter().map(|pair| pair.service).collect(),
                name: found.pairs.iter().map(|pair| pair.name).collect(),
                a: SideColumns::default(),
                b: SideColumns::default(),
            };
            for pair in &found.pairs {
                compared.a.push(&pair.a);
                compared.b.push(&pair.b);
            }
            Ok(compared)
        })
        .await
}
