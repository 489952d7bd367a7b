//! Gives numbers to what comes again and again: texts, resources, scopes, shapes, places.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension, params};
use tta_model::name::span;

use crate::varint;
use crate::wire::{Group, SpanRef, Word};

/// How many of each kind are kept in memory; what is not there is looked up in the file.
const WORDS: usize = 32_768;
const SHAPES: usize = 8_192;
const ENVELOPES: usize = 1_024;

/// What a service is called that does not say, as the OpenTelemetry SDKs do.
pub(crate) const UNKNOWN_SERVICE: &str = "unknown_service";

/// What the program's code decides of a span, with the numbers it has in this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) id: u32,
    pub(crate) service: u32,
    pub(crate) name: u32,
    /// Zero if it names none.
    pub(crate) primitive: u32,
    /// Zero if it names none.
    pub(crate) workflow: u32,
    /// Whether it is a run of the workflow, and not only a part of one.
    pub(crate) is_run: bool,
}

impl Shape {
    /// Reads a shape of a file; none if it is not there.
    pub(crate) fn read(file: &Connection, id: u32) -> rusqlite::Result<Option<Self>> {
        let query = "SELECT service, name, primitive, workflow FROM shape WHERE id = ?1";
        let found = file.prepare_cached(query)?.query_row([id], |row| {
            let [service, name, primitive, workflow] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
            Ok(Self { id, service, name, primitive, workflow, is_run: false })
        });
        let Some(shape) = found.optional()? else { return Ok(None) };
        let is_run = shape.workflow != 0 && is_run(&text(file, shape.name)?, &text(file, shape.workflow)?);
        Ok(Some(Self { is_run, ..shape }))
    }
}

/// Whether a span of this name is a run of the workflow that it names.
fn is_run(name: &str, workflow: &str) -> bool {
    !workflow.is_empty() && span::workflow(workflow) == name
}

fn text(file: &Connection, word: u32) -> rusqlite::Result<String> {
    let found =
        file.prepare_cached("SELECT text FROM word WHERE id = ?1")?.query_row([word], |row| row.get(0));
    Ok(found.optional()?.unwrap_or_default())
}

/// A group of a request, with the numbers it has in this file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) service: u32,
    pub(super) envelopes: (u32, u32),
}

/// The numbers of one file.
#[derive(Default)]
pub(super) struct Interner {
    words: HashMap<Box<str>, u32, RandomState>,
    shapes: HashMap<Box<[u8]>, Shape, RandomState>,
    envelopes: HashMap<Box<[u8]>, u32, RandomState>,
    key: Vec<u8>,
}

/// The words of a shape behind service and name, in the order of their columns.
const OF_SHAPE: [Word; 6] =
    [Word::Primitive, Word::PrimitiveType, Word::Workflow, Word::AgentType, Word::Provider, Word::Model];

impl Interner {
    pub(super) fn word(&mut self, file: &Connection, text: &str) -> rusqlite::Result<u32> {
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(id) = self.words.get(text) {
            return Ok(*id);
        }
        let mut find = file.prepare_cached("SELECT id FROM word WHERE text = ?1")?;
        let id = match find.query_row([text], |row| row.get(0)).optional()? {
            Some(id) => id,
            None => insert(file, "INSERT INTO word (text) VALUES (?1)", params![text])?,
        };
        make_room(&mut self.words, WORDS);
        self.words.insert(text.into(), id);
        Ok(id)
    }

    pub(super) fn group(&mut self, file: &Connection, body: &[u8], group: &Group) -> rusqlite::Result<Known> {
        let mut message = Vec::new();
        group.resource.write(body, &mut message);
        let resource = self.envelope(file, &message)?;
        group.scope.write(body, &mut message);
        let scope = self.envelope(file, &message)?;
        let service = self.word(file, service_of(body, group))?;
        Ok(Known { service, envelopes: (resource, scope) })
    }

    fn envelope(&mut self, file: &Connection, message: &[u8]) -> rusqlite::Result<u32> {
        if let Some(id) = self.envelopes.get(message) {
            return Ok(*id);
        }
        let hash = blake3::hash(message);
        let hash = i64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"));
        let mut find = file.prepare_cached("SELECT id FROM envelope WHERE hash = ?1 AND message = ?2")?;
        let id = match find.query_row(params![hash, message], |row| row.get(0)).optional()? {
            Some(id) => id,
            None => {
                insert(file, "INSERT INTO envelope (hash, message) VALUES (?1, ?2)", params![hash, message])?
            }
        };
        make_room(&mut self.envelopes, ENVELOPES);
        self.envelopes.insert(message.into(), id);
        Ok(id)
    }

    pub(super) fn shape(
        &mut self,
        file: &Connection,
        body: &[u8],
        (span, service): (&SpanRef, u32),
    ) -> rusqlite::Result<Shape> {
        self.key.clear();
        varint::put(&mut self.key, u64::from(service) << 3 | u64::from(span.kind));
        for text in std::iter::once(span.name).chain(OF_SHAPE.map(|word| span.word(word))) {
            varint::put(&mut self.key, text.len() as u64);
            self.key.extend_from_slice(text.of(body));
        }
        if let Some(shape) = self.shapes.get(&self.key[..]) {
            return Ok(*shape);
        }
        let name = self.word(file, span.name.text(body))?;
        let mut words = [0; OF_SHAPE.len()];
        for (id, word) in words.iter_mut().zip(OF_SHAPE) {
            *id = self.word(file, span.word(word).text(body))?;
        }
        let id = find_shape(file, (service, name, span.kind), words)?;
        let [primitive, _, workflow, ..] = words;
        let is_run = is_run(span.name.text(body), span.word(Word::Workflow).text(body));
        let shape = Shape { id, service, name, primitive, workflow, is_run };
        make_room(&mut self.shapes, SHAPES);
        self.shapes.insert(self.key.as_slice().into(), shape);
        Ok(shape)
    }
}

/// The service of a group, under the name that it has everywhere in the store.
pub(super) fn service_of<'a>(body: &'a [u8], group: &Group) -> &'a str {
    match group.service.text(body) {
        "" => UNKNOWN_SERVICE,
        service => service,
    }
}

fn find_shape(file: &Connection, of: (u32, u32, u8), words: [u32; 6]) -> rusqlite::Result<u32> {
    let (service, name, kind) = of;
    let [primitive, primitive_type, workflow, agent_type, provider, model] = words;
    let values =
        params![service, name, kind, primitive, primitive_type, workflow, agent_type, provider, model];
    let mut find = file.prepare_cached(
        "SELECT id FROM shape WHERE service = ?1 AND name = ?2 AND kind = ?3 AND primitive = ?4 AND primitive_type = ?5
         AND workflow = ?6 AND agent_type = ?7 AND provider = ?8 AND model = ?9",
    )?;
    if let Some(id) = find.query_row(values, |row| row.get(0)).optional()? {
        return Ok(id);
    }
    let values =
        params![service, name, kind, primitive, primitive_type, workflow, agent_type, provider, model];
    insert(
        file,
        "INSERT INTO shape (service, name, kind, primitive, primitive_type, workflow, agent_type, provider, model)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        values,
    )
}

/// The number of something that is summed up beside operations, which is made if it is new.
pub(super) fn unit(file: &Connection, kind: u8, (service, name): (u32, u32)) -> rusqlite::Result<u32> {
    let values = params![kind, service, name];
    let find = "SELECT id FROM unit WHERE kind = ?1 AND service = ?2 AND name = ?3";
    match file.prepare_cached(find)?.query_row(values, |row| row.get(0)).optional()? {
        Some(id) => Ok(id),
        None => insert(file, "INSERT INTO unit (kind, service, name) VALUES (?1, ?2, ?3)", values),
    }
}

/// The number of a pair in a table of pairs, which is made if it is new.
pub(super) fn pair(file: &Connection, table: Pairs, (one, other): (u32, u32)) -> rusqlite::Result<u32> {
    let (find, make) = match table {
        Pairs::Series => (
            "SELECT id FROM series WHERE service = ?1 AND name = ?2",
            "INSERT INTO series (service, name) VALUES (?1, ?2)",
        ),
        Pairs::Node => (
            "SELECT id FROM node WHERE service = ?1 AND place = ?2",
            "INSERT INTO node (service, place) VALUES (?1, ?2)",
        ),
    };
    match file.prepare_cached(find)?.query_row([one, other], |row| row.get(0)).optional()? {
        Some(id) => Ok(id),
        None => insert(file, make, params![one, other]),
    }
}

/// The tables of pairs.
#[derive(Clone, Copy)]
pub(super) enum Pairs {
    Series,
    Node,
}

fn insert(file: &Connection, statement: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<u32> {
    let id = file.prepare_cached(statement)?.insert(values)?;
    u32::try_from(id).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, id))
}

/// Forgets everything when too much is known: simpler than forgetting the oldest, and as good, as most comes back at once.
fn make_room<K, V>(map: &mut HashMap<K, V, RandomState>, most: usize) {
    if map.len() >= most {
        map.clear();
    }
}
