//! What the frames of a stream tell that the client keeps until the end, or to itself.
//!
//! A stream that breaks has no end, but some providers have told by then what the prompt came to: their word is better
//! than our count.

use std::sync::{Mutex, MutexGuard, PoisonError};

use genai::chat::{ChatFrameSink, FrameCtx, RawFrameRef};
use serde_json::Value as Json;

use crate::answer::Told;
use crate::provider::Api;

/// In how many frames the name of the model is looked for.
const NAMED_WITHIN: u32 = 4;

/// What the frames have told so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) model: Option<String>,
    pub(super) id: Option<String>,
    pub(super) usage: Told,
    /// Whether anything has come at all.
    pub(super) any: bool,
}

/// Reads frames as they pass.
pub(super) struct Frames {
    api: Api,
    seen: Mutex<Seen>,
}

impl Frames {
    pub(super) fn new(api: Api) -> Self {
        Self { api, seen: Mutex::default() }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChatFrameSink for Frames {
    fn on_frame(&self, _stream: &FrameCtx, frame: RawFrameRef<'_>) {
        let mut seen = self.seen();
        seen.any = true;
        let wants_name = seen.model.is_none() && frame.index < NAMED_WITHIN;
        // Most frames are a word or two and tell nothing else: they are not read twice.
        if !wants_name && !frame.data.contains("sage\"") && !frame.data.contains("usageMetadata") {
            return;
        }
        let Some(frame) = frame.json() else { return };
        let text = |path: &str| frame.pointer(path).and_then(Json::as_str).map(str::to_owned);
        let first = |paths: [&str; 3]| paths.into_iter().find_map(text);
        if wants_name {
            seen.model = first(["/model", "/message/model", "/modelVersion"]);
            seen.id = first(["/id", "/message/id", "/responseId"]);
        }
        read(self.api, &frame, &mut seen.usage);
    }
}

/// Reads the usage in a frame over what earlier ones have told.
fn read(api: Api, frame: &Json, told: &mut Told) {
    let count = |path: &str| frame.pointer(path).and_then(Json::as_u64);
    match api {
        Api::Anthropic => {
            if let Some(fresh) = count("/message/usage/input_tokens") {
                let usage = &mut told.usage;
                usage.cache_read_tokens = count("/message/usage/cache_read_input_tokens").unwrap_or(0);
                usage.cache_write_tokens = count("/message/usage/cache_creation_input_tokens").unwrap_or(0);
                usage.cache_write_1h_tokens =
                    count("/message/usage/cache_creation/ephemeral_1h_input_tokens").unwrap_or(0);
                usage.input_tokens = fresh + usage.cache_read_tokens + usage.cache_write_tokens;
                told.has_input = true;
            }
            // What the first frame says of the answer is a guess; this is the sum.
            if let Some(output) = count("/usage/output_tokens") {
                told.usage.output_tokens = output;
                told.has_output = true;
            }
        }
        Api::Gemini => {
            if let Some(prompt) = count("/usageMetadata/promptTokenCount") {
                let tools = count("/usageMetadata/toolUsePromptTokenCount").unwrap_or(0);
                told.usage.input_tokens = prompt + tools;
                told.usage.cache_read_tokens = count("/usageMetadata/cachedContentTokenCount").unwrap_or(0);
                told.has_input = true;
            }
            if let Some(said) = count("/usageMetadata/candidatesTokenCount") {
                let thought = count("/usageMetadata/thoughtsTokenCount").unwrap_or(0);
                told.usage.output_tokens = said + thought;
                told.usage.reasoning_tokens = thought;
                told.has_output = true;
            }
        }
        // They tell at the end, where the client reads it.
        Api::OpenAi | Api::Groq | Api::Ollama => {}
    }
}
