//! The workflow of the demo.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tta::llm::{ChatRequest, ChatResponse, Llm};
use tta::observe::Event;
use tta::slo::{Objective, Slo, SloError, Target};
use tta::testkit::Chaos;
use tta::{
    Cache, Description, Error, ErrorKind, Flow, Primitive, Result, Retry, Role, WorkflowContext, step,
};

use tta_model::Text;

use super::document::{Document, Limits, RawDocument, validate};
use super::text::{Report, Summary, aggregate, keywords, prompt, read, statistics};

/// The name of the workflow.
pub(super) const NAME: Text = Text::Static("document");
/// How long a report may take to be a quick one.
const SOON: Duration = Duration::from_secs(5);
/// The window of the objectives: a demo is watched for minutes, not for days.
const HOUR: Duration = Duration::from_secs(3_600);
/// How many keywords a report has at most.
const KEYWORDS: usize = 8;
/// How often a summary is tried at most.
const ATTEMPTS: u32 = 4;
/// How long the first wait between two attempts is at most.
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// How long a summary may take, all attempts included.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// How long a report is remembered.
const TIME_TO_LIVE: Duration = Duration::from_secs(600);
/// The name of the rule that documents must pass.
const RULE: Text = Text::Static("document");
/// Seeds the faults, so that two demos with the same rate meet the same ones.
const SEED: u64 = 7;

/// `validate >> cached( summarise.retry().timeout() | keywords | statistics ) >> aggregate`
pub(super) fn build(limits: Limits, chaos: f64, model: &Llm) -> Flow<RawDocument, Report> {
    let mut summary = Flow::new(Summarise { model: model.chat() });
    if chaos > 0.0 {
        summary = summary.chaos(Chaos::new(SEED).fail(chaos).kind(ErrorKind::Unavailable));
    }
    // The limit is outside of the retry: it holds for all attempts together.
    let summary = summary.retry(Retry::exponential(ATTEMPTS, FIRST_WAIT)).timeout(TIME_LIMIT);
    let terms = step("keywords", |document: Document| async move { Ok(keywords(&document, KEYWORDS)) });
    let counts = step("statistics", |document: Document| async move { Ok(statistics(&document)) });
    // Outside of everything that works on a document, so that a known one costs a look-up.
    let reports = Cache::new("documents", content_key).ttl(TIME_TO_LIVE).max_entries(10_000);
    let analysis = (summary | terms | counts).cached(&reports);
    let flow = Flow::new(Validate { limits })
        >> analysis
        >> step("aggregate", |(summary, terms, counts)| async move { Ok(aggregate(summary, terms, counts)) });
    flow.named(NAME)
}

/// What the demo promises of its workflow over an hour: nearly every document has a report, and soon.
pub(super) fn objectives() -> std::result::Result<[Slo; 2], SloError> {
    let target = || Target::Workflow(NAME);
    let soon = Objective::Latency { within: SOON };
    Ok([
        Slo::new("documents-succeed", target(), Objective::Availability, 0.99)?.over(HOUR)?,
        Slo::new("documents-are-quick", target(), soon, 0.95)?.over(HOUR)?,
    ])
}

/// Two documents with the same content share an entry, whatever their names.
fn content_key(document: &Document) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&document.blocks, document.size).hash(&mut hasher);
    hasher.finish()
}

/// Rejects documents that are empty, not text, or too large.
struct Validate {
    limits: Limits,
}

impl Primitive for Validate {
    type In = RawDocument;
    type Out = Document;

    async fn run(&self, raw: RawDocument, cx: &WorkflowContext) -> Result<Document> {
        let result = validate(&raw, &self.limits);
        let errors: Vec<Text> =
            result.as_ref().err().map(|error| error.to_string().into()).into_iter().collect();
        cx.emit(&Event::ValidationFinished { rule: &RULE, errors: &errors, warnings: &[] });
        result.map_err(|error| Error::with_source(ErrorKind::Invalid, error))
    }

    fn describe(&self) -> Description {
        Description::new("validate")
    }
}

/// Has a model summarise.
struct Summarise {
    model: Flow<ChatRequest, ChatResponse>,
}

impl Primitive for Summarise {
    type In = Document;
    type Out = Summary;

    async fn run(&self, document: Document, cx: &WorkflowContext) -> Result<Summary> {
        match prompt(&document) {
            Some(request) => Ok(read(&self.model.run(request, cx).await?)),
            None => Ok(Summary::default()),
        }
    }

    fn describe(&self) -> Description {
        Description::new("summarise").child(Role::Inner, &self.model)
    }
}
