//! Records the spans of runs in memory and shows them as text.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tta_model::{ExecutionStatus, Key, SpanId, Text, TraceFlags, TraceId, Value};

use crate::context::WorkflowContext;
use crate::observe::{Event, NodeFinished, NodeStarted, Observation, Observer, RunDecision, RunStarted};
use crate::random;

/// An observer that keeps every span in memory.
///
/// ```
/// use tta_primitives::{step, testkit::Tape};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let tape = Tape::new();
/// let flow = step("add", |n: i32| async move { Ok(n + 1) }).named("adder");
/// flow.run(1, &tape.context()).await?;
/// assert_eq!(tape.tree(), "workflow.adder.execute\n  primitive.add.execute\n");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tape {
    spans: Arc<Mutex<Vec<TapeSpan>>>,
}

/// One recorded span.
#[derive(Clone, Debug)]
pub struct TapeSpan {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// Its parent.
    pub parent: Option<SpanId>,
    /// Its name.
    pub name: Text,
    /// The address of its node.
    pub path: Text,
    /// Its attributes, in the order in which they were set.
    pub attributes: Vec<(Key, Value)>,
    /// The events, as they are shown for debugging.
    pub events: Vec<String>,
    /// When it started, in ticks.
    pub start: u64,
    /// When it ended, in ticks, and how; none while it is open.
    pub end: Option<(u64, ExecutionStatus)>,
    /// The error that arose in it.
    pub exception: Option<String>,
}

impl TapeSpan {
    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// How it ended; none while it is open.
    #[must_use]
    pub fn status(&self) -> Option<ExecutionStatus> {
        self.end.map(|(_, status)| status)
    }
}

impl Tape {
    /// Makes an empty tape.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A context whose runs are recorded on this tape.
    #[must_use]
    pub fn context(&self) -> WorkflowContext {
        WorkflowContext::builder().observer(Arc::new(self.clone())).build()
    }

    /// All spans in the order in which they started.
    #[must_use]
    pub fn spans(&self) -> Vec<TapeSpan> {
        self.lock().clone()
    }

    /// The spans of a name in the order in which they started.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<TapeSpan> {
        self.lock().iter().filter(|span| span.name == name).cloned().collect()
    }

    /// How many spans have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lock().iter().filter(|span| span.end.is_none()).count()
    }

    /// The spans as an indented tree: a name a line, with the status unless it is `success`.
    #[must_use]
    pub fn tree(&self) -> String {
        self.tree_with(&[])
    }

    /// The tree, with the values of some attributes on each line.
    #[must_use]
    pub fn tree_with(&self, keys: &[&str]) -> String {
        let spans = self.lock();
        let is_known = |id: SpanId| spans.iter().any(|span| span.span_id == id);
        let mut tree = String::new();
        for root in spans.iter().filter(|span| !span.parent.is_some_and(is_known)) {
            write_span(&mut tree, &spans, root, 0, keys);
        }
        tree
    }

    /// Asserts that the spans are these, as an indented tree. The indentation that all lines of the expected tree
    /// have in common does not count, nor do empty lines before and after it.
    ///
    /// # Panics
    /// If they are not, with both trees; or if the spans do not [fit together](Self::check).
    #[track_caller]
    pub fn assert_tree(&self, expected: &str) {
        let (expected, tree) = (unindented(expected), self.tree());
        assert!(tree == expected, "the spans are\n{tree}\nand should be\n{expected}");
        let violations = self.check();
        assert!(violations.is_empty(), "the spans are as expected but do not fit together: {violations:#?}");
    }

    fn lock(&self) -> MutexGuard<'_, Vec<TapeSpan>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unindented(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let common = lines.iter().map(indent).min().unwrap_or(0);
    lines.iter().map(|line| format!("{}\n", line[common..].trim_end())).collect()
}

fn write_span(tree: &mut String, spans: &[TapeSpan], span: &TapeSpan, depth: usize, keys: &[&str]) {
    let _ = write!(tree, "{:indent$}{}", "", span.name, indent = depth * 2);
    match span.status() {
        Some(ExecutionStatus::Success) => {}
        Some(status) => {
            let _ = write!(tree, " [{status}]");
        }
        None => tree.push_str(" [open]"),
    }
    for key in keys {
        if let Some(value) = span.attribute(key) {
            let _ = write!(tree, " {key}={value}");
        }
    }
    tree.push('\n');
    for child in spans.iter().filter(|child| child.parent == Some(span.span_id)) {
        write_span(tree, spans, child, depth + 1, keys);
    }
}

impl Observer for Tape {
    fn run_started(&self, run: &RunStarted<'_>) -> RunDecision {
        RunDecision {
            trace_id: run.parent.map_or_else(random::trace_id, |parent| parent.trace_id),
            flags: TraceFlags::SAMPLED,
            state: run.parent.map(|parent| parent.state.clone()).unwrap_or_default(),
            parent: run.parent.map(|parent| parent.span_id),
            parent_is_remote: run.parent.is_some(),
            recording: true,
            ambient: None,
        }
    }

    fn node_started(&self, started: &NodeStarted<'_>) -> Option<Arc<dyn Observation>> {
        let mut parent = started.parent;
        let mut add = |name: &Text, attributes: Vec<(Key, Value)>| {
            let span_id = random::span_id();
            self.lock().push(TapeSpan {
                trace_id: started.run.trace_id,
                span_id,
                parent,
                name: name.clone(),
                path: started.node.path.clone(),
                attributes,
                events: Vec::new(),
                start: started.ticks,
                end: None,
                exception: None,
            });
            parent = Some(span_id);
            span_id
        };
        let with_run = |own: &[(Key, Value)]| [own, &started.run.attributes].concat();
        let role = started.role.map(|role| {
            let attributes = [&with_run(&role.info.attributes), role.attributes].concat();
            add(&role.info.span_name, attributes)
        });
        let span = add(&started.node.span_name, with_run(&started.node.attributes));
        Some(Arc::new(TapeObservation { tape: self.clone(), span, role, parent: role.or(started.parent) }))
    }
}

struct TapeObservation {
    tape: Tape,
    span: SpanId,
    role: Option<SpanId>,
    parent: Option<SpanId>,
}

impl TapeObservation {
    fn change(&self, id: SpanId, change: impl FnOnce(&mut TapeSpan)) {
        let mut spans = self.tape.lock();
        if let Some(span) = spans.iter_mut().find(|span| span.span_id == id) {
            change(span);
        }
    }
}

impl Observation for TapeObservation {
    fn span_id(&self) -> SpanId {
        self.span
    }

    fn parent_span_id(&self) -> Option<SpanId> {
        self.parent
    }

    fn within(&self, poll: &mut dyn FnMut()) {
        poll();
    }

    fn event(&self, event: &Event<'_>) {
        let event = format!("{event:?}");
        self.change(self.span, |span| span.events.push(event));
    }

    fn set_attributes(&self, attributes: &mut [Option<(Key, Value)>]) {
        self.change(self.span, |span| span.attributes.extend(attributes.iter_mut().filter_map(Option::take)));
    }

    fn finished(self: Arc<Self>, finished: &NodeFinished<'_>) {
        let end = Some((finished.ticks, finished.status));
        let exception = finished.error.filter(|_| finished.error_arose_here).map(ToString::to_string);
        self.change(self.span, |span| {
            span.end = end;
            span.exception = exception;
        });
        if let Some(role) = self.role {
            self.change(role, |span| span.end = end);
        }
    }
}
