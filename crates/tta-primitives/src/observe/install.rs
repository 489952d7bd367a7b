//! The observer of the process.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Observer;

/// Read before the lock, so that a process without an observer never takes it.
static IS_INSTALLED: AtomicBool = AtomicBool::new(false);
static OBSERVER: RwLock<Option<Arc<dyn Observer>>> = RwLock::new(None);

/// There is an observer already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyInstalled;

impl fmt::Display for AlreadyInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an observer is installed already; drop its guard before installing another")
    }
}

impl std::error::Error for AlreadyInstalled {}

/// Keeps an observer installed; dropping it removes the observer.
#[derive(Debug)]
#[must_use = "the observer is removed when this is dropped"]
pub struct Installed(());

/// Has every run of the process observed that does not name an observer of its own.
///
/// # Errors
/// If an observer is installed already.
pub fn install(observer: Arc<dyn Observer>) -> Result<Installed, AlreadyInstalled> {
    let mut slot = OBSERVER.write().unwrap_or_else(PoisonError::into_inner);
    if slot.is_some() {
        return Err(AlreadyInstalled);
    }
    *slot = Some(observer);
    IS_INSTALLED.store(true, Ordering::Release);
    Ok(Installed(()))
}

/// The observer of the process.
pub(crate) fn installed() -> Option<Arc<dyn Observer>> {
    if !IS_INSTALLED.load(Ordering::Acquire) {
        return None;
    }
    OBSERVER.read().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Drop for Installed {
    fn drop(&mut self) {
        IS_INSTALLED.store(false, Ordering::Release);
        // Dropped outside the lock, since an observer may do much work in its own drop.
        let observer = OBSERVER.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(observer);
    }
}
