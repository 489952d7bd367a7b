//! A look at a span that was scanned when it came: what tells spans of a trace apart, without checks, hashes and allocations.

use tta_model::name::attribute as a;

use super::Malformed;
use super::field::{Fields, Slice, Wire};
use super::span::{Found, attribute};

/// What a summary needs of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Glance {
    /// Zero if it has none.
    pub(crate) parent: u64,
    /// Whether it has something in the place of a parent; some write "no parent" as eight zeros.
    pub(crate) has_parent: bool,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) name: Slice,
    /// Empty if it names none.
    pub(crate) workflow: Slice,
    pub(crate) kind: u8,
    pub(crate) status: u8,
}

const WORKFLOW_NAME: &[u8] = a::WORKFLOW_NAME.key.as_bytes();

/// Looks at the span that a buffer is.
pub(crate) fn glance(buffer: &[u8]) -> Result<Glance, Malformed> {
    let mut glance = Glance::default();
    let mut fields = Fields::new(buffer, Slice::all(buffer));
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (9, Wire::Bytes(found)) => take_workflow(buffer, found, &mut glance)?,
            (4, Wire::Bytes(found)) => {
                glance.has_parent = !found.is_empty();
                glance.parent = found.of(buffer).try_into().map_or(0, u64::from_be_bytes);
            }
            (5, Wire::Bytes(found)) => glance.name = found,
            (6, Wire::Varint(kind)) => glance.kind = number_of(kind),
            (7, Wire::Fixed64(time)) => glance.start = time,
            (8, Wire::Fixed64(time)) => glance.end = time,
            (15, Wire::Bytes(found)) => take_status(buffer, found, &mut glance)?,
            _ => {}
        }
    }
    Ok(glance)
}

/// An enumeration's number, as a decoder reads it; those that are not known are zero.
fn number_of(varint: u64) -> u8 {
    u8::try_from(varint as i32).unwrap_or(0)
}

fn take_status(buffer: &[u8], message: Slice, glance: &mut Glance) -> Result<(), Malformed> {
    let mut fields = Fields::new(buffer, message);
    while let Some((number, value)) = fields.next()? {
        if let (3, Wire::Varint(code)) = (number, value) {
            glance.status = number_of(code);
        }
    }
    Ok(())
}

#[inline]
fn take_workflow(buffer: &[u8], message: Slice, glance: &mut Glance) -> Result<(), Malformed> {
    let mut key = Slice::default();
    let mut fields = Fields::new(buffer, message);
    while let Some((number, value)) = fields.next()? {
        if let (1, Wire::Bytes(found)) = (number, value) {
            key = found;
        }
    }
    if key.of(buffer) == WORKFLOW_NAME {
        glance.workflow = match attribute(buffer, message) {
            Ok((_, Found::Text(workflow))) => workflow,
            _ => Slice::default(),
        };
    }
    Ok(())
}
