//! What providers tell of tokens, each in its own form.
//!
//! The client reads this too, but not all of it: it loses the tokens of thoughts where nothing was said, does not tell zero
//! from nothing, and hands nothing on of a stream that breaks or of an answer that it cannot read.

use serde_json::Value as Json;

use crate::answer::Told;

/// More tokens than any call has. A number beyond it is a mistake or a lie, and counts as not told: sums of what is left
/// cannot overflow, and one answer cannot use up every budget.
const MOST_TOKENS: u64 = u32::MAX as u64;

/// Reads what the body of an answer, or a frame of a stream, tells of tokens, over what earlier frames have told.
pub(super) fn read(body: &Json, told: &mut Told) {
    let object = |path: &str| at(body, path).filter(|usage| usage.is_object());
    if let Some(usage) = object("/usageMetadata") {
        gemini(usage, told);
    } else if let Some(usage) = object("/message/usage") {
        anthropic_input(usage, told);
    } else if let Some(usage) = object("/usage").or_else(|| object("/x_groq/usage")) {
        if usage.get("prompt_tokens").is_some() || usage.get("completion_tokens").is_some() {
            openai(usage, told);
        } else {
            anthropic_input(usage, told);
            anthropic_output(usage, told);
        }
    } else {
        ollama(body, told);
    }
}

/// Whether a frame may tell of tokens: most are a word or two and tell nothing else, so they are not parsed twice.
pub(super) fn may_be_in(frame: &str) -> bool {
    ["_tokens\"", "TokenCount\"", "eval_count\""].iter().any(|word| frame.contains(word))
}

/// What lies at a path of plain keys. JSON pointers do the same with an allocation for each key.
fn at<'a>(body: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('/').skip(1).try_fold(body, |body, key| body.get(key))
}

fn count(usage: &Json, path: &str) -> Option<u64> {
    at(usage, path).and_then(Json::as_u64).filter(|tokens| *tokens <= MOST_TOKENS)
}

fn openai(usage: &Json, told: &mut Told) {
    let prompt = count(usage, "/prompt_tokens").unwrap_or(0);
    let completion = count(usage, "/completion_tokens");
    // Some servers fill the form with zeros until they know; no prompt has no tokens.
    if prompt > 0 {
        let all_details = usage.get("prompt_tokens_details");
        let details = |key: &str| all_details.and_then(|details| count(details, key));
        let cached = details("/cached_tokens").or_else(|| count(usage, "/prompt_cache_hit_tokens"));
        told.usage.input_tokens = prompt;
        told.usage.cache_read_tokens = cached.unwrap_or(0);
        told.usage.cache_write_tokens = details("/cache_write_tokens").unwrap_or(0);
        told.has_input = true;
    }
    if let Some(completion) = completion.filter(|completion| prompt > 0 || *completion > 0) {
        let reasoning = count(usage, "/completion_tokens_details/reasoning_tokens").unwrap_or(0);
        // One provider leaves the thoughts out of the answer's tokens; the sum tells.
        let total = count(usage, "/total_tokens").unwrap_or(0);
        let is_apart = reasoning > 0 && total == prompt.saturating_add(completion).saturating_add(reasoning);
        told.usage.output_tokens = if is_apart { completion.saturating_add(reasoning) } else { completion };
        told.usage.reasoning_tokens = reasoning;
        told.has_output = true;
    }
}

fn anthropic_input(usage: &Json, told: &mut Told) {
    let Some(fresh) = count(usage, "/input_tokens") else { return };
    let known = &mut told.usage;
    let hour = count(usage, "/cache_creation/ephemeral_1h_input_tokens");
    let read = count(usage, "/cache_read_input_tokens").unwrap_or(known.cache_read_tokens);
    let write = count(usage, "/cache_creation_input_tokens").unwrap_or(known.cache_write_tokens);
    let all = fresh.saturating_add(read).saturating_add(write);
    if all == 0 {
        return;
    }
    known.cache_read_tokens = read;
    known.cache_write_tokens = write;
    known.cache_write_1h_tokens = hour.unwrap_or(known.cache_write_1h_tokens);
    known.input_tokens = all;
    told.has_input = true;
}

/// What the first frame says of the answer is a guess; this is for the sum at the end.
fn anthropic_output(usage: &Json, told: &mut Told) {
    let Some(output) = count(usage, "/output_tokens") else { return };
    told.usage.output_tokens = output;
    told.usage.reasoning_tokens = count(usage, "/output_tokens_details/thinking_tokens").unwrap_or(0);
    told.has_output = true;
}

fn gemini(usage: &Json, told: &mut Told) {
    let prompt = count(usage, "/promptTokenCount").unwrap_or(0);
    let input = prompt.saturating_add(count(usage, "/toolUsePromptTokenCount").unwrap_or(0));
    if input > 0 {
        told.usage.input_tokens = input;
        told.usage.cache_read_tokens = count(usage, "/cachedContentTokenCount").unwrap_or(0);
        told.has_input = true;
    }
    let (said, thought) = (count(usage, "/candidatesTokenCount"), count(usage, "/thoughtsTokenCount"));
    let is_nothing = input > 0 && count(usage, "/totalTokenCount") == Some(input);
    if said.is_some() || thought.is_some() || is_nothing {
        told.usage.reasoning_tokens = thought.unwrap_or(0);
        told.usage.output_tokens = said.unwrap_or(0).saturating_add(told.usage.reasoning_tokens);
        told.has_output = true;
    }
}

fn ollama(body: &Json, told: &mut Told) {
    // A prompt that was in the cache is left out by older versions.
    if let Some(input) = count(body, "/prompt_eval_count") {
        told.usage.input_tokens = input;
        told.usage.cache_read_tokens = count(body, "/prompt_eval_cached_count").unwrap_or(0);
        told.has_input = true;
    }
    if let Some(output) = count(body, "/eval_count") {
        told.usage.output_tokens = output;
        told.has_output = true;
    }
}
