//! What the program's code decides of a span, by its number in one file.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::OptionalExtension;

use super::Snapshot;

/// What the program's code decides of a span; what it does not say is empty.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub(crate) service: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) primitive: Arc<str>,
    pub(crate) primitive_type: Arc<str>,
    pub(crate) workflow: Arc<str>,
    pub(crate) agent_type: Arc<str>,
    pub(crate) provider: Arc<str>,
    pub(crate) model: Arc<str>,
    pub(crate) kind: u8,
}

/// The shapes of one file that were asked for.
#[derive(Default)]
pub(super) struct Shapes(RefCell<HashMap<u32, Arc<Shape>>>);

impl Shapes {
    pub(super) fn get(&self, snapshot: &Snapshot<'_>, id: u32) -> rusqlite::Result<Arc<Shape>> {
        if let Some(shape) = self.0.borrow().get(&id) {
            return Ok(Arc::clone(shape));
        }
        let mut find = snapshot.file().prepare_cached(
            "SELECT service, name, primitive, primitive_type, workflow, agent_type, provider, model, kind
             FROM shape WHERE id = ?1",
        )?;
        let found = find.query_row([id], |row| {
            let text = |at: usize| row.get(at).and_then(|word| snapshot.text(word));
            Ok(Shape {
                service: text(0)?,
                name: text(1)?,
                primitive: text(2)?,
                primitive_type: text(3)?,
                workflow: text(4)?,
                agent_type: text(5)?,
                provider: text(6)?,
                model: text(7)?,
                kind: row.get(8)?,
            })
        });
        let shape = Arc::new(found.optional()?.unwrap_or_default());
        self.0.borrow_mut().insert(id, Arc::clone(&shape));
        Ok(shape)
    }
}
