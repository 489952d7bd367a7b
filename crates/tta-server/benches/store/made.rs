//! Spans as programs send them: 20 attributes, of which a few are random and most are not.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tta_model::TraceId;
use tta_model::name::attribute as a;

const SERVICES: usize = 8;
const OPERATIONS: usize = 12;
const PER_TRACE: usize = 8;

pub(crate) struct Maker {
    random: StdRng,
    now: u64,
    step: u64,
    batches: usize,
    some_trace: Option<TraceId>,
    /// The roots of traces that go on in another service.
    open: Vec<([u8; 16], [u8; 8])>,
}

impl Maker {
    pub(crate) fn new(spans: usize) -> Self {
        let hour = 3_600_000_000_000;
        let now = 1_795_000_000_000_000_000;
        let random = StdRng::seed_from_u64(7);
        Self { random, now, step: hour / spans as u64, batches: 0, some_trace: None, open: Vec::new() }
    }

    pub(crate) fn some_trace(&self) -> TraceId {
        self.some_trace.expect("spans were made")
    }

    pub(crate) fn batch(&mut self, count: usize) -> Vec<u8> {
        let service = self.batches % SERVICES;
        self.batches += 1;
        let mut spans = Vec::with_capacity(count);
        while spans.len() < count {
            self.trace(service, &mut spans);
        }
        spans.truncate(count);
        let resource = Resource {
            attributes: vec![
                text(a::SERVICE_NAME.key, format!("service-{service}")),
                text(a::HOST_NAME.key, format!("host-{service}.example")),
            ],
            ..Resource::default()
        };
        let scope = InstrumentationScope { name: String::from("tta"), ..InstrumentationScope::default() };
        let of_scope = ScopeSpans { scope: Some(scope), spans, schema_url: String::new() };
        let of_resource = ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![of_scope],
            schema_url: String::new(),
        };
        ExportTraceServiceRequest { resource_spans: vec![of_resource] }.encode_to_vec()
    }

    fn trace(&mut self, service: usize, spans: &mut Vec<Span>) {
        let caller = if self.batches.is_multiple_of(2) { self.open.pop() } else { None };
        let (trace, mut parent) = match caller {
            Some((trace, parent)) => (trace, parent.to_vec()),
            None => (self.random.random(), Vec::new()),
        };
        let session = self.random.random_range(0..20_000);
        let workflow = self.random.random_range(0..4);
        for at in 0..PER_TRACE {
            let id: [u8; 8] = self.random.random();
            spans.push(self.span(service, (trace, id, parent.clone()), (session, workflow * 3 + at)));
            if at == 0 {
                parent = id.to_vec();
            }
            if at == 3 && self.batches % 2 == 1 && self.open.len() < 200 {
                self.open.push((trace, id));
            }
        }
        self.some_trace = TraceId::from_bytes(trace);
    }

    fn span(
        &mut self,
        service: usize,
        ids: ([u8; 16], [u8; 8], Vec<u8>),
        (session, step): (u32, usize),
    ) -> Span {
        let (trace, id, parent) = ids;
        self.now += self.step;
        let start = self.now + self.random.random_range(0..2_000_000_000);
        let operation = step % OPERATIONS;
        let scale: f64 = self.random.random_range(0.0..1.0);
        let duration = (1e6 * (operation + 1) as f64 * (1.0 - scale).powf(-0.9)) as u64;
        let failed = self.random.random_range(0..50) == 0;
        Span {
            trace_id: trace.to_vec(),
            span_id: id.to_vec(),
            parent_span_id: parent,
            name: format!("primitive.step-{operation}.execute"),
            kind: 1,
            start_time_unix_nano: start,
            end_time_unix_nano: start + duration,
            attributes: self.attributes(service, operation, session),
            status: Some(Status { code: if failed { 2 } else { 1 }, message: String::new() }),
            flags: 0x101,
            ..Span::default()
        }
    }

    fn attributes(&mut self, service: usize, operation: usize, session: u32) -> Vec<KeyValue> {
        let mut all = vec![
            text(a::PRIMITIVE_NAME.key, format!("step-{operation}")),
            text(a::PRIMITIVE_TYPE.key, ["sequential", "retry", "cache", "llm"][operation % 4]),
            text(a::WORKFLOW_NAME.key, format!("workflow-{}", service % 3)),
            text(a::AGENT_ID.key, format!("agent-{:04}", session % 50)),
            text(a::AGENT_TYPE.key, "coordinator"),
            text(a::SESSION_ID.key, format!("session-{session:08x}")),
            text("request.id", format!("{:016x}", self.random.random::<u64>())),
            text("http.route", format!("/api/v1/items/{}", operation % 5)),
            text("region", ["eu-central-1", "us-east-1", "us-west-2"][self.random.random_range(0..3)]),
            text("tenant", format!("tenant-{:03}", self.random.random_range(0..200))),
            text("cache.tier", "memory"),
            text(
                "code.function.path",
                format!("workflows/orders/steps/step_{operation}.rs#execute_with_context"),
            ),
            text(
                "input.preview",
                ["{\"order\": {\"items\": 3, \"total\": 129.90}}", "{\"order\": null}"][operation % 2],
            ),
            int("step", operation as i64),
            text(
                "deployment.revision",
                format!("release-2026.11.{:02}-{:08x}", service + 1, 0x4f2c_19a0 + service),
            ),
            int("attempt", self.random.random_range(0..3)),
            int("input.bytes", self.random.random_range(100..100_000)),
            int("output.bytes", self.random.random_range(100..100_000)),
        ];
        if operation == 3 {
            all.push(text(a::LLM_MODEL_NAME.key, ["small-1", "large-2"][self.random.random_range(0..2)]));
            all.push(int(a::LLM_PROMPT_TOKENS.key, self.random.random_range(100..4_000)));
            all.push(int(a::LLM_COMPLETION_TOKENS.key, self.random.random_range(10..900)));
            all.push(float(a::LLM_COST_USD.key, self.random.random_range(0.0001..0.02)));
        } else {
            all.push(text("queue", "default"));
            all.push(float("load", self.random.random_range(0.0..1.0)));
            all.push(text("thread", format!("worker-{}", self.random.random_range(0..8))));
        }
        all
    }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    any(key, Value::StringValue(value.into()))
}

fn int(key: &str, value: i64) -> KeyValue {
    any(key, Value::IntValue(value))
}

fn float(key: &str, value: f64) -> KeyValue {
    any(key, Value::DoubleValue(value))
}

fn any(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
