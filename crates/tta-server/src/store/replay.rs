//! Makes up, when a file is opened, for the sums that were not written when the last process ended.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension};

use super::block::{self, Opener};
use super::edges::{Call, Edges};
use super::intern::{Shape, UNKNOWN_SERVICE, service_of};
use super::rollup::{ROLLED_PART, ROLLED_RUN, ROLLED_UNIT, Red};
use super::run;
use crate::wire::field::Slice;
use crate::wire::{Word, span};
use crate::{varint, wire};

/// How many parts before the last sums are read again, to know the parents of what comes.
const WARM: i64 = 2_000;

/// Reads what came after the sums of a file.
pub(super) fn replay(file: &Connection, red: &mut Red, edges: &mut Edges) -> rusqlite::Result<()> {
    replay_runs(file, red)?;
    replay_parts(file, edges)
}

/// What `meta` says under a key, or zero.
pub(crate) fn rolled(file: &Connection, key: &str) -> rusqlite::Result<i64> {
    let mut find = file.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(find.query_row([key], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn replay_runs(file: &Connection, red: &mut Red) -> rusqlite::Result<()> {
    let (operations, units) = (rolled(file, ROLLED_RUN)?, rolled(file, ROLLED_UNIT)?);
    let mut runs = file.prepare_cached("SELECT id, spans FROM run WHERE id > ?1")?;
    let mut found = runs.query([operations.min(units)])?;
    let mut shapes: HashMap<u32, Option<Shape>, RandomState> = HashMap::default();
    let mut rows = Vec::new();
    while let Some(written) = found.next()? {
        if run::read(written.get_ref(1)?.as_blob()?, &mut rows).is_none() {
            continue;
        }
        let is_in_operations = written.get::<_, i64>(0)? <= operations;
        for row in &rows {
            let shape = match shapes.entry(row.shape) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => *new.insert(Shape::read(file, row.shape)?),
            };
            match shape {
                Some(shape) if is_in_operations => red.add_to_units(shape, row),
                Some(shape) => red.add(shape, row),
                None => {}
            }
        }
    }
    Ok(())
}

fn replay_parts(file: &Connection, edges: &mut Edges) -> rusqlite::Result<()> {
    let counted = rolled(file, ROLLED_PART)?;
    let mut parts =
        file.prepare_cached("SELECT id, block, offset, spans FROM part WHERE id > ?1 ORDER BY id")?;
    let mut found = parts.query([counted - WARM])?;
    let (mut opener, mut open) = (Opener::default(), (0, Vec::new()));
    let mut calls = Vec::new();
    let mut warming = true;
    while let Some(part) = found.next()? {
        let (id, at): (i64, i64) = (part.get(0)?, part.get(1)?);
        if warming && id > counted {
            warming = false;
            edges.add(&calls);
            edges.forget_tallies();
            calls.clear();
        }
        if open.0 != at {
            open = (at, opener.open(file, at)?.unwrap_or_default());
        }
        read_part(file, &open.1, part, &mut calls, edges)?;
    }
    edges.add(&calls);
    if warming {
        edges.forget_tallies();
    }
    Ok(())
}

fn read_part(
    file: &Connection,
    block: &[u8],
    part: &rusqlite::Row<'_>,
    calls: &mut Vec<Call>,
    edges: &mut Edges,
) -> rusqlite::Result<()> {
    let offset: i64 = part.get(2)?;
    let Some((trace, ids)) = ids(part.get_ref(3)?.as_blob()?) else { return Ok(()) };
    let (mut raw, mut attributes) = (Vec::new(), Vec::new());
    for (entry, id) in block::entries(block, offset as usize).zip(ids) {
        entry.write((trace, id), &mut raw);
        attributes.clear();
        let Ok(span) = span::scan(&raw, Slice::all(&raw), &mut attributes) else { continue };
        let service = service(file, entry.resource)?;
        let place = match span.word(Word::Primitive).text(&raw) {
            "" => span.name.text(&raw),
            primitive => primitive,
        };
        let node = edges.node_of(&service, place);
        calls.push(Call::new(&span, node));
    }
    Ok(())
}

/// The trace and the spans of a part; none if it is damaged.
pub(crate) fn ids(written: &[u8]) -> Option<(u128, impl Iterator<Item = u64> + '_)> {
    let (trace, spans) = varint::unseal(written)?.split_first_chunk()?;
    let (spans, _) = spans.as_chunks();
    Some((u128::from_be_bytes(*trace), spans.iter().map(|id| u64::from_be_bytes(*id))))
}

fn service(file: &Connection, envelope: u32) -> rusqlite::Result<String> {
    let mut find = file.prepare_cached("SELECT message FROM envelope WHERE id = ?1")?;
    let message: Option<Vec<u8>> = find.query_row([envelope], |row| row.get(0)).optional()?;
    // As a request with this resource and one empty scope, its group tells the service.
    let mut resource = message.unwrap_or_default();
    crate::wire::field::put_bytes(&mut resource, 2, &[]);
    let mut request = Vec::new();
    crate::wire::field::put_bytes(&mut request, 1, &resource);
    let group = wire::first_group(&request);
    Ok(group.map_or_else(|| UNKNOWN_SERVICE.to_owned(), |group| service_of(&request, &group).to_owned()))
}
