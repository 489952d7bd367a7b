//! What records of a request have in common: the resource and the scope.

use tta_model::name::attribute;

use super::field::{Fields, Slice, Wire, put_bytes};
use super::schema::{self, Schema};
use super::{Malformed, Rejection, fingerprint};

/// The records of one scope of one resource.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group {
    pub(crate) resource: Envelope,
    pub(crate) scope: Envelope,
    /// `service.name` of the resource; empty if it has none.
    pub(crate) service: Slice,
}

/// A resource or a scope, with the address of its schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    message: Slice,
    schema_url: Slice,
}

impl Envelope {
    /// Writes it as OTLP's `ResourceSpans` or `ScopeSpans` without spans, whose numbers are the same for every signal.
    pub(crate) fn write(self, buffer: &[u8], out: &mut Vec<u8>) {
        out.clear();
        put_bytes(out, 1, self.message.of(buffer));
        if !self.schema_url.is_empty() {
            put_bytes(out, 3, self.schema_url.of(buffer));
        }
    }
}

/// The hashes of the attributes of a group's resource and scope, and of what the scope is called.
pub(crate) fn attributes<'a>(buffer: &'a [u8], group: &Group) -> impl Iterator<Item = u64> + 'a {
    let scope = group.scope.message;
    let texts = [(1, attribute::OTEL_SCOPE_NAME.key), (2, attribute::OTEL_SCOPE_VERSION.key)];
    let texts = texts.into_iter().flat_map(move |(number, key)| {
        messages(buffer, scope, number).map(move |text| fingerprint::text(key, text.of(buffer)))
    });
    let attributes =
        [(group.resource.message, 1), (scope, 3)].into_iter().flat_map(move |(message, number)| {
            messages(buffer, message, number).filter_map(move |message| {
                let (key, value) = super::span::attribute(buffer, message).ok()?;
                Some(fingerprint::of(buffer, key, value))
            })
        });
    attributes.chain(texts)
}

/// What lies in one repeated field of a message that was checked.
fn messages(buffer: &[u8], message: Slice, number: u32) -> impl Iterator<Item = Slice> + '_ {
    let mut messages = Messages::new(buffer, message, number);
    std::iter::from_fn(move || messages.next().ok().flatten())
}

/// The first group of a request, whether or not it has records.
pub(crate) fn first_group(buffer: &[u8]) -> Option<Group> {
    let mut first = None;
    let walked = walk(buffer, |group, _| {
        first = first.or(group.ok().copied());
        Ok(())
    });
    walked.ok().and(first)
}

/// Walks a request: every group in it with the messages of its records, which are field 2 of field 2 of field 1.
///
/// A group whose resource or scope is invalid comes as the reason why.
pub(super) fn walk(
    buffer: &[u8],
    mut each: impl FnMut(
        Result<&Group, Rejection>,
        &mut dyn FnMut() -> Result<Option<Slice>, Malformed>,
    ) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if buffer.len() >= u32::MAX as usize {
        return Err(Malformed("it is larger than 4 GiB"));
    }
    let mut request = Messages::new(buffer, Slice::all(buffer), 1);
    while let Some(of_resource) = request.next()? {
        let resource = read(buffer, of_resource, &schema::RESOURCE)?;
        let service = resource.map(|envelope| service(buffer, envelope.message));
        let mut scopes = Messages::new(buffer, of_resource, 2);
        while let Some(of_scope) = scopes.next()? {
            let scope = read(buffer, of_scope, &schema::SCOPE)?;
            let group = match (resource, scope, service) {
                (Ok(resource), Ok(scope), Ok(service)) => Ok(Group { resource, scope, service }),
                _ => Err(Rejection::Envelope),
            };
            let mut records = Messages::new(buffer, of_scope, 2);
            each(group.as_ref().map_err(|why| *why), &mut || records.next())?;
        }
    }
    Ok(())
}

/// The messages that are one repeated field of another.
struct Messages<'a> {
    fields: Fields<'a>,
    number: u32,
}

impl<'a> Messages<'a> {
    fn new(buffer: &'a [u8], message: Slice, number: u32) -> Self {
        Self { fields: Fields::new(buffer, message), number }
    }

    fn next(&mut self) -> Result<Option<Slice>, Malformed> {
        while let Some((number, value)) = self.fields.next()? {
            if number == self.number {
                let Wire::Bytes(message) = value else {
                    return Err(Malformed("a field that is a message has another type"));
                };
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}

/// Reads the resource or scope of a message, and its schema's address, which may stand behind the records.
fn read(buffer: &[u8], message: Slice, schema: &Schema) -> Result<Result<Envelope, Rejection>, Malformed> {
    let mut envelope = Envelope::default();
    let mut fields = Fields::new(buffer, message);
    let mut valid = Ok(());
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Wire::Bytes(found)) => {
                valid = valid.and(schema::check(buffer, found, schema, 2));
                envelope.message = found;
            }
            (3, Wire::Bytes(found)) => {
                valid = valid.and(schema::check_text(found.of(buffer)));
                envelope.schema_url = found;
            }
            (1 | 3, _) => valid = Err(Rejection::WrongType),
            _ => {}
        }
    }
    Ok(valid.map(|()| envelope))
}

/// The service of a resource that was checked.
fn service(buffer: &[u8], resource: Slice) -> Slice {
    let mut service = Slice::default();
    let mut attributes = Messages::new(buffer, resource, 1);
    while let Ok(Some(attribute)) = attributes.next() {
        if let Ok((key, super::span::Found::Text(value))) = super::span::attribute(buffer, attribute)
            && key.of(buffer) == attribute::SERVICE_NAME.key.as_bytes()
        {
            service = value;
        }
    }
    service
}
