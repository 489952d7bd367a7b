//! The span of a node as the current span of OpenTelemetry.
//!
//! What the application does to the current span (attributes, events, links, status, name) is kept here
//! until the node ends.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{self as otel, Status};
use tta_model::{Attributes, EventRecord, Key, LinkRecord, SpanStatus, Text, Value};
use tta_primitives::observe::Event;

use super::usage::Usage;
use crate::convert::from_otel;

/// What is added to a span while it is open.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// Set once something was added, so that the lock is not taken for nothing.
    touched: AtomicBool,
    added: Mutex<Added>,
}

/// The additions themselves.
#[derive(Debug, Default)]
pub(super) struct Added {
    pub(super) attributes: Attributes,
    pub(super) events: Vec<EventRecord>,
    pub(super) links: Vec<LinkRecord>,
    pub(super) status: Option<SpanStatus>,
    pub(super) name: Option<Text>,
    /// What model calls came to, if there was one.
    pub(super) usage: Option<Box<Usage>>,
    pub(super) dropped_attributes: u32,
    pub(super) dropped_events: u32,
    /// The node has ended; what comes later is left out.
    pub(super) closed: bool,
}

/// How much may be added to one span.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddLimits {
    pub(super) attributes: usize,
    pub(super) events: usize,
    pub(super) links: usize,
}

impl Extras {
    pub(super) fn touched(&self) -> bool {
        self.touched.load(Ordering::Acquire)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Added> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes attributes out of a slice. They lie there, and do not come out of an iterator one by one: a value that
    /// is read as soon as it is written holds the processor up.
    pub(super) fn set_attributes(&self, attributes: &mut [Option<(Key, Value)>], limits: AddLimits) {
        self.add(|added| {
            let taken = attributes.iter_mut().filter_map(Option::take);
            taken.for_each(|attribute| added.set(attribute, limits));
        });
    }

    pub(super) fn add_usage(&self, happened: &Event<'_>) {
        self.add(|added| added.usage.get_or_insert_default().add(happened));
    }

    pub(super) fn add_event(&self, event: EventRecord, limits: AddLimits) {
        self.add(|added| {
            if added.events.len() < limits.events {
                added.events.push(event);
            } else {
                added.dropped_events += 1;
            }
        });
    }

    /// What was added, without the lock.
    pub(super) fn added(&mut self) -> &mut Added {
        self.added.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the extras ready for another span.
    pub(super) fn reset(&mut self) {
        *self.touched.get_mut() = false;
        let added = self.added();
        added.attributes.clear();
        added.events.clear();
        added.links.clear();
        *added = Added {
            attributes: std::mem::take(&mut added.attributes),
            events: std::mem::take(&mut added.events),
            links: std::mem::take(&mut added.links),
            ..Added::default()
        };
    }

    fn add(&self, add: impl FnOnce(&mut Added)) {
        let mut added = self.lock();
        if !added.closed {
            add(&mut added);
            self.touched.store(true, Ordering::Release);
        }
    }
}

impl Added {
    fn set(&mut self, (key, value): (Key, Value), limits: AddLimits) {
        // A key that is set again is looked for by the drain thread, or here once there is no room.
        if self.attributes.len() < limits.attributes {
            self.attributes.push((key, value));
        } else if let Some(last) = self.attributes.iter().rposition(|(known, _)| *known == key) {
            self.attributes[last].1 = value;
        } else {
            self.dropped_attributes += 1;
        }
    }
}

/// What OpenTelemetry sees of the span of a node.
#[derive(Debug)]
pub(super) struct CurrentSpan {
    pub(super) context: otel::SpanContext,
    pub(super) extras: Arc<Extras>,
    pub(super) limits: AddLimits,
}

impl otel::Span for CurrentSpan {
    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        let event = EventRecord {
            name: from_otel::text(name.into()),
            time_unix_nanos: from_otel::unix_nanos(timestamp),
            attributes: attributes.into_iter().map(from_otel::attribute).collect(),
        };
        self.extras.add_event(event, self.limits);
    }

    fn span_context(&self) -> &otel::SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        !self.extras.lock().closed
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        let attribute = from_otel::attribute(attribute);
        self.extras.set_attributes(&mut [Some(attribute)], self.limits);
    }

    fn set_status(&mut self, status: Status) {
        self.extras.add(|added| {
            added.status = Some(match status {
                Status::Unset => SpanStatus::Unset,
                Status::Ok => SpanStatus::Ok,
                Status::Error { description } => SpanStatus::Error(from_otel::text(description)),
            });
        });
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        let name = from_otel::text(new_name.into());
        self.extras.add(|added| added.name = Some(name));
    }

    fn add_link(&mut self, span_context: otel::SpanContext, attributes: Vec<KeyValue>) {
        let Some(context) = from_otel::span_context(&span_context) else { return };
        let attributes = attributes.into_iter().map(from_otel::attribute).collect();
        let limits = self.limits;
        self.extras.add(|added| {
            if added.links.len() < limits.links {
                added.links.push(LinkRecord { context, attributes });
            }
        });
    }

    /// Does nothing: the span of a node ends when the node does.
    fn end_with_timestamp(&mut self, _timestamp: SystemTime) {}
}
