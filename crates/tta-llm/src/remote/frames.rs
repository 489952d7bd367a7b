//! What the frames of a stream tell that the client keeps until the end, or to itself.
//!
//! A stream that breaks has no end, but some providers have told by then what the prompt came to: their word is better
//! than our count.

use std::sync::{Mutex, MutexGuard, PoisonError};

use genai::chat::{ChatFrameSink, FrameCtx, RawFrameRef};
use serde_json::Value as Json;

use super::calls::{Calls, MAX_CALLS};
use super::{failure, usage};
use crate::answer::Told;
use crate::error::{CallFailure, FailureClass};

/// In how many frames the name of the model is looked for.
const NAMED_WITHIN: u32 = 4;

/// What the frames have told so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) model: Option<String>,
    pub(super) id: Option<String>,
    pub(super) usage: Told,
    /// The calls of tools; none unless they are read here.
    pub(super) calls: Option<Calls>,
    /// How many frames of an answer have come.
    frames: u32,
    /// Whether something came that is not a frame.
    has_noise: bool,
    /// What went wrong, in the provider's words.
    failure: Option<CallFailure>,
}

impl Seen {
    /// Whether any part of an answer has come.
    pub(super) fn any(&self) -> bool {
        self.frames > 0
    }

    /// Why the stream has stopped before its end, as far as the frames tell.
    pub(super) fn failure(&self) -> Option<CallFailure> {
        let noise = || {
            let message = "what came is not a stream of events; is the base URL that of the interface?";
            CallFailure::new(FailureClass::Malformed, message)
        };
        let is_noise = self.has_noise && self.frames == 0;
        self.failure.clone().or_else(|| is_noise.then(noise))
    }
}

/// Reads frames as they pass.
pub(super) struct Frames {
    seen: Mutex<Seen>,
}

impl Frames {
    /// Reads the calls of tools too, or leaves them to the client.
    pub(super) fn new(reads_calls: bool) -> Self {
        Self { seen: Mutex::new(Seen { calls: reads_calls.then(Calls::default), ..Seen::default() }) }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChatFrameSink for Frames {
    fn on_frame(&self, _stream: &FrameCtx, frame: RawFrameRef<'_>) {
        let mut seen = self.seen();
        seen.has_noise |= frame.event.is_none() && frame.data.is_empty();
        let wants_name = seen.model.is_none() && seen.frames < NAMED_WITHIN;
        let may_call = seen.calls.is_some() && frame.data.contains("\"tool_calls\"");
        if !wants_name && !may_call && !frame.data.contains("\"error\"") && !usage::may_be_in(frame.data) {
            return;
        }
        let Some(frame) = frame.json().filter(Json::is_object) else { return };
        seen.read(&frame, wants_name);
    }
}

impl Seen {
    fn read(&mut self, frame: &Json, wants_name: bool) {
        let is_error = frame.get("error").is_some_and(|error| !error.is_null());
        if is_error || frame.pointer("/promptFeedback/blockReason").is_some() {
            self.failure = Some(failure::told(frame));
        }
        // An error is no part of an answer, and nobody is billed for it.
        if is_error {
            return;
        }
        self.frames += 1;
        if wants_name {
            let text = |path: &&str| frame.pointer(path).and_then(Json::as_str);
            let first = |paths: [&str; 3]| {
                paths.iter().find_map(text).filter(|text| !text.is_empty()).map(str::to_owned)
            };
            self.model = first(["/model", "/message/model", "/modelVersion"]);
            self.id = first(["/id", "/message/id", "/responseId"]);
        }
        usage::read(frame, &mut self.usage);
        let Some(calls) = &mut self.calls else { return };
        calls.read(frame);
        if calls.are_too_many {
            let message = format!("the answer calls more than {MAX_CALLS} tools");
            self.failure = Some(CallFailure::new(FailureClass::Malformed, &message));
        }
    }
}
