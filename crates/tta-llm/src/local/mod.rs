//! temp
use crate::*;
use std::time::Duration;
#[derive(Clone, Debug, Default)]
pub struct Local {
    pub seed: u64,
    pub pace: f64,
}
pub(crate) struct Script {
    pub(crate) chunks: Vec<String>,
    pub(crate) usage: Usage,
    pub(crate) finish_reason: FinishReason,
    pub(crate) first_chunk_after: Duration,
    pub(crate) chunk_after: Vec<Duration>,
    pub(crate) tool_calls: Vec<ToolCall>,
}
pub(crate) fn answer(_: &ChatRequest, _: &Local) -> Script {
    Script {
        chunks: vec!["a ".into(), "b".into()],
        usage: Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() },
        finish_reason: FinishReason::Stop,
        first_chunk_after: Duration::ZERO,
        chunk_after: vec![Duration::ZERO],
        tool_calls: vec![],
    }
}
pub(crate) fn embed(t: &[String], _: Option<u32>) -> Vec<Vec<f32>> {
    t.iter().map(|_| vec![0.0]).collect()
}
