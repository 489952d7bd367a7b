//! Spans reach a receiver that is not ours, and a bad receiver hurts nobody.

mod arrival;
mod receiver;
mod secured;
mod signals;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use tta_model::{
    EventRecord, LinkRecord, SpanContext, SpanId, SpanKind, SpanRecord, SpanStatus, TraceFlags, TraceId,
    Value,
};
use tta_observability::SpanCounts;
use tta_observability::config::{Config, OtlpEndpoint, OtlpProtocol};
use tta_observability::export::otlp::Otlp;
use tta_observability::resource::Resource;

const BOTH: [OtlpProtocol; 2] = [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf];

/// Settings for a port of this machine that wait for no company.
fn config(protocol: OtlpProtocol, port: u16) -> Config {
    let mut config = Config::default();
    config.otlp.protocol = protocol;
    config.otlp.endpoint = OtlpEndpoint::Base(format!("http://127.0.0.1:{port}"));
    config.batch.schedule_delay = Duration::ZERO;
    config
}

fn start(config: &Config) -> (Otlp, Arc<SpanCounts>) {
    let counts = Arc::new(SpanCounts::default());
    let resource = Resource::detect(config);
    let otlp = Otlp::new(&config.otlp, &config.batch, &resource, Arc::clone(&counts));
    (otlp.expect("the settings are good"), counts)
}

/// The span number `n`, from 1, with a value of every type.
fn span(n: u64) -> SpanRecord {
    let id = |n| SpanId::new(n).expect("not zero");
    let trace_id = TraceId::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).expect("not zero");
    SpanRecord {
        trace_id,
        span_id: id(n),
        parent_span_id: (n > 1).then(|| id(n - 1)),
        parent_is_remote: n == 2,
        flags: TraceFlags::SAMPLED,
        state: "ot=th:0,vendor=x".parse().expect("a state"),
        name: "work".into(),
        kind: SpanKind::Client,
        start_unix_nanos: 1_700_000_000_000_000_001,
        end_unix_nanos: 1_700_000_000_000_000_999,
        attributes: vec![
            ("n".into(), Value::from(n)),
            ("half".into(), Value::from(0.5)),
            ("yes".into(), Value::from(true)),
            ("text".into(), Value::from(String::from("grüße"))),
            ("list".into(), Value::from(vec![1i64, 2])),
        ],
        events: vec![EventRecord {
            name: "happened".into(),
            time_unix_nanos: 1_700_000_000_000_000_500,
            attributes: vec![("count".into(), Value::from(3i64))],
        }],
        links: vec![LinkRecord {
            context: SpanContext {
                trace_id,
                span_id: id(99),
                flags: TraceFlags::SAMPLED,
                state: Default::default(),
            },
            attributes: vec![("why".into(), Value::from("because"))],
        }],
        status: SpanStatus::Error("it broke".into()),
        dropped_attributes: 2,
        dropped_events: 1,
    }
}

fn spans(numbers: std::ops::RangeInclusive<u64>) -> Vec<SpanRecord> {
    numbers.map(span).collect()
}
