//! What is wrong with the settings, all of it at once.

use std::fmt;

use super::file::FileError;

/// Some settings are wrong. It lists all of them, so that one round of corrections is enough.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// What is wrong; never empty.
    pub problems: Vec<Problem>,
}

impl From<FileError> for ConfigError {
    fn from(error: FileError) -> Self {
        let FileError { path, reason } = error;
        Self {
            problems: vec![Problem { variable: path.display().to_string(), value: None, message: reason }],
        }
    }
}

/// One wrong setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The environment variable, or the file and the key in it.
    pub variable: String,
    /// Its value, unless it may be a secret.
    pub value: Option<String>,
    /// What is wrong with it, and what to do.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [problem] => problem.fmt(f),
            problems => {
                write!(f, "{} settings are wrong:", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.variable)?;
        if let Some(value) = &self.value {
            write!(f, "={value:?}")?;
        }
        write!(f, ": {}", self.message)
    }
}
