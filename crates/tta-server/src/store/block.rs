//! Blocks: records as they came, some dozens together, compressed.
//!
//! A block holds whole traces of a batch as far as they fit, one after the other. The larger a block, the smaller a span in
//! it, and the longer it takes to read one trace: 96 KiB are read in some 60 microseconds. Where little comes at once, blocks are
//! small; those are compressed with a dictionary, which is trained of the first records that come.

use std::collections::HashMap;
use std::collections::hash_map;

use rusqlite::{Connection, params};

use crate::varint::{self, Reader, put};

/// A block is closed when it has become larger than this, in bytes.
pub(super) const FULL: usize = 96 * 1024;
/// A block is never larger than this and one record.
const LARGEST: u64 = 1 << 31;
/// Higher levels take longer and save nothing: the blocks are small, and most of what is left in them is random.
const LEVEL: i32 = 1;

/// Blocks below this take the dictionary; larger ones are as small without.
const SMALL: usize = 32 * 1024;
/// How large a dictionary is, in bytes.
const DICTIONARY: usize = 32 * 1024;
/// Of how many bytes of records it is trained, which takes a tenth of a second once.
const ENOUGH: usize = 512 * 1024;

/// What a span's message begins with when it is written as OTLP's encoders do: both ids, which the part has as well.
const HEAD: usize = 28;

/// A block that is being filled.
#[derive(Default)]
pub(super) struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    /// Where the next record will lie.
    pub(super) fn offset(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a record with its resource and its scope.
    pub(super) fn add(&mut self, envelopes: (u32, u32), raw: &[u8]) {
        self.add_entry(envelopes, raw, false);
    }

    /// Appends a span, without its ids where they stand at its head.
    pub(super) fn add_span(&mut self, envelopes: (u32, u32), ids: (u128, u64), raw: &[u8]) {
        match raw.split_at_checked(HEAD) {
            Some((head, rest)) if head == head_of(ids) => self.add_entry(envelopes, rest, true),
            _ => self.add_entry(envelopes, raw, false),
        }
    }

    fn add_entry(&mut self, envelopes: (u32, u32), raw: &[u8], without_head: bool) {
        put(&mut self.bytes, u64::from(envelopes.0));
        put(&mut self.bytes, u64::from(envelopes.1));
        put(&mut self.bytes, (raw.len() as u64) << 1 | u64::from(without_head));
        self.bytes.extend_from_slice(raw);
    }
}

fn head_of((trace, id): (u128, u64)) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..2].copy_from_slice(&[0x0a, 16]);
    head[2..18].copy_from_slice(&trace.to_be_bytes());
    head[18..20].copy_from_slice(&[0x12, 8]);
    head[20..].copy_from_slice(&id.to_be_bytes());
    head
}

/// A record in a block.
pub(crate) struct Entry<'a> {
    pub(crate) resource: u32,
    pub(crate) scope: u32,
    without_head: bool,
    raw: &'a [u8],
}

impl Entry<'_> {
    /// Writes the message as it came into `out`, in place of what was there. The ids count only if it is a span.
    pub(crate) fn write(&self, ids: (u128, u64), out: &mut Vec<u8>) {
        out.clear();
        if self.without_head {
            out.extend_from_slice(&head_of(ids));
        }
        out.extend_from_slice(self.raw);
    }
}

/// Reads the records of a block from an offset on; none where it is damaged.
pub(crate) fn entries(block: &[u8], offset: usize) -> impl Iterator<Item = Entry<'_>> {
    let mut reader = Reader::new(block.get(offset..).unwrap_or_default());
    std::iter::from_fn(move || {
        let (resource, scope, length) = (reader.u32()?, reader.u32()?, reader.u64()?);
        let raw = reader.bytes(usize::try_from(length >> 1).ok()?)?;
        Some(Entry { resource, scope, without_head: length & 1 == 1, raw })
    })
}

/// Compresses blocks, with a checksum in each.
pub(super) struct Compressor {
    plain: zstd::bulk::Compressor<'static>,
    /// The number of the dictionary, and what compresses with it.
    small: Option<(i64, zstd::bulk::Compressor<'static>)>,
}

impl Compressor {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut plain = zstd::bulk::Compressor::new(LEVEL)?;
        plain.include_checksum(true)?;
        Ok(Self { plain, small: None })
    }

    pub(super) fn use_dictionary(&mut self, number: i64, dictionary: &[u8]) -> std::io::Result<()> {
        let mut small = zstd::bulk::Compressor::with_dictionary(LEVEL, dictionary)?;
        small.include_checksum(true)?;
        self.small = Some((number, small));
        Ok(())
    }

    pub(super) fn has_dictionary(&self) -> bool {
        self.small.is_some()
    }

    /// Compresses a block, and answers the number of the dictionary that it took.
    pub(super) fn compress(&mut self, block: &[u8], out: &mut Vec<u8>) -> std::io::Result<i64> {
        out.clear();
        out.reserve(zstd::zstd_safe::compress_bound(block.len()));
        let (number, compressor) = match &mut self.small {
            Some((number, small)) if block.len() < SMALL => (*number, small),
            _ => (0, &mut self.plain),
        };
        compressor.compress_to_buffer(block, out)?;
        Ok(number)
    }
}

/// Records of which a dictionary is trained.
#[derive(Default)]
pub(super) struct Samples {
    bytes: Vec<u8>,
    sizes: Vec<usize>,
}

impl Samples {
    /// Adds the records of a small block.
    pub(super) fn add(&mut self, block: &[u8]) {
        if block.len() >= SMALL {
            return;
        }
        for entry in entries(block, 0) {
            self.bytes.extend_from_slice(entry.raw);
            self.sizes.push(entry.raw.len());
        }
    }

    /// A dictionary, once there are enough records; none also if nothing is to be gained.
    pub(super) fn train(&mut self) -> Option<Vec<u8>> {
        if self.bytes.len() < ENOUGH {
            return None;
        }
        let samples = std::mem::take(self);
        zstd::dict::from_continuous(&samples.bytes, &samples.sizes, DICTIONARY).ok()
    }
}

/// Decompresses blocks of one file.
#[derive(Default)]
pub(crate) struct Opener {
    by_dictionary: HashMap<i64, zstd::bulk::Decompressor<'static>>,
}

impl Opener {
    /// The bytes of a block, or none if they are not those that were written, or gone.
    pub(crate) fn open(&mut self, file: &Connection, id: i64) -> rusqlite::Result<Option<Vec<u8>>> {
        let mut find = file.prepare_cached("SELECT dictionary, size, data FROM block WHERE id = ?1")?;
        let mut rows = find.query([id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (dictionary, size): (i64, i64) = (row.get(0)?, row.get(1)?);
        let Some(size) = u64::try_from(size).ok().filter(|size| *size <= LARGEST) else { return Ok(None) };
        let Some(decompressor) = self.decompressor(file, dictionary)? else { return Ok(None) };
        let block = decompressor.decompress(row.get_ref(2)?.as_blob()?, size as usize);
        Ok(block.ok().filter(|block| block.len() as u64 == size))
    }

    fn decompressor(
        &mut self,
        file: &Connection,
        number: i64,
    ) -> rusqlite::Result<Option<&mut zstd::bulk::Decompressor<'static>>> {
        let new = match self.by_dictionary.entry(number) {
            hash_map::Entry::Occupied(known) => return Ok(Some(known.into_mut())),
            hash_map::Entry::Vacant(new) => new,
        };
        let bytes = if number == 0 { Some(Vec::new()) } else { dictionary(file, number)? };
        let made = bytes.and_then(|bytes| zstd::bulk::Decompressor::with_dictionary(&bytes).ok());
        Ok(made.map(|made| new.insert(made)))
    }
}

/// The number and the bytes of the latest dictionary of a file.
pub(super) fn latest_dictionary(file: &Connection) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
    let number: Option<i64> = file.query_row("SELECT max(number) FROM dictionary", [], |row| row.get(0))?;
    let Some(number) = number else { return Ok(None) };
    Ok(dictionary(file, number)?.map(|bytes| (number, bytes)))
}

/// Keeps a dictionary in a file, and answers its number.
pub(super) fn keep_dictionary(file: &Connection, bytes: &[u8]) -> rusqlite::Result<i64> {
    let mut sealed = bytes.to_vec();
    varint::seal(&mut sealed, 0);
    let latest: i64 =
        file.query_row("SELECT ifnull(max(number), 0) FROM dictionary", [], |row| row.get(0))?;
    let insert = "INSERT INTO dictionary (number, bytes) VALUES (?1, ?2), (?1, ?2)";
    file.execute(insert, params![latest + 1, sealed])?;
    Ok(latest + 1)
}

/// The first whole copy of a dictionary.
fn dictionary(file: &Connection, number: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut find = file.prepare_cached("SELECT bytes FROM dictionary WHERE number = ?1")?;
    let mut rows = find.query([number])?;
    while let Some(row) = rows.next()? {
        if let Some(bytes) = varint::unseal(row.get_ref(0)?.as_blob()?) {
            return Ok(Some(bytes.to_vec()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_come_back_as_they_came() {
        let ids = (7_u128 << 100 | 3, 9_u64);
        let canonical = [&head_of(ids)[..], b"rest"].concat();
        let mut builder = Builder::default();
        builder.add_span((1, 2), ids, &canonical);
        builder.add_span((1, 300), ids, b"otherwise");
        assert_eq!(builder.offset(), 3 + 4 + 4 + 9);
        let block = builder.bytes().to_vec();
        let mut out = Vec::new();
        let read: Vec<_> = entries(&block, 0)
            .map(|entry| {
                entry.write(ids, &mut out);
                (entry.scope, out.clone())
            })
            .collect();
        assert_eq!(read, [(2, canonical), (300, b"otherwise".to_vec())]);
        assert_eq!(entries(&block, 7).count(), 1);
    }

    #[test]
    fn blocks_are_opened_with_the_dictionary_that_they_took() {
        let file = Connection::open_in_memory().expect("it opens");
        file.execute_batch(include_str!("schema/1_spans.sql")).expect("it is SQL");
        let record = |n: usize| {
            format!("a record of which much is the same, but its number is {}", n * 7_919).into_bytes()
        };
        let (mut samples, mut builder) = (Samples::default(), Builder::default());
        (0..12_000).for_each(|n| {
            builder.clear();
            builder.add((1, 1), &record(n));
            samples.add(builder.bytes());
        });
        let dictionary = samples.train().expect("there is enough");
        let number = keep_dictionary(&file, &dictionary).expect("there is room");
        assert_eq!(latest_dictionary(&file).expect("it is read"), Some((number, dictionary.clone())));
        let mut compressor = Compressor::new().expect("zstd");
        let (mut plain, mut small) = (Vec::new(), Vec::new());
        assert_eq!(compressor.compress(builder.bytes(), &mut plain).expect("it compresses"), 0);
        compressor.use_dictionary(number, &dictionary).expect("it is one");
        assert_eq!(compressor.compress(builder.bytes(), &mut small).expect("it compresses"), number);
        assert!(small.len() < plain.len() / 2, "{} {}", small.len(), plain.len());
        for (id, dictionary, data) in [(1, 0, &plain), (2, number, &small)] {
            let values = params![id, dictionary, builder.offset() as i64, data];
            file.execute("INSERT INTO block VALUES (?1, ?2, ?3, ?4)", values).expect("there is room");
        }
        // One copy of the dictionary is enough.
        file.execute("UPDATE dictionary SET bytes = zeroblob(9) WHERE id = 1", []).expect("it is there");
        let mut opener = Opener::default();
        for id in [1, 2] {
            assert_eq!(opener.open(&file, id).expect("it is read").as_deref(), Some(builder.bytes()));
        }
        assert_eq!(opener.open(&file, 3).expect("it is read"), None);
    }
}
