//! What a user would pick instead.

use std::hint::black_box;

use opentelemetry::trace::{Span, SpanBuilder, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData,
};
use tracing::{Dispatch, Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::measure::{Case, TRACING, block_on};

pub(crate) fn all() -> Vec<Box<dyn Case>> {
    vec![Box::new(TracingStack::new()), Box::new(SdkOnly::new())]
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
struct TracingStack {
    provider: SdkTracerProvider,
    dispatch: Dispatch,
}

impl TracingStack {
    fn new() -> Self {
        let provider = provider();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
        Self { provider, dispatch }
    }
}

impl Case for TracingStack {
    fn name(&self) -> &'static str {
        TRACING
    }

    fn execute(&self, executions: u64) {
        tracing::dispatcher::with_default(&self.dispatch, || {
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
                        let out = add_one(n).await;
                        end.record("execution.status", "success");
                        out
                    };
                    black_box(out.instrument(span).await);
                }
            });
        });
    }

    fn settle(&self) {
        self.provider.force_flush().unwrap();
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
