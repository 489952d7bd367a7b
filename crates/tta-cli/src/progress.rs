//! Bars that show people how far it is; programs are spared them.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// Counts bytes, of so many if that is known.
pub(crate) fn bytes(size: Option<u64>) -> ProgressBar {
    let template = match size {
        Some(_) => "{bar:40} {decimal_bytes}/{decimal_total_bytes} {msg} {eta} left",
        None => "{spinner} {decimal_bytes} {msg}",
    };
    bar(size, template)
}

/// Counts things of this kind, of so many if that is known.
pub(crate) fn items(length: Option<u64>, what: &'static str) -> ProgressBar {
    let template = match length {
        Some(_) => "{bar:40} {human_pos}/{human_len} {msg} {eta} left",
        None => "{spinner} {human_pos} {msg}",
    };
    bar(length, template).with_message(what)
}

fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
