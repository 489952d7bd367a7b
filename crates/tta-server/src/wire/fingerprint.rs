//! Hashes of attributes, key and value together, by which a search knows where an attribute cannot be.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::field::Slice;
use super::span::Found;

const TEXT: u64 = 1;
const BOOL: u64 = 2;
const INT: u64 = 3;
const FLOAT: u64 = 4;
const OTHER: u64 = 5;

/// Each run has these beside the hashes of its attributes if they include those of events, links and scopes. Runs that were written
/// before there were such have none; that all of them seem to be there by accident happens once in 30 million runs.
pub(crate) const HAS_ALL: [u64; 5] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
];

fn hash(key: &[u8], kind: u64, value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64(key) ^ kind)
}

/// The hash of an attribute; of the key alone if its value is no single one.
#[inline]
pub(crate) fn of(buffer: &[u8], key: Slice, value: Found) -> u64 {
    let key = key.of(buffer);
    match value {
        Found::Text(text) => hash(key, TEXT, text.of(buffer)),
        Found::Bool(bool) => hash(key, BOOL, &[u8::from(bool)]),
        Found::Int(int) => hash(key, INT, &int.to_le_bytes()),
        Found::Float(float) => hash(key, FLOAT, &bits(float)),
        Found::Other => hash(key, OTHER, &[]),
    }
}

/// The hash of a text that is shown under a key.
pub(crate) fn text(key: &str, value: &[u8]) -> u64 {
    hash(key.as_bytes(), TEXT, value)
}

/// What is "not a number" has many forms and is printed as one.
fn bits(float: f64) -> [u8; 8] {
    if float.is_nan() { f64::NAN.to_le_bytes() } else { float.to_le_bytes() }
}

/// The hashes that an attribute can have whose value is printed like this.
pub(crate) fn asked(key: &str, value: &str) -> Vec<u64> {
    let key = key.as_bytes();
    let mut hashes = vec![hash(key, TEXT, value.as_bytes())];
    hashes.extend(value.parse::<bool>().map(|bool| hash(key, BOOL, &[u8::from(bool)])));
    hashes.extend(value.parse::<i64>().map(|int| hash(key, INT, &int.to_le_bytes())));
    hashes.extend(value.parse::<f64>().map(|float| hash(key, FLOAT, &bits(float))));
    hashes
}

/// The same, also of a list, a map or bytes.
pub(crate) fn asked_of_any(key: &str, value: &str) -> Vec<u64> {
    let mut hashes = asked(key, value);
    hashes.push(hash(key.as_bytes(), OTHER, &[]));
    hashes
}
