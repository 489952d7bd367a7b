//! `tta tail`: each trace as it comes.

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};
use clap::Args;
use futures::StreamExt;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};
use serde_json::Value;
use sse_stream::{Sse, SseByteStream};

use super::source::Server;
use super::{Parameters, is_coloured, number, push, text};
use crate::render::{self, duration};
use crate::stop::told_to_stop;

/// The header that says up to where the server told everything before.
const LAST_EVENT_ID: &str = "last-event-id";
/// How long is waited before a server that is gone is asked again: twice as long each time, up to the second.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long a connection may be silent; the server says something every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);
/// What the feed is.
const EVENTS: &str = "text/event-stream";
/// How wide a column of names gets. One long name must not push what comes after it out of sight for good.
const WIDEST: usize = 60;

/// What `tta tail` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    filters: Filters,
    /// Print each trace as JSON, on a line of its own.
    #[arg(long)]
    json: bool,
}

/// A trace is shown if all of it fits.
#[derive(Debug, Args)]
struct Filters {
    /// Whose root is of this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Of this workflow.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// In which a span failed, or none did.
    #[arg(long, value_parser = ["ok", "error"])]
    status: Option<String>,
    /// At least this long, such as 1.5s or 20ms.
    #[arg(long, value_name = "TIME")]
    min_duration: Option<String>,
}

impl Filters {
    fn parameters(&self) -> Parameters<'_> {
        let mut parameters = vec![("whole", String::from("true"))];
        push(&mut parameters, "service", self.service.as_ref());
        push(&mut parameters, "workflow", self.workflow.as_ref());
        push(&mut parameters, "status", self.status.as_ref());
        push(&mut parameters, "min_duration", self.min_duration.as_ref());
        parameters
    }
}

/// Shows traces until it is told to stop.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            biased;
            () = told_to_stop() => Ok(()),
            failed = follow(arguments) => failed,
        }
    })
}

/// Follows the server, also when it goes away and comes back.
async fn follow(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let query =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(arguments.filters.parameters()).finish();
    let mut tail = Tail {
        server: &arguments.server,
        client: arguments.server.client()?.read_timeout(SILENCE).connect_timeout(SILENCE).build()?,
        address: format!("/api/tta/v1/live?{query}"),
        mark: None,
        pause: WAITS.0,
        lines: Lines { is_json: arguments.json, is_coloured: is_coloured(), widths: (0, 0) },
    };
    let url = arguments.server.url();
    let mut response = tail.ask().await??;
    eprintln!("Following {url}; press Ctrl-C to stop.");
    loop {
        tail.show(response).await?;
        eprintln!("The server at {url} is gone; waiting until it is back.");
        response = tail.wait().await?;
        eprintln!("The server is back.");
    }
}

/// What follows a server.
struct Tail<'a> {
    server: &'a Server,
    client: Client,
    address: String,
    /// Up to where the server told everything.
    mark: Option<String>,
    /// How long is waited next.
    pause: Duration,
    lines: Lines,
}

impl Tail<'_> {
    /// Asks for the feed. The inner error says that there is none now, which may pass; the outer one does not.
    async fn ask(&self) -> Result<Result<Response, String>, String> {
        let mut request = self.server.request(&self.client, &self.address)?;
        if let Some(mark) = &self.mark {
            request = request.header(LAST_EVENT_ID, mark);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Err(self.server.unreachable(&error))),
        };
        let status = response.status().as_u16();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if status == 200 && kind.is_some_and(|kind| kind.starts_with(EVENTS)) {
            return Ok(Ok(response));
        }
        let body = match status {
            // It may never end, and is not shown.
            200 => Default::default(),
            _ => response.bytes().await.unwrap_or_default(),
        };
        let refusal = self.server.refusal(status, &body);
        // A proxy answers for a server that starts.
        if matches!(status, 200 | 429 | 500..) { Ok(Err(refusal)) } else { Err(refusal) }
    }

    /// Asks until there is a feed.
    async fn wait(&mut self) -> Result<Response, String> {
        loop {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(WAITS.1);
            if let Ok(response) = self.ask().await? {
                return Ok(response);
            }
        }
    }

    /// Shows what comes, until the connection ends, which it does when the server goes.
    async fn show(&mut self, response: Response) -> io::Result<()> {
        let mut events = SseByteStream::new(response.bytes_stream());
        while let Some(Ok(event)) = events.next().await {
            self.lines.show(&event)?;
            // Only who tells something is back for good.
            self.pause = WAITS.0;
            // After it is shown: what was not is told again.
            self.mark = event.id.or(self.mark.take());
        }
        Ok(())
    }
}

/// How traces are printed.
struct Lines {
    is_json: bool,
    is_coloured: bool,
    /// How wide the services and the names were so far, so that what comes after them stays where it is.
    widths: (usize, usize),
}

impl Lines {
    fn show(&mut self, event: &Sse) -> io::Result<()> {
        let data: Value =
            event.data.as_deref().and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
        match event.event.as_deref() {
            Some("trace") if self.is_json => writeln!(io::stdout(), "{data}"),
            Some("trace") => {
                let line = self.line(&data);
                writeln!(io::stdout(), "{line}")
            }
            Some("missed") => {
                eprintln!("{} traces came too fast and are left out.", number(&data["missed"]));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn line(&mut self, trace: &Value) -> String {
        let style = |style: Style| if self.is_coloured { style } else { Style::new() };
        let dim = style(Style::new().dimmed());
        let (word, colour) = match number(&trace["errors"]) {
            0 => ("ok", AnsiColor::Green),
            _ => ("error", AnsiColor::Red),
        };
        let status = style(colour.on_default());
        let (service, name) = (text(&trace["service"]), text(&trace["name"]));
        let widest = |before: usize, text: &str| before.max(render::width(text).min(WIDEST));
        let (services, names) = (widest(self.widths.0, &service), widest(self.widths.1, &name));
        self.widths = (services, names);
        format!(
            "{dim}{}{dim:#}  {}  {}  {status}{word:<5}{status:#}  {:>7}  {:>5} {:<5}  {dim}{}{dim:#}",
            time(&trace["start_unix_nanos"]),
            render::fit(&service, services),
            render::fit(&name, names),
            duration(number(&trace["duration_nanos"])),
            number(&trace["spans"]),
            if number(&trace["spans"]) == 1 { "span" } else { "spans" },
            text(&trace["trace_id"]),
        )
    }
}

/// The time of the day in UTC, to the millisecond.
fn time(unix_nanos: &Value) -> String {
    let nanos = unix_nanos.as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    let time = UNIX_EPOCH.checked_add(Duration::from_nanos(nanos)).unwrap_or(UNIX_EPOCH);
    let whole = humantime::format_rfc3339_millis(time).to_string();
    whole.split_once('T').map_or(whole.clone(), |(_, time)| time.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(is_coloured: bool) -> Lines {
        Lines { is_json: false, is_coloured, widths: (0, 0) }
    }

    fn trace(service: &str, name: &str, errors: u64) -> Value {
        json!({
            "trace_id": "00000000000000000000000000000abc", "service": service, "name": name,
            "start_unix_nanos": "1795000000123000000", "duration_nanos": 12_345_678, "spans": 1 + errors, "errors": errors,
        })
    }

    #[test]
    fn columns_stay_where_they_are() {
        let mut lines = lines(false);
        let mut check = |service: &str, name: &str, errors: u64, expect: &str| {
            assert_eq!(lines.line(&trace(service, name, errors)), expect)
        };
        check(
            "shop",
            "digest",
            0,
            "11:06:40.123Z  shop  digest  ok      12.3ms      1 span   00000000000000000000000000000abc",
        );
        check(
            "größe",
            "x",
            1,
            "11:06:40.123Z  größe  x       error   12.3ms      2 spans  00000000000000000000000000000abc",
        );
        check(
            "a",
            "digest",
            0,
            "11:06:40.123Z  a      digest  ok      12.3ms      1 span   00000000000000000000000000000abc",
        );
    }

    #[test]
    fn a_long_name_is_cut() {
        let mut lines = lines(false);
        let line = lines.line(&trace(&"s".repeat(100_000), &"n".repeat(100_000), 0));
        assert!(line.contains(&format!("  {}…  {}…  ok", "s".repeat(59), "n".repeat(59))), "{line}");
        assert!(lines.line(&trace("shop", "digest", 0)).len() < 300);
    }

    #[test]
    fn nothing_of_others_controls_the_terminal() {
        let line = lines(true).line(&trace("\u{1b}[2J", "\nx", 1));
        assert!(line.contains("\u{1b}[31merror\u{1b}[0m"), "{line:?}");
        assert!(
            !line.contains("[2J\u{1b}") && line.contains("\u{fffd}[2J") && !line.contains('\n'),
            "{line:?}"
        );
        assert!(!lines(false).line(&trace("shop", "digest", 1)).contains('\u{1b}'));
    }
}
