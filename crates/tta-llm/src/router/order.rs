//! In which order models are tried.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use tta_model::Text;
use tta_primitives::{Error, ErrorKind, MicroUsd, ModelTier, Result, WorkflowContext, random};

use super::{Choice, Reason};
use crate::call::Asking;
use crate::request::ChatRequest;

type Choose = Arc<dyn Fn(&ChatRequest, &WorkflowContext) -> Text + Send + Sync>;

/// How a router chooses a model. The others are tried after it, in the order that each strategy has.
#[derive(Clone)]
#[non_exhaustive]
pub enum Pick {
    /// A function of the request and the context gives the model, as in `openai/gpt-4o`; then as they were added.
    Function(Choose),
    /// A model of the context's tier, or of [`balanced`](ModelTier::Balanced) if it has none; then the tiers above it, then
    /// those below.
    Tier,
    /// The model for which this request costs least; then the next cheapest.
    Cost,
    /// The model that has been the quickest lately; those that were never tried come first.
    Latency,
    /// At random, in proportion to the weights; then by weight.
    Weighted,
}

impl Pick {
    /// A function of the request and the context gives the model, as in `openai/gpt-4o`.
    #[must_use]
    pub fn function<N: Into<Text>>(
        choose: impl Fn(&ChatRequest, &WorkflowContext) -> N + Send + Sync + 'static,
    ) -> Self {
        Self::Function(Arc::new(move |request, cx| choose(request, cx).into()))
    }

    /// The word for it in attributes.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Function(_) => "function",
            Self::Tier => "tier",
            Self::Cost => "cost",
            Self::Latency => "latency",
            Self::Weighted => "weighted",
        }
    }

    /// The order in which models are tried, and why the first one is the first.
    pub(super) fn order<A: Asking>(
        &self,
        choices: &[Choice<A>],
        request: &ChatRequest,
        cx: &WorkflowContext,
    ) -> Result<(Vec<usize>, Reason)> {
        let mut order: Vec<usize> = (0..choices.len()).collect();
        let reason = match self {
            Self::Function(choose) => {
                let route = choose(request, cx);
                let Some(chosen) = choices.iter().position(|choice| choice.route == route) else {
                    return Err(unknown(choices, &route));
                };
                order.sort_by_key(|index| *index != chosen);
                "function"
            }
            Self::Tier => {
                let wanted = cx.llm_model_tier().unwrap_or(ModelTier::Balanced);
                order.sort_by_key(|index| distance(wanted, choices[*index].candidate.llm.tier));
                if cx.llm_model_tier().is_some() { "tier" } else { "no_tier" }
            }
            Self::Cost => {
                let costs: Vec<MicroUsd> =
                    choices.iter().map(|choice| choice.asking.estimate(request)).collect();
                order.sort_by_key(|index| costs[*index]);
                "cheapest"
            }
            Self::Latency => quickest_first(&mut order, choices),
            Self::Weighted => {
                let weights: Vec<u32> = choices.iter().map(|choice| choice.candidate.weight).collect();
                let chosen = random::weighted(&weights);
                order.sort_by_key(|index| (*index != chosen, Reverse(weights[*index])));
                "weight"
            }
        };
        Ok((order, reason))
    }
}

/// The quickest models first, and before them those that were never tried.
fn quickest_first<A: Asking>(order: &mut [usize], choices: &[Choice<A>]) -> Reason {
    let averages: Vec<Option<f64>> = choices.iter().map(|choice| choice.health.average()).collect();
    let of = |index: &usize| averages[*index].unwrap_or(-1.0);
    order.sort_by(|a, b| of(a).total_cmp(&of(b)));
    if averages[order[0]].is_none() { "unobserved" } else { "quickest" }
}

fn unknown<A: Asking>(choices: &[Choice<A>], route: &Text) -> Error {
    let names: Vec<&str> = choices.iter().map(|choice| choice.route.as_str()).collect();
    let message = format!("the router has no model `{route}`; it has {}", names.join(", "));
    Error::new(ErrorKind::NoRoute, message)
}

/// How late a tier is tried when another one is wanted.
fn distance(wanted: ModelTier, tier: Option<ModelTier>) -> u8 {
    let rank = |tier| match tier {
        ModelTier::Fast => 0,
        ModelTier::Balanced => 1,
        ModelTier::Quality => 2,
    };
    let Some(tier) = tier else { return u8::MAX };
    match (rank(wanted), rank(tier)) {
        (wanted, tier) if tier >= wanted => tier - wanted,
        (wanted, tier) => 10 + wanted - tier,
    }
}

impl fmt::Debug for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiers_above_come_before_those_below() {
        use ModelTier::{Balanced, Fast, Quality};
        let check = |wanted: ModelTier, expect: [ModelTier; 3]| {
            let mut tiers = [Quality, Fast, Balanced];
            tiers.sort_by_key(|tier| distance(wanted, Some(*tier)));
            assert_eq!(tiers, expect, "{wanted}");
        };
        check(Fast, [Fast, Balanced, Quality]);
        check(Balanced, [Balanced, Quality, Fast]);
        check(Quality, [Quality, Balanced, Fast]);
    }
}
