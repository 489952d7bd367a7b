//! Makes routers of models, and finds out when they are made whether they can route.

use std::sync::Arc;
use std::time::Duration;

use tta_model::Text;
use tta_primitives::Flow;

use super::health::Health;
use super::order::Pick;
use super::{Choice, Routing};
use crate::call::{Asking, ChatStream};
use crate::model::Llm;
use crate::price::Price;
use crate::request::ChatRequest;
use crate::response::ChatResponse;

/// How long a model is left alone that refused a call without saying for how long.
const COOLDOWN: Duration = Duration::from_secs(10);

/// A router of models: each call goes to the one that a [strategy](Pick) chooses, or to the next one when it cannot
/// answer.
///
/// - A model that refuses calls (status 429, or overloaded) is left alone for as long as it asks.
/// - What fails is tried with the next model, except a request that no model would understand.
/// - In a run with a budget, a model that costs more than is left is passed over for a cheaper one.
///
/// Each choice is a span `llm.router.select_model` with its reason. What the call cost less than the dearest of the
/// models would have, for the same tokens, is counted as saved.
///
/// ```
/// use tta_llm::{ModelRouter, Models, Pick};
/// use tta_primitives::{ModelTier, WorkflowContext};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let models = Models::builder().build();
/// let router = ModelRouter::new(Pick::Tier)
///     .candidate(models.model("local/textrank")?.tier(ModelTier::Fast))
///     .candidate(models.model("openai/gpt-4o-mini")?.tier(ModelTier::Balanced))
///     .candidate(models.model("anthropic/claude-sonnet-4")?.tier(ModelTier::Quality));
/// let flow = router.chat()?;
/// let cx = WorkflowContext::builder().llm_model_tier(ModelTier::Fast).build();
/// assert_eq!(flow.run("Tests find faults.".into(), &cx).await?.provider, "local");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "finish with `chat` or `stream`"]
pub struct ModelRouter {
    pick: Pick,
    candidates: Vec<(Candidate, Arc<Health>)>,
    cooldown: Duration,
    cascades: bool,
}

/// A model that may be chosen, and how often.
#[derive(Clone, Debug)]
#[must_use = "add it to a router"]
pub struct Candidate {
    pub(crate) llm: Llm,
    pub(crate) weight: u32,
}

impl Candidate {
    /// A model with a weight, for [`Pick::Weighted`].
    pub fn weighted(llm: Llm, weight: u32) -> Self {
        Self { llm, weight }
    }
}

impl From<Llm> for Candidate {
    fn from(llm: Llm) -> Self {
        Self { llm, weight: 1 }
    }
}

impl ModelRouter {
    /// Begins a router.
    pub fn new(pick: Pick) -> Self {
        Self { pick, candidates: Vec::new(), cooldown: COOLDOWN, cascades: true }
    }

    /// Adds a model.
    pub fn candidate(mut self, candidate: impl Into<Candidate>) -> Self {
        self.candidates.push((candidate.into(), Arc::default()));
        self
    }

    /// How long a model is left alone that refused a call without saying for how long, 10 seconds by default.
    pub fn cooldown(mut self, cooldown: Duration) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// Does not try elsewhere what fails.
    pub fn without_cascade(mut self) -> Self {
        self.cascades = false;
        self
    }

    /// A flow that asks one of the models and waits for the whole answer.
    ///
    /// # Errors
    /// If it could not route: there is no model, one is there twice, or the strategy needs to know something of one
    /// that is not known.
    pub fn chat(&self) -> Result<Flow<ChatRequest, ChatResponse>, ModelRouterError> {
        self.routing(Llm::chatting_among)
    }

    /// A flow that asks one of the models for a stream. It is tried elsewhere until it has begun.
    ///
    /// # Errors
    /// As for [`chat`](Self::chat).
    pub fn stream(&self) -> Result<Flow<ChatRequest, ChatStream>, ModelRouterError> {
        self.routing(Llm::streaming_among)
    }

    fn routing<A: Asking>(
        &self,
        asking: impl Fn(&Llm, &[Price]) -> A,
    ) -> Result<Flow<ChatRequest, A::Answer>, ModelRouterError> {
        self.check()?;
        let prices: Vec<Price> =
            self.candidates.iter().filter_map(|(candidate, _)| candidate.llm.price.clone()).collect();
        let choices = self.candidates.iter().map(|(candidate, health)| Choice {
            asking: asking(&candidate.llm, &prices),
            route: route(&candidate.llm),
            candidate: candidate.clone(),
            health: Arc::clone(health),
        });
        Ok(Flow::new(Routing {
            choices: choices.collect(),
            pick: self.pick.clone(),
            cooldown: self.cooldown,
            cascades: self.cascades,
            select: Routing::<A>::select_info(),
        }))
    }

    fn check(&self) -> Result<(), ModelRouterError> {
        if self.candidates.is_empty() {
            return Err(ModelRouterError::NoModels);
        }
        for (index, (candidate, _)) in self.candidates.iter().enumerate() {
            let name = route(&candidate.llm);
            if self.candidates[..index].iter().any(|(other, _)| route(&other.llm) == name) {
                return Err(ModelRouterError::Twice(name));
            }
            let lacks = match self.pick {
                Pick::Tier if candidate.llm.tier.is_none() => "tier; say it with `tier`",
                Pick::Cost if candidate.llm.price.is_none() => {
                    "price; say it with `priced` or in the price table"
                }
                _ => continue,
            };
            return Err(ModelRouterError::Incomplete { model: name, lacks });
        }
        let has_weight = self.candidates.iter().any(|(candidate, _)| candidate.weight > 0);
        if matches!(self.pick, Pick::Weighted) && !has_weight {
            return Err(ModelRouterError::NoWeight);
        }
        Ok(())
    }
}

/// The provider and the model.
fn route(llm: &Llm) -> Text {
    format!("{}/{}", llm.provider(), llm.name()).into()
}

/// Why a router could not route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelRouterError {
    /// There is no model.
    #[error("the router has no models; add one with `candidate`")]
    NoModels,
    /// A model is there twice.
    #[error("the router has `{0}` twice")]
    Twice(Text),
    /// The strategy needs to know something of a model that is not known.
    #[error("`{model}` has no {lacks}")]
    Incomplete {
        /// The model.
        model: Text,
        /// What is not known.
        lacks: &'static str,
    },
    /// All weights are zero.
    #[error("all weights are zero")]
    NoWeight,
}
