//! What there is to ask about.

use std::collections::BTreeSet;

use super::{ReadError, Reader};

/// An operation of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// The name of its spans.
    pub name: String,
    /// Their kind, by OTLP's numbers from 0 to 5.
    pub kind: u8,
}

/// A primitive of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrimitiveName {
    /// The service.
    pub service: String,
    /// The name of the primitive.
    pub name: String,
    /// Its type, as in `retry`; empty if the spans do not say.
    pub kind: String,
}

/// Lists the services, by name.
///
/// # Errors
///
/// When the files cannot be read.
pub fn services(reader: &Reader) -> Result<Vec<String>, ReadError> {
    let mut found = BTreeSet::new();
    reader.each(|snapshot| {
        let mut all = snapshot.file().prepare_cached("SELECT DISTINCT service FROM shape")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            found.insert(snapshot.text(row.get(0)?)?.to_string());
        }
        Ok(())
    })?;
    Ok(found.into_iter().collect())
}

/// Lists the services of which anything is stored, spans, log records or metrics, by name.
///
/// It passes by all log records, unlike [`services`], which knows of spans alone.
///
/// # Errors
///
/// When the files cannot be read.
pub fn senders(reader: &Reader) -> Result<Vec<String>, ReadError> {
    let mut found = BTreeSet::new();
    reader.each(|snapshot| {
        let mut all = snapshot.file().prepare_cached(
            "SELECT service FROM shape UNION SELECT service FROM log UNION SELECT service FROM metric",
        )?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            found.insert(snapshot.text(row.get(0)?)?.to_string());
        }
        Ok(())
    })?;
    Ok(found.into_iter().collect())
}

/// Lists the operations of a service, by name.
///
/// # Errors
///
/// When the files cannot be read.
pub fn operations(reader: &Reader, service: &str) -> Result<Vec<Operation>, ReadError> {
    let mut found = BTreeSet::new();
    reader.each(|snapshot| {
        let Some(service) = snapshot.word(service)? else { return Ok(()) };
        let query = "SELECT DISTINCT name, kind FROM shape WHERE service = ?1";
        let mut all = snapshot.file().prepare_cached(query)?;
        let mut rows = all.query([service])?;
        while let Some(row) = rows.next()? {
            found.insert(Operation { name: snapshot.text(row.get(0)?)?.to_string(), kind: row.get(1)? });
        }
        Ok(())
    })?;
    Ok(found.into_iter().collect())
}

/// Lists the primitives, by service and name.
///
/// # Errors
///
/// When the files cannot be read.
pub fn primitives(reader: &Reader) -> Result<Vec<PrimitiveName>, ReadError> {
    let mut found = BTreeSet::new();
    reader.each(|snapshot| {
        let query = "SELECT DISTINCT service, primitive, primitive_type FROM shape WHERE primitive <> 0";
        let mut all = snapshot.file().prepare_cached(query)?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let text = |at| row.get(at).and_then(|word| snapshot.text(word)).map(|text| text.to_string());
            found.insert(PrimitiveName { service: text(0)?, name: text(1)?, kind: text(2)? });
        }
        Ok(())
    })?;
    Ok(found.into_iter().collect())
}
