//! What a user would pick instead.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Instant;

use opentelemetry::metrics::{Counter, Histogram, MeterProvider};
use opentelemetry::trace::{Span, SpanBuilder, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchLogProcessor, LogBatch, LogExporter, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData,
};
use tracing::{Dispatch, Instrument, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::measure::{Case, TRACING, block_on};

const TRACING_ALL: &str = "tracing + tracing-opentelemetry, all signals";

pub(crate) fn all() -> Vec<Box<dyn Case>> {
    vec![Box::new(TracingStack::new()), Box::new(TracingStack::with_all_signals()), Box::new(SdkOnly::new())]
}

#[derive(Debug)]
struct Discard;

impl opentelemetry_sdk::trace::SpanExporter for Discard {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        black_box(batch);
        Ok(())
    }
}

fn provider() -> SdkTracerProvider {
    let config = BatchConfigBuilder::default().with_max_queue_size(65_536).build();
    let processor = BatchSpanProcessor::builder(Discard).with_batch_config(config).build();
    SdkTracerProvider::builder().with_span_processor(processor).build()
}

async fn add_one(n: u64) -> u64 {
    black_box(n) + 1
}

/// An instrumented async call, as `#[instrument]` makes it, with 8 attributes.
///
/// Its subscriber lives only while it is measured: another one in the process makes every line a question to both.
struct TracingStack {
    provider: SdkTracerProvider,
    dispatch: RefCell<Option<Dispatch>>,
    /// What makes all signals of it: a counter, a histogram and a line for each call.
    rest: Option<Rest>,
}

struct Rest {
    logs: SdkLoggerProvider,
    _metrics: SdkMeterProvider,
    count: Counter<u64>,
    duration: Histogram<f64>,
}

impl TracingStack {
    fn new() -> Self {
        Self { provider: provider(), dispatch: RefCell::default(), rest: None }
    }

    fn with_all_signals() -> Self {
        let config =
            opentelemetry_sdk::logs::BatchConfigBuilder::default().with_max_queue_size(65_536).build();
        let processor = BatchLogProcessor::builder(DiscardLogs).with_batch_config(config).build();
        let logs = SdkLoggerProvider::builder().with_log_processor(processor).build();
        let metrics =
            SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default()).build();
        let meter = metrics.meter("bench");
        let count = meter.u64_counter("primitive.execution.count").build();
        let duration = meter.f64_histogram("primitive.execution.duration").build();
        let rest = Rest { logs, _metrics: metrics, count, duration };
        Self { rest: Some(rest), ..Self::new() }
    }
}

impl Case for TracingStack {
    fn name(&self) -> &'static str {
        if self.rest.is_some() { TRACING_ALL } else { TRACING }
    }

    fn prepare(&self) {
        let layer = tracing_opentelemetry::layer().with_tracer(self.provider.tracer("bench"));
        let subscriber = tracing_subscriber::registry().with(layer);
        *self.dispatch.borrow_mut() = Some(match &self.rest {
            None => Dispatch::new(subscriber),
            Some(rest) => Dispatch::new(subscriber.with(OpenTelemetryTracingBridge::new(&rest.logs))),
        });
    }

    fn execute(&self, executions: u64) {
        let dispatch = self.dispatch.borrow().clone().expect("it is prepared");
        let labels = [KeyValue::new("primitive.name", "leaf"), KeyValue::new("primitive.type", "leaf")];
        tracing::dispatcher::with_default(&dispatch, || {
            block_on(async {
                for n in 0..executions {
                    let span = info_span!(
                        "primitive.leaf.execute",
                        primitive.name = "leaf",
                        primitive.r#type = "leaf",
                        primitive.action = "execute",
                        primitive.path = "repeat/leaf",
                        workflow.id = "7c1f5a0e-0c1d-4a53-9d39-0f6f3c1d9a55",
                        workflow.name = "repeat",
                        correlation.id = "2f9d7a4e-6a0b-4c1e-8f5e-5b0d9a3c7e11",
                        execution.status = tracing::field::Empty,
                    );
                    let end = span.clone();
                    let out = async {
                        let begun = Instant::now();
                        let out = add_one(n).await;
                        end.record("execution.status", "success");
                        if let Some(rest) = &self.rest {
                            let millis = begun.elapsed().as_secs_f64() * 1e3;
                            rest.count.add(1, &labels);
                            rest.duration.record(millis, &labels);
                            info!(primitive.name = "leaf", duration_ms = millis, "primitive_complete");
                        }
                        out
                    };
                    black_box(out.instrument(span).await);
                }
            });
        });
    }

    fn settle(&self) {
        self.provider.force_flush().unwrap();
        self.rest.iter().for_each(|rest| rest.logs.force_flush().unwrap());
        self.dispatch.borrow_mut().take();
        tracing::callsite::rebuild_interest_cache();
    }
}

#[derive(Debug)]
struct DiscardLogs;

impl LogExporter for DiscardLogs {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        black_box(batch.iter().count());
        Ok(())
    }
}

/// A span made by hand with the SDK, with 8 attributes, current while the call runs.
struct SdkOnly {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl SdkOnly {
    fn new() -> Self {
        let provider = provider();
        let tracer = provider.tracer("bench");
        Self { provider, tracer }
    }
}

impl Case for SdkOnly {
    fn name(&self) -> &'static str {
        "OpenTelemetry SDK by hand, 8 attributes"
    }

    fn execute(&self, executions: u64) {
        let root = Context::new().with_span(self.tracer.start("root"));
        let _current = root.attach();
        block_on(async {
            for n in 0..executions {
                let builder = SpanBuilder::from_name("primitive.leaf.execute").with_attributes([
                    KeyValue::new("primitive.name", "leaf"),
                    KeyValue::new("primitive.type", "leaf"),
                    KeyValue::new("primitive.action", "execute"),
                    KeyValue::new("primitive.path", "repeat/leaf"),
                    KeyValue::new("workflow.id", "7c1f5a0e-0c1d-4a53-9d39-0f6f3c1d9a55"),
                    KeyValue::new("workflow.name", "repeat"),
                    KeyValue::new("correlation.id", "2f9d7a4e-6a0b-4c1e-8f5e-5b0d9a3c7e11"),
                ]);
                let mut span = self.tracer.build(builder);
                black_box(add_one(n).await);
                span.set_attribute(KeyValue::new("execution.status", "success"));
                span.end();
            }
        });
    }

    fn settle(&self) {
        self.provider.force_flush().unwrap();
    }
}
