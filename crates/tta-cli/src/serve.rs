//! `tta serve`: receives telemetry, keeps it and shows it.

use std::error::Error;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use tta::server::{Handle, Options, ServerConfig, serve};

use crate::stop::told_to_stop;

/// How long what was begun may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// What `tta serve` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Keep telemetry in this directory; by default in the user's own for data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Receive OTLP over gRPC on this port; 0 is any free one.
    #[arg(long, value_name = "PORT", default_value_t = 4317)]
    grpc_port: u16,
    /// Receive OTLP over HTTP on this port; 0 is any free one.
    #[arg(long, value_name = "PORT", default_value_t = 4318)]
    http_port: u16,
    /// Answer pages and questions on this port; 0 is any free one.
    #[arg(long, value_name = "PORT", default_value_t = 16686)]
    port: u16,
    /// Give up telemetry that is older than this, such as 12h or 7d.
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = age)]
    max_age: Duration,
    /// Give up the oldest telemetry beyond this size, such as 500MB or 10GB.
    #[arg(long, value_name = "SIZE", default_value = "10GB", value_parser = size)]
    max_size: u64,
    /// Listen on this address; one that other machines reach needs --token-env.
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Ask everybody for the bearer token that is in this environment variable.
    #[arg(long, value_name = "VAR")]
    token_env: Option<String>,
    /// Answer also to this name, with or without a port, beside localhost and the address.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
}

/// Serves until Ctrl-C or SIGTERM.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let config = config(arguments)?;
    let directory = config.store.directory.clone();
    allow_many_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let drained = runtime.block_on(async {
        let server = serve(config).await?;
        let mut stop = pin!(told_to_stop());
        // It listens from its first poll on: whoever reads the lines may send a signal at once.
        if futures::poll!(stop.as_mut()).is_pending() {
            tell(&server, &directory.display().to_string())?;
            stop.await;
        }
        Ok::<_, Box<dyn Error>>(server.shutdown(DRAIN).await)
    })?;
    runtime.shutdown_background();
    if !drained {
        return Err(
            format!("some requests did not end within {} seconds and were cut off", DRAIN.as_secs()).into()
        );
    }
    writeln!(io::stdout(), "Stopped; all that was acknowledged is on disk.")?;
    Ok(())
}

fn tell(server: &Handle, directory: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Open        http://{}", server.query)?;
    writeln!(out, "OTLP/gRPC   http://{}", server.grpc)?;
    writeln!(out, "OTLP/HTTP   http://{}", server.http)?;
    writeln!(out, "Data        {directory} ({} spans)", server.stats().spans)?;
    writeln!(out, "\nPrograms that use OpenTelemetry send here by default. Press Ctrl-C to stop.")?;
    out.flush()
}

fn config(arguments: &Arguments) -> Result<ServerConfig, Box<dyn Error>> {
    let directory = match &arguments.data {
        Some(directory) => directory.clone(),
        None => data_directory().ok_or("no directory for data is known; name one with --data")?,
    };
    let store =
        Options { max_age: arguments.max_age, max_bytes: arguments.max_size, ..Options::new(directory) };
    let token = match &arguments.token_env {
        Some(variable) => Some(std::env::var(variable).map_err(|_| {
            format!("the variable {variable} holds no token; set it, or leave out --token-env")
        })?),
        None => None,
    };
    Ok(ServerConfig {
        grpc_port: arguments.grpc_port,
        http_port: arguments.http_port,
        query_port: arguments.port,
        listen: arguments.listen,
        hosts: arguments.host.clone(),
        token,
        ..ServerConfig::new(store)
    })
}

/// Where programs of this system keep data of the user.
pub(crate) fn data_directory() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if cfg!(windows) {
        given("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        std::env::home_dir().map(|home| home.join("Library").join("Application Support"))
    } else {
        given("XDG_DATA_HOME").or_else(|| Some(std::env::home_dir()?.join(".local").join("share")))
    };
    base.map(|base| base.join("tta"))
}

/// Each connection is an open file, and systems often begin with few.
#[cfg(unix)]
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    // Where it is not allowed, connections are fewer.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
}

#[cfg(not(unix))]
fn allow_many_files() {}

fn age(text: &str) -> Result<Duration, String> {
    let age = humantime::parse_duration(text).map_err(|error| format!("{error}; write 12h or 7d"))?;
    if age.is_zero() {
        Err(String::from("telemetry of no age cannot be kept; write 12h or 7d"))
    } else {
        Ok(age)
    }
}

/// Reads a number of bytes: by thousands in MB and GB, by 1,024 in MiB and GiB.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, u64)] = &[
        ("", 1),
        ("b", 1),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
    ];
    let wrong = || format!("`{text}` is no size; write 500MB or 10GB");
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::size;

    fn check(text: &str, expect: Option<u64>) {
        assert_eq!(size(text).ok(), expect, "{text}");
    }

    #[test]
    fn sizes_are_read() {
        check("10GB", Some(10_000_000_000));
        check("500 mb", Some(500_000_000));
        check("1MiB", Some(1 << 20));
        check("77", Some(77));
        for wrong in ["", "GB", "10 apples", "-1GB", "0", "1.5GB", "99999999999TB"] {
            check(wrong, None);
        }
    }
}
