//! A real Redis of a test's own.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tta_redis::Redis;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server at a free port of this machine, which keeps nothing on disk; it ends with this value.
pub struct Server {
    pub port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
    folder: TempDir,
}

impl Server {
    /// Starts one; without the program the test is skipped where a person runs it, and fails in CI.
    pub fn start() -> Option<Self> {
        Self::with(|_, _| Vec::new())
    }

    /// Starts one with other arguments, made of its folder and its port.
    pub fn with(arguments: impl FnOnce(&TempDir, u16) -> Vec<String>) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&path).any(|folder| folder.join("redis-server").is_file()) {
            let help = "redis-server is not on the path; run `cargo xtask test packages` to install it";
            assert!(std::env::var_os("CI").is_none(), "{help}");
            eprintln!("skipped: {help}");
            return None;
        }
        let mut server = Self::stopped(arguments);
        server.start_again();
        Some(server)
    }

    /// One that is not started yet, at a port where nothing listens.
    fn stopped(arguments: impl FnOnce(&TempDir, u16) -> Vec<String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        Self { port, arguments: arguments(&folder, port), child: None, folder }
    }

    /// Starts it at the same port as before, and waits until it answers.
    pub fn start_again(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]);
        command.arg("--port").arg(self.port.to_string()).arg("--dir").arg(self.folder.path());
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let began = Instant::now();
        // One that asks for a password, or for TLS, answers too: with an error.
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "it does not start: {ended:?}");
            std::thread::yield_now();
        }
    }

    /// Ends it at once, as if its machine had.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Has it stand still, or go on: it takes connections and does not answer.
    pub fn send(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// A handle with a deadline that a busy machine keeps, with nothing shared with other handles.
    pub fn redis(&self) -> Redis {
        Redis::open(&self.url()).unwrap().timeout(Duration::from_secs(10))
    }

    /// Asks it something beside the library.
    pub fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        redis::cmd(command[0]).arg(&command[1..]).query(&mut connection).unwrap()
    }

    /// Sets a key to bytes beside the library.
    pub fn set(&self, key: &str, bytes: &[u8]) {
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        redis::cmd("SET").arg(key).arg(bytes).exec(&mut connection).unwrap();
    }

    /// Its only key.
    pub fn key(&self) -> String {
        let [key] = &self.ask::<Vec<String>>(&["KEYS", "*"])[..] else { panic!("there is one key") };
        key.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// Tries until there is something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "in vain: {what}");
        tokio::task::yield_now().await;
    }
}
