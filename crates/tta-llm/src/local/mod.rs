//! A model that needs no key and no network, for demos and tests.
//!
//! It answers with the sentences of the question that say most ([TextRank](text::summarise)), so its answers are real text
//! about what was asked, though it knows nothing. Everything about it is a function of the request and of a
//! [seed](Local): the same request has the same answer at the same pace on every platform, as long as the version of this
//! crate is the same.
//!
//! What a model of a provider does, it does as well: it keeps to a length and to texts at which it stops, answers in JSON
//! that fits a schema, calls a tool that the user names, and answers in pieces, of which the first takes longest. Its
//! tokens are those of [`tokens`](crate::tokens), and exact, since nobody else counts them.

mod chance;
mod embed;
mod schema;
mod script;
pub mod text;

use crate::request::{ChatRequest, Message, ResponseFormat, Role, ToolCall};
use crate::response::FinishReason;
use chance::Chance;
use schema::Filler;

pub use embed::embed;
pub use script::Script;

/// The provider of the model: this machine.
pub const PROVIDER: &str = "local";
/// The model.
pub const MODEL: &str = "local/textrank";

/// How many sentences an answer has.
const SENTENCES: usize = 3;

/// How the offline model answers; by default without pauses, as tests want it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Local {
    /// Decides how long each piece of an answer takes, together with the request.
    pub seed: u64,
    /// How long the pieces take: 0.0 (or less) no time, 1.0 as long as those of a quick model, whose first piece takes
    /// some 80 ms and each other one some 8 ms, 2.0 twice as long.
    pub pace: f64,
}

/// What the offline model answers, with the pauses in which it does. Nothing waits here; whoever plays the script does.
///
/// - The text is made of the last message of the user, or of what tools have answered to it since. The system prompt
///   counts as input, and is not followed.
/// - If the last message is the user's and names tools of the request, these are called with arguments that fit.
/// - An answer in JSON without a schema is an object with the field `answer`.
///
/// ```
/// use tta_llm::{ChatRequest, local};
///
/// let request = ChatRequest::user("A saga undoes what was done. It is raining. A saga keeps a list of what was done.");
/// let script = local::answer(&request.clone().max_tokens(8), &local::Local::default());
/// assert_eq!(script.text(), "A saga undoes what was done.");
/// assert_eq!(script.usage.output_tokens, 8);
/// ```
#[must_use]
pub fn answer(request: &ChatRequest, settings: &Local) -> Script {
    let chance = Chance::new(settings.seed, request);
    let source = source(&request.messages);
    let sentences = text::summarise(source.iter().flat_map(|text| paragraphs(text)), SENTENCES).sentences;
    let calls = calls(request, &sentences, &chance);
    if !calls.is_empty() {
        return Script::of_calls(request, calls, settings.pace, &chance);
    }
    let (text, finish_reason) = match &request.format {
        ResponseFormat::Text => (spoken(&sentences, &source), FinishReason::Stop),
        ResponseFormat::Json => {
            let answer = serde_json::json!({ "answer": spoken(&sentences, &source) });
            (answer.to_string(), FinishReason::Stop)
        }
        ResponseFormat::Schema { schema, .. } => {
            (Filler::new(schema, &sentences).instance().to_string(), FinishReason::Stop)
        }
    };
    let text = script::stopped(text, &request.stop);
    Script::of_text(request, (text, finish_reason), settings.pace, &chance)
}

/// What is answered to: what tools have said since the last message of the user, or else that message, or else what
/// was said last.
fn source(messages: &[Message]) -> Vec<&str> {
    let said = |role: Role| messages.iter().rposition(|message| message.role == role);
    let since_user = said(Role::User).map_or(0, |index| index + 1);
    let told = messages[since_user..].iter().filter(|message| message.role == Role::Tool);
    let told: Vec<&str> = told.map(|message| message.text.as_str()).collect();
    if !told.is_empty() {
        return told;
    }
    let last = messages.iter().rfind(|message| message.role != Role::System);
    let user = said(Role::User).map(|index| &messages[index]).or(last);
    user.map(|message| message.text.as_str()).into_iter().collect()
}

/// The paragraphs of a plain text, which empty lines part.
fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    // A line that ends a list or a title ends its sentence too, so paragraphs are handed on with their lines.
    text.split("\n\n")
        .flat_map(|block| block.split("\r\n\r\n"))
        .map(str::trim)
        .filter(|block| !block.is_empty())
}

/// The sentences as a text; what has no sentences, such as a number, is said as it is.
fn spoken(sentences: &[String], source: &[&str]) -> String {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    match sentences {
        [] => one_line(&source.join(" ")),
        sentences => sentences.iter().map(|sentence| one_line(sentence)).collect::<Vec<_>>().join(" "),
    }
}

/// Calls of the tools that the last message names, if it is the user's.
fn calls(request: &ChatRequest, sentences: &[String], chance: &Chance) -> Vec<ToolCall> {
    let asked = request.messages.last().filter(|message| message.role == Role::User);
    let Some(asked) = asked.map(|message| message.text.to_lowercase()) else { return Vec::new() };
    let named = request.tools.iter().filter(|tool| names(&asked, &tool.name.to_lowercase()));
    let call = |(index, tool): (usize, &crate::request::Tool)| ToolCall {
        id: format!("call_{:016x}", chance.number(chance::Use::Call, index)),
        name: tool.name.clone(),
        arguments: Filler::new(&tool.parameters, sentences).instance(),
    };
    named.enumerate().map(call).collect()
}

/// Whether a text has a name in it as a word of its own.
fn names(text: &str, name: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    !name.is_empty()
        && text.match_indices(name).any(|(start, _)| {
            let before = text[..start].chars().next_back();
            let after = text[start + name.len()..].chars().next();
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::request::Tool;
    use crate::tokens;

    const RETRIES: &str = "A retry repeats a failed call. The weather was fine on Tuesday. A retry with jitter spreads the \
        repeated calls over time, and a failed call costs less.\n\nJitter draws the time of each retry at random. \
        Bananas are yellow.";

    fn say(request: &ChatRequest) -> Script {
        answer(request, &Local::default())
    }

    fn weather() -> Tool {
        let parameters = json!({
            "type": "object",
            "properties": { "city": { "type": "string" }, "unit": { "enum": ["celsius", "kelvin"] } },
            "required": ["city"],
        });
        Tool { name: "get_weather".into(), description: "The weather".into(), parameters }
    }

    #[test]
    fn an_answer_is_made_of_the_sentences_that_say_most() {
        let script = say(&ChatRequest::user(RETRIES).system("Speak like a pirate."));
        assert_eq!(
            script.text(),
            "A retry repeats a failed call. A retry with jitter spreads the repeated calls over time, and a failed call \
             costs less. Jitter draws the time of each retry at random."
        );
        assert_eq!(script.finish_reason, FinishReason::Stop);
        assert!(script.chunks.len() > 20);
    }

    #[test]
    fn what_has_no_sentences_is_said_back() {
        let check =
            |text: &str, expect: &str| assert_eq!(say(&ChatRequest::user(text)).text(), expect, "{text:?}");
        check("What is a saga?", "What is a saga?");
        check("🎉", "🎉");
        check("", "");
        check("one\n two", "one two");
        assert_eq!(say(&ChatRequest::default()).text(), "");
        assert_eq!(say(&ChatRequest::from(vec![Message::assistant("Only this.")])).text(), "Only this.");
    }

    #[test]
    fn the_last_message_of_the_user_is_answered() {
        let request = ChatRequest::user("First question.")
            .message(Message::assistant("First answer."))
            .message(Message::user("Second question."))
            .message(Message::assistant("Begun"));
        assert_eq!(say(&request).text(), "Second question.");
    }

    #[test]
    fn usage_is_what_the_tokenizer_counts() {
        let request = ChatRequest::user(RETRIES);
        let script = say(&request);
        assert_eq!(script.usage.input_tokens, tokens::count_request(MODEL, &request));
        assert_eq!(script.usage.output_tokens, tokens::count(MODEL, &script.text()));
        assert!(!script.usage.estimated);
    }

    #[test]
    fn an_answer_keeps_to_its_length() {
        for max_tokens in 0..40 {
            let script = say(&ChatRequest::user(RETRIES).max_tokens(max_tokens));
            assert!(script.usage.output_tokens <= u64::from(max_tokens), "{script:?}");
            let full = say(&ChatRequest::user(RETRIES)).text();
            assert!(full.starts_with(&script.text()));
            let is_whole = script.text() == full;
            assert_eq!(
                script.finish_reason,
                if is_whole { FinishReason::Stop } else { FinishReason::Length }
            );
        }
        assert_eq!(
            say(&ChatRequest::user("🎉🎉🎉 family 👩‍👩‍👧").max_tokens(1)).finish_reason,
            FinishReason::Length
        );
    }

    #[test]
    fn an_answer_ends_at_a_stop() {
        let stop = |texts: &[&str]| {
            let stop = texts.iter().map(|text| (*text).to_owned()).collect();
            say(&ChatRequest { stop, ..ChatRequest::user(RETRIES) })
        };
        let script = stop(&["nowhere", "", " jitter", "a failed"]);
        assert_eq!(
            (script.text().as_str(), &script.finish_reason),
            ("A retry repeats ", &FinishReason::Stop)
        );
        assert_eq!(stop(&["A"]).text(), "");
    }

    #[test]
    fn json_is_an_object_or_fits_a_schema() {
        let format = |format| say(&ChatRequest::user("Only this.").format(format)).text();
        assert_eq!(format(ResponseFormat::Json), r#"{"answer":"Only this."}"#);
        let schema = json!({ "type": "object", "properties": { "n": { "type": "integer", "minimum": 3 } } });
        assert_eq!(format(ResponseFormat::Schema { name: "n".into(), schema }), r#"{"n":3}"#);
    }

    #[test]
    fn a_tool_that_the_user_names_is_called() {
        let request = ChatRequest::user("Ask Get_Weather about Rome.").tool(weather());
        let script = say(&request);
        assert_eq!(script.finish_reason, FinishReason::ToolCalls);
        assert!(script.chunks.is_empty());
        let [call] = &script.tool_calls[..] else { panic!("{script:?}") };
        assert_eq!(call.name, "get_weather");
        assert_eq!(call.arguments, json!({ "city": "Ask Get_Weather about Rome.", "unit": "celsius" }));
        assert!(call.id.starts_with("call_") && call.id.len() == 21);
        assert_eq!(script.usage.output_tokens, tokens::count_answer(MODEL, "", &script.tool_calls));

        let unnamed = say(&ChatRequest::user("How warm is it? get_weather_now").tool(weather()));
        assert!(unnamed.tool_calls.is_empty());
        let short = say(&request.max_tokens(2));
        assert!(short.tool_calls.is_empty() && short.finish_reason == FinishReason::Length, "{short:?}");
    }

    #[test]
    fn what_a_tool_said_is_answered_with_text() {
        let asked = ChatRequest::user("Ask get_weather about Rome.").tool(weather());
        let called = say(&asked);
        let id = called.tool_calls[0].id.clone();
        let message = Message { tool_calls: called.tool_calls, ..Message::assistant("") };
        let told = asked.message(message).message(Message::tool(id, "It is 31 degrees in Rome."));
        let script = say(&told);
        assert_eq!(script.text(), "It is 31 degrees in Rome.");
        assert_eq!(script.finish_reason, FinishReason::Stop);
    }

    /// The numbers are part of the promise: whoever changes them changes what users' tests see.
    #[test]
    fn the_same_request_and_seed_have_the_same_script_everywhere() {
        let request = ChatRequest::user("Only this.");
        let script = |seed, pace| answer(&request, &Local { seed, pace });
        let nanos = |script: &Script| {
            let all = std::iter::once(&script.first_chunk_after).chain(&script.chunk_after);
            all.map(std::time::Duration::as_nanos).collect::<Vec<_>>()
        };
        assert_eq!(script(1, 1.0), script(1, 1.0));
        assert_eq!(nanos(&script(1, 1.0)), PAUSES);
        assert_ne!(nanos(&script(2, 1.0)), PAUSES);
        assert_eq!(script(1, 1.0).chunks, script(2, 1.0).chunks);
    }

    /// As Python computes them, with an XXH3 and logarithms of its own.
    const PAUSES: [u128; 2] = [88_874_964, 7_184_345];
}
