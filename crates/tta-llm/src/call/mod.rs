//! One call of a model: its span, its money, and what it came to.
//!
//! However it ends (with an answer, with a failure, in the middle of a stream, or dropped) it is told of once, and what
//! the provider will ask for is charged.

mod attributes;
mod callee;
mod chat;
mod converse;
mod embed;
mod stream;
mod structured;

use std::sync::Arc;
use std::time::Duration;

use tta_model::Text;
use tta_model::name::attribute;
use tta_primitives::observe::Event;
use tta_primitives::{Error, Leaf, MicroUsd, Reservation, Result, Spend, WorkflowContext, clock};

pub(crate) use callee::{Callee, Operation};
pub(crate) use chat::Chat;
pub(crate) use converse::Converse;
pub(crate) use embed::Embed;
pub(crate) use stream::Streamed;
pub use stream::{ChatStream, Chunk};
pub(crate) use structured::Structured;

use crate::answer::{Answer, Told};
use crate::error::CallFailure;
use crate::model::Defaults;
use crate::request::ChatRequest;
use crate::response::{ChatResponse, FinishReason};
use crate::tokens;
use crate::usage::Usage;

/// A call under way. Dropped before its end, it was cancelled.
pub(crate) struct Call {
    callee: Arc<Callee>,
    /// The span; none once it has ended.
    leaf: Option<Leaf>,
    /// What is set aside of the run's budget.
    reservation: Option<Reservation>,
    started: u64,
    /// When the latest chunk came.
    latest: u64,
    first_chunk: Option<Duration>,
    chunks: u64,
}

/// What a call came to.
struct Outcome<'a> {
    usage: Usage,
    /// Why it ended, if it did not succeed.
    error_type: Option<&'static str>,
    /// What came, if anything did.
    answer: Option<&'a Answer>,
}

impl Call {
    /// Begins a call, of which the run can pay the estimate.
    ///
    /// # Errors
    /// An error of kind `BudgetExceeded` if it cannot: nothing is sent then.
    pub(crate) fn begin(
        callee: &Arc<Callee>,
        cx: &WorkflowContext,
        estimate: impl FnOnce() -> MicroUsd,
    ) -> Result<Self> {
        // Counting tokens takes longer than all else here, and only a budget asks for it.
        let estimate = if cx.budget().is_some() { estimate() } else { MicroUsd(0) };
        cx.check_budget(estimate)?;
        let leaf = cx.leaf(&callee.leaf);
        let reservation = match leaf.cx().reserve(estimate) {
            Ok(reservation) => reservation,
            // Another branch was quicker.
            Err(error) => return Err(leaf.fail(error)),
        };
        let started = clock::ticks();
        Ok(Self {
            callee: Arc::clone(callee),
            leaf: Some(leaf),
            reservation: Some(reservation),
            started,
            latest: started,
            first_chunk: None,
            chunks: 0,
        })
    }

    /// Writes down what is asked.
    pub(crate) fn asks(&self, request: &ChatRequest) {
        let Some(leaf) = self.leaf.as_ref().filter(|leaf| leaf.cx().is_recording()) else { return };
        attributes::asked(leaf.cx(), request);
        self.callee.capture.request(leaf.cx(), request);
    }

    /// The span of the call.
    fn leaf(&self) -> &Leaf {
        self.leaf.as_ref().expect("a call has its span until it ends")
    }

    /// Waits for something while the span of the call is the current one.
    pub(crate) async fn during<F: Future>(&self, work: F) -> F::Output {
        self.leaf().during(work).await
    }

    /// A chunk of the answer has come.
    fn chunk_came(&mut self) {
        let now = clock::ticks();
        let after = Duration::from_nanos(now.saturating_sub(self.latest));
        let is_first = self.first_chunk.is_none();
        self.first_chunk.get_or_insert(after);
        (self.latest, self.chunks) = (now, self.chunks + 1);
        let Callee { provider, model, operation, .. } = &*self.callee;
        let operation = operation.word();
        self.leaf().cx().emit(&Event::ModelChunkReceived { provider, model, operation, is_first, after });
    }

    /// Ends the call with an answer.
    pub(crate) fn succeed(mut self, request: &ChatRequest, answer: Answer) -> ChatResponse {
        let usage = self.count(&answer, request);
        let cost = self.end(&Outcome { usage, error_type: None, answer: Some(&answer) });
        let Answer { text, tool_calls, finish_reason, model, .. } = answer;
        let default =
            if tool_calls.is_empty() { FinishReason::Other(String::new()) } else { FinishReason::ToolCalls };
        ChatResponse {
            text,
            tool_calls,
            finish_reason: finish_reason.unwrap_or(default),
            provider: self.callee.provider.clone(),
            model: model.map_or_else(|| self.callee.model.clone(), Text::from),
            usage,
            cost,
        }
    }

    /// Ends the call with a failure, after as much of an answer as came.
    pub(crate) fn fail(mut self, failure: CallFailure, partial: Option<(&ChatRequest, Answer)>) -> Error {
        let error_type = Some(failure.class.as_str());
        let error = failure.at(&self.callee.provider, &self.callee.model);
        let usage = partial.as_ref().map(|(request, answer)| self.count(answer, request)).unwrap_or_default();
        let answer = partial.as_ref().map(|(_, answer)| answer);
        self.tell(&Outcome { usage, error_type, answer });
        match self.leaf.take() {
            Some(leaf) => leaf.fail(error),
            None => error,
        }
    }

    /// Ends the call because nobody waits for it any more, after as much of an answer as came.
    pub(crate) fn cancel(mut self, partial: Option<(&ChatRequest, Answer)>) {
        let usage = partial.as_ref().map(|(request, answer)| self.count(answer, request)).unwrap_or_default();
        let answer = partial.as_ref().map(|(_, answer)| answer);
        self.tell(&Outcome { usage, error_type: Some(CANCELLED), answer });
        // The span ends as cancelled by being dropped.
        self.leaf = None;
    }

    /// The tokens of the call: those that the provider told of, and for the rest our own count.
    fn count(&self, answer: &Answer, request: &ChatRequest) -> Usage {
        let Told { mut usage, has_input, has_output } = answer.usage;
        let model = &self.callee.model;
        if !has_input {
            usage.input_tokens = tokens::count_request(model, request);
        }
        // Some providers say zero until they know; what came is not nothing.
        let has_output = has_output && (usage.output_tokens > 0 || answer.is_empty());
        if !has_output {
            let said = tokens::count_answer(model, &answer.text, &answer.tool_calls);
            usage.output_tokens = said + tokens::count(model, &answer.thoughts);
        }
        usage.estimated |= !has_input || !has_output;
        usage
    }

    /// Ends the call with success, and returns what it cost.
    fn end(&mut self, outcome: &Outcome<'_>) -> Option<MicroUsd> {
        let cost = self.tell(outcome);
        if let Some(leaf) = self.leaf.take() {
            leaf.finish();
        }
        cost
    }

    /// Charges what the call cost, and tells what it came to.
    fn tell(&mut self, outcome: &Outcome<'_>) -> Option<MicroUsd> {
        let callee = Arc::clone(&self.callee);
        let took = Duration::from_nanos(clock::ticks().saturating_sub(self.started));
        let cost = callee.price.as_ref().map(|price| price.cost(&outcome.usage));
        let has_used = outcome.usage.total_tokens() > 0;
        let cx = self.leaf().cx();
        cx.emit(&Event::ModelCallFinished {
            provider: &callee.provider,
            model: &callee.model,
            operation: callee.operation.word(),
            prompt_tokens: outcome.usage.input_tokens,
            completion_tokens: outcome.usage.output_tokens,
            took,
            error_type: outcome.error_type,
            unpriced: cost.is_none() && has_used,
        });
        if cx.is_recording() {
            attributes::ended(cx, self, outcome, took);
            callee.capture.answer(cx, outcome.answer);
        }
        let reservation = self.reservation.take();
        let cost = cost.filter(|_| has_used || outcome.error_type.is_none());
        if let Some((cost, reservation)) = cost.zip(reservation) {
            self.save(cost, &outcome.usage);
            // That the budget is now exceeded is the next call's error: this one is paid for, so its answer is given.
            let _ = reservation.settle(Spend::on_model(cost, callee.provider.clone(), callee.model.clone()));
        }
        cost
    }
}

impl Call {
    /// Tells how much less the call cost than the dearest model that might have been chosen.
    fn save(&self, cost: MicroUsd, usage: &Usage) {
        let dearest = self.callee.rivals.iter().map(|price| price.cost(usage)).max();
        let saved = dearest.map_or(0, |dearest| dearest.0.saturating_sub(cost.0));
        if saved > 0 {
            let cx = self.leaf().cx();
            cx.emit(&Event::RouteSaved { saved_micro_usd: saved });
            cx.set_attribute(attribute::LLM_ROUTER_SAVINGS_USD.key(), MicroUsd(saved).as_usd());
        }
    }
}

/// Asks a model, in one way or another.
pub(crate) trait Asking: Send + Sync + 'static {
    /// What comes of it.
    type Answer: Send + 'static;
    /// The action of the primitive that asks.
    const ACTION: &'static str;

    fn callee(&self) -> &Arc<Callee>;

    /// What the model does unless a request says otherwise.
    fn defaults(&self) -> &Defaults;

    /// What a request will cost, about, with what it leaves to the model.
    fn estimate(&self, request: &ChatRequest) -> MicroUsd {
        self.callee().estimate(&self.defaults().fill(request.clone()))
    }

    fn ask(
        &self,
        request: ChatRequest,
        cx: &WorkflowContext,
    ) -> impl Future<Output = Result<Self::Answer>> + Send;
}

/// The class of a call that nobody waits for any more.
const CANCELLED: &str = "cancelled";

impl Drop for Call {
    fn drop(&mut self) {
        if self.leaf.is_some() {
            self.tell(&Outcome { usage: Usage::default(), error_type: Some(CANCELLED), answer: None });
        }
    }
}
