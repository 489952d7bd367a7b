//! Reads single variables, and remembers what was wrong with them.

use std::time::Duration;

use super::error::{ConfigError, Problem};

/// Reads variables by a lookup, so that a test needs no process environment.
pub(super) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// The value of a variable without white space around it; an empty one counts as unset.
    pub(super) fn text(&self, variable: &str) -> Option<String> {
        let value = (self.lookup)(variable)?;
        let trimmed = value.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// Reads a value that is no secret; `parse` says what is wrong with it.
    pub(super) fn parsed<T>(
        &mut self,
        variable: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.text(variable)?;
        match parse(&value) {
            Ok(parsed) => Some(parsed),
            Err(message) => {
                self.reject(variable, Some(value), message);
                None
            }
        }
    }

    /// Reads a value that is never printed.
    pub(super) fn secret<T>(
        &mut self,
        variable: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(&self.text(variable)?) {
            Ok(parsed) => Some(parsed),
            Err(message) => {
                self.reject(variable, None, message);
                None
            }
        }
    }

    /// Remembers what is wrong with a variable. Those for all signals are read for each; they are told once.
    pub(super) fn reject(&mut self, variable: &str, value: Option<String>, message: impl Into<String>) {
        if self.problems.iter().any(|known| known.variable == variable) {
            return;
        }
        self.problems.push(Problem { variable: variable.to_owned(), value, message: message.into() });
    }

    /// The settings, unless something was wrong.
    pub(super) fn finish<T>(self, settings: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(settings) } else { Err(ConfigError { problems: self.problems }) }
    }
}

pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// A number of things, at least `least`.
pub(super) fn count(least: usize) -> impl Fn(&str) -> Result<usize, String> {
    move |value| match value.parse() {
        Ok(count) if count >= least => Ok(count),
        _ => Err(format!("expected an integer of at least {least}")),
    }
}

pub(super) fn milliseconds(value: &str) -> Result<Duration, String> {
    value
        .parse()
        .map(Duration::from_millis)
        .map_err(|_| "expected milliseconds, an integer of at least 0".to_owned())
}

/// A time in milliseconds that is not zero.
pub(super) fn interval(value: &str) -> Result<Duration, String> {
    match milliseconds(value) {
        Ok(interval) if !interval.is_zero() => Ok(interval),
        _ => Err("expected milliseconds, an integer of at least 1".to_owned()),
    }
}

/// A time limit in milliseconds; zero means no limit, as the specification says.
pub(super) fn time_limit(value: &str) -> Result<Duration, String> {
    milliseconds(value).map(|limit| if limit.is_zero() { Duration::MAX } else { limit })
}
