//! Finds out what is in force, and what is wrong with it, before somebody misses their telemetry.

use std::fmt;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, SystemTime};

use crate::config::{Config, ExporterKind, FILE_KEYS, MetricsExporter, OTHER_VARIABLES, OtlpProtocol};
use crate::sampling::{Ratio, Sampler, TailRatio};
use tta_redact as redact;

/// How long one look at a receiver takes at most.
const PATIENCE: Duration = Duration::from_secs(2);
/// How far two clocks may be apart, beyond what a header without fractions of a second shows.
const SKEW: Duration = Duration::from_secs(2);
/// How much of an answer is read.
const MAX_ANSWER: u64 = 16 * 1024;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was looked at, in a word or two.
    pub subject: &'static str,
    /// What was found, and where something is wrong what to do.
    pub detail: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Perhaps not as it was meant.
    Doubtful,
    /// Telemetry is lost as things are.
    Bad,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "ok",
            Self::Doubtful => "warning",
            Self::Bad => "problem",
        })
    }
}

/// Looks at settings, at the receivers and ports that they name, at this process, and at the clock.
///
/// # Cost
/// It opens connections, and waits up to two seconds for each. Nothing is sent but one request without content.
#[must_use]
pub fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = settings(config);
    findings
        .extend(unknown_variables(std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned())));
    for (subject, url, is_http) in receivers(config) {
        findings.extend(receiver(subject, &url, is_http));
    }
    findings.extend(page(config));
    findings.push(context_activation());
    findings
}

fn good(subject: &'static str, detail: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Good, subject, detail: detail.into() }
}

fn doubtful(subject: &'static str, detail: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Doubtful, subject, detail: detail.into() }
}

fn bad(subject: &'static str, detail: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Bad, subject, detail: detail.into() }
}

/// What is in force.
fn settings(config: &Config) -> Vec<Finding> {
    let service = config.service_name.clone();
    let named = service.map_or_else(
        || doubtful("service", "has no name of its own; set OTEL_SERVICE_NAME"),
        |name| good("service", name),
    );
    let disabled = config.disabled.then(|| doubtful("recording", "is disabled by OTEL_SDK_DISABLED"));
    let environment = config.environment.map(|environment| good("environment", environment.as_str()));
    let tail = match &config.tail {
        None => "each trace that is recorded is exported".to_owned(),
        Some(tail) => format!(
            "of those recorded are exported {}{}and {} of the others",
            if tail.keep_errors { "errors, " } else { "" },
            tail.slow.map_or_else(String::new, |slow| format!("those of {slow:?} or more, ")),
            match &tail.ratio {
                TailRatio::Fixed(ratio) => percent(*ratio),
                TailRatio::Adaptive(adaptive) => format!("at most {}", percent(adaptive.ratio())),
            }
        ),
    };
    let list = |words: Vec<&str>| {
        if words.is_empty() { "go nowhere".to_owned() } else { format!("go to {}", words.join(", ")) }
    };
    let traces = config.exporters.iter().map(|kind| match kind {
        ExporterKind::Otlp => "OTLP",
        ExporterKind::Console => "the console",
    });
    let metrics = config.metrics.exporters.iter().map(|kind| match kind {
        MetricsExporter::Otlp => "OTLP",
        MetricsExporter::Prometheus => "Prometheus",
    });
    let mut findings = vec![named];
    findings.extend(disabled);
    findings.extend(environment);
    findings.push(good("sampling", format!("{}; {tail}", sampler(&config.sampler))));
    findings.push(good("traces", list(traces.collect())));
    findings.push(good("metrics", list(metrics.collect())));
    findings.push(good("logs", format!("{:?}, filtered by {}", config.logs.format, config.logs.filter)));
    findings
}

/// What a sampler does, in words.
fn sampler(chosen: &Sampler) -> String {
    match chosen {
        Sampler::AlwaysOn => "every trace is recorded".to_owned(),
        Sampler::AlwaysOff => "no trace is recorded".to_owned(),
        Sampler::Ratio(ratio) => format!("{} of the traces are recorded", percent(*ratio)),
        Sampler::RateLimited(limit) => format!("at most {} traces a second are recorded", limit.get()),
        Sampler::Adaptive(adaptive) => {
            format!("at most {} of the traces are recorded", percent(adaptive.ratio()))
        }
        Sampler::ParentBased(root) => format!("the caller decides, or else {}", sampler(root)),
    }
}

fn percent(ratio: Ratio) -> String {
    format!("{} %", (ratio.get() * 1e4).round() / 1e2)
}

/// Variables that look as if they were meant for telemetry, and that nobody here reads.
fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<Finding> {
    let is_known = |name: &str| {
        FILE_KEYS.iter().any(|(_, known)| *known == name)
            || OTHER_VARIABLES.contains(&name)
            || name.starts_with("OTEL_EXPORTER_OTLP_")
            || name.starts_with("OTEL_INSTRUMENTATION_")
            // The calls of models read these, and the one of the GenAI conventions.
            || name.starts_with("TTA_LLM_")
            || name.starts_with("TTA_TEST_")
    };
    let unknown = names.filter(|name| name.starts_with("OTEL_") || name.starts_with("TTA_"));
    let unknown = unknown.filter(|name| !is_known(name));
    unknown.map(|name| doubtful("variables", format!("{name} is not read here; is it misspelt?"))).collect()
}

/// The receivers that the settings name: what for, the address, and whether it speaks HTTP.
fn receivers(config: &Config) -> Vec<(&'static str, String, bool)> {
    let mut receivers = Vec::new();
    let signals = [
        ("traces receiver", &config.otlp, config.exporters.contains(&ExporterKind::Otlp)),
        ("metrics receiver", &config.otlp_metrics, config.metrics.exporters.contains(&MetricsExporter::Otlp)),
        ("logs receiver", &config.otlp_logs, config.logs.otlp),
    ];
    for (subject, otlp, is_used) in signals {
        if is_used {
            receivers.push((subject, otlp.url(), otlp.protocol == OtlpProtocol::HttpProtobuf));
        }
    }
    if let Some(push) = &config.metrics.push {
        receivers.push(("pushgateway", push.url.clone(), true));
    }
    receivers
}

/// Whether somebody listens at an address, and what its clock says.
fn receiver(subject: &'static str, url: &str, is_http: bool) -> Vec<Finding> {
    let advice = "start a receiver there, or set OTEL_EXPORTER_OTLP_ENDPOINT";
    let parts = parts(url);
    // What is shown is read by others, and an address may hold a password.
    let url = redact::secrets(url);
    let Some((scheme, authority)) = parts else {
        return vec![bad(subject, format!("{url} is not an address of the form http://host:port"))];
    };
    let address = match authority.to_socket_addrs().map(|mut found| found.next()) {
        Ok(Some(address)) => address,
        Ok(None) => return vec![bad(subject, format!("{url}: the host has no address; {advice}"))],
        Err(error) => {
            return vec![bad(subject, format!("{url}: the host cannot be found ({error}); {advice}"))];
        }
    };
    let asked = SystemTime::now();
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Err(error) => vec![bad(subject, format!("{url} cannot be reached ({error}); {advice}"))],
        Ok(stream) => {
            let mut findings = vec![good(subject, format!("{url} can be reached"))];
            if is_http && scheme == "http" {
                findings.extend(date_of(stream, &authority).map(|date| skew(date, asked)));
            }
            findings
        }
    }
}

/// The scheme and the host with its port.
fn parts(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next().filter(|host| !host.is_empty())?;
    let has_port = authority.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
    let port = if scheme == "https" { 443 } else { 80 };
    let host = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    Some((scheme.to_owned(), host))
}

/// What a server says the time is.
fn date_of(mut stream: TcpStream, host: &str) -> Option<SystemTime> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let request = format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // What came before an error is an answer too.
    let _ = stream.take(MAX_ANSWER).read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let headers = answer.lines().take_while(|line| !line.is_empty());
    let date =
        headers.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("date"));
    httpdate::parse_http_date(date?.1.trim()).ok()
}

fn skew(theirs: SystemTime, asked: SystemTime) -> Finding {
    let apart =
        theirs.duration_since(asked).unwrap_or_else(|_| asked.duration_since(theirs).unwrap_or_default());
    if apart <= SKEW {
        return good("clock", "agrees with that of the receiver");
    }
    let seconds = apart.as_secs();
    doubtful(
        "clock",
        format!("is {seconds} s apart from that of the receiver; let both follow a time server"),
    )
}

/// Whether the page of metrics can be shown.
fn page(config: &Config) -> Option<Finding> {
    if !config.metrics.exporters.contains(&MetricsExporter::Prometheus) {
        return None;
    }
    let address = config.metrics.address;
    Some(match TcpListener::bind(address) {
        Ok(_) => good("metrics page", format!("http://{address}/metrics can be shown")),
        Err(error) => {
            let advice =
                "set OTEL_EXPORTER_PROMETHEUS_PORT to another port, or end the program that has this one";
            bad("metrics page", format!("{address} cannot be had ({error}); {advice}"))
        }
    })
}

/// Whether spans that the application makes with `tracing` become the parents of runs.
fn context_activation() -> Finding {
    use opentelemetry::trace::TraceContextExt;
    if !tracing::dispatcher::has_been_set() {
        return good("application's spans", "no subscriber for tracing is set in this process");
    }
    let span = tracing::error_span!(target: "tta::doctor", "probe");
    let is_active = span.in_scope(|| opentelemetry::Context::current().has_active_span());
    if is_active {
        good("application's spans", "runs inside spans of tracing become their children")
    } else {
        doubtful(
            "application's spans",
            "runs inside spans of tracing do not become their children: add the layer of tracing-opentelemetry, with \
             context activation on, which is its default",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(findings: &'a [Finding], subject: &str) -> &'a Finding {
        findings.iter().find(|finding| finding.subject == subject).expect("it was looked at")
    }

    #[test]
    fn misspelt_variables_are_found() {
        let names = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACE_SAMPLER", "TTA_LOG", "PATH", "TTA_LOGS"];
        let findings = unknown_variables(names.into_iter().map(str::to_owned));
        let details: Vec<&str> = findings.iter().map(|finding| finding.detail.as_str()).collect();
        assert_eq!(details.len(), 2, "{details:?}");
        assert!(details[0].starts_with("OTEL_TRACE_SAMPLER ") && details[1].starts_with("TTA_LOGS "));
    }

    #[test]
    fn a_port_that_is_taken_is_found() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut config = Config::silent();
        config.metrics.exporters = vec![MetricsExporter::Prometheus];
        config.metrics.address = taken.local_addr().expect("an address");
        assert_eq!(find(&examine(&config), "metrics page").verdict, Verdict::Bad);
        drop(taken);
        assert_eq!(find(&examine(&config), "metrics page").verdict, Verdict::Good);
    }

    #[test]
    fn a_receiver_that_is_away_is_found() {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let found = receiver("traces receiver", &format!("http://127.0.0.1:{port}/v1/traces"), true);
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Bad));
        assert!(found[0].detail.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{}", found[0].detail);
        assert_eq!(receiver("traces receiver", "nonsense", true)[0].verdict, Verdict::Bad);
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        let mut config = Config::silent();
        config.metrics.push = Some(crate::config::PushConfig {
            url: "http://user:hunter2@127.0.0.1:1".to_owned(),
            job: None,
            grouping: Vec::new(),
            interval: Duration::from_secs(15),
        });
        let findings = examine(&config);
        assert!(find(&findings, "pushgateway").detail.contains("user:[redacted]@127.0.0.1:1"));
        assert!(!format!("{findings:?}").contains("hunter2"));
    }

    #[test]
    fn a_clock_that_is_wrong_is_found() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", server.local_addr().expect("an address"));
        let answering = std::thread::spawn(move || {
            for wrong in [Duration::ZERO, Duration::from_secs(3_600)] {
                let (mut stream, _) = server.accept().expect("a client");
                let mut request = [0; 256];
                let _ = stream.read(&mut request).expect("a request");
                let date = httpdate::fmt_http_date(SystemTime::now() - wrong);
                write!(stream, "HTTP/1.1 204 No Content\r\nDate: {date}\r\n\r\n").expect("an answer");
            }
        });
        assert_eq!(find(&receiver("traces receiver", &url, true), "clock").verdict, Verdict::Good);
        let late = receiver("traces receiver", &url, true);
        assert_eq!(find(&late, "clock").verdict, Verdict::Doubtful);
        assert!(
            find(&late, "clock").detail.contains("3600 s") || find(&late, "clock").detail.contains("s apart")
        );
        answering.join().expect("the server ends");
    }
}
