//! Every name of a span, attribute, metric and event, once.
//!
//! A name is an interface: queries, alerts and dashboards outlive the code that wrote it. So each
//! one is a constant here with its type, unit and meaning, a string literal elsewhere is a bug, and
//! everything that reads names (exporters, dashboards, rules, documentation) reads these tables.

pub mod attribute;
pub mod event;
pub mod log;
pub mod metric;
pub mod span;
