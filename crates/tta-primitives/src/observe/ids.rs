//! Who runs, and on whose behalf.

use std::fmt;
use std::sync::Arc;

use crate::context::Identity;

/// The identifiers of a run. Those that nobody gave are generated when they are first asked for.
#[derive(Clone, Default)]
pub struct RunIds(pub(crate) Arc<Identity>);

impl RunIds {
    /// The identifier of the run.
    #[must_use]
    pub fn workflow_id(&self) -> &str {
        self.0.workflow_id.get()
    }

    /// What the runs of one cause have in common.
    #[must_use]
    pub fn correlation_id(&self) -> &str {
        self.0.correlation_id.get()
    }

    /// The session that the run belongs to.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.0.session_id.as_deref()
    }

    /// The agent.
    #[must_use]
    pub fn agent_id(&self) -> Option<&str> {
        self.0.agent_id.as_deref()
    }

    /// The kind of the agent.
    #[must_use]
    pub fn agent_type(&self) -> Option<&str> {
        self.0.agent_type.as_deref()
    }
}

impl fmt::Debug for RunIds {
    /// Shows none of them: they may have come with data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunIds").finish_non_exhaustive()
    }
}
