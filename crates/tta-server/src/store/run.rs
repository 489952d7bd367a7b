//! Runs: what the index knows of the spans of one service in one commit, packed.
//!
//! A row for each span costs more than the span itself. So the rows of a commit lie together, sorted by start, as differences
//! in as few bytes as they need; beside them, the run says between which times they lie, how many are errors and how
//! long the longest took, which lets a search pass by nearly all of them.

use crate::varint::{self, Reader, put};

/// How many spans a run has at most.
pub(super) const LONGEST: usize = 512;

/// What the index knows of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) start: i64,
    pub(crate) duration: i64,
    /// Where it lies: the part, and the place in it.
    pub(crate) part: i64,
    pub(crate) ordinal: u32,
    /// What it is of: service, name and what else the program's code decides.
    pub(crate) shape: u32,
    /// Who ran it, as words; zero if it does not say.
    pub(crate) agent: u32,
    pub(crate) session: u32,
    pub(crate) status: u8,
    pub(crate) is_root: bool,
}

/// What a run says of all its spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) longest: i64,
    pub(crate) errors: i64,
}

impl Zone {
    /// The zone of rows that are sorted by start.
    pub(super) fn of(rows: &[Row]) -> Self {
        Self {
            first: rows.first().map_or(0, |row| row.start),
            last: rows.last().map_or(0, |row| row.start),
            longest: rows.iter().map(|row| row.duration).max().unwrap_or(0),
            errors: rows.iter().filter(|row| row.status == crate::wire::span::ERROR).count() as i64,
        }
    }
}

/// Writes rows that are sorted by start.
pub(super) fn write(rows: &[Row], out: &mut Vec<u8>) {
    out.clear();
    let base = rows.iter().map(|row| row.part).min().unwrap_or(0);
    let mut start = rows.first().map_or(0, |row| row.start);
    put(out, base.cast_unsigned());
    put(out, start.cast_unsigned());
    for row in rows {
        put(out, (row.start - start).cast_unsigned());
        put(out, row.duration.cast_unsigned());
        put(out, (row.part - base).cast_unsigned());
        put(out, u64::from(row.ordinal));
        // Not every span says who ran it.
        let (agent, session) = (row.agent != 0, row.session != 0);
        put(out, u64::from(row.shape) << 2 | u64::from(agent) << 1 | u64::from(session));
        for word in [row.agent, row.session].into_iter().filter(|word| *word != 0) {
            put(out, u64::from(word));
        }
        out.push(row.status | u8::from(row.is_root) << 2);
        start = row.start;
    }
    varint::seal(out, 0);
}

/// Reads a run into `rows`, in place of what was there; none if it is damaged.
pub(crate) fn read(written: &[u8], rows: &mut Vec<Row>) -> Option<()> {
    rows.clear();
    let mut reader = Reader::new(varint::unseal(written)?);
    let (base, mut start) = (reader.i64()?, reader.i64()?);
    while !reader.is_empty() {
        let row = read_row(&mut reader, base, start)?;
        start = row.start;
        rows.push(row);
    }
    Some(())
}

#[inline]
fn read_row(reader: &mut Reader<'_>, base: i64, before: i64) -> Option<Row> {
    let start = before.checked_add(reader.i64()?)?;
    let duration = reader.i64()?;
    let part = base.checked_add(reader.i64()?)?;
    let ordinal = reader.u32()?;
    let shape = reader.u64()?;
    let agent = if shape & 2 == 2 { reader.u32()? } else { 0 };
    let session = if shape & 1 == 1 { reader.u32()? } else { 0 };
    let flags = reader.bytes(1)?[0];
    let shape = u32::try_from(shape >> 2).ok()?;
    let (status, is_root) = (flags & 3, flags & 4 != 0);
    Some(Row { start, duration, part, ordinal, shape, agent, session, status, is_root })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let rows: Vec<Row> = (0..100_i64)
            .map(|n| Row {
                start: if n == 99 { i64::MAX } else { n * n * 1_000 + 1 },
                duration: n << 40,
                part: 1_000 + (n * 7) % 31,
                ordinal: n as u32 % 5,
                shape: n as u32 % 9,
                agent: n as u32 % 3,
                session: n as u32 % 2 * 1_000,
                status: n as u8 % 4,
                is_root: n % 6 == 0,
            })
            .collect();
        let (mut written, mut read_back) = (Vec::new(), Vec::new());
        write(&rows, &mut written);
        read(&written, &mut read_back).expect("it is whole");
        assert_eq!(read_back, rows);
        written[40] ^= 0x10;
        assert_eq!(read(&written, &mut read_back), None);
    }
}
