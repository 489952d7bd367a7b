//! Numbers for what is counted apart: the executions of a primitive at an address, in a workflow, for a kind of agent.
//!
//! A number is looked up by name once and remembered by each thread, so that no string is compared while a
//! workflow runs. There are at most [`MAX_KINDS`]; what comes later is counted together.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use tta_model::Text;
use tta_model::name::metric::OTHER;
use tta_primitives::observe::{Connection, NodeInfo, NodeLevel};

use crate::clean;

/// How many kinds of executions are kept apart, the two for all others included.
pub const MAX_KINDS: usize = 1_900;
/// How many pairs of a workflow and a kind of agent are kept apart.
const MAX_CLASSES: usize = 1_900;
/// The number of all other primitives.
const OTHER_PRIMITIVES: u32 = 0;
/// The number of all other workflows.
const OTHER_WORKFLOWS: u32 = 1;
/// The class of all other runs.
const OTHER_CLASS: u32 = 0;

/// What the executions of one kind have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kind {
    /// Whether they are runs of a workflow, and not executions of a primitive.
    pub(super) is_run: bool,
    pub(super) name: Text,
    pub(super) r#type: Text,
    pub(super) path: Text,
    pub(super) workflow: Text,
    pub(super) agent_type: Option<Text>,
    pub(super) connection: Option<Connection>,
    /// Limits that objectives set, in nanoseconds.
    pub(super) limits: Vec<u64>,
}

impl Kind {
    /// The kind without secrets in its names, which become labels: they are looked through once, when it is new.
    fn shown(&self) -> Self {
        let connection = |from: &Connection| Connection {
            source: clean::kept(&from.source),
            source_kind: clean::kept(&from.source_kind),
            kind: from.kind,
        };
        Self {
            is_run: self.is_run,
            name: clean::kept(&self.name),
            r#type: clean::kept(&self.r#type),
            path: clean::kept(&self.path),
            workflow: clean::kept(&self.workflow),
            agent_type: self.agent_type.as_ref().map(clean::kept),
            connection: self.connection.as_ref().map(connection),
            limits: self.limits.clone(),
        }
    }
}

/// A time limit that an objective sets for the executions of something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    /// Whether it is for the runs of a workflow.
    pub(crate) is_run: bool,
    /// The name of the workflow or primitive.
    pub(crate) name: Text,
    pub(crate) nanos: u64,
}

/// All kinds.
#[derive(Debug)]
pub(super) struct Slots {
    limits: Vec<Limit>,
    kinds: RwLock<Kinds>,
    classes: RwLock<Classes>,
}

#[derive(Debug)]
struct Kinds {
    list: Vec<Kind>,
    /// The same without secrets in their names, for those who read.
    shown: Vec<Kind>,
    /// By the number of a class, the address, and the name; several may share an address.
    numbers: HashMap<(u32, Text, Text), Vec<u32>>,
}

impl Kinds {
    /// Gives a kind its number.
    fn add(&mut self, key: (u32, Text, Text), kind: Kind) -> u32 {
        let number = u32::try_from(self.list.len()).unwrap_or(OTHER_PRIMITIVES);
        self.shown.push(kind.shown());
        self.list.push(kind);
        self.numbers.entry(key).or_default().push(number);
        number
    }
}

#[derive(Debug, Default)]
struct Classes {
    list: Vec<(Text, Option<Text>)>,
    numbers: HashMap<Text, Vec<(Option<Text>, u32)>>,
}

impl Slots {
    pub(super) fn new(limits: Vec<Limit>) -> Self {
        let other = |is_run| Kind {
            is_run,
            name: OTHER.into(),
            r#type: OTHER.into(),
            path: OTHER.into(),
            workflow: OTHER.into(),
            agent_type: None,
            connection: None,
            limits: Vec::new(),
        };
        let others = vec![other(false), other(true)];
        let kinds = Kinds { shown: others.clone(), list: others, numbers: HashMap::new() };
        let classes = Classes { list: vec![(OTHER.into(), None)], numbers: HashMap::new() };
        Self { limits, kinds: RwLock::new(kinds), classes: RwLock::new(classes) }
    }

    /// The class of the runs of a workflow for a kind of agent.
    pub(super) fn class(&self, workflow: &Text, agent_type: Option<&Text>) -> u32 {
        let find = |classes: &Classes| {
            let agents = classes.numbers.get(workflow)?;
            agents.iter().find(|(known, _)| known.as_ref() == agent_type).map(|(_, number)| *number)
        };
        if let Some(number) = find(&self.classes.read().unwrap_or_else(PoisonError::into_inner)) {
            return number;
        }
        let mut classes = self.classes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = find(&classes) {
            return number;
        }
        if classes.list.len() >= MAX_CLASSES {
            return OTHER_CLASS;
        }
        let number = u32::try_from(classes.list.len()).unwrap_or(OTHER_CLASS);
        classes.list.push((workflow.clone(), agent_type.cloned()));
        classes.numbers.entry(workflow.clone()).or_default().push((agent_type.cloned(), number));
        number
    }

    /// The number of the executions of a node in the runs of a class.
    pub(super) fn number(&self, node: &NodeInfo, class: u32) -> u32 {
        let key = (class, node.path.clone(), node.name.clone());
        let is_run = node.level == NodeLevel::Run;
        let find = |kinds: &Kinds| {
            let same = kinds.numbers.get(&key)?;
            same.iter().copied().find(|number| {
                let kind = &kinds.list[*number as usize];
                kind.is_run == is_run && kind.r#type == node.kind && kind.connection == node.connection
            })
        };
        if let Some(number) = find(&self.kinds.read().unwrap_or_else(PoisonError::into_inner)) {
            return number;
        }
        let (workflow, agent_type) = {
            let classes = self.classes.read().unwrap_or_else(PoisonError::into_inner);
            let class = usize::try_from(class).ok().and_then(|class| classes.list.get(class));
            class.unwrap_or(&classes.list[0]).clone()
        };
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = find(&kinds) {
            return number;
        }
        if kinds.list.len() >= MAX_KINDS || class == OTHER_CLASS {
            return if is_run { OTHER_WORKFLOWS } else { OTHER_PRIMITIVES };
        }
        let limits = self.limits.iter().filter(|limit| limit.is_run == is_run && limit.name == node.name);
        let limits = limits.map(|limit| limit.nanos).collect();
        let kind = Kind {
            is_run,
            name: node.name.clone(),
            r#type: node.kind.clone(),
            path: node.path.clone(),
            workflow,
            agent_type,
            connection: node.connection.clone(),
            limits,
        };
        kinds.add(key, kind)
    }

    /// The limits of a kind.
    pub(super) fn limits(&self, number: u32) -> Vec<u64> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds.list[number as usize].limits.clone()
    }

    /// All kinds, in the order of their numbers and without secrets in their names.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).shown.clone()
    }
}

/// Whether a number is that of all others.
pub(super) fn is_other(number: usize) -> bool {
    number <= OTHER_WORKFLOWS as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, path: &str) -> NodeInfo {
        let level = NodeLevel::Node;
        NodeInfo {
            level,
            name: name.to_owned().into(),
            path: path.to_owned().into(),
            kind: "step".into(),
            ..NodeInfo::default()
        }
    }

    #[test]
    fn what_has_the_same_names_has_the_same_number() {
        let slots = Slots::new(Vec::new());
        let class = slots.class(&"report".into(), None);
        let number = slots.number(&node("a", "flow/a"), class);
        assert_eq!(slots.number(&node("a", "flow/a"), class), number);
        assert_ne!(slots.number(&node("a", "flow/b/a"), class), number);
        let other = slots.class(&"report".into(), Some(&"planner".into()));
        assert_ne!(slots.number(&node("a", "flow/a"), other), number);
        assert_eq!(slots.kinds()[number as usize].workflow, "report");
    }

    #[test]
    fn beyond_the_bound_all_are_counted_together() {
        let slots = Slots::new(Vec::new());
        let class = slots.class(&"report".into(), None);
        let numbers: Vec<u32> =
            (0..3 * MAX_KINDS).map(|n| slots.number(&node(&format!("step {n}"), "flow"), class)).collect();
        assert_eq!(slots.kinds().len(), MAX_KINDS);
        assert!(numbers[..MAX_KINDS - 2].iter().all(|number| !is_other(*number as usize)));
        assert!(numbers[MAX_KINDS - 2..].iter().all(|number| *number == OTHER_PRIMITIVES));
        let classes: Vec<u32> =
            (0..2 * MAX_CLASSES).map(|n| slots.class(&format!("w{n}").into(), None)).collect();
        assert_eq!(classes.iter().filter(|class| **class == OTHER_CLASS).count(), MAX_CLASSES + 2);
    }
}
