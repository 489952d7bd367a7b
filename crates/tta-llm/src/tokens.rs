//! How many tokens a text has.
//!
//! Money is set aside before a call, when no provider has counted yet, and a stream that breaks off has told of no usage. So
//! tokens are counted here, with the vocabularies of OpenAI's models: exactly what those models are billed by, and for
//! the models of others a good guess.
//!
//! # Cost
//!
//! A vocabulary takes some 10 MB of memory and a twentieth of a second to read, once, when it is first used or when
//! [`prepare`] is called. Counting takes time in proportion to the text, also where the text repeats itself: the usual
//! way of merging pairs takes the square of it there, so that one long line could stop a program.

use serde_json::Value as Json;

use crate::request::{ChatRequest, Message, Role, Tool, ToolCall};
use crate::vocabulary::{CL100K_BASE, O200K_BASE, Vocabulary};

/// What the format of a conversation adds to each message.
const TOKENS_PER_MESSAGE: u64 = 3;
/// What it adds where the answer begins.
const TOKENS_OF_REPLY: u64 = 3;

/// The models of the older vocabulary, `cl100k_base`; all others have `o200k_base` or one of their own.
const OLDER: [&str; 3] = ["gpt-4", "gpt-3.5", "text-embedding-"];
/// Those that are not among them, though their names begin alike.
const NEWER: [&str; 3] = ["gpt-4o", "gpt-4.1", "gpt-4.5"];

/// How many tokens a text has for a model.
///
/// It is what OpenAI's models are billed by; for models of others, whose vocabularies are their own, it is an estimate.
/// Names of special tokens are text like any other.
///
/// ```
/// use tta_llm::tokens;
///
/// assert_eq!(tokens::count("gpt-4o", "hello world"), 2);
/// assert_eq!(tokens::count("gpt-4o", "antidisestablishmentarianism"), 6);
/// ```
#[must_use]
pub fn count(model: &str, text: &str) -> u64 {
    if text.is_empty() { 0 } else { vocabulary(model).count(text) as u64 }
}

/// Reads the vocabulary of a model, so that the first call need not wait for it.
pub fn prepare(model: &str) {
    let _ = vocabulary(model).count(" ");
}

/// How many tokens of input a request has, as OpenAI's format of conversations counts them: three for each message
/// beside its role and its text, three for the beginning of the answer, and tools as the JSON that describes them.
///
/// How providers show tools to a model is not public, so a request with tools is an estimate.
#[must_use]
pub fn count_request(model: &str, request: &ChatRequest) -> u64 {
    let system = request.system.iter().map(|text| message(model, Role::System, text));
    let messages = request.messages.iter().map(|said| self::said(model, said));
    let tools = request.tools.iter().map(|tool| count(model, &described(tool)));
    system.chain(messages).chain(tools).fold(TOKENS_OF_REPLY, u64::saturating_add)
}

/// How many tokens of output an answer has: its text, and the names and the arguments of the tools that it calls.
#[must_use]
pub fn count_answer(model: &str, text: &str, tool_calls: &[ToolCall]) -> u64 {
    tool_calls.iter().map(|call| called(model, call)).fold(count(model, text), u64::saturating_add)
}

fn said(model: &str, said: &Message) -> u64 {
    let calls = said.tool_calls.iter().map(|call| called(model, call));
    let answers = said.tool_call_id.iter().map(|id| count(model, id));
    calls.chain(answers).fold(message(model, said.role, &said.text), u64::saturating_add)
}

fn message(model: &str, role: Role, text: &str) -> u64 {
    TOKENS_PER_MESSAGE + count(model, role.as_str()) + count(model, text)
}

fn called(model: &str, call: &ToolCall) -> u64 {
    let arguments = match &call.arguments {
        // Arguments of which only a part has come are the text of it.
        Json::String(text) => count(model, text),
        arguments => count(model, &arguments.to_string()),
    };
    count(model, &call.name) + arguments
}

fn described(tool: &Tool) -> String {
    let function = serde_json::json!({ "name": tool.name, "description": tool.description, "parameters": tool.parameters });
    serde_json::json!({ "type": "function", "function": function }).to_string()
}

fn vocabulary(model: &str) -> &'static Vocabulary {
    let name = model.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let name = name.strip_prefix("ft:").unwrap_or(&name);
    let is_one_of = |beginnings: &[&str]| beginnings.iter().any(|beginning| name.starts_with(beginning));
    if is_one_of(&OLDER) && !is_one_of(&NEWER) { &CL100K_BASE } else { &O200K_BASE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::ToolCall;

    /// Counted with version 0.14 of OpenAI's own package for Python, `tiktoken`, by `encode_ordinary`.
    #[test]
    fn texts_have_as_many_tokens_as_openai_counts() {
        let check = |text: &str, newer: u64, older: u64| {
            assert_eq!((count("gpt-4o", text), count("gpt-4", text)), (newer, older), "{text:?}");
        };
        check("", 0, 0);
        check("hello world", 2, 2);
        check("tiktoken is great!", 6, 6);
        check("antidisestablishmentarianism", 6, 6);
        check("2 + 2 = 4", 7, 7);
        check("お誕生日おめでとう", 8, 9);
        check("Größe und ЯЗЫК 🎉👩\u{200d}👩\u{200d}👧", 17, 25);
        check("fn main() {\n    println!(\"hi\");\n}\n\n\n", 10, 10);
        check("  leading and trailing   ", 5, 5);
        check("don't DON'T we'll", 3, 6);
        check("1234567890", 4, 4);
        check("\r\n\t \u{a0} x", 4, 4);
        check("<|endoftext|>", 7, 7);
        check("{\"name\":\"search\",\"parameters\":{\"type\":\"object\"}}", 11, 11);
        check(&"a".repeat(1000), 125, 125);
    }

    #[test]
    fn each_model_has_its_vocabulary() {
        let (newer, older) = (3, 6);
        let check =
            |model: &str, expect: u64| assert_eq!(count(model, "don't DON'T we'll"), expect, "{model}");
        for model in [
            "gpt-4o-mini",
            "gpt-4.1",
            "gpt-4.5-preview",
            "gpt-5",
            "o3",
            "o1-mini",
            "claude-opus-4-5",
            "local/textrank",
            "",
        ] {
            check(model, newer);
        }
        for model in [
            "gpt-4",
            "GPT-4-turbo",
            "gpt-3.5-turbo",
            "openai/gpt-4-0613",
            "text-embedding-3-small",
            "ft:gpt-3.5-turbo:x",
        ] {
            check(model, older);
        }
    }

    #[test]
    fn a_long_line_that_repeats_itself_is_counted() {
        prepare("gpt-4o");
        assert_eq!(count("gpt-4o", &"a".repeat(1_000_000)), 125_000);
    }

    /// The numbers are those of the function in OpenAI's cookbook, "How to count tokens with tiktoken".
    #[test]
    fn a_conversation_has_as_many_tokens_as_the_cookbook_counts() {
        let request = ChatRequest::user("New synergies will help drive top-line growth.")
            .system(
                "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
            )
            .message(Message::assistant("Things working well together will increase revenue."))
            .message(Message::user(
                "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
            ));
        assert_eq!(count_request("gpt-4o", &request), 71);
        assert_eq!(count_request("gpt-4", &request), 73);
        assert_eq!(count_request("gpt-4o", &ChatRequest::default()), 3);
    }

    #[test]
    fn tools_and_their_calls_count() {
        let parameters =
            serde_json::json!({ "type": "object", "properties": { "city": { "type": "string" } } });
        let tool = Tool { name: "weather".into(), description: "The weather.".into(), parameters };
        let plain = ChatRequest::user("Weather in Rome?");
        let with_tool = plain.clone().tool(tool.clone());
        let model = "gpt-4o";
        let described = count(model, &described(&tool));
        assert!(described > 20);
        assert_eq!(count_request(model, &with_tool), count_request(model, &plain) + described);

        let arguments = serde_json::json!({ "city": "Rome" });
        let call = ToolCall { id: "call_1".into(), name: "weather".into(), arguments };
        assert_eq!(
            count_answer(model, "", std::slice::from_ref(&call)),
            1 + count(model, "{\"city\":\"Rome\"}")
        );
        assert_eq!(count_answer(model, "hello world", &[]), 2);
        let called = Message { tool_calls: vec![call], ..Message::assistant("") };
        let answered = with_tool.clone().message(called).message(Message::tool("call_1", "Sunny."));
        let added = count_request(model, &answered) - count_request(model, &with_tool);
        let expect =
            [count(model, "{\"city\":\"Rome\"}"), 1, count(model, "call_1"), count(model, "Sunny."), 2 * 4];
        assert_eq!(added, expect.into_iter().sum::<u64>());
    }

    #[test]
    fn threads_count_alike() {
        let counts: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| count("gpt-4", "tiktoken is great!"))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(counts, [6; 4]);
    }
}
