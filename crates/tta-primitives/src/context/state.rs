//! The store that all steps of a run share.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tta_model::{Text, Value};

/// A store shared by all steps of a run and by its caller; cloning it shares it.
///
/// It holds two kinds of things: named [values](Value), which travel with a serialised context, and
/// [extensions](Self::insert_extension), one Rust value for each type, which do not.
///
/// ```
/// let state = tta_primitives::State::default();
/// state.set("documents", 3);
/// assert_eq!(state.get("documents").and_then(|value| value.as_int()), Some(3));
/// ```
#[derive(Clone, Default)]
pub struct State {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    values: RwLock<BTreeMap<Text, Value>>,
    extensions: RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl State {
    /// Sets a value and returns the one that was there.
    pub fn set(&self, key: impl Into<Text>, value: impl Into<Value>) -> Option<Value> {
        self.write().insert(key.into(), value.into())
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        self.read().get(key).cloned()
    }

    /// Removes a value and returns it.
    pub fn remove(&self, key: &str) -> Option<Value> {
        self.write().remove(key)
    }

    /// Replaces a value by a function of it, while no other step can change it. The function must not use the
    /// same state, which is locked meanwhile; if it panics, the value stays.
    pub fn update(&self, key: impl Into<Text>, change: impl FnOnce(Option<Value>) -> Value) {
        let mut values = self.write();
        let key = key.into();
        let new = change(values.get(&key).cloned());
        values.insert(key, new);
    }

    /// A copy of all values.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<Text, Value> {
        self.read().clone()
    }

    /// Stores the one value of a type and returns the one that was there.
    pub fn insert_extension<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        let mut extensions = self.shared.extensions.write().unwrap_or_else(PoisonError::into_inner);
        extensions.insert(TypeId::of::<T>(), Arc::new(value)).and_then(|old| old.downcast().ok())
    }

    /// The one value of a type.
    #[must_use]
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let extensions = self.shared.extensions.read().unwrap_or_else(PoisonError::into_inner);
        extensions.get(&TypeId::of::<T>()).cloned().and_then(|value| value.downcast().ok())
    }

    pub(crate) fn from_values(values: BTreeMap<Text, Value>) -> Self {
        Self { shared: Arc::new(Shared { values: RwLock::new(values), ..Shared::default() }) }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Text, Value>> {
        // A panic while a value was set leaves the map whole.
        self.shared.values.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Text, Value>> {
        self.shared.values.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for State {
    /// Shows the names only: values may be secret, and debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.read().keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_values_and_extensions() {
        let state = State::default();
        let other = state.clone();
        other.set("a", 1);
        other.update("a", |old| Value::Int(old.and_then(|v| v.as_int()).unwrap_or(0) + 1));
        assert_eq!(state.get("a"), Some(Value::Int(2)));
        other.insert_extension(7u8);
        assert_eq!(state.extension::<u8>().as_deref(), Some(&7));
        assert_eq!(state.remove("a"), Some(Value::Int(2)));
        assert_eq!(other.get("a"), None);
    }
}
