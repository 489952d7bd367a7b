//! What is usual where a program runs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Adaptive, Ratio, Sampler, TailConfig, TailRatio};

/// How long a trace takes at least that is slow anywhere.
const SLOW: Duration = Duration::from_secs(1);

/// What staging keeps of the rest.
const STAGING: Ratio = Ratio::percent(20.0);
/// What production keeps of the rest at most, and at least. The least is not far below: the tail saves what comes
/// after it and not the recording, so a very small ratio would cost insight and bring nothing.
const PRODUCTION: (Ratio, Ratio) = (Ratio::percent(5.0), Ratio::percent(0.5));

/// Where a program runs, and how traces are sampled there.
///
/// | environment | kept |
/// |---|---|
/// | development | everything |
/// | staging | errors, what takes a second or more, and 20 % of the rest |
/// | production | the same with 5 % of the rest, down to 0.5 % when telemetry takes more than 1 % of the processor |
///
/// Errors and slow traces can only be kept by whoever has seen them end, so everything is recorded, unless the
/// caller said otherwise, and the tail decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Environment {
    /// Where programs are written.
    Development,
    /// Where they are tried.
    Staging,
    /// Where they are used.
    Production,
}

impl Environment {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// Which traces are recorded.
    #[must_use]
    pub fn head(self) -> Sampler {
        Sampler::default()
    }

    /// Which of the recorded traces are exported; none where all are.
    #[must_use]
    pub fn tail(self) -> Option<TailConfig> {
        let ratio = match self {
            Self::Development => return None,
            Self::Staging => TailRatio::Fixed(STAGING),
            Self::Production => {
                let (most, least) = PRODUCTION;
                TailRatio::Adaptive(Adaptive::new(most).minimum(least))
            }
        };
        Some(TailConfig { slow: Some(SLOW), ..TailConfig::new(ratio) })
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    /// Reads the word or its short form, in whatever case.
    fn from_str(text: &str) -> Result<Self, UnknownEnvironment> {
        match text.trim().to_ascii_lowercase().as_str() {
            "development" | "dev" => Ok(Self::Development),
            "staging" => Ok(Self::Staging),
            "production" | "prod" => Ok(Self::Production),
            _ => Err(UnknownEnvironment),
        }
    }
}

/// A word is not that of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected development (dev), staging or production (prod)")]
pub struct UnknownEnvironment;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_words() {
        let check = |text: &str, expect| assert_eq!(text.parse(), expect, "{text}");
        check("dev", Ok(Environment::Development));
        check(" Production ", Ok(Environment::Production));
        check("prod", Ok(Environment::Production));
        check("stage", Err(UnknownEnvironment));
        check("", Err(UnknownEnvironment));
        for known in [Environment::Development, Environment::Staging, Environment::Production] {
            check(&known.to_string(), Ok(known));
        }
        assert_eq!(
            UnknownEnvironment.to_string(),
            "expected development (dev), staging or production (prod)"
        );
    }

    #[test]
    fn keeps_what_matters_and_a_part_of_the_rest() {
        assert_eq!(Environment::Development.tail(), None);
        for (environment, part) in [(Environment::Staging, 0.2), (Environment::Production, 0.05)] {
            let tail = environment.tail().expect("it leaves some out");
            assert_eq!((tail.keep_errors, tail.slow), (true, Some(SLOW)));
            let ratio = match &tail.ratio {
                TailRatio::Fixed(ratio) => *ratio,
                TailRatio::Adaptive(adaptive) => adaptive.ratio(),
            };
            assert_eq!(ratio.get(), part, "{environment}");
            assert_eq!(environment.head(), Sampler::ParentBased(Box::new(Sampler::AlwaysOn)));
        }
    }
}
