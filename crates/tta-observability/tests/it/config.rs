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
        "expected always_on, always_off, traceidratio, rate_limited or adaptive, or one of them after parentbased_",
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

#[test]
fn chooses_where_metrics_go() {
    use tta_observability::config::MetricsExporter::{Otlp, Prometheus};
    let check = |value, expect: &[_]| {
        assert_eq!(good(&[("OTEL_METRICS_EXPORTER", value)]).metrics.exporters, expect, "{value}");
    };
    check("prometheus", &[Prometheus]);
    check("otlp, Prometheus", &[Otlp, Prometheus]);
    check("none", &[]);
    wrong("OTEL_METRICS_EXPORTER", "statsd", "expected prometheus, otlp or none");
    wrong("OTEL_METRICS_EXPORTER", "none,otlp", "none excludes the others: leave it out, or them");
    let usual = good(&[]).metrics;
    assert_eq!((usual.address.to_string().as_str(), usual.is_page_required), ("127.0.0.1:9464", false));
    let asked = good(&[("OTEL_EXPORTER_PROMETHEUS_HOST", "0.0.0.0"), ("OTEL_EXPORTER_PROMETHEUS_PORT", "0")]);
    assert_eq!(asked.metrics.address.to_string(), "0.0.0.0:0");
    assert!(asked.metrics.is_page_required, "whoever names a port wants the page there");
    wrong("OTEL_EXPORTER_PROMETHEUS_PORT", "70000", "expected a port, from 0 to 65535");
    let expect = "expected localhost or an IP address, such as 127.0.0.1 or 0.0.0.0";
    wrong("OTEL_EXPORTER_PROMETHEUS_HOST", "metrics.example", expect);
}

#[test]
fn pushes_where_it_is_told() {
    assert_eq!(good(&[]).metrics.push, None);
    let push = good(&[
        ("TTA_PUSHGATEWAY_URL", "http://localhost:9091"),
        ("TTA_PUSHGATEWAY_JOB", "nightly"),
        ("TTA_PUSHGATEWAY_GROUPING", "instance=a"),
        ("TTA_PUSHGATEWAY_INTERVAL", "5000"),
    ]);
    let push = push.metrics.push.expect("it was asked for");
    assert_eq!((push.job.as_deref(), push.interval), (Some("nightly"), Duration::from_secs(5)));
    assert_eq!(push.grouping, [("instance".to_owned(), "a".to_owned())]);
    wrong("TTA_PUSHGATEWAY_INTERVAL", "0", "expected milliseconds, an integer of at least 1");
}

#[test]
fn an_environment_is_usual_settings_that_others_win_over() {
    let production = good(&[("TTA_ENVIRONMENT", "production")]);
    let tail = production.tail.expect("production decides at the end");
    assert!(tail.keep_errors && tail.slow == Some(Duration::from_secs(1)));
    let set = [("TTA_ENVIRONMENT", "prod"), ("TTA_TAIL_SLOW", "250"), ("TTA_TAIL_RATIO", "0.5")];
    let own = good(&set).tail.expect("as above");
    assert_eq!(own.slow, Some(Duration::from_millis(250)));
    assert_eq!(own.ratio, Ratio::new(0.5).expect("a ratio").into());
    assert_eq!(good(&[("TTA_ENVIRONMENT", "development")]).tail, None);
    assert_eq!(good(&[("TTA_TAIL_MAX_SPANS", "10")]).tail, None, "a bound alone turns nothing on");
    let error = read(&[("TTA_ENVIRONMENT", "moon")]).expect_err("no such environment").to_string();
    assert!(error.contains("development") && error.contains("production"), "{error}");
}

#[test]
fn samples_by_rate_and_by_overhead() {
    let sampler = |name, argument| {
        good(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)]).sampler
    };
    let Sampler::RateLimited(limit) = sampler("rate_limited", "50") else { panic!("a limit") };
    assert!((limit.get() - 50.0).abs() < f64::EPSILON);
    let Sampler::ParentBased(root) = sampler("parentbased_adaptive", "0.1") else { panic!("by the parent") };
    assert!(matches!(*root, Sampler::Adaptive(_)));
    let error = read(&[("OTEL_TRACES_SAMPLER", "rate_limited"), ("OTEL_TRACES_SAMPLER_ARG", "-1")]);
    assert!(error.expect_err("below zero").to_string().contains("above 0"));
}

#[test]
fn chooses_lines() {
    use tta_observability::logs::LogFormat;
    let logs = good(&[("TTA_LOG", "debug,tta=off"), ("TTA_LOG_FORMAT", "JSON"), ("RUST_LOG", "trace")]).logs;
    assert_eq!((logs.filter.as_str(), logs.format, logs.otlp), ("debug,tta=off", LogFormat::Json, false));
    assert_eq!(good(&[("RUST_LOG", "trace")]).logs.filter, "trace");
    assert!(good(&[("OTEL_LOGS_EXPORTER", "otlp")]).logs.otlp);
    wrong("TTA_LOG_FORMAT", "xml", "expected auto, pretty, json or off");
    assert!(read(&[("TTA_LOG", "tta=[")]).expect_err("not a filter").to_string().contains("TTA_LOG"));
}

mod file {
    use std::io::Write;

    use super::*;

    fn from(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
        file.write_all(text.as_bytes()).expect("it is written");
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name);
        let lookup = |name: &str| find(name).map(|(_, value)| (*value).to_owned());
        let path = file.path().display().to_string();
        Config::from_file(file.path(), &lookup).map_err(|error| error.to_string().replace(&path, "tta.toml"))
    }

    #[test]
    fn a_file_says_what_the_environment_says() {
        let text = r#"
            environment = "staging"
            [service]
            name = "shop"
            [resource]
            team = "a,b"
            region = "north"
            [traces]
            exporters = ["console"]
            sampler = "parentbased_traceidratio"
            sampler_arg = 0.25
            [tail]
            slow_ms = 500
            [metrics]
            exporters = ["prometheus"]
            port = 9999
            [logs]
            format = "json"
            filter = "warn"
        "#;
        let config = from(text, &[]).expect("it is right");
        let same = good(&[
            ("TTA_ENVIRONMENT", "staging"),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team=a%2Cb,region=north"),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("TTA_TAIL_SLOW", "500"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "9999"),
            ("TTA_LOG_FORMAT", "json"),
            ("TTA_LOG", "warn"),
        ]);
        let sorted = |mut config: Config| {
            config.resource_attributes.sort();
            config
        };
        assert_eq!(sorted(config), sorted(same));
    }

    #[test]
    fn the_environment_wins_over_a_file() {
        let text = "[service]\nname = \"shop\"\n[logs]\nformat = \"json\"";
        let config =
            from(text, &[("OTEL_SERVICE_NAME", "bank"), ("TTA_LOG_FORMAT", " ")]).expect("it is right");
        assert_eq!(config.service_name.as_deref(), Some("bank"));
        assert_eq!(
            config.logs.format,
            tta_observability::logs::LogFormat::Json,
            "an empty variable is unset"
        );
    }

    #[test]
    fn mistakes_in_a_file_say_where_they_are() {
        let check = |text: &str, variables: &[(&str, &str)], expect: &str| {
            let error = from(text, variables).expect_err(text);
            assert!(error.contains(expect), "{error}");
        };
        check(
            "[metrics]\nport = 99999",
            &[],
            "tta.toml: metrics.port=\"99999\": expected a port, from 0 to 65535",
        );
        check("[metric]\nport = 1", &[], "tta.toml: `metric` is not a setting");
        check("[traces]\nsamplers = \"x\"", &[], "`traces.samplers` is not a setting");
        check(
            "[tail]\nrate = 1",
            &[],
            "`tail.rate` is not a setting; the settings of [tail] are tail.errors, ",
        );
        check("port = 1", &[], "perhaps `metrics.port` was meant");
        check("a = ", &[], "is not valid TOML");
        check("[service]\nname = 1979-05-27", &[], "`service.name` has a value of the wrong type");
        // What the environment says is the environment's mistake.
        let variables = [("OTEL_EXPORTER_PROMETHEUS_PORT", "x")];
        check("[metrics]\nport = 1", &variables, "OTEL_EXPORTER_PROMETHEUS_PORT=\"x\": expected a port");
    }

    #[test]
    fn a_file_that_is_no_toml_is_not_cited() {
        let text =
            "disabled = false\n[otlp]\nheaders = \"authorization=Bearer hunter2hunter2\nprotocol = \"grpc\"";
        let error = from(text, &[]).expect_err("the quote is not closed");
        assert!(error.contains("is not valid TOML in line 3: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn objectives_are_in_a_file() {
        let text = "[[slo]]\nname = \"api\"\nworkflow = \"report\"\navailability = 0.999\nwindow = \"30d\"";
        let config = from(text, &[]).expect("it is right");
        assert_eq!((config.slos.len(), config.slos[0].name().as_str()), (1, "api"));
        let wrong =
            "[[slo]]\nname = \"api\"\nworkflow = \"report\"\navailability = 99.9\n[metrics]\nport = -1";
        let error = from(wrong, &[]).expect_err("both are wrong");
        assert!(error.contains("metrics.port") && error.contains("api"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let error = Config::from_file(std::path::Path::new("/nowhere/tta.toml"), &|_| None);
        assert!(error.expect_err("it is not there").to_string().contains("cannot be read"));
    }
}
