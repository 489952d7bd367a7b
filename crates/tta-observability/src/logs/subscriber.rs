//! Sets up a subscriber where the program has none.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;

use super::{LogFormat, export, lines};
use tta_redact as redact;

/// Which lines are written unless the program or the environment says otherwise: everything from `info` on, and of
/// what TTA tells about runs only what needs somebody's attention. `tta=info` shows every step.
pub const DEFAULT_FILTER: &str = "info,tta=warn,h2=warn,hyper=warn,tower=warn,tonic=warn,genai=off";

/// Which lines are written, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How they are written (`TTA_LOG_FORMAT`: `auto`, `pretty`, `json` or `off`).
    pub format: LogFormat,
    /// Which ones, as directives of `tracing_subscriber::EnvFilter` (`TTA_LOG`, or else `RUST_LOG`).
    pub filter: String,
    /// Whether they go to OTLP too (`OTEL_LOGS_EXPORTER=otlp`).
    pub otlp: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: DEFAULT_FILTER.to_owned(), otlp: false }
    }
}

impl LogConfig {
    /// Checks that the directives can be read.
    ///
    /// # Errors
    /// Says which one cannot.
    pub(crate) fn check_filter(filter: &str) -> Result<(), String> {
        EnvFilter::builder().parse(filter).map(drop).map_err(|error| {
            format!("{error}: expected directives such as info,tta=warn,my_crate::module=debug")
        })
    }
}

/// Installs a subscriber, unless the program has set one: then that one stays, and decides alone.
pub(crate) fn install(config: &LogConfig) {
    if config.format == LogFormat::Off && !config.otlp {
        return;
    }
    // Compiled here, in milliseconds, so that no step waits for it with its first line.
    redact::prepare();
    let filter = EnvFilter::builder().parse_lossy(&config.filter);
    let lines = (config.format != LogFormat::Off).then(|| lines(config.format));
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    // An error says that there is one already.
    let _ = tracing::subscriber::set_global_default(subscriber.with(config.otlp.then(export)));
}
