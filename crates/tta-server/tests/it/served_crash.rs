//! What the server acknowledged survives its process, whichever signal it is of.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use prost::Message;
use tta_server::read::{self, ALWAYS};
use tta_server::{Options, ServerConfig, Store, serve};

use super::served::{PROTOBUF, client};
use super::support::{NOW, count, id, open, request, resource, span};

/// Tells the child which directory to serve.
const DIRECTORY: &str = "TTA_TEST_SERVED";
const NAME: &str = "served_crash::what_the_server_acknowledged_survives_it";
/// How many records a batch has, of whatever signal.
const RECORDS: usize = 25;
const ROUNDS: u128 = 10;
const SENDERS: u128 = 3;

fn serve_until_killed(directory: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let server = serve(ServerConfig::new(Options::new(directory)).any_ports()).await.expect("it starts");
        let mut out = std::io::stdout().lock();
        writeln!(out, "http {}", server.http).and_then(|()| out.flush()).expect("somebody listens");
        std::future::pending::<()>().await;
    });
}

fn start(directory: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().expect("a test is a program"))
        .args([NAME, "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let address =
        lines.find_map(|line| line.split_once("http ")?.1.parse().ok()).expect("it tells its address");
    (child, address)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Traces,
    Logs,
    Metrics,
}

/// A batch by its number; which signal it is of follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent(u128);

impl Sent {
    fn signal(self) -> Signal {
        [Signal::Traces, Signal::Logs, Signal::Metrics][(self.0 / SENDERS % 3) as usize]
    }

    fn path(self) -> &'static str {
        match self.signal() {
            Signal::Traces => "/v1/traces",
            Signal::Logs => "/v1/logs",
            Signal::Metrics => "/v1/metrics",
        }
    }

    fn metric(self) -> String {
        format!("metric {}", self.0)
    }

    fn body(self) -> Vec<u8> {
        let resource = Some(resource("shop"));
        match self.signal() {
            Signal::Traces => {
                request(vec![("shop", (1..=RECORDS as u64).map(|id| span(self.0, id)).collect())])
            }
            Signal::Logs => {
                let record = |n: usize| LogRecord {
                    time_unix_nano: NOW + n as u64,
                    trace_id: self.0.to_be_bytes().to_vec(),
                    ..LogRecord::default()
                };
                let log_records = (0..RECORDS).map(record).collect();
                let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
                let of = ResourceLogs { resource, scope_logs, schema_url: String::new() };
                ExportLogsServiceRequest { resource_logs: vec![of] }.encode_to_vec()
            }
            Signal::Metrics => {
                let point = NumberDataPoint { time_unix_nano: NOW, ..NumberDataPoint::default() };
                let data = Some(Data::Gauge(Gauge { data_points: vec![point; RECORDS] }));
                let metrics = vec![Metric { name: self.metric(), data, ..Metric::default() }];
                let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
                let of = ResourceMetrics { resource, scope_metrics, schema_url: String::new() };
                ExportMetricsServiceRequest { resource_metrics: vec![of] }.encode_to_vec()
            }
        }
    }

    /// Sends it; whether it was acknowledged.
    fn send(self, address: SocketAddr) -> bool {
        let sent = client().post(format!("http://{address}{}", self.path())).header("content-type", PROTOBUF);
        let answer = sent.body(self.body()).send();
        answer.is_ok_and(|answer| {
            assert_eq!(answer.status(), 200);
            true
        })
    }

    /// How many of its records are stored.
    fn stored(self, store: &Store) -> usize {
        let reader = store.reader();
        match self.signal() {
            Signal::Traces => count(store, self.0),
            Signal::Logs => read::trace(&reader, id(self.0)).expect("it is read").logs.len(),
            Signal::Metrics => {
                let found = read::metrics(&reader, &self.metric(), &ALWAYS).expect("it is read");
                let gauges = found.into_iter().map(|found| match found.metric.data {
                    Some(Data::Gauge(gauge)) => gauge.data_points.len(),
                    other => panic!("{other:?}"),
                });
                gauges.sum()
            }
        }
    }
}

/// Those of the acknowledged that are not there, or in part.
fn lost(store: &Store, acknowledged: &[Sent]) -> Vec<(Sent, usize)> {
    let stored = acknowledged.iter().map(|sent| (*sent, sent.stored(store)));
    stored.filter(|(_, stored)| *stored != RECORDS).collect()
}

/// Sends batches from several senders to a server until it is gone, which `end` sees to when each had some acknowledged; answers
/// those that were.
fn send_until(address: SocketAddr, first: u128, end: impl FnOnce()) -> Vec<Sent> {
    let (told, enough) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let told = told.clone();
                let batches = (first + sender..).step_by(SENDERS as usize).map(Sent);
                scope.spawn(move || {
                    let acknowledged = batches.take_while(|sent| sent.send(address));
                    acknowledged.inspect(|_| _ = told.send(())).collect::<Vec<_>>()
                })
            })
            .collect();
        // The end comes in the middle of other batches, and in another place each round.
        let wait = 3 * SENDERS as usize + (first / 1_000_000) as usize * 2;
        enough.iter().take(wait).for_each(drop);
        end();
        senders.into_iter().flat_map(|sender| sender.join().expect("it ends")).collect()
    })
}

#[test]
fn what_the_server_acknowledged_survives_it() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return serve_until_killed(Path::new(&directory));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut acknowledged = Vec::new();
    for round in 1..=ROUNDS {
        let (mut child, address) = start(directory.path());
        acknowledged.extend(send_until(address, round * 1_000_000, || {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
        }));
    }
    let store = open(directory.path());
    assert_eq!(store.damage(), []);
    assert_eq!(lost(&store, &acknowledged), []);
    let (stats, records) = (store.stats(), RECORDS as u64);
    assert!(stats.spans.is_multiple_of(records) && stats.logs.is_multiple_of(records), "nothing is in part");
    assert!(acknowledged.len() >= (ROUNDS * SENDERS * 3) as usize);
    for signal in [Signal::Traces, Signal::Logs, Signal::Metrics] {
        assert!(acknowledged.iter().filter(|sent| sent.signal() == signal).count() >= ROUNDS as usize);
    }
    // It would be seen if something were lost: what never came is, and so is what came in part.
    let never = Sent(999);
    assert_eq!(lost(&store, &[never]), [(never, 0)]);
    let part = Sent(9 * SENDERS);
    assert_eq!(part.signal(), Signal::Traces);
    super::support::put(&store, request(vec![("shop", vec![span(part.0, 1)])]));
    assert_eq!(lost(&store, &[part]), [(part, 1)]);
    drop(store);
    // And so is a file that is gone.
    for file in std::fs::read_dir(directory.path()).expect("it is there") {
        let path = file.expect("it is there").path();
        if path.extension().is_some_and(|ending| ending == "sqlite") {
            std::fs::remove_file(path).expect("it is there");
        }
    }
    assert_eq!(lost(&open(directory.path()), &acknowledged).len(), acknowledged.len());
}
