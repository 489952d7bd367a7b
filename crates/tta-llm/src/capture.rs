//! What was asked and answered, on the spans, for those who want it there.
//!
//! Off by default: prompts hold what users write, and spans are read by more people than that. On, every text is cut to
//! a length and what looks like a secret is taken out.

use serde::de::IgnoredAny;
use serde_json::{Value as Json, json};
use tta_model::name::attribute as a;
use tta_primitives::WorkflowContext;

use crate::answer::Answer;
use crate::request::{ChatRequest, Message, ToolCall};

/// The variable of the environment that turns the capture on, as the GenAI conventions have it.
pub(crate) const VARIABLE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
/// How long a text is at most, in bytes.
const MAX_TEXT_BYTES: usize = 8 * 1_024;
/// How many messages of a request are kept, the latest ones.
const MAX_MESSAGES: usize = 64;
/// How deep the arguments of a tool are looked into; what lies deeper is left out.
const MAX_DEPTH: usize = 32;

/// Whether prompts and answers are put on spans, and how much of them.
///
/// The names are those of the OpenTelemetry GenAI conventions: `gen_ai.system_instructions`, `gen_ai.input.messages`,
/// `gen_ai.output.messages`, each a JSON text.
///
/// ```
/// use tta_llm::{Capture, Models};
///
/// let models = Models::builder().capture(Capture::on().max_text_bytes(1_000)).build();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    is_on: bool,
    max_text_bytes: usize,
}

impl Default for Capture {
    fn default() -> Self {
        Self::off()
    }
}

impl Capture {
    /// No content on spans. This is the default.
    #[must_use]
    pub const fn off() -> Self {
        Self { is_on: false, max_text_bytes: MAX_TEXT_BYTES }
    }

    /// Content on spans, each text at most 8 KiB long and without what looks like a secret.
    #[must_use]
    pub const fn on() -> Self {
        Self { is_on: true, max_text_bytes: MAX_TEXT_BYTES }
    }

    /// How long each text is at most, in bytes.
    #[must_use]
    pub const fn max_text_bytes(self, max_text_bytes: usize) -> Self {
        Self { max_text_bytes, ..self }
    }

    /// As the standard variable `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says: on for `true`, `span_only` and
    /// `span_and_event`, off for everything else.
    #[must_use]
    pub fn from_env() -> Self {
        Self::read(std::env::var(VARIABLE).ok().as_deref())
    }

    fn read(value: Option<&str>) -> Self {
        let is_on = value.is_some_and(|value| {
            ["true", "span_only", "span_and_event"].iter().any(|on| value.trim().eq_ignore_ascii_case(on))
        });
        if is_on { Self::on() } else { Self::off() }
    }

    pub(crate) fn request(self, cx: &WorkflowContext, request: &ChatRequest) {
        if !self.is_on || !cx.is_recording() {
            return;
        }
        if let Some(system) = &request.system {
            let instructions = json!([{ "type": "text", "content": self.text(system) }]);
            cx.set_attribute(a::GEN_AI_SYSTEM_INSTRUCTIONS.key(), instructions.to_string());
        }
        let latest = request.messages.len().saturating_sub(MAX_MESSAGES);
        let messages: Vec<Json> =
            request.messages[latest..].iter().map(|message| self.message(message)).collect();
        cx.set_attribute(a::GEN_AI_INPUT_MESSAGES.key(), Json::from(messages).to_string());
    }

    pub(crate) fn answer(self, cx: &WorkflowContext, answer: Option<&Answer>) {
        let Some(answer) = answer.filter(|_| self.is_on && cx.is_recording()) else { return };
        let reason = answer.finish_reason.as_ref().map(|reason| reason.as_str());
        let message = json!([{
            "role": "assistant",
            "parts": self.parts(&answer.text, &answer.tool_calls),
            "finish_reason": self.text(reason.unwrap_or("error")),
        }]);
        cx.set_attribute(a::GEN_AI_OUTPUT_MESSAGES.key(), message.to_string());
    }

    fn message(self, message: &Message) -> Json {
        let parts = match &message.tool_call_id {
            Some(id) => {
                let (id, response) = (self.text(id), self.text(&message.text));
                vec![json!({ "type": "tool_call_response", "id": id, "response": response })]
            }
            None => self.parts(&message.text, &message.tool_calls),
        };
        json!({ "role": message.role.as_str(), "parts": parts })
    }

    fn parts(self, text: &str, calls: &[ToolCall]) -> Vec<Json> {
        let text = Some(text).filter(|text| !text.is_empty());
        let text = text.map(|text| json!({ "type": "text", "content": self.text(text) }));
        let calls = calls.iter().map(|call| {
            let arguments = Some(self.value("", &call.arguments, 0)).filter(lasts);
            let arguments = arguments.unwrap_or_else(|| tta_redact::REDACTED.into());
            let (id, name) = (self.text(&call.id), self.text(&call.name));
            json!({ "type": "tool_call", "id": id, "name": name, "arguments": arguments })
        });
        text.into_iter().chain(calls).collect()
    }

    fn text(self, text: &str) -> String {
        let shown = tta_redact::bounded(text, self.max_text_bytes);
        // Alone and before something else, as it will stand.
        let lasts = lasts(&json!([{ "text": shown, "type": "0" }]));
        if lasts { shown } else { tta_redact::REDACTED.to_owned() }
    }

    /// The arguments of a tool without secrets, of which a name may tell.
    fn value(self, name: &str, value: &Json, depth: usize) -> Json {
        match value {
            Json::String(text) => Json::String(tta_redact::field(name, text, self.max_text_bytes)),
            Json::Number(number) => {
                let text = number.to_string();
                let shown = tta_redact::field(name, &text, self.max_text_bytes);
                if shown == text { value.clone() } else { Json::String(shown) }
            }
            Json::Array(_) | Json::Object(_) if depth == MAX_DEPTH => Json::Null,
            Json::Array(values) => values.iter().map(|value| self.value(name, value, depth + 1)).collect(),
            // All of it is one, whatever its fields are called.
            Json::Object(_) if tta_redact::is_secret(name, "") => Json::from(tta_redact::REDACTED),
            Json::Object(fields) => {
                let field =
                    |(key, value): (&String, &Json)| (self.text(key), self.value(key, value, depth + 1));
                Json::Object(fields.iter().map(field).collect())
            }
            Json::Null | Json::Bool(_) => value.clone(),
        }
    }
}

/// Whether what is written here is still JSON after secrets are looked for once more on its way out: half a quote or a
/// number has nothing to stay within.
fn lasts(json: &Json) -> bool {
    let text = json.to_string();
    let shown = tta_redact::secrets(&text);
    shown == text || serde_json::from_str::<IgnoredAny>(&shown).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_off_unless_the_variable_says_otherwise() {
        let check =
            |value: Option<&str>, is_on: bool| assert_eq!(Capture::read(value).is_on, is_on, "{value:?}");
        check(None, false);
        check(Some("false"), false);
        check(Some("event_only"), false);
        check(Some("yes please"), false);
        check(Some("TRUE"), true);
        check(Some("span_only"), true);
        check(Some("SPAN_AND_EVENT"), true);
    }

    #[test]
    fn arguments_keep_their_form_and_lose_their_secrets() {
        let arguments =
            json!({"city": "Paris", "password": "hunter22", "n": 3, "more": [{"api_key": "a1b2c3d4e5"}]});
        let shown = Capture::on().value("", &arguments, 0);
        let expect =
            json!({"city": "Paris", "password": "[redacted]", "n": 3, "more": [{"api_key": "[redacted]"}]});
        assert_eq!(shown, expect);
    }

    #[test]
    fn a_secret_may_be_an_object() {
        let arguments = json!({"password": {"text": "hunter22", "hint": {"of": 5}}, "tokens": {"input": 5}});
        let shown = Capture::on().value("", &arguments, 0);
        assert_eq!(shown, json!({"password": "[redacted]", "tokens": {"input": 5}}));
    }

    #[test]
    fn what_is_captured_is_json_after_it_is_looked_at_once_more() {
        let said = [
            "What is my password:",
            "password='hunter22",
            "it is --token '",
            "api_key:'",
            "api_key\\",
            "-----BEGIN A KEY-----",
            "sk-abcdefghijklmnop1234",
        ];
        for text in said {
            let arguments = json!({ text: 12_345_678, "more": [text, 12_345_678, { text: 5 }] });
            let call = ToolCall { id: text.to_owned(), name: text.to_owned(), arguments };
            let called = Message { tool_calls: vec![call], ..Message::assistant(text) };
            let messages = [called, Message::tool(text, text), Message::user(text), Message::user("0")];
            let messages: Vec<Json> = messages.iter().map(|message| Capture::on().message(message)).collect();
            let written = Json::from(messages).to_string();
            let shown = tta_redact::secrets(&written);
            assert!(serde_json::from_str::<IgnoredAny>(&shown).is_ok(), "{text}: {shown}");
            assert!(!shown.contains("abcdefgh") && !shown.contains("hunter22"), "{shown}");
        }
    }

    #[test]
    fn deep_arguments_end_somewhere() {
        let mut arguments = json!("bottom");
        for _ in 0..100 {
            arguments = json!([arguments]);
        }
        assert!(!Capture::on().value("", &arguments, 0).to_string().contains("bottom"));
    }
}
