//! Programs of others, which judge what the command shows.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use crate::tta::{Owned, PATIENCE, until};

/// Whether programs are on the path; without them the test is skipped where a person runs it, and fails in CI.
pub fn are_there(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &&&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let Some(missing) = programs.iter().find(|program| !is_there(program)) else { return true };
    assert!(
        std::env::var_os("CI").is_none(),
        "{missing} is not on the path: run `cargo xtask test packages`"
    );
    eprintln!("skipped: {missing} is not on the path; run `cargo xtask test packages` to install it");
    false
}

/// A server of the Prometheus family at a free port; it ends with this value.
pub struct Server {
    pub url: String,
    _child: Owned,
}

impl Server {
    /// Starts it, and waits until it says where it listens and that it is ready.
    pub fn start(mut command: Command) -> Self {
        command.arg("--web.listen-address=127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = Owned(command.stderr(Stdio::piped()).spawn().expect("the server starts"));
        let lines = BufReader::new(child.0.stderr.take().expect("it is piped")).lines();
        let (sender, log) = mpsc::channel();
        // Reads to the end: a server whose pipe is full stands still.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let mut said = Vec::new();
        let address = loop {
            let line = log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("it does not listen: {error}: {said:#?}"));
            if let Some((_, address)) = line.split_once(r#"msg="Listening on" address="#) {
                break address.to_owned();
            }
            said.push(line);
        };
        let url = format!("http://{address}");
        until("the server is ready", || ask(&format!("{url}/-/ready"), "text/plain").ok());
        Self { url, _child: child }
    }
}

/// Fetches a page.
#[track_caller]
pub fn get(url: &str, accept: &str) -> String {
    ask(url, accept).unwrap_or_else(|error| panic!("{error}"))
}

fn ask(url: &str, accept: &str) -> reqwest::Result<String> {
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    client.get(url).header("Accept", accept).send()?.error_for_status()?.text()
}

/// Fetches what an interface answers in JSON, and takes the data out of it.
pub fn get_data(url: &str, parameters: &[(&str, &str)]) -> serde_json::Value {
    let url = reqwest::Url::parse_with_params(url, parameters).unwrap();
    let text = get(url.as_str(), "application/json");
    let mut answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["status"], "success", "{url}: {answer}");
    answer["data"].take()
}
