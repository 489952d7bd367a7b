//! The environment is read strictly, and every problem is told at once.

use std::time::Duration;

use tta_observability::config::{
    Compression, Config, ConfigError, ExporterKind, OtlpEndpoint, OtlpProtocol, Signal, Temporality,
};
use tta_observability::sampling::{Ratio, Sampler};

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let find = |name: &str| variables.iter().find(|(key, _)| *key == name);
    Config::from_lookup(&|name| find(name).map(|(_, value)| (*value).to_owned()))
}

fn good(variables: &[(&str, &str)]) -> Config {
    read(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"))
}

/// Checks the whole message of one wrong variable.
fn wrong(variable: &str, value: &str, expect: &str) {
    let error = read(&[(variable, value)]).expect_err(&format!("{variable}={value:?} is wrong"));
    assert_eq!(error.to_string(), format!("{variable}={value:?}: {expect}"));
}

#[test]
fn nothing_set_is_the_default() {
    assert_eq!(good(&[]), Config::default());
    assert_eq!(good(&[("OTEL_BSP_SCHEDULE_DELAY", ""), ("OTEL_TRACES_SAMPLER", "  ")]), Config::default());
    assert_eq!(good(&[("OTEL_SOMETHING_NEW", "?")]), Config::default());
}

#[test]
fn names_the_service() {
    let config = good(&[
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=a%2Cb, empty=,region=north"),
    ]);
    assert_eq!(config.service_name.as_deref(), Some("shop"));
    let expect = [("team", "a,b"), ("empty", ""), ("region", "north")];
    assert_eq!(config.resource_attributes, expect.map(|(key, value)| (key.into(), value.into())));
    wrong("OTEL_RESOURCE_ATTRIBUTES", "a=1,b", "member 2: expected key=value");
    wrong("OTEL_RESOURCE_ATTRIBUTES", "=1", "member 1: expected a key before the equals sign");
    wrong(
        "OTEL_RESOURCE_ATTRIBUTES",
        "a=50%",
        "member 1: % needs two hex digits after it: write a percent sign as %25",
    );
    wrong("OTEL_RESOURCE_ATTRIBUTES", "a=%ff", "member 1: the percent-encoded bytes are not UTF-8");
}

#[test]
fn switches() {
    assert!(good(&[("OTEL_SDK_DISABLED", "TRUE")]).disabled);
    assert!(!good(&[("OTEL_SDK_DISABLED", "false")]).disabled);
    wrong("OTEL_SDK_DISABLED", "yes", "expected true or false");
}

#[test]
fn chooses_exporters() {
    let check = |value, expect: &[ExporterKind]| {
        assert_eq!(good(&[("OTEL_TRACES_EXPORTER", value)]).exporters, expect, "{value}");
    };
    check("none", &[]);
    check("console", &[ExporterKind::Console]);
    if cfg!(feature = "otlp") {
        check("otlp", &[ExporterKind::Otlp]);
        check("console, otlp,console", &[ExporterKind::Console, ExporterKind::Otlp]);
    } else {
        wrong(
            "OTEL_TRACES_EXPORTER",
            "otlp",
            "this program was built without OTLP: enable the feature `otlp`",
        );
    }
    wrong("OTEL_TRACES_EXPORTER", "zipkin", "expected otlp, console or none");
    wrong("OTEL_TRACES_EXPORTER", ",", "expected otlp, console or none");
    wrong("OTEL_TRACES_EXPORTER", "none,console", "none excludes the others: leave it out, or them");
}

#[test]
fn chooses_a_sampler() {
    let check = |name, argument, expect: Sampler| {
        let config = good(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)]);
        assert_eq!(config.sampler, expect, "{name} {argument}");
    };
    let ratio = |ratio| Sampler::Ratio(Ratio::new(ratio).expect("from 0 to 1"));
    let by_parent = |root| Sampler::ParentBased(Box::new(root));
    check("always_on", "", Sampler::AlwaysOn);
    check("always_off", "", Sampler::AlwaysOff);
    check("traceidratio", "0.25", ratio(0.25));
    check("traceidratio", "", ratio(1.0));
    check("parentbased_always_on", "", by_parent(Sampler::AlwaysOn));
    check("parentbased_always_off", "", by_parent(Sampler::AlwaysOff));
    check("ParentBased_TraceIdRatio", "1e-3", by_parent(ratio(0.001)));
    for argument in ["2", "-0.1", "NaN", "half", "5%"] {
        wrong("OTEL_TRACES_SAMPLER_ARG", argument, "expected a number from 0 to 1");
    }
    wrong(
        "OTEL_TRACES_SAMPLER",
        "jaeger_remote",
        "expected always_on, always_off or traceidratio, or one of them after parentbased_",
    );
}

#[test]
fn reads_the_batch() {
    let batch = good(&[
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
    ])
    .batch;
    assert_eq!((batch.schedule_delay, batch.export_timeout), (Duration::ZERO, Duration::MAX));
    assert_eq!((batch.max_queue_size, batch.max_export_batch_size), (100, 100));
    wrong("OTEL_BSP_SCHEDULE_DELAY", "5s", "expected milliseconds, an integer of at least 0");
    wrong("OTEL_BSP_EXPORT_TIMEOUT", "-1", "expected milliseconds, an integer of at least 0");
    wrong("OTEL_BSP_MAX_QUEUE_SIZE", "0", "expected an integer of at least 1");
    wrong("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "65537", "expected at most OTEL_BSP_MAX_QUEUE_SIZE, 65536");
}

#[test]
fn reads_the_batch_of_logs() {
    let batch = good(&[]).log_batch;
    assert_eq!(
        (batch.schedule_delay, batch.export_timeout),
        (Duration::from_secs(1), Duration::from_secs(30))
    );
    let config = good(&[
        ("OTEL_BLRP_SCHEDULE_DELAY", "20"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "300"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "7"),
    ]);
    let batch = config.log_batch;
    assert_eq!(
        (batch.schedule_delay, batch.export_timeout),
        (Duration::from_millis(20), Duration::from_millis(300))
    );
    assert_eq!((batch.max_queue_size, batch.max_export_batch_size), (100, 7));
    assert_eq!(config.batch, Config::default().batch, "spans have settings of their own");
    wrong("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "65537", "expected at most OTEL_BLRP_MAX_QUEUE_SIZE, 65536");
}

#[test]
fn reads_how_metrics_are_collected() {
    let reader = good(&[
        ("OTEL_METRIC_EXPORT_INTERVAL", "15000"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"),
    ])
    .metric_reader;
    assert_eq!((reader.interval, reader.timeout), (Duration::from_secs(15), Duration::MAX));
    assert_eq!((reader.temporality, reader.exponential), (Temporality::Delta, true));
    let reader = good(&[
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "lowmemory"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram"),
    ])
    .metric_reader;
    assert_eq!((reader.temporality, reader.exponential), (Temporality::LowMemory, false));
    let reader = good(&[]).metric_reader;
    assert_eq!((reader.interval, reader.timeout), (Duration::from_secs(60), Duration::from_secs(30)));
    assert_eq!((reader.temporality, reader.exponential), (Temporality::Cumulative, false));
    wrong("OTEL_METRIC_EXPORT_INTERVAL", "0", "expected milliseconds, an integer of at least 1");
    wrong(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "both",
        "expected cumulative, delta or lowmemory",
    );
    wrong(
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "none",
        "expected explicit_bucket_histogram or base2_exponential_bucket_histogram",
    );
}

#[test]
fn each_signal_has_settings_that_win_over_those_for_all() {
    let config = good(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=all"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:2/mine"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=metrics"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/metrics.pem"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "logs:3"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_LOGS_INSECURE", "true"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "3"),
        ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "/key.pem"),
        ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE", "/own.pem"),
    ]);
    let (traces, metrics, logs) = (&config.otlp, &config.otlp_metrics, &config.otlp_logs);
    assert_eq!((traces.signal, metrics.signal, logs.signal), (Signal::Traces, Signal::Metrics, Signal::Logs));
    assert_eq!(traces.url(), "http://all:1/v1/traces");
    assert_eq!((metrics.url(), logs.url()), ("http://metrics:2/mine".to_owned(), "http://logs:3".to_owned()));
    let values = [traces, metrics, logs].map(|otlp| otlp.headers[0].1.as_str());
    assert_eq!(values, ["all", "metrics", "all"]);
    assert_eq!([traces, metrics, logs].map(|otlp| otlp.timeout.as_millis()), [1, 1, 3]);
    let compressions = [traces, metrics, logs].map(|otlp| otlp.compression);
    assert_eq!(compressions, [Compression::None, Compression::Gzip, Compression::None]);
    assert_eq!([traces, metrics, logs].map(|otlp| otlp.certificate.is_some()), [false, true, false]);
    assert_eq!(
        (&logs.client_key, &logs.client_certificate),
        (&Some("/key.pem".into()), &Some("/own.pem".into()))
    );

    let config = good(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://h/base/")]);
    assert_eq!(config.otlp_metrics.url(), "https://h/base/v1/metrics");
    assert_eq!(config.otlp_logs.url(), "https://h/base/v1/logs");
    assert_eq!(good(&[]).otlp_metrics.url(), "http://localhost:4318/v1/metrics");
    wrong(
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
        "/key.pem",
        "set OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE too, or neither",
    );
    wrong("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json", "expected grpc or http/protobuf");
    wrong(
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "localhost:4318",
        "expected an address that begins with http:// or https://",
    );
}

#[test]
fn reads_limits() {
    let limits = good(&[
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "10"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "30"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "40"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
    ])
    .limits;
    assert_eq!((limits.attributes, limits.value_length), (30, Some(20)));
    assert_eq!((limits.events, limits.links), (40, 0));
    wrong("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "all", "expected an integer of at least 0");
}

#[test]
fn finds_the_endpoint() {
    let check = |variables: &[(&str, &str)], expect| {
        let variables: Vec<(String, &str)> =
            variables.iter().map(|(name, value)| (format!("OTEL_EXPORTER_OTLP_{name}"), *value)).collect();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, *value)).collect();
        assert_eq!(good(&variables).otlp.url(), expect, "{variables:?}");
    };
    check(&[], "http://localhost:4318/v1/traces");
    check(&[("PROTOCOL", "grpc")], "http://localhost:4317");
    check(&[("ENDPOINT", "http://h:1")], "http://h:1/v1/traces");
    check(&[("ENDPOINT", "https://h/base/")], "https://h/base/v1/traces");
    check(&[("TRACES_ENDPOINT", "http://h:1/mine"), ("ENDPOINT", "http://g:2")], "http://h:1/mine");
    check(&[("ENDPOINT", "http://[::1]:1"), ("PROTOCOL", "grpc")], "http://[::1]:1");
    check(&[("ENDPOINT", "h:1"), ("TRACES_PROTOCOL", "grpc")], "https://h:1");
    check(&[("ENDPOINT", "h:1"), ("PROTOCOL", "grpc"), ("INSECURE", "true")], "http://h:1");

    let mut config = good(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1")]);
    config.otlp.protocol = OtlpProtocol::Grpc;
    assert_eq!(config.otlp.url(), "http://h:1", "what is set in code wins, and the rest follows it");
    config.otlp.endpoint = OtlpEndpoint::Local;
    assert_eq!(config.otlp.url(), "http://localhost:4317");
}

#[test]
fn refuses_what_is_no_endpoint() {
    let no_scheme = "expected an address that begins with http:// or https://";
    wrong("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", no_scheme);
    wrong("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://h", no_scheme);
    wrong("OTEL_EXPORTER_OTLP_ENDPOINT", "http://", "expected a host, as in http://localhost:4318");
    wrong("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:x", "expected a port from 1 to 65535 after the colon");
    wrong("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:0", "expected a port from 1 to 65535 after the colon");
    wrong(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://::1:4318",
        "put an IPv6 address in brackets, as in http://[::1]:4318",
    );
}

#[test]
fn reads_how_otlp_travels() {
    let otlp = good(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20x,X-Team=a"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "GZIP"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
    ])
    .otlp;
    let expect = [("authorization", "Bearer x"), ("x-team", "a")];
    assert_eq!(otlp.headers, expect.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!((otlp.timeout, otlp.compression), (Duration::from_millis(250), Compression::Gzip));
    assert_eq!(otlp.certificate, Some("/ca.pem".into()));
    wrong("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "expected grpc or http/protobuf");
    wrong("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "expected gzip or none");
    wrong(
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        "/key.pem",
        "set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE too, or neither",
    );
}

#[test]
fn never_prints_a_secret() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret%"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-s3cret"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:s3cret@h:1"),
    ];
    let error = read(&variables).expect_err("all are wrong");
    assert_eq!(error.problems.len(), 3, "{error}");
    assert!(!error.to_string().contains("s3cret") && !format!("{error:?}").contains("s3cret"), "{error}");
    let config = good(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret")]);
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn tells_every_problem_at_once() {
    let error =
        read(&[("OTEL_SDK_DISABLED", "1"), ("OTEL_TRACES_SAMPLER_ARG", "2")]).expect_err("both are wrong");
    assert_eq!(
        error.to_string(),
        "2 settings are wrong:\n  \
         OTEL_SDK_DISABLED=\"1\": expected true or false\n  \
         OTEL_TRACES_SAMPLER_ARG=\"2\": expected a number from 0 to 1",
    );
}
