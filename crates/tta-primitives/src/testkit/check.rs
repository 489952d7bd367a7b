//! Whether recorded spans fit together.

use std::collections::HashMap;
use std::fmt;

use tta_model::{SpanId, Text};

use super::{Tape, TapeSpan};

/// Something that is not as it should be in recorded spans.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A trace has several spans without a parent that was recorded.
    ManyRoots(Vec<Text>),
    /// A span has a parent that was not recorded, though the trace has another root.
    Orphan(Text),
    /// A span has not ended.
    Open(Text),
    /// A span started before its parent or ended after it.
    OutsideParent {
        /// The span.
        span: Text,
        /// Its parent.
        parent: Text,
    },
    /// Two spans have the same id.
    DuplicateId(Text),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ManyRoots(names) => write!(f, "one trace has several roots: {names:?}"),
            Self::Orphan(name) => write!(f, "`{name}` has a parent that was not recorded"),
            Self::Open(name) => write!(f, "`{name}` has not ended"),
            Self::OutsideParent { span, parent } => {
                write!(f, "`{span}` is not within the time of its parent `{parent}`")
            }
            Self::DuplicateId(name) => write!(f, "`{name}` has the id of another span"),
        }
    }
}

impl Tape {
    /// What is not as it should be: every trace has one root and no orphan, every span has ended, and none is
    /// outside the time of its parent.
    ///
    /// What outlives its parent on purpose is listed too: the compensation of a saga that was cancelled.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let spans = self.spans();
        let mut violations = Vec::new();
        let mut by_id: HashMap<SpanId, &TapeSpan> = HashMap::new();
        for span in &spans {
            if by_id.insert(span.span_id, span).is_some() {
                violations.push(Violation::DuplicateId(span.name.clone()));
            }
        }
        check_roots(&spans, &by_id, &mut violations);
        for span in &spans {
            if span.end.is_none() {
                violations.push(Violation::Open(span.name.clone()));
            }
            let parent = span.parent.and_then(|parent| by_id.get(&parent));
            if let Some(parent) = parent.filter(|parent| !contains(parent, span)) {
                let (span, parent) = (span.name.clone(), parent.name.clone());
                violations.push(Violation::OutsideParent { span, parent });
            }
        }
        violations
    }
}

fn check_roots(spans: &[TapeSpan], by_id: &HashMap<SpanId, &TapeSpan>, violations: &mut Vec<Violation>) {
    let mut roots: Vec<(&TapeSpan, Vec<Text>)> = Vec::new();
    let is_root = |span: &&TapeSpan| !span.parent.is_some_and(|parent| by_id.contains_key(&parent));
    for span in spans.iter().filter(is_root) {
        match roots.iter_mut().find(|(first, _)| first.trace_id == span.trace_id) {
            None => roots.push((span, vec![span.name.clone()])),
            // Two runs may be children of one span that was not recorded here.
            Some((first, _)) if span.parent.is_some() && first.parent == span.parent => {}
            Some(_) if span.parent.is_some() => violations.push(Violation::Orphan(span.name.clone())),
            Some((_, names)) => names.push(span.name.clone()),
        }
    }
    let many = roots.into_iter().map(|(_, names)| names).filter(|names| names.len() > 1);
    violations.extend(many.map(Violation::ManyRoots));
}

fn contains(parent: &TapeSpan, child: &TapeSpan) -> bool {
    let ends_within = match (parent.end, child.end) {
        (Some((parent, _)), Some((child, _))) => child <= parent,
        (Some(_), None) => false,
        (None, _) => true,
    };
    parent.start <= child.start && ends_within
}
