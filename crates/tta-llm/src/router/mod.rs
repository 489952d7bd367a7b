//! One of several models for each call.

mod build;
mod health;
mod order;

use std::sync::Arc;

use tokio::time::Instant;
use tta_model::name::{attribute, span};
use tta_model::{Text, Value};
use tta_primitives::observe::{Event, NodeInfo};
use tta_primitives::{Description, Error, ErrorKind, MicroUsd, Primitive, Result, WorkflowContext};

pub use build::{Candidate, ModelRouter, ModelRouterError};
pub use order::Pick;

use crate::call::Asking;
use crate::error::CallFailure;
use crate::request::ChatRequest;
use health::{Health, Trial};

/// Models, and the strategy that chooses among them.
pub(crate) struct Routing<A> {
    choices: Vec<Choice<A>>,
    pick: Pick,
    cooldown: std::time::Duration,
    /// Whether what fails is tried elsewhere.
    cascades: bool,
    select: Arc<NodeInfo>,
}

/// A model that may be chosen.
pub(crate) struct Choice<A> {
    asking: A,
    candidate: Candidate,
    /// The provider and the model.
    route: Text,
    /// How it has done; the flows of a router share it.
    health: Arc<Health>,
}

/// Why a model was chosen, in one word.
type Reason = &'static str;

impl<A: Asking> Routing<A> {
    fn select_info() -> Arc<NodeInfo> {
        Arc::new(NodeInfo::leaf(span::LLM_SELECT_MODEL, "llm_router", "llm_router"))
    }

    /// The next model to try: the first one in order that is neither cooling down nor too dear, or else why there is
    /// none.
    fn next(&self, order: &[usize], first: Reason, ask: &Ask<'_>) -> Result<(usize, Reason)> {
        let now = Instant::now();
        let is_open = |index: &usize| !ask.tried.contains(index);
        let is_warm = |index: &usize| self.choices[*index].health.cooling(now).is_none();
        let left: Vec<usize> = order.iter().copied().filter(is_open).collect();
        let warm: Vec<usize> = left.iter().copied().filter(is_warm).collect();
        let (Some(&wanted), Some(&ready)) = (left.first(), warm.first()) else {
            return Err(self.all_cooling(order, ask));
        };
        let Some(&affordable) = warm.iter().find(|index| self.is_affordable(**index, ask)) else {
            // The call itself says what is missing.
            return Ok((self.cheapest(&warm, ask).unwrap_or(ready), "budget"));
        };
        let reason = match () {
            () if affordable != ready => "budget",
            () if !ask.tried.is_empty() => "fallback",
            () if ready != wanted => "cooldown",
            () => first,
        };
        Ok((affordable, reason))
    }

    fn is_affordable(&self, index: usize, ask: &Ask<'_>) -> bool {
        ask.cx.budget().is_none() || ask.cx.check_budget(self.estimate(index, ask)).is_ok()
    }

    fn cheapest(&self, among: &[usize], ask: &Ask<'_>) -> Option<usize> {
        among.iter().copied().min_by_key(|index| self.estimate(*index, ask))
    }

    fn estimate(&self, index: usize, ask: &Ask<'_>) -> MicroUsd {
        self.choices[index].asking.estimate(ask.request)
    }

    fn all_cooling(&self, order: &[usize], ask: &Ask<'_>) -> Error {
        let now = Instant::now();
        let is_out =
            |index: &&usize| ask.tried.contains(index) || self.choices[**index].health.cooling(now).is_some();
        let names: Vec<&str> =
            order.iter().filter(is_out).map(|index| self.choices[*index].route.as_str()).collect();
        let message = format!("every model is cooling down after it refused calls: {}", names.join(", "));
        self.waiting(Error::new(ErrorKind::RateLimited, message), ask)
    }

    /// An error after which it is worth to wait until the first of the models that refused is ready, and no longer.
    fn waiting(&self, error: Error, ask: &Ask<'_>) -> Error {
        if error.kind() != ErrorKind::RateLimited {
            return error;
        }
        let now = Instant::now();
        let refused = ask.ready_at.map(|ready| ready.saturating_duration_since(now));
        let others = self.choices.iter().enumerate().filter(|(index, _)| !ask.tried.contains(index));
        let others = others.filter_map(|(_, choice)| choice.health.cooling(now));
        match refused.into_iter().chain(others).min() {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }

    /// Tells which model was chosen, and why.
    fn decided(&self, index: usize, reason: Reason, cx: &WorkflowContext) {
        let Choice { asking, route, candidate, .. } = &self.choices[index];
        let leaf = cx.leaf(&self.select);
        let (strategy, reason_text) = (self.pick.word(), Text::Static(reason));
        leaf.cx().emit(&Event::RouteDecided { route, reason: &reason_text, strategy, saved_micro_usd: 0 });
        let callee = asking.callee();
        leaf.cx().set_attribute(attribute::LLM_PROVIDER.key(), callee.provider.clone());
        leaf.cx().set_attribute(attribute::LLM_MODEL_NAME.key(), callee.model.clone());
        if let Some(tier) = candidate.llm.tier {
            leaf.cx().set_attribute(attribute::LLM_MODEL_TIER.key(), tier.as_str());
        }
        leaf.finish();
        cx.set_attribute(attribute::ROUTER_ROUTE.key(), route.clone());
        cx.set_attribute(attribute::ROUTER_REASON.key(), reason);
    }

    /// Whether an error may be one of this model only.
    fn goes_on_after(&self, error: &Error) -> bool {
        self.cascades && CallFailure::of(error).is_some_and(|failure| failure.class.may_pass_elsewhere())
    }
}

/// What is asked of a router, and which models have failed already.
struct Ask<'a> {
    request: &'a ChatRequest,
    cx: &'a WorkflowContext,
    tried: Vec<usize>,
    /// When the first of those is ready that have refused this call.
    ready_at: Option<Instant>,
}

impl Ask<'_> {
    fn failed(&mut self, index: usize, health: &Health) {
        self.tried.push(index);
        let now = Instant::now();
        let ready = health.cooling(now).map(|wait| now + wait);
        self.ready_at = self.ready_at.into_iter().chain(ready).min();
    }
}

impl<A: Asking> Primitive for Routing<A> {
    type In = ChatRequest;
    type Out = A::Answer;

    async fn run(&self, request: ChatRequest, cx: &WorkflowContext) -> Result<A::Answer> {
        let mut ask = Ask { request: &request, cx, tried: Vec::new(), ready_at: None };
        let (order, first) = self.pick.order(&self.choices, &request, cx)?;
        let mut failures: Option<Error> = None;
        loop {
            let (index, reason) = match self.next(&order, first, &ask) {
                Ok(next) => next,
                Err(cooling) => return Err(joined(failures, cooling)),
            };
            self.decided(index, reason, cx);
            let choice = &self.choices[index];
            let trial = Trial::begin(&choice.health);
            match choice.asking.ask(request.clone(), cx).await {
                Ok(answer) => {
                    trial.succeeded();
                    return Ok(answer);
                }
                Err(error) => {
                    trial.failed(CallFailure::of(&error), self.cooldown);
                    ask.failed(index, &choice.health);
                    let is_last = ask.tried.len() == self.choices.len();
                    if is_last || !self.goes_on_after(&error) {
                        return Err(joined(failures, self.waiting(error, &ask)));
                    }
                    failures = Some(joined(failures, error));
                }
            }
        }
    }

    fn describe(&self) -> Description {
        let models: Vec<Value> = self.choices.iter().map(|choice| choice.route.clone().into()).collect();
        Description::new("llm_router")
            .action(A::ACTION)
            .attribute(attribute::ROUTER_STRATEGY.key(), self.pick.word())
            .attribute(attribute::ROUTER_CANDIDATES.key(), Value::from(models))
    }
}

/// The last error, with those before it.
fn joined(before: Option<Error>, error: Error) -> Error {
    match before {
        Some(before) => error.with_related(before),
        None => error,
    }
}
