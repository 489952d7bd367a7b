//! What traces are about, as a list shows them.

use tta_model::TraceId;

use super::outline::{Draft, Outline};
use super::{ReadError, Reader};
use crate::analysis::Trace;
use crate::wire::span::ERROR;

/// What a trace is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSummary {
    /// The trace.
    pub trace_id: TraceId,
    /// The service of the root, or else of the first span.
    pub service: String,
    /// The name of the root, or else of the first span.
    pub name: String,
    /// The workflow; empty if no span names one.
    pub workflow: String,
    /// The status of the root, or else of the first span, by OTLP's numbers.
    pub status: u8,
    /// The start of the earliest span, in nanoseconds since 1970.
    pub start_unix_nanos: u64,
    /// From there to the end of the last span.
    pub duration_nanos: u64,
    /// How many spans it has; zero if none of them is stored, or can be read.
    pub spans: usize,
    /// How many of them failed.
    pub errors: usize,
    /// What each service has of it, in the order in which they begin.
    pub services: Vec<ServiceShare>,
}

/// What a service has of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceShare {
    /// The service.
    pub name: String,
    /// How many spans are its.
    pub spans: usize,
    /// How many of them failed.
    pub errors: usize,
}

/// Sums up a trace; none if no span of it is stored.
///
/// # Errors
///
/// When the files cannot be read.
pub fn summary(reader: &Reader, id: TraceId) -> Result<Option<TraceSummary>, ReadError> {
    Ok(summaries(reader, &[id])?.pop().filter(|summary| summary.spans > 0))
}

/// Sums up traces, in the order of their ids. All are as of one moment in each file, and one is in memory at a time.
///
/// # Errors
///
/// When the files cannot be read.
///
/// # Cost
///
/// That of an [`outline`](super::outline()) each.
pub fn summaries(reader: &Reader, ids: &[TraceId]) -> Result<Vec<TraceSummary>, ReadError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let segments = reader.shared.segments();
    let mut snapshots = Vec::with_capacity(segments.len());
    for segment in &segments {
        snapshots.extend(reader.snapshot(segment)?);
    }
    let mut summaries = Vec::with_capacity(ids.len());
    for id in ids {
        let mut draft = Draft::default();
        for snapshot in &snapshots {
            let answer = draft.read(snapshot, *id);
            reader.tolerate(&snapshot.segment, answer)?;
        }
        summaries.push(sum_up(*id, draft.finish()));
    }
    Ok(summaries)
}

fn sum_up(trace_id: TraceId, outline: Outline) -> TraceSummary {
    let workflow = outline.workflow.clone();
    let trace = Trace::of_outline(outline);
    let root = trace.root().map(|root| trace.spans[root]).unwrap_or_default();
    let (start, end) = trace.times();
    let share = |name: &String| ServiceShare { name: name.clone(), spans: 0, errors: 0 };
    let mut services: Vec<ServiceShare> = trace.services.iter().map(share).collect();
    for span in &trace.spans {
        let share = &mut services[span.service as usize];
        share.spans += 1;
        share.errors += usize::from(span.status == ERROR);
    }
    TraceSummary {
        trace_id,
        service: trace.service(&root).to_owned(),
        name: trace.name(&root).to_owned(),
        workflow,
        status: root.status,
        start_unix_nanos: start,
        duration_nanos: end - start,
        spans: trace.spans.len(),
        errors: services.iter().map(|share| share.errors).sum(),
        services,
    }
}
