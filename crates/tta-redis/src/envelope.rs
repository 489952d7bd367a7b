//! What a value lies in, so that only what was put in comes out.

use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rmp_serde::{Deserializer, Serializer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// What every envelope begins with.
const MAGIC: &[u8; 3] = b"TTA";
/// The version of the envelope, which is a part of the keys too.
pub(crate) const FORMAT: u8 = 1;
/// How many bytes the fingerprint of a type has, and the checksum.
const FINGERPRINT: usize = 8;
const CHECKSUM: usize = 16;
/// The magic, the version, the fingerprint, the time, and the checksum.
pub(crate) const HEADER: usize = MAGIC.len() + 1 + FINGERPRINT + 8 + CHECKSUM;
/// How deep values may be nested, so that reading one cannot exhaust the stack.
const MAX_DEPTH: usize = 128;

/// Why a value is not of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    Garbage,
    Version,
    Type,
    Checksum,
    Payload,
    Unwritable,
    TooLarge,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Garbage => "what lies under a key is not from here",
            Self::Version => "what lies under a key is of another version of the library",
            Self::Type => "what lies under a key is of another type",
            Self::Checksum => "what lies under a key is damaged or cut off",
            Self::Payload => "what lies under a key is not of the type that is asked for",
            Self::Unwritable => "the value cannot be serialised",
            Self::TooLarge => "a value is larger than allowed; see `Redis::max_value_bytes`",
        })
    }
}

/// What an envelope is for: a value of one type under one key.
pub(crate) struct Address<'a> {
    /// What the values are.
    pub(crate) kind: &'a str,
    pub(crate) key: &'a str,
}

impl Address<'_> {
    fn fingerprint(&self) -> [u8; FINGERPRINT] {
        cut(Sha256::digest(self.kind.as_bytes()).as_slice())
    }

    fn checksum(&self, stored_at: [u8; 8], payload: &[u8]) -> [u8; CHECKSUM] {
        let mut hasher = Sha256::new();
        hasher.update([FORMAT]);
        for text in [self.kind, self.key] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(stored_at);
        hasher.update(payload);
        cut(hasher.finalize().as_slice())
    }
}

/// The beginning of a hash.
fn cut<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut beginning = [0; N];
    beginning.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    beginning
}

/// Writes a value as bytes.
pub(crate) fn pack<T: Serialize>(value: &T, max_bytes: usize) -> Result<Vec<u8>, Bad> {
    let mut bounded = Bounded { bytes: Vec::new(), left: max_bytes, is_full: false };
    // How a value is written is the application's code.
    let written = catch_unwind(AssertUnwindSafe(|| {
        value.serialize(&mut Serializer::new(&mut bounded).with_struct_map()).is_ok()
    }));
    match written {
        Ok(true) => Ok(bounded.bytes),
        _ if bounded.is_full => Err(Bad::TooLarge),
        _ => Err(Bad::Unwritable),
    }
}

/// Puts the bytes of a value into an envelope, with the time in milliseconds at which it is stored.
pub(crate) fn seal(address: &Address<'_>, stored_at_millis: u64, payload: &[u8]) -> Vec<u8> {
    let stored_at = stored_at_millis.to_be_bytes();
    let mut sealed = Vec::with_capacity(HEADER + payload.len());
    sealed.extend_from_slice(MAGIC);
    sealed.push(FORMAT);
    sealed.extend(address.fingerprint());
    sealed.extend(stored_at);
    sealed.extend(address.checksum(stored_at, payload));
    sealed.extend_from_slice(payload);
    sealed
}

/// Takes a value out of its envelope, with the time at which it was stored.
pub(crate) fn open<T: DeserializeOwned>(address: &Address<'_>, sealed: &[u8]) -> Result<(T, u64), Bad> {
    let rest = sealed.strip_prefix(MAGIC).ok_or(Bad::Garbage)?;
    let (&format, rest) = rest.split_first().ok_or(Bad::Checksum)?;
    if format != FORMAT {
        return Err(Bad::Version);
    }
    let (fingerprint, rest) = rest.split_first_chunk::<FINGERPRINT>().ok_or(Bad::Checksum)?;
    let (stored_at, rest) = rest.split_first_chunk::<8>().ok_or(Bad::Checksum)?;
    let (checksum, payload) = rest.split_first_chunk::<CHECKSUM>().ok_or(Bad::Checksum)?;
    if *fingerprint != address.fingerprint() {
        return Err(Bad::Type);
    }
    if *checksum != address.checksum(*stored_at, payload) {
        return Err(Bad::Checksum);
    }
    Ok((unpack(payload)?, u64::from_be_bytes(*stored_at)))
}

fn unpack<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Bad> {
    // How a value is read is the application's code.
    let read = catch_unwind(|| {
        let mut deserializer = Deserializer::new(io::Cursor::new(payload));
        deserializer.set_max_depth(MAX_DEPTH);
        let value = T::deserialize(&mut deserializer).ok()?;
        (deserializer.position() == payload.len() as u64).then_some(value)
    });
    read.ok().flatten().ok_or(Bad::Payload)
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    left: usize,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(bytes.len()) {
            Some(left) => {
                self.left = left;
                self.bytes.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            None => {
                self.is_full = true;
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
