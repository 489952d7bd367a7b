//! Where pages and pushes take their text from.

use std::fmt;
use std::sync::Arc;

use super::encode::{self, Format};
use super::target::Target;
use crate::metrics::Snapshot;
use crate::resource::Resource;

/// Takes snapshots of the metrics and writes them down.
#[derive(Clone)]
pub(super) struct Source {
    snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync>,
    target: Arc<Target>,
}

/// The snapshot panicked; its message was told by the panic hook.
#[derive(Debug)]
pub(super) struct Panicked;

impl Source {
    pub(super) fn new(snapshot: impl Fn() -> Snapshot + Send + Sync + 'static, resource: &Resource) -> Self {
        Self { snapshot: Arc::new(snapshot), target: Arc::new(Target::new(resource)) }
    }

    /// Takes a snapshot on a thread of its own, so that neither its time nor a panic is that of the
    /// runtime, and lets `finish` do to the text what else takes time.
    pub(super) async fn text<T: Send + 'static>(
        &self,
        format: Format,
        finish: impl FnOnce(String) -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let source = self.clone();
        let writing = tokio::task::spawn_blocking(move || {
            finish(encode::write(&Arc::new((source.snapshot)()), &source.target, format))
        });
        writing.await.map_err(|_| Panicked)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}
