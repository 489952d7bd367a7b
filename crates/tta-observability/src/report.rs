//! Tells the people who run a program that its telemetry is in trouble.

use std::io::Write;

use tta_model::name::log::LogEvent;

/// Logs a warning through `tracing`; a program without a subscriber gets it as a line on standard error, since
/// telemetry that is lost in silence is worse than a line that nobody asked for.
///
/// What a receiver answers is in the message too, and may repeat the headers that it was sent.
pub(crate) fn warn(event: &LogEvent, message: &str) {
    let message = tta_redact::secrets(message);
    if tracing::dispatcher::has_been_set() {
        tracing::warn!(target: "tta::export", event = event.name, "{message}");
    } else {
        // Without standard error there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "tta: {message}");
    }
}
