//! Documents of JSON in a file: one a line, or over several lines as people and programs lay them out.

use std::io::{self, BufRead};

use super::signal::Signal;

/// What some programs write before the first character.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads documents one after the other.
pub(super) struct Documents<R> {
    input: R,
    /// How many bytes were read.
    pub(super) bytes: u64,
    /// How many lines were read.
    pub(super) lines: u64,
    /// A line that was read, and begins the next document.
    held: Vec<u8>,
}

/// Text that is one document, or none at all.
pub(super) struct Document {
    /// The number of its first line, from 1.
    pub(super) line: u64,
    pub(super) text: Vec<u8>,
}

impl<R: BufRead> Documents<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, bytes: 0, lines: 0, held: Vec::new() }
    }

    /// The next document. Empty lines are passed by.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Document>> {
        let mut text = std::mem::take(&mut self.held);
        let mut line = self.lines;
        let mut nesting = Nesting::default();
        nesting.see(&text);
        while text.is_empty() || nesting.is_open() {
            let from = text.len();
            let read = self.input.read_until(b'\n', &mut text)?;
            if read == 0 {
                return Ok((!text.is_empty()).then_some(Document { line, text }));
            }
            self.bytes += read as u64;
            self.lines += 1;
            if from == 0 {
                line = self.lines;
                if line == 1 && text.starts_with(BYTE_ORDER_MARK) {
                    text.drain(..BYTE_ORDER_MARK.len());
                }
                if text.trim_ascii().is_empty() {
                    text.clear();
                    continue;
                }
            } else if begins_request(&text[from..]) {
                // The one before was cut off.
                self.held = text.split_off(from);
                break;
            }
            nesting.see(&text[from..]);
        }
        Ok(Some(Document { line, text }))
    }
}

/// Whether a line can be nothing but the begin of a request.
fn begins_request(line: &[u8]) -> bool {
    let key = line.strip_prefix(b"{\"").unwrap_or_default();
    Signal::ALL.iter().any(|signal| {
        key.strip_prefix(signal.resources().as_bytes()).is_some_and(|rest| rest.starts_with(b"\""))
    })
}

/// How many brackets are open.
#[derive(Default)]
struct Nesting {
    depth: i64,
    is_text: bool,
}

impl Nesting {
    fn see(&mut self, line: &[u8]) {
        let mut bytes = line.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => self.is_text = !self.is_text,
                b'\\' if self.is_text => _ = bytes.next(),
                b'{' | b'[' if !self.is_text => self.depth += 1,
                b'}' | b']' if !self.is_text => self.depth -= 1,
                _ => {}
            }
        }
    }

    /// Whether more lines belong to it. A text that a line leaves open is a mistake, which more lines do not mend.
    fn is_open(&self) -> bool {
        self.depth > 0 && !self.is_text
    }
}

#[cfg(test)]
mod tests {
    use super::Documents;

    fn check(input: &str, expect: &[(u64, &str)]) {
        let mut documents = Documents::new(input.as_bytes());
        let mut found = Vec::new();
        while let Some(document) = documents.next().unwrap() {
            found.push((document.line, String::from_utf8(document.text).unwrap()));
        }
        let expect: Vec<_> = expect.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
        assert_eq!(found, expect, "{input}");
        assert_eq!(documents.bytes, input.len() as u64);
    }

    #[test]
    fn a_document_ends_with_its_brackets() {
        check("", &[]);
        check("\n \n", &[]);
        check("\u{feff}{}\n{}", &[(1, "{}\n"), (2, "{}")]);
        check("{}\n\n{}", &[(1, "{}\n"), (3, "{}")]);
        check("{\n\n \"a\": [\n]}\r\n{}", &[(1, "{\n\n \"a\": [\n]}\r\n"), (5, "{}")]);
        check("{\"a\":\"}{[\\\"{\"}\n{}", &[(1, "{\"a\":\"}{[\\\"{\"}\n"), (2, "{}")]);
        // What is wrong ends with its line.
        check("no JSON\n{}", &[(1, "no JSON\n"), (2, "{}")]);
        check("}\n{}", &[(1, "}\n"), (2, "{}")]);
        check("{\"a\n{}", &[(1, "{\"a\n"), (2, "{}")]);
        // What was cut off ends where the next request begins.
        let (cut, next) = ("{\"resourceSpans\":[{\n", "{\"resourceLogs\":[]}\n");
        check(&[cut, next, next].concat(), &[(1, cut), (2, next), (3, next)]);
        check(&[cut, cut, next].concat(), &[(1, cut), (2, cut), (3, next)]);
        check(&[next, cut].concat(), &[(1, next), (2, cut)]);
    }
}
