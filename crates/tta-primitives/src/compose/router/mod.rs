//! One of several routes, chosen by a strategy.

mod build;
mod strategy;

use tta_model::Text;
use tta_model::name::attribute;

pub use build::{Route, Router, RouterError, router};
pub use strategy::Strategy;

use strategy::{Choice, Observed};

use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, Role};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

/// Routes and the strategy that chooses among them.
struct Routing<I, O> {
    routes: Vec<Route<I, O>>,
    strategy: Strategy<I>,
    /// The position of the route for what the strategy has no route for.
    default: Option<usize>,
    /// What was observed of each route.
    observed: Observed,
}

impl<I: Send + 'static, O: Send + 'static> Routing<I, O> {
    fn choose(&self, input: &I, cx: &WorkflowContext) -> Result<(usize, &'static str)> {
        match self.strategy.choose(input, cx, &self.routes, &self.observed) {
            Choice::Route { index, reason } => Ok((index, reason)),
            Choice::None { reason, wanted } => match self.default {
                Some(index) => Ok((index, reason)),
                None => Err(self.no_route(&wanted)),
            },
        }
    }

    fn no_route(&self, wanted: &Text) -> Error {
        let names: Vec<String> = self.routes.iter().map(|route| format!("`{}`", route.name)).collect();
        let message = format!("no route for {wanted} and no default; the routes are {}", names.join(", "));
        Error::new(ErrorKind::NoRoute, message)
    }

    /// How much less a route costs than the dearest one, in millionths of a US dollar; zero where that is not known.
    fn savings(&self, index: usize) -> i64 {
        let dearest = self.routes.iter().filter_map(|route| route.cost).max();
        let saved =
            dearest.zip(self.routes[index].cost).map(|(dearest, cost)| dearest.0.saturating_sub(cost.0));
        saved.unwrap_or(0)
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Primitive for Routing<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let (index, reason) = self.choose(&input, cx)?;
        let route = &self.routes[index];
        let strategy = self.strategy.word();
        cx.emit(&Event::RouteDecided {
            route: &route.name,
            reason: &Text::Static(reason),
            strategy,
            saved_micro_usd: self.savings(index),
        });
        cx.set_attribute(attribute::ROUTER_ROUTE.key(), route.name.clone());
        cx.set_attribute(attribute::ROUTER_REASON.key(), reason);
        let why = [(attribute::ROUTER_REASON.key(), reason.into())];
        let under_way = self.observed.start(index);
        let result = route.flow.call(index, input, cx, &why).await;
        under_way.end(result.is_ok());
        result
    }

    fn describe(&self) -> Description {
        let description =
            Description::new("router").attribute(attribute::ROUTER_STRATEGY.key(), self.strategy.word());
        self.routes.iter().fold(description, |description, route| {
            description.child(Role::Route(route.name.clone()), &route.flow)
        })
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> From<Routing<I, O>> for Flow<I, O> {
    fn from(routing: Routing<I, O>) -> Self {
        Self::new(routing)
    }
}
