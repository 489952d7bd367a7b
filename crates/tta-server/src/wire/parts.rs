//! The events and links of a span: what of them a search for tags looks at.

use super::field::{Fields, Slice, Wire};
use super::schema::{self, Kind, SPAN};
use super::{Rejection, fingerprint, span};

/// The tag under which the name of an event is searched for, as Jaeger shows it.
pub(crate) const EVENT: &str = "event";

/// Checks the event or link that is field `number` of a span, and adds the hashes of its attributes and its name.
pub(super) fn scan(
    buffer: &[u8],
    (number, part): (u32, Slice),
    attributes: &mut Vec<u64>,
) -> Result<(), Rejection> {
    let Kind::Message(schema) = SPAN.kind(number) else { return Ok(()) };
    let is_event = number == 11;
    let of_attribute = if is_event { 3 } else { 4 };
    let mut fields = Fields::new(buffer, part);
    while let Some((number, value)) = fields.next()? {
        match value {
            Wire::Bytes(message) if number == of_attribute => {
                let (key, found) = span::attribute(buffer, message)?;
                attributes.push(fingerprint::of(buffer, key, found));
            }
            Wire::Bytes(name) if is_event && number == 2 => {
                schema::check_text(name.of(buffer))?;
                attributes.push(fingerprint::text(EVENT, name.of(buffer)));
            }
            _ => schema::check_field(buffer, schema.kind(number), value, 1)?,
        }
    }
    Ok(())
}
