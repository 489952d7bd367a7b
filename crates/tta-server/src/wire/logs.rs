//! A request with log records.

use bytes::Bytes;

use super::field::{Fields, Slice, Wire};
use super::schema::{self, LOG};
use super::traces::{optional_id, place_of};
use super::{Group, Malformed, Rejected, Rejection, envelope};

/// The records of an OTLP `ExportLogsServiceRequest`, scanned and checked, in the bytes that came.
#[derive(Debug)]
pub struct Logs {
    pub(crate) body: Bytes,
    pub(crate) groups: Vec<Group>,
    pub(crate) records: Vec<LogRef>,
    rejected: Rejected,
}

/// A log record of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogRef {
    /// Zero if it belongs to none.
    pub(crate) trace: u128,
    /// When it happened, or else when it was seen.
    pub(crate) time: i64,
    pub(crate) severity: u8,
    pub(crate) raw: Slice,
    pub(crate) group: u32,
}

impl Logs {
    /// Scans a request in protobuf. A record that a decoder would not read is left out, and the others stay.
    ///
    /// # Errors
    ///
    /// When the frame around the records is no protobuf.
    pub fn scan(body: Bytes) -> Result<Self, Malformed> {
        let mut groups = Vec::new();
        let mut all = Vec::new();
        let mut rejected = Rejected::default();
        envelope::walk(&body, |group, records| {
            let mut place = None;
            while let Some(raw) = records()? {
                match group.and_then(|_| scan_record(&body, raw)) {
                    Ok(found) => {
                        all.push(LogRef { group: place_of(group, &mut place, &mut groups), ..found })
                    }
                    Err(why) => rejected.add(why),
                }
            }
            Ok(())
        })?;
        Ok(Self { body, groups, records: all, rejected })
    }

    /// How many records are to be stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What is left out.
    #[must_use]
    pub fn rejected(&self) -> &Rejected {
        &self.rejected
    }
}

fn scan_record(buffer: &[u8], raw: Slice) -> Result<LogRef, Rejection> {
    let mut record = LogRef { raw, ..LogRef::default() };
    let (mut happened, mut seen) = (0, 0);
    let mut fields = Fields::new(buffer, raw);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Wire::Fixed64(time)) => happened = time,
            (11, Wire::Fixed64(time)) => seen = time,
            (2, Wire::Varint(severity)) => record.severity = u8::try_from(severity).unwrap_or(0),
            (9, Wire::Bytes(id)) => {
                record.trace = u128::from_be_bytes(optional_id(id.of(buffer), Rejection::TraceId)?);
            }
            (10, Wire::Bytes(id)) => {
                optional_id::<8>(id.of(buffer), Rejection::SpanId)?;
            }
            _ => schema::check_field(buffer, LOG.kind(number), value, 0)?,
        }
    }
    let time = if happened == 0 { seen } else { happened };
    record.time = i64::try_from(time).map_err(|_| Rejection::Time)?;
    Ok(record)
}
