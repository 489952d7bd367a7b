//! The plan of a flow: every position in it, with its address and all that is known before it runs.
//!
//! A flow can be used at two places of another flow, so an address belongs to a position and not to a
//! node. The plan is made once, when a flow is first run by itself; at run time a position is a number.

use std::collections::{HashMap, HashSet};
use std::ptr::addr_eq;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tta_model::name::{attribute, span};
use tta_model::{Attributes, Text};

use super::node::{Node, NodeRef};
use super::role::Role;
use crate::observe::{Connection, NodeInfo, NodeLevel};
use crate::primitive::Description;

/// How many flows that a primitive calls without naming them as children keep an address, for each position.
const MOUNT_LIMIT: usize = 64;
/// How many workflow names keep their description, for each plan.
const NAME_LIMIT: usize = 64;

/// All positions of a flow; the first is the root.
pub(crate) struct Plan {
    positions: Vec<Position>,
    runs: Mutex<HashMap<Text, Arc<NodeInfo>>>,
    unnamed_run: OnceLock<Arc<NodeInfo>>,
}

/// One position of a flow.
pub(crate) struct Position {
    pub(crate) node: Arc<NodeInfo>,
    pub(crate) role: Option<Arc<NodeInfo>>,
    children: Vec<u32>,
    key: NodeKey,
    mounted: Mutex<Vec<Mounted>>,
}

/// The plan of a flow that a primitive calls without having named it as a child.
struct Mounted {
    key: NodeKey,
    plan: Arc<Plan>,
}

/// What tells a node from every other one. It does not keep the node, whose primitive may hold what somebody
/// waits to see dropped; it keeps the address, so that no later node has the same.
struct NodeKey(Weak<dyn Node>);

impl NodeKey {
    fn of(node: &NodeRef) -> Self {
        Self(Arc::downgrade(node))
    }

    #[inline]
    fn is(&self, node: &NodeRef) -> bool {
        addr_eq(self.0.as_ptr(), Arc::as_ptr(node))
    }

    fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Plan {
    pub(crate) fn of(root: &NodeRef) -> Self {
        Self::below("", root)
    }

    /// Plans a flow whose addresses begin with a prefix.
    fn below(prefix: &str, root: &NodeRef) -> Self {
        let mut plan = Self { positions: Vec::new(), runs: Mutex::default(), unnamed_run: OnceLock::new() };
        let description = root.describe();
        let path = join(prefix, &description.name);
        let mut taken = HashSet::from([path.clone()]);
        plan.add(&Role::Inner, root, description, Place { path, connection: None }, &mut taken);
        plan
    }

    fn add(
        &mut self,
        role: &Role,
        node: &NodeRef,
        description: Description,
        place: Place,
        taken: &mut HashSet<Text>,
    ) -> u32 {
        let path = place.path.clone();
        let at = u32::try_from(self.positions.len()).expect("a flow has fewer than 2^32 positions");
        self.positions.push(Position {
            role: role_info(role, &description, &path),
            node: Arc::new(node_info(&description, place)),
            children: Vec::with_capacity(description.children.len()),
            key: NodeKey::of(node),
            mounted: Mutex::default(),
        });
        let mut seen: HashMap<Text, usize> = HashMap::new();
        let parent = (description.name, description.kind);
        let mut before = parent.clone();
        for child in description.children {
            let child_description = child.node.describe();
            let times = seen.entry(child_description.name.clone()).or_default();
            let child_path = loop {
                let name = match *times {
                    0 => child_description.name.clone(),
                    again => format!("{}[{again}]", child_description.name).into(),
                };
                *times += 1;
                // Taken by another child if that is called `a[1]` itself, or `a/b` beside a `b` in an `a`.
                let free = join(&path, &name);
                if taken.insert(free.clone()) {
                    break free;
                }
            };
            let connection = connection(&child.role, &parent, &before);
            before = (child_description.name.clone(), child_description.kind.clone());
            let place = Place { path: child_path, connection };
            let child_at = self.add(&child.role, &child.node, child_description, place, taken);
            self.positions[at as usize].children.push(child_at);
        }
        at
    }

    #[inline]
    pub(crate) fn position(&self, at: u32) -> &Position {
        &self.positions[at as usize]
    }

    /// The positions of the children that the node has named.
    pub(crate) fn children(&self, at: u32) -> &[u32] {
        &self.position(at).children
    }

    /// The position of a child by its index among the children that the node has named.
    #[inline]
    pub(crate) fn child(&self, at: u32, index: usize) -> u32 {
        self.position(at).children[index]
    }

    /// The position of a child by its node.
    #[inline]
    pub(crate) fn find_child(&self, at: u32, node: &NodeRef) -> Option<u32> {
        self.position(at).children.iter().copied().find(|child| self.position(*child).key.is(node))
    }

    /// The plan of a flow that the node at a position calls without having named it as a child.
    pub(crate) fn mount(&self, at: u32, node: &NodeRef) -> Arc<Self> {
        let position = self.position(at);
        let lock = || position.mounted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().iter().find(|known| known.key.is(node)) {
            return Arc::clone(&known.plan);
        }
        // Outside the lock, since the nodes describe themselves.
        let plan = Arc::new(Self::below(&position.node.path, node));
        let mut mounted = lock();
        mounted.retain(|known| !known.key.is_gone());
        if mounted.len() < MOUNT_LIMIT {
            mounted.push(Mounted { key: NodeKey::of(node), plan: Arc::clone(&plan) });
        }
        plan
    }

    /// The name of the workflow and the description of its runs.
    pub(crate) fn run_info(&self, name: Option<&Text>) -> Arc<NodeInfo> {
        let Some(name) = name else {
            let unnamed = || Arc::new(run_info(&self.positions[0].node.name));
            return Arc::clone(self.unnamed_run.get_or_init(unnamed));
        };
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = runs.get(name) {
            return Arc::clone(known);
        }
        let info = Arc::new(run_info(name));
        if runs.len() < NAME_LIMIT {
            runs.insert(name.clone(), Arc::clone(&info));
        }
        info
    }
}

fn join(prefix: &str, name: &Text) -> Text {
    if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}").into() }
}

/// Where a node stands in its flow.
struct Place {
    path: Text,
    connection: Option<Connection>,
}

/// Who hands on to a child: its parent, or the child before it. Both are a name and a type.
fn connection(role: &Role, parent: &(Text, Text), before: &(Text, Text)) -> Option<Connection> {
    let (from, kind) = match role {
        Role::Step { index, .. } if *index > 0 => (before, "sequential"),
        Role::Branch { .. } | Role::Item => (parent, "parallel"),
        Role::Then | Role::Else | Role::Case(_) => (parent, "conditional"),
        Role::Route(_) => (parent, "router"),
        Role::Alternative(_) => (before, "fallback"),
        _ => return None,
    };
    Some(Connection { source: from.0.clone(), source_kind: from.1.clone(), kind })
}

fn node_info(description: &Description, place: Place) -> NodeInfo {
    let Place { path, connection } = place;
    let mut attributes = common_attributes(&description.name, &description.kind, &description.action, &path);
    attributes.extend(description.attributes.iter().cloned());
    NodeInfo {
        level: NodeLevel::Node,
        span_name: span::primitive(&description.kind, &description.action),
        path,
        name: description.name.clone(),
        kind: description.kind.clone(),
        connection,
        attributes,
        ..NodeInfo::default()
    }
}

fn role_info(role: &Role, child: &Description, path: &Text) -> Option<Arc<NodeInfo>> {
    let mut attributes = vec![(attribute::PRIMITIVE_PATH.key(), path.clone().into())];
    attributes.extend(role.attributes(child));
    Some(Arc::new(NodeInfo {
        level: NodeLevel::Role,
        span_name: role.span_name()?,
        path: path.clone(),
        name: child.name.clone(),
        kind: child.kind.clone(),
        attributes,
        ..NodeInfo::default()
    }))
}

fn run_info(name: &Text) -> NodeInfo {
    let (kind, action) = (Text::Static("workflow"), Text::Static("execute"));
    NodeInfo {
        level: NodeLevel::Run,
        span_name: span::workflow(name),
        name: name.clone(),
        attributes: common_attributes(name, &kind, &action, &Text::default()),
        kind,
        ..NodeInfo::default()
    }
}

fn common_attributes(name: &Text, kind: &Text, action: &Text, path: &Text) -> Attributes {
    let mut attributes = Vec::with_capacity(8);
    attributes.push((attribute::PRIMITIVE_NAME.key(), name.clone().into()));
    attributes.push((attribute::PRIMITIVE_TYPE.key(), kind.clone().into()));
    attributes.push((attribute::PRIMITIVE_ACTION.key(), action.clone().into()));
    if !path.is_empty() {
        attributes.push((attribute::PRIMITIVE_PATH.key(), path.clone().into()));
    }
    attributes
}
