//! Percent-encoding of baggage values.

use std::borrow::Cow;
use std::fmt;

/// Whether every character may stand in a value as it is, the percent sign of a sequence included.
pub(super) fn is_encoded(text: &str) -> bool {
    text.bytes().all(is_octet)
}

/// Decodes a value. What is not a sequence stays, what is not UTF-8 becomes U+FFFD.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match tail {
            [high, low, after @ ..] if *first == b'%' && is_hex(*high) && is_hex(*low) => {
                bytes.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Prints a value encoded.
pub(super) struct Encoded<'a>(pub(super) &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            if char.is_ascii() && is_plain(char as u8) {
                fmt::Write::write_char(f, char)?;
                continue;
            }
            for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// The length that [`Encoded`] prints, in bytes.
pub(super) fn encoded_len(text: &str) -> usize {
    text.bytes().map(|byte| if is_plain(byte) { 1 } else { 3 }).sum()
}

/// Whether a byte needs no encoding.
fn is_plain(byte: u8) -> bool {
    is_octet(byte) && byte != b'%'
}

/// Printable ASCII without space, quotation mark, comma, semicolon and backslash.
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// The value of a hex digit of either case.
fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => byte.to_ascii_lowercase().wrapping_sub(b'a').wrapping_add(10),
    }
}
