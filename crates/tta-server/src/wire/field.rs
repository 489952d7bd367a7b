//! Reads the fields of a protobuf message where they lie.

use super::Malformed;

/// A part of a buffer. Buffers are smaller than 4 GiB, so eight bytes say where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Slice {
    /// All of a buffer.
    pub(crate) fn all(buffer: &[u8]) -> Self {
        Self { start: 0, end: u32::try_from(buffer.len()).unwrap_or(u32::MAX) }
    }

    pub(crate) fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start as usize..self.end as usize]
    }

    pub(crate) fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The text, which was checked when it was scanned.
    pub(crate) fn text(self, buffer: &[u8]) -> &str {
        std::str::from_utf8(self.of(buffer)).unwrap_or_default()
    }
}

/// The value of a field, as the wire has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wire {
    Varint(u64),
    Fixed64(u64),
    Bytes(Slice),
    Fixed32(u32),
    /// A group of fields, which was given up before OTLP was made. Whoever does not know the field passes by it.
    Group,
}

/// How deep groups may lie in each other.
const DEEPEST_GROUP: usize = 8;

/// The fields of a message, one after the other.
pub(crate) struct Fields<'a> {
    buffer: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(buffer: &'a [u8], message: Slice) -> Self {
        Self { buffer, at: message.start as usize, end: message.end as usize }
    }

    /// The number and the value of the next field, or none at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Wire)>, Malformed> {
        if self.at >= self.end {
            return Ok(None);
        }
        let (number, kind) = self.key()?;
        let value = match kind {
            3 => {
                self.skip_group(number)?;
                Wire::Group
            }
            _ => self.value(kind)?,
        };
        Ok(Some((number, value)))
    }

    /// The number of a field, and the type of its value.
    #[inline]
    fn key(&mut self) -> Result<(u32, u8), Malformed> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| Malformed("a field has an impossible number"))?;
        if number == 0 || key > u64::from(u32::MAX) {
            return Err(Malformed("a field has an impossible number"));
        }
        Ok((number, (key & 7) as u8))
    }

    #[inline]
    fn value(&mut self, kind: u8) -> Result<Wire, Malformed> {
        Ok(match kind {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => Wire::Bytes(self.bytes()?),
            5 => Wire::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => {
                return Err(Malformed(
                    "a field has a wire type that does not exist, or ends a group that did not begin",
                ));
            }
        })
    }

    /// Passes by the fields of a group up to its end.
    #[cold]
    fn skip_group(&mut self, number: u32) -> Result<(), Malformed> {
        let mut open = vec![number];
        while let Some(innermost) = open.last() {
            if self.at >= self.end {
                return Err(Malformed("the message ends within a group"));
            }
            match self.key()? {
                (_, 3) if open.len() == DEEPEST_GROUP => return Err(Malformed("groups are nested too deep")),
                (number, 3) => open.push(number),
                (number, 4) if number == *innermost => {
                    open.pop();
                }
                (_, kind) => {
                    self.value(kind)?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        if let Some(&first) = self.buffer[..self.end].get(self.at)
            && first < 0x80
        {
            self.at += 1;
            return Ok(u64::from(first));
        }
        let (mut value, mut shift) = (0_u64, 0);
        for &byte in self.buffer[self.at..self.end].iter().take(10) {
            self.at += 1;
            if shift == 63 && byte > 1 {
                return Err(Malformed("an integer has more than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
        Err(Malformed("the message ends within an integer"))
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.buffer[self.at..self.end].first_chunk::<N>();
        self.at += N;
        bytes.copied().ok_or(Malformed("the message ends within a number"))
    }

    #[inline]
    fn bytes(&mut self) -> Result<Slice, Malformed> {
        let length = self.varint()?;
        if length > (self.end - self.at) as u64 {
            return Err(Malformed("a field is longer than its message"));
        }
        let start = self.at;
        self.at += length as usize;
        Ok(Slice { start: start as u32, end: self.at as u32 })
    }
}

/// Appends a length-delimited field.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    crate::varint::put(out, u64::from(number << 3 | 2));
    crate::varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
