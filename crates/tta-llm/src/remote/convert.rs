//! Between our types and the client's.

use genai::chat::{
    ChatMessage, ChatOptions, ChatResponse, ChatResponseFormat, ContentPart, JsonSpec, MessageContent,
    StopReason, ToolResponse, Usage as GenaiUsage,
};
use genai::embed::EmbedResponse;

use crate::answer::{Answer, Told, Vectors};
use crate::error::{CallFailure, FailureClass};
use crate::request::{ChatRequest, Message, ResponseFormat, Role, Tool, ToolCall};
use crate::response::FinishReason;
use crate::usage::Usage;

pub(super) fn request(request: &ChatRequest) -> genai::chat::ChatRequest {
    let messages = request.messages.iter().map(|asked| message(asked, &request.messages)).collect();
    let mut converted = genai::chat::ChatRequest::new(messages);
    converted.system = request.system.clone();
    if !request.tools.is_empty() {
        converted = converted.with_tools(request.tools.iter().map(tool));
    }
    converted
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

pub(super) fn options(request: &ChatRequest) -> ChatOptions {
    let response_format = match &request.format {
        ResponseFormat::Text => None,
        ResponseFormat::Json => Some(ChatResponseFormat::JsonMode),
        ResponseFormat::Schema { name, schema } => {
            Some(ChatResponseFormat::JsonSpec(JsonSpec::new(name.clone(), schema.clone())))
        }
    };
    ChatOptions {
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

pub(super) fn answer(response: ChatResponse) -> Answer {
    let usage = told(&response.usage);
    let model = Some(response.provider_model_iden.model_name.to_string());
    let reason = response.stop_reason;
    let thoughts = response.reasoning_content.unwrap_or_default();
    let text = response.content.texts().concat();
    let tool_calls: Vec<ToolCall> = response.content.into_tool_calls().into_iter().map(tool_call).collect();
    let finish_reason = reason.map(|reason| finish_reason(reason, !tool_calls.is_empty()));
    // The client keeps the identifier only with a copy of the whole body, which costs more than all else here.
    Answer { text, thoughts, tool_calls, finish_reason, model, id: response.response_id, usage }
}

pub(super) fn tool_call(call: genai::chat::ToolCall) -> ToolCall {
    ToolCall { id: call.call_id, name: call.fn_name, arguments: call.fn_arguments }
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

/// What the client read of a usage. It does not tell zero from nothing, but no prompt has no tokens.
pub(super) fn told(usage: &GenaiUsage) -> Told {
    let count = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(0);
    let prompt = usage.prompt_tokens_details.as_ref();
    let written = prompt.and_then(|details| details.cache_creation_details.as_ref());
    let read = Usage {
        input_tokens: count(usage.prompt_tokens),
        output_tokens: count(usage.completion_tokens),
        cache_read_tokens: count(prompt.and_then(|details| details.cached_tokens)),
        cache_write_tokens: count(prompt.and_then(|details| details.cache_creation_tokens)),
        cache_write_1h_tokens: count(written.and_then(|details| details.ephemeral_1h_tokens)),
        reasoning_tokens: count(
            usage.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens),
        ),
        estimated: false,
    };
    let has_any = read.total_tokens() > 0;
    Told { usage: read, has_input: read.input_tokens > 0, has_output: has_any }
}

pub(super) fn vectors(response: EmbedResponse, asked: usize) -> Result<Vectors, CallFailure> {
    let mut usage = told(&response.usage);
    usage.has_output = true;
    let model = Some(response.provider_model_iden.model_name.to_string());
    let mut embeddings = response.embeddings;
    embeddings.sort_by_key(|embedding| embedding.index);
    if embeddings.len() != asked {
        let message = format!("{asked} texts were sent and {} vectors came back", embeddings.len());
        return Err(CallFailure::new(FailureClass::Malformed, &message));
    }
    Ok(Vectors { vectors: embeddings.into_iter().map(|embedding| embedding.vector).collect(), model, usage })
}
