//! One file as it was at one moment.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use rusqlite::{Connection, OptionalExtension};
use tta_model::TraceId;

use super::trace::Origin;
use crate::store::block::{self, Opener};
use crate::store::segment::Segment;
use crate::store::{Shared, ids, low};

/// How many opened blocks an answer keeps.
const BLOCKS: usize = 64;
/// How many texts.
const WORDS: usize = 16_384;
/// How many pairs of a resource and a scope.
const ORIGINS: usize = 1_024;

/// What an answer only looks at, or what it holds for as long as somebody may ask for more of it.
pub(super) enum Held<'a, T> {
    Borrowed(&'a T),
    Shared(Arc<T>),
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(held) => held,
            Self::Shared(held) => held,
        }
    }
}

pub(super) struct Snapshot<'a> {
    shared: Held<'a, Shared>,
    pub(super) segment: Held<'a, Segment>,
    /// Given back at the end.
    file: Option<Connection>,
    words: RefCell<HashMap<u32, Arc<str>>>,
    opener: RefCell<Opener>,
    blocks: RefCell<HashMap<i64, Rc<Vec<u8>>>>,
    origins: RefCell<HashMap<(u32, u32), Arc<Origin>>>,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(shared: Held<'a, Shared>, segment: Held<'a, Segment>, file: Connection) -> Self {
        Self {
            shared,
            segment,
            file: Some(file),
            words: RefCell::default(),
            opener: RefCell::default(),
            blocks: RefCell::default(),
            origins: RefCell::default(),
        }
    }

    pub(super) fn file(&self) -> &Connection {
        self.file.as_ref().expect("it is given back only when this is dropped")
    }

    /// Tells of something that cannot be read, which the answer leaves out.
    pub(super) fn report(&self, what: &str) {
        self.shared.report(&self.segment, what);
    }

    /// The text of a word; empty if there is none.
    pub(super) fn text(&self, word: u32) -> rusqlite::Result<Arc<str>> {
        if let Some(text) = self.words.borrow().get(&word) {
            return Ok(text.clone());
        }
        let mut find = self.file().prepare_cached("SELECT text FROM word WHERE id = ?1")?;
        let text: Option<String> = find.query_row([word], |row| row.get(0)).optional()?;
        let text: Arc<str> = text.unwrap_or_default().into();
        let mut words = self.words.borrow_mut();
        if words.len() >= WORDS {
            words.clear();
        }
        words.insert(word, text.clone());
        Ok(text)
    }

    /// The word of a text, or none if it does not occur in this file.
    pub(super) fn word(&self, text: &str) -> rusqlite::Result<Option<u32>> {
        if text.is_empty() {
            return Ok(Some(0));
        }
        let mut find = self.file().prepare_cached("SELECT id FROM word WHERE text = ?1")?;
        find.query_row([text], |row| row.get(0)).optional()
    }

    /// The bytes of a block; empty, and reported, if it is damaged.
    pub(super) fn block(&self, id: i64) -> rusqlite::Result<Rc<Vec<u8>>> {
        if let Some(block) = self.blocks.borrow().get(&id) {
            return Ok(block.clone());
        }
        let Some(block) = self.opener.borrow_mut().open(self.file(), id)? else {
            self.report(&format!("block {id} of records cannot be read"));
            return Ok(Rc::default());
        };
        let block = Rc::new(block);
        let mut blocks = self.blocks.borrow_mut();
        if blocks.len() >= BLOCKS {
            blocks.clear();
        }
        blocks.insert(id, block.clone());
        Ok(block)
    }

    /// Hands on the spans of a trace in this file, in the order in which they came: the id, the numbers of resource and scope, and
    /// the message.
    pub(super) fn each_span(
        &self,
        id: TraceId,
        mut each: impl FnMut(u64, (u32, u32), &[u8]) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let query = "SELECT id, block, offset, spans FROM part WHERE trace = ?1 ORDER BY id";
        let mut parts = self.file().prepare_cached(query)?;
        let mut rows = parts.query([low(id.get())])?;
        let mut raw = Vec::new();
        while let Some(row) = rows.next()? {
            let Some((trace, ids)) = ids(row.get_ref(3)?.as_blob()?) else {
                self.report(&format!("part {} of a trace cannot be read", row.get::<_, i64>(0)?));
                continue;
            };
            // The index knows only half of the id.
            if trace != id.get() {
                continue;
            }
            let block = self.block(row.get(1)?)?;
            let offset: i64 = row.get(2)?;
            for (entry, id) in block::entries(&block, offset as usize).zip(ids) {
                entry.write((trace, id), &mut raw);
                each(id, (entry.resource, entry.scope), &raw)?;
            }
        }
        Ok(())
    }

    /// The resource and the scope of a record.
    pub(super) fn origin(&self, (resource, scope): (u32, u32)) -> rusqlite::Result<Arc<Origin>> {
        if let Some(origin) = self.origins.borrow().get(&(resource, scope)) {
            return Ok(origin.clone());
        }
        let of_resource: ResourceSpans = self.envelope(resource)?;
        let of_scope: ScopeSpans = self.envelope(scope)?;
        let origin = Arc::new(Origin::new(of_resource, of_scope));
        let mut origins = self.origins.borrow_mut();
        if origins.len() >= ORIGINS {
            origins.clear();
        }
        origins.insert((resource, scope), origin.clone());
        Ok(origin)
    }

    fn envelope<M: Message + Default>(&self, id: u32) -> rusqlite::Result<M> {
        let mut find = self.file().prepare_cached("SELECT message FROM envelope WHERE id = ?1")?;
        let message: Option<Vec<u8>> = find.query_row([id], |row| row.get(0)).optional()?;
        let decoded = message.and_then(|message| M::decode(&message[..]).ok());
        Ok(decoded.unwrap_or_else(|| {
            self.report(&format!("resource or scope {id} cannot be read"));
            M::default()
        }))
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.file.take()
            && file.execute_batch("COMMIT").is_ok()
        {
            self.shared.give_back(&self.segment, file);
        }
    }
}
