//! The roles that nodes play in their parents.

use std::fmt;

use tta_model::name::{attribute, span};
use tta_model::{Attributes, Text};

use super::{Flow, NodeRef};
use crate::primitive::Description;

/// The role that a flow plays in the primitive that calls it.
///
/// Most roles have a span of their own around the span of the primitive: `primitive.sequential.step_0`
/// around `primitive.validate.execute`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// The flow that is wrapped; without a span of its own.
    Inner,
    /// A step of a sequential.
    Step {
        /// Its position, from 0.
        index: usize,
        /// How many steps there are.
        total: usize,
    },
    /// A branch of a parallel.
    Branch {
        /// Its position, from 0.
        index: usize,
        /// How many branches there are.
        total: usize,
    },
    /// One of the branches of a parallel whose number depends on the data.
    Item,
    /// The branch of a conditional that runs when its predicate holds.
    Then,
    /// The branch of a conditional that runs otherwise.
    Else,
    /// A case of a switch.
    Case(Text),
    /// A route of a router.
    Route(Text),
    /// An attempt of a retry.
    Attempt,
    /// The first attempt, or one beside it, of a hedge.
    HedgeAttempt,
    /// What a fallback tries first.
    Primary,
    /// An alternative of a fallback, from 1.
    Alternative(usize),
    /// A step of a saga.
    Forward,
    /// The undoing of a step of a saga.
    Compensate,
    /// What a timeout limits.
    Limited,
    /// What a circuit breaker guards.
    Guarded,
    /// The body of a loop.
    Iteration,
    /// A workflow to which an agent delegates.
    Agent(Text),
    /// Another workflow.
    Workflow(Text),
}

impl Role {
    /// The name of the role's own span.
    #[must_use]
    pub fn span_name(&self) -> Option<Text> {
        Some(match self {
            Self::Inner | Self::Guarded => return None,
            Self::Step { index, .. } => span::sequential_step(*index),
            Self::Branch { index, .. } => span::parallel_branch(*index),
            Self::Item => span::MAP_ITEM.into(),
            Self::Then => span::CONDITIONAL_THEN.into(),
            Self::Else => span::CONDITIONAL_ELSE.into(),
            Self::Case(_) => span::SWITCH_CASE.into(),
            Self::Route(_) => span::ROUTER_DECISION.into(),
            Self::Attempt => span::RETRY_ATTEMPT.into(),
            Self::HedgeAttempt => span::HEDGE_ATTEMPT.into(),
            Self::Primary => span::FALLBACK_PRIMARY.into(),
            Self::Alternative(_) => span::FALLBACK_ALTERNATIVE.into(),
            Self::Forward => span::SAGA_FORWARD.into(),
            Self::Compensate => span::SAGA_COMPENSATE.into(),
            Self::Limited => span::TIMEOUT.into(),
            Self::Iteration => span::LOOP_ITERATION.into(),
            Self::Agent(name) => span::agent(name),
            Self::Workflow(name) => span::workflow(name),
        })
    }

    /// The attributes of the role's own span.
    pub(super) fn attributes(&self, child: &Description) -> Attributes {
        let name = || child.name.clone().into();
        match self {
            Self::Step { index, total } => vec![
                (attribute::STEP_INDEX.key(), (*index).into()),
                (attribute::STEP_NAME.key(), name()),
                (attribute::STEP_PRIMITIVE_TYPE.key(), child.kind.clone().into()),
                (attribute::STEP_TOTAL_STEPS.key(), (*total).into()),
            ],
            Self::Branch { index, total } => vec![
                (attribute::BRANCH_INDEX.key(), (*index).into()),
                (attribute::BRANCH_NAME.key(), name()),
                (attribute::BRANCH_TOTAL_BRANCHES.key(), (*total).into()),
            ],
            Self::Case(key) => vec![(attribute::SWITCH_CASE.key(), key.clone().into())],
            Self::Route(route) => vec![(attribute::ROUTER_ROUTE.key(), route.clone().into())],
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inner | Self::Guarded | Self::Limited => Ok(()),
            Self::Step { index, .. } => write!(f, "step {index}"),
            Self::Branch { index, .. } => write!(f, "branch {index}"),
            Self::Item => f.write_str("each"),
            Self::Then => f.write_str("then"),
            Self::Else => f.write_str("else"),
            Self::Case(key) => write!(f, "case {key}"),
            Self::Route(route) => write!(f, "route {route}"),
            Self::Attempt | Self::HedgeAttempt => f.write_str("attempt"),
            Self::Primary => f.write_str("primary"),
            Self::Alternative(index) => write!(f, "fallback {index}"),
            Self::Forward => f.write_str("forward"),
            Self::Compensate => f.write_str("compensate"),
            Self::Iteration => f.write_str("iteration"),
            Self::Agent(name) => write!(f, "agent {name}"),
            Self::Workflow(name) => write!(f, "workflow {name}"),
        }
    }
}

/// A flow that a primitive calls, and its role.
#[derive(Clone)]
pub struct Child {
    pub(crate) role: Role,
    pub(crate) node: NodeRef,
}

impl Child {
    /// Names a flow as a child.
    #[must_use]
    pub fn new<I, O, S>(role: Role, flow: &Flow<I, O, S>) -> Self {
        Self::of_node(role, &flow.node)
    }

    pub(crate) fn of_node(role: Role, node: &NodeRef) -> Self {
        Self { role, node: NodeRef::clone(node) }
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Describes the child.
    #[must_use]
    pub fn describe(&self) -> Description {
        self.node.describe()
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.role, self.describe().name)
    }
}
