//! Runs the workflow over the documents: first all at full speed, then about one a second.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use tta::{Error, Flow, Result, WorkflowContext};

use super::corpus::DocumentSource;
use super::document::{Limits, RawDocument};
use super::text::Report;
use super::workflow;
use crate::stop::told_to_stop;

/// How many runs are under way at once.
const CONCURRENCY: usize = 8;
/// How long a live demo waits between two runs.
const LIVE_INTERVAL: Duration = Duration::from_secs(1);
/// How many different failures are told.
const TOLD_FAILURES: usize = 5;

/// What the runs came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    /// The first failures, each document once.
    pub(super) failures: Vec<Failure>,
    /// What the workflow made of each document.
    pub(super) reports: HashMap<String, Report>,
    pub(super) documents: usize,
    pub(super) took: Duration,
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Failure {
    pub(super) document: String,
    pub(super) kind: String,
    pub(super) error: String,
}

/// Runs a workflow over documents.
pub(super) struct Driver {
    workflow: Flow<RawDocument, Report>,
    sources: Arc<[DocumentSource]>,
    limits: Limits,
}

impl Driver {
    pub(super) fn new(
        workflow: Flow<RawDocument, Report>,
        sources: Vec<DocumentSource>,
        limits: Limits,
    ) -> Self {
        Self { workflow, sources: sources.into(), limits }
    }

    /// Runs so many documents, again from the first after the last.
    pub(super) async fn run_all(&self, runs: u64) -> Tally {
        let started = Instant::now();
        let mut tally = Tally { documents: self.sources.len(), ..Tally::default() };
        let mut results =
            futures::stream::iter(0..runs).map(|run| self.spawn(run)).buffer_unordered(CONCURRENCY);
        while let Some((document, result)) = results.next().await {
            tally.add(document, result);
        }
        tally.took = started.elapsed();
        tally
    }

    /// Runs about one document a second until Ctrl-C or a termination, and tells of each.
    ///
    /// # Errors
    /// If nobody reads any more what it tells.
    pub(super) async fn run_live(&self, mut after_each: impl FnMut()) -> io::Result<()> {
        let stop = told_to_stop();
        tokio::pin!(stop);
        let mut ticks = tokio::time::interval(LIVE_INTERVAL);
        for run in 0.. {
            tokio::select! {
                () = &mut stop => break,
                _ = ticks.tick() => {}
            }
            let started = Instant::now();
            let (document, result) = tokio::select! {
                () = &mut stop => break,
                ended = self.spawn(run) => ended,
            };
            let took = started.elapsed().as_secs_f64() * 1e3;
            match result {
                Ok(_) => writeln!(io::stdout(), "  success {took:>9.3} ms  {document}")?,
                Err(error) => writeln!(io::stdout(), "  error   {took:>9.3} ms  {document}: {error}")?,
            }
            after_each();
        }
        writeln!(io::stdout(), "Stopped.")
    }

    /// Runs one document as a task, so that several use all cores.
    async fn spawn(&self, run: u64) -> (String, Result<Report>) {
        let source = self.sources[usize::try_from(run).unwrap_or(0) % self.sources.len()].clone();
        let document = source.name.clone();
        let (flow, limits) = (self.workflow.clone(), self.limits);
        let task = tokio::spawn(async move {
            let raw = load(source, limits).await?;
            let cx = WorkflowContext::builder()
                .workflow_name(workflow::NAME)
                .tag("document", raw.name.clone())
                .build();
            flow.run(raw, &cx).await
        });
        (document, task.await.unwrap_or_else(|join| Err(join.into())))
    }
}

/// Reads a document where reading may wait.
async fn load(source: DocumentSource, limits: Limits) -> Result<RawDocument> {
    let name = source.name.clone();
    let read: io::Result<RawDocument> = tokio::task::spawn_blocking(move || source.load(&limits)).await?;
    read.map_err(|error| {
        Error::from(error).context(format_args!("cannot read {name}, check its permissions"))
    })
}

impl Tally {
    fn add(&mut self, document: String, result: Result<Report>) {
        self.runs += 1;
        let error = match result {
            Ok(report) => {
                self.succeeded += 1;
                self.reports.entry(document).or_insert(report);
                return;
            }
            Err(error) => error,
        };
        self.failed += 1;
        let is_told = self.failures.iter().any(|told| told.document == document);
        if !is_told && self.failures.len() < TOLD_FAILURES {
            let (kind, error) = (error.kind().to_string(), error.to_string());
            self.failures.push(Failure { document, kind, error });
        }
    }
}
