//! Between our types and the client's.

use genai::chat::{
    ChatMessage, ChatOptions, ChatResponse, ChatResponseFormat, ContentPart, JsonSpec, MessageContent,
    ReasoningEffort, StopReason, ToolResponse, Usage as GenaiUsage,
};
use genai::embed::EmbedResponse;
use serde_json::Value as Json;

use super::{failure, usage};
use crate::answer::{Answer, Told, Vectors};
use crate::error::{CallFailure, FailureClass};
use crate::provider::Api;
use crate::request::{ChatRequest, Message, ResponseFormat, Role, Tool, ToolCall};
use crate::response::FinishReason;
use crate::usage::Usage;

/// The beginning of the identifiers that the client makes up for calls of tools that have none.
const MADE_UP: &str = "call#";

pub(super) fn request(request: &ChatRequest, api: Api) -> genai::chat::ChatRequest {
    let messages = request.messages.iter().map(|asked| message(asked, &request.messages)).collect();
    let mut converted = genai::chat::ChatRequest::new(messages);
    let system = request.system.clone().into_iter().chain(form(&request.format, api));
    converted.system = system.reduce(|all, more| format!("{all}\n\n{more}"));
    if !request.tools.is_empty() {
        converted = converted.with_tools(request.tools.iter().map(tool));
    }
    converted
}

/// Says in words what form the answer is to have, where the client has no field for it.
fn form(format: &ResponseFormat, api: Api) -> Option<String> {
    match (format, api) {
        (ResponseFormat::Json, Api::Anthropic | Api::Gemini) => {
            Some("Answer with one JSON value and nothing else.".to_owned())
        }
        (ResponseFormat::Schema { schema, .. }, Api::Ollama) => {
            Some(format!("Answer with one JSON value that fits this JSON Schema and nothing else: {schema}"))
        }
        _ => None,
    }
}

fn message(message: &Message, all: &[Message]) -> ChatMessage {
    match message.role {
        Role::System => ChatMessage::system(message.text.clone()),
        Role::User => ChatMessage::user(message.text.clone()),
        Role::Assistant => {
            let text = Some(message.text.clone()).filter(|text| !text.is_empty()).map(ContentPart::Text);
            let calls = message.tool_calls.iter().map(|call| ContentPart::ToolCall(called(call)));
            ChatMessage::assistant(MessageContent::from_parts(
                text.into_iter().chain(calls).collect::<Vec<_>>(),
            ))
        }
        Role::Tool => {
            let id = message.tool_call_id.clone().unwrap_or_default();
            // One provider finds a call by its name, and not by its identifier.
            let calls = || all.iter().flat_map(|message| &message.tool_calls);
            let name = calls().find(|call| call.id == id).map(|call| call.name.clone());
            let response = ToolResponse::new(id, message.text.clone());
            ChatMessage::from(match name {
                Some(name) => response.with_fn_name(name),
                None => response,
            })
        }
    }
}

fn tool(tool: &Tool) -> genai::chat::Tool {
    genai::chat::Tool::new(tool.name.clone())
        .with_description(tool.description.clone())
        .with_schema(tool.parameters.clone())
}

fn called(call: &ToolCall) -> genai::chat::ToolCall {
    genai::chat::ToolCall {
        call_id: call.id.clone(),
        fn_name: call.name.clone(),
        fn_arguments: call.arguments.clone(),
        thought_signatures: None,
    }
}

pub(super) fn options(request: &ChatRequest, api: Api) -> ChatOptions {
    let response_format = match &request.format {
        ResponseFormat::Text => None,
        ResponseFormat::Schema { .. } if api == Api::Ollama => Some(ChatResponseFormat::JsonMode),
        ResponseFormat::Json => Some(ChatResponseFormat::JsonMode),
        ResponseFormat::Schema { name, schema } => {
            Some(ChatResponseFormat::JsonSpec(JsonSpec::new(name.clone(), schema.clone())))
        }
    };
    // Without it the client takes the end of a name such as `gpt-5.1-codex-max` for how much to think, and asks another
    // model. As a budget it is not sent in this format.
    let effort = matches!(api, Api::OpenAi | Api::Groq).then_some(ReasoningEffort::Budget(0));
    ChatOptions {
        reasoning_effort: effort,
        temperature: request.temperature,
        max_tokens: request.max_tokens,
        top_p: request.top_p,
        stop_sequences: request.stop.clone(),
        seed: request.seed,
        response_format,
        capture_usage: Some(true),
        ..ChatOptions::default()
    }
}

/// Reads an answer out of the client's, and out of the body that it was read from.
pub(super) fn answer(response: ChatResponse) -> Result<Answer, CallFailure> {
    let body = response.captured_raw_body.unwrap_or_default();
    let text_at = |path: &str| body.pointer(path).and_then(Json::as_str).map(str::to_owned);
    let id = text_at("/id").or_else(|| text_at("/responseId"));
    let model = text_at("/model").or_else(|| text_at("/modelVersion"));
    let mut told = Told::default();
    usage::read(&body, &mut told);
    let reason = response.stop_reason;
    let thoughts = response.reasoning_content.unwrap_or_default();
    // The client takes the space around one provider's answers away.
    let text = text_at("/choices/0/message/content").unwrap_or_else(|| response.content.texts().concat());
    let tool_calls: Vec<ToolCall> = response.content.into_tool_calls().into_iter().map(tool_call).collect();
    if reason.is_none() && text.is_empty() && tool_calls.is_empty() {
        return Err(failure::unreadable(&body));
    }
    let finish_reason = reason.map(|reason| finish_reason(reason, !tool_calls.is_empty()));
    Ok(Answer { text, thoughts, tool_calls, finish_reason, model, id, usage: told })
}

/// A call of a tool that has come whole.
pub(super) fn tool_call(call: genai::chat::ToolCall) -> ToolCall {
    let mut call = half_tool_call(call);
    // Some providers write nothing where there are no arguments.
    if call.arguments.is_null() || call.arguments.as_str().is_some_and(|text| text.trim().is_empty()) {
        call.arguments = Json::Object(serde_json::Map::new());
    }
    call
}

/// A call of a tool as far as it has come: its arguments are then the text of half a JSON value.
pub(super) fn half_tool_call(call: genai::chat::ToolCall) -> ToolCall {
    ToolCall { id: call.call_id, name: call.fn_name, arguments: call.fn_arguments }
}

/// Tells calls without an identifier apart: the client numbers those of one frame, and so those of several alike.
pub(super) fn name_call(call: &mut ToolCall, nameless: &mut usize) {
    if call.id.starts_with(MADE_UP) {
        call.id = format!("{MADE_UP}{}#{nameless}", call.name);
        *nameless += 1;
    }
}

pub(super) fn finish_reason(reason: StopReason, calls_tools: bool) -> FinishReason {
    match reason {
        // One provider says the same whether tools are called or not.
        StopReason::Completed(_) if calls_tools => FinishReason::ToolCalls,
        StopReason::Completed(_) | StopReason::StopSequence(_) => FinishReason::Stop,
        StopReason::MaxTokens(_) => FinishReason::Length,
        StopReason::ToolCall(_) => FinishReason::ToolCalls,
        StopReason::ContentFilter(_) => FinishReason::ContentFilter,
        StopReason::Other(word) => FinishReason::Other(word),
    }
}

/// What the client read of a usage. It does not tell zero from nothing, but no text has no tokens.
fn told(usage: &GenaiUsage) -> Told {
    let input_tokens = usage.prompt_tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(0);
    let usage = Usage { input_tokens, ..Usage::default() };
    Told { usage, has_input: input_tokens > 0, has_output: true }
}

pub(super) fn vectors(response: EmbedResponse, asked: usize) -> Result<Vectors, CallFailure> {
    let usage = told(&response.usage);
    let model = Some(response.provider_model_iden.model_name.to_string());
    let mut embeddings = response.embeddings;
    embeddings.sort_by_key(|embedding| embedding.index);
    if embeddings.len() != asked {
        let message = format!("{asked} texts were sent and {} vectors came back", embeddings.len());
        return Err(CallFailure::new(FailureClass::Malformed, &message));
    }
    Ok(Vectors { vectors: embeddings.into_iter().map(|embedding| embedding.vector).collect(), model, usage })
}
