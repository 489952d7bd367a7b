//! Calls of tools that come in pieces, in OpenAI's format.
//!
//! The client puts them together as well, but makes room for as many as the provider's index says, of which one frame can
//! say billions.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::request::ToolCall;

/// How many calls an answer may make.
pub(super) const MAX_CALLS: usize = 128;

/// The calls of an answer, as far as they have come.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    by_index: BTreeMap<u64, Half>,
    latest: u64,
    /// Whether there were more than an answer may make.
    pub(super) are_too_many: bool,
}

#[derive(Clone, Debug, Default)]
struct Half {
    id: String,
    name: String,
    /// The text of a JSON value, or of half of one.
    arguments: String,
}

impl Calls {
    /// Reads the pieces in a frame.
    pub(super) fn read(&mut self, frame: &Json) {
        let pieces = frame.pointer("/choices/0/delta/tool_calls").and_then(Json::as_array);
        for piece in pieces.into_iter().flatten() {
            let index = piece.get("index").and_then(Json::as_u64).unwrap_or(0);
            if self.by_index.len() == MAX_CALLS && !self.by_index.contains_key(&index) {
                self.are_too_many = true;
                return;
            }
            let text = |path: &str| piece.pointer(path).and_then(Json::as_str).unwrap_or_default();
            let call = self.by_index.entry(index).or_default();
            // Both come once, with the first piece.
            for (known, told) in [(&mut call.id, text("/id")), (&mut call.name, text("/function/name"))] {
                if !told.is_empty() {
                    told.clone_into(known);
                }
            }
            call.arguments.push_str(text("/function/arguments"));
            self.latest = index;
        }
    }

    /// The call of which a piece came last, with the text of its arguments so far.
    pub(super) fn latest(&self) -> Option<ToolCall> {
        let call = self.by_index.get(&self.latest)?;
        Some(call.with(self.latest, Json::String(call.arguments.clone())))
    }

    /// All calls, once they have come.
    pub(super) fn all(&self) -> Vec<ToolCall> {
        let whole = |(index, call): (&u64, &Half)| {
            let text = call.arguments.trim();
            // Some providers write nothing where there are no arguments.
            let nothing = || Json::Object(serde_json::Map::new());
            let read =
                |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned()));
            call.with(*index, if text.is_empty() { nothing() } else { read(text) })
        };
        self.by_index.iter().map(whole).collect()
    }
}

impl Half {
    fn with(&self, index: u64, arguments: Json) -> ToolCall {
        let id = if self.id.is_empty() { format!("call_{index}") } else { self.id.clone() };
        ToolCall { id, name: self.name.clone(), arguments }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn piece(index: u64, id: Option<&str>, name: Option<&str>, arguments: &str) -> Json {
        let call = json!({"index": index, "id": id, "function": {"name": name, "arguments": arguments}});
        json!({"choices": [{"delta": {"tool_calls": [call]}}]})
    }

    #[test]
    fn pieces_become_calls_whatever_their_index() {
        let mut calls = Calls::default();
        calls.read(&piece(u64::MAX, Some("a"), Some("find"), "{\"x\""));
        calls.read(&piece(7, None, Some("stop"), ""));
        calls.read(&piece(u64::MAX, None, None, ": 1}"));
        let latest = calls.latest().unwrap();
        assert_eq!((latest.id.as_str(), latest.arguments), ("a", json!("{\"x\": 1}")));
        let all: Vec<_> = calls.all().into_iter().map(|call| (call.id, call.name, call.arguments)).collect();
        let expect = [("call_7", "stop", json!({})), ("a", "find", json!({"x": 1}))];
        assert_eq!(all, expect.map(|(id, name, arguments)| (id.to_owned(), name.to_owned(), arguments)));
    }

    #[test]
    fn there_are_only_so_many() {
        let mut calls = Calls::default();
        for index in 0..1_000 {
            calls.read(&piece(index, None, Some("find"), "{}"));
        }
        assert_eq!((calls.all().len(), calls.are_too_many), (MAX_CALLS, true));
    }
}
