//! What the callers of a step are in the middle of making, so that the step does not wait for them.

use std::sync::Arc;

use super::{Shared, WorkflowContext};

/// A thing that is being made, and those that were begun before it.
pub(crate) struct Held {
    /// The address of what keeps the thing.
    keeper: usize,
    key: Arc<str>,
    before: Option<Arc<Held>>,
}

#[cfg_attr(
    not(feature = "cache"),
    expect(dead_code, reason = "only a cache makes things that others wait for")
)]
impl WorkflowContext {
    /// The same context in the middle of making something.
    pub(crate) fn holding(&self, keeper: usize, key: &Arc<str>) -> Self {
        let held = Held { keeper, key: Arc::clone(key), before: self.shared.held.clone() };
        let shared = Shared { held: Some(Arc::new(held)), ..Shared::clone(&self.shared) };
        Self { shared: Arc::new(shared), ..self.clone() }
    }

    /// Whether a caller of this step is in the middle of making something.
    pub(crate) fn holds(&self, keeper: usize, key: &str) -> bool {
        let held = std::iter::successors(self.shared.held.as_deref(), |held| held.before.as_deref());
        held.into_iter().any(|held| held.keeper == keeper && &*held.key == key)
    }
}
