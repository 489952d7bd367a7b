//! Shows metrics to Prometheus: a page to scrape, pushes to a Pushgateway for programs that end too soon to be
//! scraped, and the text of both.
//!
//! Prometheus comes and asks, so nothing waits and nothing is dropped here: each scrape takes a snapshot and writes
//! it down. [`MetricsPage`] serves it under `/metrics`; [`PushGateway`] sends it.

mod accept;
mod answer;
mod encode;
mod lines;
mod page;
mod push;
mod source;
mod target;

pub use encode::{Format, encode};
pub use page::{BindError, MetricsPage};
pub use push::{PushError, PushGateway, PushSetupError, Pusher};
