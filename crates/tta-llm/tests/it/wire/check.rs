//! What every call is held to, however it ends.

use tta_llm::{FailureClass, Price, Rates, Usage};
use tta_model::name::{attribute, span};
use tta_model::{ExecutionStatus, Value};
use tta_primitives::testkit::{Tape, TapeSpan};
use tta_primitives::{MicroUsd, WorkflowContext};

/// Dollars for a million tokens: 3 for input, 0.30 for what was cached, 3.75 and 6 for what is written to the cache for
/// minutes and for an hour, 15 for output.
pub(crate) fn price() -> Price {
    let rate = |text: &str| text.parse().unwrap();
    let rates = Rates {
        input: rate("3.00"),
        cached_input: Some(rate("0.30")),
        cache_write: Some(rate("3.75")),
        cache_write_1h: Some(rate("6.00")),
        output: rate("15.00"),
    };
    Price::new("test", "test", rates)
}

/// What tokens cost by [`price`], in millionths of a dollar, worked out apart from the crate.
pub(crate) fn bill(usage: &Usage) -> i64 {
    let Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, .. } = *usage;
    let hour = usage.cache_write_1h_tokens;
    let fresh = input_tokens - cache_read_tokens - cache_write_tokens;
    let minutes = cache_write_tokens - hour;
    let hundredths =
        fresh * 300 + cache_read_tokens * 30 + minutes * 375 + hour * 600 + output_tokens * 1_500;
    i64::try_from((hundredths + 50) / 100).unwrap()
}

/// How a call is to have ended.
pub(crate) struct Ended<'a> {
    pub(crate) provider: &'a str,
    pub(crate) end: End,
    pub(crate) usage: Usage,
    /// Why the model stopped, if it said.
    pub(crate) finish: Option<&'a str>,
    /// For a stream, how many chunks came.
    pub(crate) chunks: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Answered,
    Failed(FailureClass),
    Cancelled,
}

impl Ended<'_> {
    /// Asserts that the one call of a run, billed by [`price`], has ended so, and that nothing else was charged.
    #[track_caller]
    pub(crate) fn check(&self, tape: &Tape, cx: &WorkflowContext) {
        let cost = bill(&self.usage);
        let action = if self.chunks.is_some() { "stream" } else { "generate" };
        let spans = tape.named(&span::llm(self.provider, action));
        assert_eq!((spans.len(), tape.open()), (1, 0), "{}", tape.tree());
        let span = &spans[0];
        let (status, error_type) = match self.end {
            End::Answered => (ExecutionStatus::Success, None),
            End::Failed(FailureClass::Timeout) => (ExecutionStatus::Timeout, Some("timeout")),
            End::Failed(class) => (ExecutionStatus::Error, Some(class.as_str())),
            End::Cancelled => (ExecutionStatus::Cancelled, Some("cancelled")),
        };
        assert_eq!(span.status(), Some(status));
        self.check_finished(span, error_type);
        self.check_money(span, cost);
        assert_eq!((cx.spent(), cx.reserved()), (MicroUsd(cost), MicroUsd(0)));
        self.check_attributes(span);
    }

    fn check_finished(&self, span: &TapeSpan, error_type: Option<&str>) {
        let events: Vec<&String> =
            span.events.iter().filter(|event| event.starts_with("ModelCallFinished")).collect();
        let [event] = events[..] else { panic!("{:#?}", span.events) };
        let Usage { input_tokens, output_tokens, .. } = self.usage;
        let expect = [
            format!("provider: {:?}", self.provider),
            format!("prompt_tokens: {input_tokens}, completion_tokens: {output_tokens},"),
            format!("error_type: {error_type:?}, unpriced: false"),
        ];
        for expect in expect {
            assert!(event.contains(&expect), "{event} should have {expect}");
        }
        let first_chunks = span.events.iter().filter(|event| event.contains("is_first: true")).count();
        assert_eq!(first_chunks, usize::from(self.chunks.is_some_and(|chunks| chunks > 0)));
        let chunks = span.events.iter().filter(|event| event.starts_with("ModelChunkReceived")).count();
        assert_eq!(chunks as i64, self.chunks.unwrap_or(0));
    }

    fn check_money(&self, span: &TapeSpan, cost: i64) {
        let spent: Vec<&String> = span.events.iter().filter(|event| event.starts_with("Spent")).collect();
        if cost == 0 && self.end != End::Answered {
            assert!(spent.is_empty(), "{spent:?}");
            return;
        }
        let [spent] = spent[..] else { panic!("{:#?}", span.events) };
        let expect = format!("amount_micro_usd: {cost}, provider: Some({:?})", self.provider);
        assert!(spent.contains(&expect), "{spent} should have {expect}");
    }

    fn check_attributes(&self, span: &TapeSpan) {
        let some =
            |tokens: u64| Some(tokens).filter(|tokens| *tokens > 0).map(|tokens| Value::from(tokens as i64));
        let is = |key: attribute::Attribute, expect: Option<Value>| {
            assert_eq!(span.attribute(&key.key()), expect.as_ref(), "{}", key.key());
        };
        let usage = &self.usage;
        is(attribute::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, some(usage.cache_read_tokens));
        is(attribute::GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, some(usage.cache_write_tokens));
        is(attribute::GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, some(usage.reasoning_tokens));
        is(attribute::LLM_TOKENS_ESTIMATED, usage.estimated.then_some(true.into()));
        is(attribute::LLM_UNPRICED, None);
        is(attribute::LLM_STREAMING, Some(self.chunks.is_some().into()));
        is(attribute::SERVER_ADDRESS, Some("127.0.0.1".into()));
        let finish = self.finish.map(|reason| Value::from(vec![reason.to_owned()]));
        is(attribute::GEN_AI_RESPONSE_FINISH_REASONS, finish);
        is(attribute::LLM_CHUNKS_RECEIVED, self.chunks.map(Value::from));
        let outcome = match self.end {
            End::Answered => "completed",
            End::Failed(_) => "failed",
            End::Cancelled => "cancelled",
        };
        is(attribute::LLM_STREAM_OUTCOME, self.chunks.map(|_| outcome.into()));
        let has_first = self.chunks.is_some_and(|chunks| chunks > 0);
        assert_eq!(span.attribute(&attribute::LLM_TIME_TO_FIRST_TOKEN_MS.key()).is_some(), has_first);
    }
}
