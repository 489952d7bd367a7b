//! Makes routers, and finds out when they are made whether they can route.

use std::fmt;

use tta_model::Text;

use super::{Observed, Routing, Strategy};
use crate::context::{MicroUsd, ModelTier};
use crate::flow::Flow;

/// Begins a router: a flow that runs one of several routes, which a [strategy](Strategy) chooses.
///
/// ```
/// use tta_primitives::{ModelTier, Route, Strategy, WorkflowContext, router, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let small = step("small_model", |_: &str| async { Ok("a short answer") });
/// let large = step("large_model", |_: &str| async { Ok("a long answer") });
/// let flow = router(Strategy::tier())
///     .route(Route::new("small", small).tier(ModelTier::Fast))
///     .route(Route::new("large", large).tier(ModelTier::Quality))
///     .default("small")
///     .build()?;
/// let cx = WorkflowContext::builder().llm_model_tier(ModelTier::Quality).build();
/// assert_eq!(flow.run("why?", &cx).await?, "a long answer");
/// # Ok(()) }
/// ```
pub fn router<I, O>(strategy: Strategy<I>) -> Router<I, O> {
    Router { strategy, routes: Vec::new(), default: None }
}

/// A router that is being made.
#[must_use = "finish with `build`"]
pub struct Router<I, O> {
    strategy: Strategy<I>,
    routes: Vec<Route<I, O>>,
    default: Option<Text>,
}

/// A route: a flow with a name, and what strategies want to know of it.
#[derive(Clone, Debug)]
#[must_use = "add it to a router"]
pub struct Route<I, O> {
    pub(super) name: Text,
    pub(super) flow: Flow<I, O>,
    pub(super) tier: Option<ModelTier>,
    pub(super) cost: Option<MicroUsd>,
    pub(super) weight: u32,
}

impl<I, O> Route<I, O> {
    /// Makes a route.
    pub fn new(name: impl Into<Text>, flow: Flow<I, O>) -> Self {
        Self { name: name.into(), flow, tier: None, cost: None, weight: 1 }
    }

    /// Says which tier of models it belongs to; [`Strategy::tier`] needs it.
    pub fn tier(mut self, tier: ModelTier) -> Self {
        self.tier = Some(tier);
        self
    }

    /// Says what a call costs, about; [`Strategy::cost`] needs it.
    pub fn cost(mut self, cost: MicroUsd) -> Self {
        self.cost = Some(cost);
        self
    }

    /// Says how often it is chosen in proportion to the others, 1 by default; for [`Strategy::weighted`].
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Router<I, O> {
    /// Adds a route.
    pub fn route(mut self, route: Route<I, O>) -> Self {
        self.routes.push(route);
        self
    }

    /// Names the route for what the strategy has no route for.
    pub fn default(mut self, route: impl Into<Text>) -> Self {
        self.default = Some(route.into());
        self
    }

    /// Makes the flow.
    ///
    /// # Errors
    /// If it could not route: there are no routes, two of one name, a default that is not a route, or a route
    /// of which the strategy does not know what it needs.
    pub fn build(self) -> Result<Flow<I, O>, RouterError> {
        let Self { strategy, routes, default } = self;
        if routes.is_empty() {
            return Err(RouterError::NoRoutes);
        }
        for (index, route) in routes.iter().enumerate() {
            if routes[..index].iter().any(|other| other.name == route.name) {
                return Err(RouterError::DuplicateRoute(route.name.clone()));
            }
            if let Some(lacks) = strategy.lacks(route) {
                return Err(RouterError::Incomplete { route: route.name.clone(), lacks });
            }
        }
        if matches!(strategy, Strategy::Weighted) && routes.iter().all(|route| route.weight == 0) {
            return Err(RouterError::NoWeight);
        }
        let position = |name: Text| {
            let found = routes.iter().position(|route| route.name == name);
            found.ok_or(RouterError::UnknownDefault(name))
        };
        let default = default.map(position).transpose()?;
        let observed = Observed::of(routes.len());
        Ok(Routing { routes, strategy, default, observed }.into())
    }
}

/// Why a router could not route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterError {
    /// There are no routes.
    NoRoutes,
    /// Two routes have this name.
    DuplicateRoute(Text),
    /// The default is not the name of a route.
    UnknownDefault(Text),
    /// The strategy needs to know something of a route that was not said.
    Incomplete {
        /// The route.
        route: Text,
        /// What was not said.
        lacks: &'static str,
    },
    /// All weights are zero.
    NoWeight,
}

impl fmt::Display for RouterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoutes => f.write_str("the router has no routes; add one with `route`"),
            Self::DuplicateRoute(name) => write!(f, "two routes are called `{name}`"),
            Self::UnknownDefault(name) => write!(f, "the default `{name}` is not a route"),
            Self::Incomplete { route, lacks } => {
                write!(f, "route `{route}` has no {lacks}, which the strategy needs")
            }
            Self::NoWeight => f.write_str("all weights are zero"),
        }
    }
}

impl std::error::Error for RouterError {}
