//! Blocks: records as they came, some dozens together, compressed.
//!
//! A block holds whole traces of a batch as far as they fit, one after the other. The larger a block, the smaller a span in
//! it, and the longer it takes to read one trace: 48 KiB are read in some 40 microseconds.

use crate::varint::{Reader, put};

/// A block is closed when it has become larger than this, in bytes.
pub(super) const FULL: usize = 96 * 1024;
/// A block is never larger than this and one record.
const LARGEST: u64 = 1 << 31;
/// Level 1 takes 60 % of the time of level 3 and 5 % more bytes.
fn level() -> i32 {
    std::env::var("LEVEL").ok().and_then(|l| l.parse().ok()).unwrap_or(1)
}

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
    inner: zstd::bulk::Compressor<'static>,
}

impl Compressor {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut inner = zstd::bulk::Compressor::new(level())?;
        inner.include_checksum(true)?;
        Ok(Self { inner })
    }

    pub(super) fn compress(&mut self, block: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        out.clear();
        out.reserve(zstd::zstd_safe::compress_bound(block.len()));
        self.inner.compress_to_buffer(block, out).map(|_| ())
    }
}

/// The bytes of a block, or none if they are not those that were written.
pub(crate) fn decompress(size: i64, data: &[u8]) -> Option<Vec<u8>> {
    let size = u64::try_from(size).ok().filter(|size| *size <= LARGEST)?;
    zstd::bulk::decompress(data, size as usize).ok().filter(|block| block.len() as u64 == size)
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
        let (mut compressed, mut out) = (Vec::new(), Vec::new());
        Compressor::new().expect("zstd").compress(builder.bytes(), &mut compressed).expect("it compresses");
        let block = decompress(builder.offset() as i64, &compressed).expect("it is whole");
        let read: Vec<_> = entries(&block, 0)
            .map(|entry| {
                entry.write(ids, &mut out);
                (entry.scope, out.clone())
            })
            .collect();
        assert_eq!(read, [(2, canonical), (300, b"otherwise".to_vec())]);
        assert_eq!(entries(&block, 7).count(), 1);
        assert_eq!(decompress(3, &compressed), None);
    }
}
