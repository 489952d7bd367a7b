//! What the promises need to know of a provider: its paths and the words of its answers.

use serde_json::Value as Json;
use tta_llm::{ChatRequest, FailureClass, Llm, Models, Provider, Usage, tokens};

use super::check;
use super::server::{Reply, Server};

/// The tokens of the answers below.
pub(crate) const USAGE: Usage = Usage {
    input_tokens: 120,
    output_tokens: 30,
    cache_read_tokens: 20,
    cache_write_tokens: 0,
    cache_write_1h_tokens: 0,
    reasoning_tokens: 0,
    estimated: false,
};

/// How a provider is spoken to.
pub(crate) struct Dialect {
    pub(crate) name: &'static str,
    pub(crate) model: &'static str,
    /// The provider without a key, at an address.
    pub(crate) provider: fn(&str) -> Provider,
    pub(crate) path: &'static str,
    pub(crate) stream_path: &'static str,
    /// The type of a streamed answer.
    pub(crate) mime: &'static str,
    /// An answer with a text, of [`USAGE`].
    pub(crate) answer: fn(&str) -> Json,
    /// What comes before the first piece of a streamed answer.
    pub(crate) begin: fn() -> Vec<String>,
    /// A piece.
    pub(crate) piece: fn(&str) -> String,
    /// What comes after the last one, with [`USAGE`].
    pub(crate) end: fn() -> Vec<String>,
    /// What the provider has told of by the first piece: of the input, and of the output.
    pub(crate) told: (Option<Usage>, Option<u64>),
    pub(crate) rate_limited: fn() -> (u16, Json),
    pub(crate) broken: fn() -> (u16, Json),
    pub(crate) overloaded: fn() -> (u16, Json),
    pub(crate) unauthorized: fn() -> (u16, Json),
    pub(crate) too_long: fn() -> (u16, Json),
    /// An error within a stream, and what class it is.
    pub(crate) failing: fn() -> (String, FailureClass),
}

impl Dialect {
    /// A model of the provider at an address, billed by [`check::price`].
    pub(crate) fn llm(&self, provider: Provider) -> Llm {
        let models = Models::builder().provider(provider).build();
        models.model(&format!("{}/{}", self.name, self.model)).unwrap().priced(check::price())
    }

    pub(crate) fn at(&self, server: &Server) -> Llm {
        self.llm((self.provider)(&server.url))
    }

    /// A whole stream.
    pub(crate) fn frames(&self, pieces: &[&str]) -> Vec<String> {
        let pieces = pieces.iter().map(|piece| (self.piece)(piece));
        (self.begin)().into_iter().chain(pieces).chain((self.end)()).collect()
    }

    /// A stream as far as a piece.
    pub(crate) fn half(&self, piece: &str) -> Vec<String> {
        (self.begin)().into_iter().chain([(self.piece)(piece)]).collect()
    }

    pub(crate) fn streamed(&self, pieces: &[&str]) -> Reply {
        Reply::frames(self.mime, &self.frames(pieces))
    }

    /// The tokens of a stream of which only a text came: what the provider told of, and the rest counted.
    pub(crate) fn partial(&self, request: &ChatRequest, text: &str) -> Usage {
        let (input, output) = self.told;
        let estimated = input.is_none() || output.is_none();
        let input = input.unwrap_or_else(|| Usage {
            input_tokens: tokens::count_request(self.model, request),
            ..Usage::default()
        });
        let output_tokens = output.unwrap_or_else(|| tokens::count_answer(self.model, text, &[]));
        Usage { output_tokens, estimated, ..input }
    }
}
