//! Counts what the observer is told.

use tta_model::name::attribute;
use tta_model::{ExecutionStatus, Text};
use tta_primitives::Error;
use tta_primitives::clock;
use tta_primitives::observe::{Event, NodeFinished, NodeInfo, RunInfo};

use super::Metrics;
use super::cell::Cell;
use super::tally::Fact;

/// The word for what succeeded.
const SUCCESS: Text = Text::Static("success");
/// The word for what did not.
const ERROR: Text = Text::Static("error");

impl Metrics {
    pub(crate) fn run_class(&self, workflow: &Text, agent_type: Option<&Text>) -> u32 {
        self.core.class(workflow, agent_type)
    }

    #[inline]
    pub(crate) fn node_started(&self, run: &RunInfo, node: &NodeInfo) {
        self.core.count(node, run.class, Cell::start);
    }

    #[inline]
    pub(crate) fn node_finished(&self, finished: &NodeFinished<'_>) {
        self.ended(finished, finished.node);
    }

    /// The first node of a run has ended, and with it the run.
    #[inline]
    pub(crate) fn run_finished(&self, finished: &NodeFinished<'_>) {
        if let Some(run) = finished.role {
            self.ended(finished, run);
        }
    }

    #[inline]
    fn ended(&self, finished: &NodeFinished<'_>, node: &NodeInfo) {
        let nanos = finished.ticks.saturating_sub(finished.started);
        self.core.count(node, finished.run.class, |cell| {
            cell.end(nanos, finished.status);
            if finished.status != ExecutionStatus::Success {
                cell.fail(finished.status, finished.error.map_or(finished.status.as_str(), Error::type_name));
            }
        });
    }

    pub(crate) fn event(&self, run: &RunInfo, node: &NodeInfo, event: &Event<'_>) {
        let primitive = || Some(node.name.clone());
        let outcome = |succeeded| Some(if succeeded { SUCCESS } else { ERROR });
        match event {
            Event::RetriesCounted { retries, succeeded } if *retries > 0 => {
                self.core.count(node, run.class, |cell| cell.count_retries(u64::from(*retries)));
                self.add(Fact::Retries, &[primitive(), outcome(*succeeded)], i64::from(*retries));
            }
            Event::FallbackFinished { succeeded, .. } => {
                self.add(Fact::Fallbacks, &[primitive(), outcome(*succeeded)], 1);
            }
            Event::TimeoutElapsed { .. } => self.add(Fact::Timeouts, &[primitive()], 1),
            Event::CompensationFinished { undone, failed } => {
                let counts = [(*undone, true), (*failed, false)];
                for (count, succeeded) in counts.into_iter().filter(|(count, _)| *count > 0) {
                    let count = i64::try_from(count).unwrap_or(i64::MAX);
                    self.add(Fact::Compensations, &[primitive(), outcome(succeeded)], count);
                }
            }
            Event::CircuitChecked { breaker, state, .. }
            | Event::CircuitStateChanged { breaker, to: state, .. } => {
                let now = (clock::ticks(), circuit_state(state));
                self.core.tally(|tallies, admitted| {
                    tallies.set(admitted, Fact::Circuits, &[Some((*breaker).clone())], now);
                });
            }
            Event::RouteDecided { route, reason, saved_micro_usd, .. } => {
                self.add(Fact::Decisions, &[Some((*route).clone()), Some((*reason).clone())], 1);
                self.save("router", (run, node), *saved_micro_usd);
            }
            Event::CacheLookedUp { .. } => self.looked_up(run, node, event),
            Event::StoreFailed { .. } => self.store_failed(event),
            Event::Spent { amount_micro_usd, provider, model } => {
                let workflow = Some(run.workflow_name.clone());
                let labels = [provider.cloned(), model.cloned(), primitive(), workflow, agent_type(run)];
                self.add(Fact::Spent, &labels, (*amount_micro_usd).max(0));
            }
            Event::ModelCallFinished { .. } => self.model_called(run, event),
            Event::RouteSaved { saved_micro_usd } => self.save("router", (run, node), *saved_micro_usd),
            Event::ModelChunkReceived { .. } => self.chunk_received(event),
            _ => {}
        }
    }

    fn looked_up(&self, run: &RunInfo, node: &NodeInfo, event: &Event<'_>) {
        let Event::CacheLookedUp { cache, backend, outcome, saved_micro_usd, .. } = event else { return };
        let is_hit = outcome.is_hit();
        self.core.count(node, run.class, |cell| cell.count_lookup(is_hit));
        let found = Text::Static(if is_hit { "hit" } else { "miss" });
        let labels =
            [Some(node.name.clone()), Some(Text::Static(backend)), Some((*cache).clone()), Some(found)];
        self.add(Fact::Lookups, &labels, 1);
        if is_hit {
            self.save("cache", (run, node), *saved_micro_usd);
        }
    }

    fn store_failed(&self, event: &Event<'_>) {
        let Event::StoreFailed { store, backend, operation, .. } = event else { return };
        let labels = [Some((*store).clone()), Some(Text::Static(backend)), Some(Text::Static(operation))];
        self.add(Fact::StoreErrors, &labels, 1);
    }

    fn chunk_received(&self, event: &Event<'_>) {
        let Event::ModelChunkReceived { provider, model, operation, is_first, after } = event else { return };
        let fact = if *is_first { Fact::FirstChunk } else { Fact::NextChunk };
        let (provider, model) = (Some(attribute::gen_ai_provider(provider)), Some((*model).clone()));
        let labels = [Some(Text::Static(operation)), provider, model, None, None, None];
        self.observe(fact, &labels, after.as_secs_f64());
    }

    fn model_called(&self, run: &RunInfo, event: &Event<'_>) {
        let Event::ModelCallFinished { provider, model, operation, took, error_type, unpriced, .. } = event
        else {
            return;
        };
        let known_as = Some(attribute::gen_ai_provider(provider));
        let (provider, model) = (Some((*provider).clone()), Some((*model).clone()));
        let operation = Some(Text::Static(operation));
        for (ours, theirs, tokens) in sides(event) {
            let labels = [provider.clone(), model.clone(), Some(Text::Static(ours)), agent_type(run)];
            self.add(Fact::Tokens, &labels, i64::try_from(tokens).unwrap_or(i64::MAX));
            let kind = Some(Text::Static(theirs));
            let labels = [operation.clone(), known_as.clone(), kind, model.clone(), None, None, None];
            self.observe(Fact::TokenUsage, &labels, tokens as f64);
        }
        if *unpriced {
            self.add(Fact::Unpriced, &[provider, model.clone()], 1);
        }
        let error = error_type.map(Text::Static);
        let labels = [operation, known_as, error, model, None, None, None];
        self.observe(Fact::CallDuration, &labels, took.as_secs_f64());
    }

    fn save(&self, source: &'static str, (run, node): (&RunInfo, &NodeInfo), micro_usd: i64) {
        if micro_usd > 0 {
            let labels = [
                Some(Text::Static(source)),
                Some(node.name.clone()),
                Some(run.workflow_name.clone()),
                agent_type(run),
            ];
            self.add(Fact::Saved, &labels, micro_usd);
        }
    }

    fn add(&self, fact: Fact, labels: &[Option<Text>], amount: i64) {
        self.core.tally(|tallies, admitted| tallies.add(admitted, fact, labels, amount));
    }

    fn observe(&self, fact: Fact, labels: &[Option<Text>], value: f64) {
        self.core.tally(|tallies, admitted| tallies.observe(admitted, fact, labels, value));
    }
}

fn agent_type(run: &RunInfo) -> Option<Text> {
    run.ids.agent_type().map(|agent| Text::from(agent.to_owned()))
}

/// The sides of a model call that had tokens: our word, that of the GenAI conventions, and how many.
fn sides(event: &Event<'_>) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
    let (prompt, completion) = match event {
        Event::ModelCallFinished { prompt_tokens, completion_tokens, .. } => {
            (*prompt_tokens, *completion_tokens)
        }
        _ => (0, 0),
    };
    let sides = [("prompt", "input", prompt), ("completion", "output", completion)];
    sides.into_iter().filter(|(.., tokens)| *tokens > 0)
}

/// The state of a circuit as a number: 0 closed, 1 half open, 2 open.
fn circuit_state(state: &str) -> f64 {
    match state {
        "closed" => 0.0,
        "half_open" => 1.0,
        _ => 2.0,
    }
}
