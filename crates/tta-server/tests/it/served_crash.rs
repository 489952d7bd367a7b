//! What the server acknowledged survives its process, whichever way it came.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tta_server::{Options, ServerConfig, serve};

use super::served::{PROTOBUF, client};
use super::support::{count, open, request, span};

/// Tells the child which directory to serve.
const DIRECTORY: &str = "TTA_TEST_SERVED";
const NAME: &str = "served_crash::what_the_server_acknowledged_survives_it";
const SPANS: u64 = 25;
const ROUNDS: u128 = 4;
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

/// Sends traces until the server is gone; answers those that were acknowledged.
fn send(address: SocketAddr, first: u128) -> Vec<u128> {
    let client = client();
    let mut acknowledged = Vec::new();
    for trace in (first..).step_by(SENDERS as usize) {
        let spans = (1..=SPANS).map(|id| span(trace, id)).collect();
        let sent = client.post(format!("http://{address}/v1/traces")).header("content-type", PROTOBUF);
        match sent.body(request(vec![("shop", spans)])).send() {
            Ok(answer) => {
                assert_eq!(answer.status(), 200);
                acknowledged.push(trace);
            }
            Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn what_the_server_acknowledged_survives_it() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return serve_until_killed(Path::new(&directory));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let (mut child, address) = start(directory.path());
        let first = (round + 1) * 1_000_000;
        let (told, enough) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| {
                    let told = told.clone();
                    scope.spawn(move || {
                        // The first batch of each is acknowledged before the server is killed in the middle of the others.
                        let mut all = send_one(address, first + SENDERS * 100_000 + sender);
                        told.send(()).expect("the test waits");
                        all.extend(send(address, first + sender));
                        all
                    })
                })
                .collect();
            (0..SENDERS).for_each(|_| enough.recv().expect("a sender tells"));
            // Some more, so that the kill comes at another moment each round.
            (0..round * 7).for_each(|n| drop(send_one(address, first + SENDERS * 200_000 + n)));
            child.kill().expect("it runs");
            child.wait().expect("it ends");
            for sender in senders {
                acknowledged.extend(sender.join().expect("it ends"));
            }
        });
    }
    let store = open(directory.path());
    assert_eq!(store.damage(), []);
    for trace in &acknowledged {
        assert_eq!(count(&store, *trace), SPANS as usize, "trace {trace}");
    }
    assert_eq!(store.stats().spans % SPANS, 0, "nothing is there in part");
    assert!(acknowledged.len() >= (ROUNDS * SENDERS) as usize);
}

fn send_one(address: SocketAddr, trace: u128) -> Vec<u128> {
    let spans = (1..=SPANS).map(|id| span(trace, id)).collect();
    let sent = client().post(format!("http://{address}/v1/traces")).header("content-type", PROTOBUF);
    let answer = sent.body(request(vec![("shop", spans)])).send().expect("it answers");
    assert_eq!(answer.status(), 200);
    vec![trace]
}
