//! What is written where, of what was asked for.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::lines::Lines;
use super::parquet::Tables;
use super::{Arguments, Format, Signal, Sink};

/// The ending of the names of tables.
const PARQUET: &str = "parquet";

/// What is written where.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) signals: Vec<Signal>,
    to: To,
}

#[derive(Debug, PartialEq)]
enum To {
    Standard,
    Lines(PathBuf),
    /// One signal.
    Table(PathBuf),
    /// A folder, with a table for each signal.
    Tables(PathBuf),
}

impl Plan {
    /// # Errors
    ///
    /// What does not go together.
    pub(super) fn of(arguments: &Arguments) -> Result<Self, String> {
        let Arguments { out, format, .. } = arguments;
        let is_table = |path: &Path| path.extension() == Some(OsStr::new(PARQUET)) && !path.is_dir();
        let is_parquet = match format {
            Some(format) => *format == Format::Parquet,
            None => out.as_deref().is_some_and(is_table),
        };
        let mut signals: Vec<_> =
            Signal::ALL.into_iter().filter(|signal| arguments.signals.contains(signal)).collect();
        let to = match out {
            None if is_parquet => {
                return Err("a table is not written to the standard output; name a file with --out".into());
            }
            None => To::Standard,
            Some(path) if !is_parquet => To::Lines(path.clone()),
            Some(path) if is_table(path) => {
                if signals.is_empty() {
                    signals.push(Signal::Traces);
                }
                if signals.len() > 1 {
                    return Err(format!(
                        "{} is one table, and each signal needs its own; name a folder with --out, and --format parquet",
                        path.display()
                    ));
                }
                To::Table(path.clone())
            }
            Some(path) => To::Tables(path.clone()),
        };
        if signals.is_empty() {
            signals.extend(Signal::ALL);
        }
        Ok(Self { signals, to })
    }

    /// Begins the files.
    ///
    /// # Errors
    ///
    /// When one cannot be begun, or is there already and it is not forced.
    pub(super) fn open(&self, is_forced: bool) -> Result<Box<dyn Sink>, Box<dyn Error>> {
        let mut tables = Tables::default();
        let files: Vec<(Signal, PathBuf)> = match &self.to {
            To::Standard => return Ok(Box::new(Lines::standard())),
            To::Lines(path) => return Ok(Box::new(Lines::file(Draft::new(path, is_forced)?))),
            To::Table(path) => self.signals.iter().map(|signal| (*signal, path.clone())).collect(),
            To::Tables(folder) => {
                if !folder.is_dir() {
                    let failed = |error| format!("cannot make the folder {}: {error}", folder.display());
                    fs::create_dir(folder).map_err(failed)?;
                    tables.made(folder);
                }
                self.signals.iter().map(|signal| (*signal, folder.join(file(*signal)))).collect()
            }
        };
        for (signal, path) in files {
            tables.begin(signal, Draft::new(&path, is_forced)?)?;
        }
        Ok(Box::new(tables))
    }
}

/// The name of a table in a folder.
fn file(signal: Signal) -> String {
    let stem = match signal {
        Signal::Traces => "spans",
        Signal::Logs => "logs",
        Signal::Metrics => "metrics",
    };
    format!("{stem}.{PARQUET}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Arguments, Plan, Signal, To};

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn check(told: &str, expect: Result<(&[Signal], To), &str>) {
        let told = ["export"].into_iter().chain(told.split_whitespace());
        let plan = Plan::of(&Command::try_parse_from(told).expect("it is understood").arguments);
        match (plan, expect) {
            (Ok(plan), Ok((signals, to))) => assert_eq!((&plan.signals[..], plan.to), (signals, to)),
            (Err(why), Err(says)) => assert!(why.contains(says), "{why}"),
            (plan, expect) => panic!("{plan:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn the_ending_tells_the_format() {
        use Signal::{Logs, Metrics, Traces};
        check("", Ok((&Signal::ALL, To::Standard)));
        check("--signals metrics,traces", Ok((&[Traces, Metrics], To::Standard)));
        check("--out a.jsonl", Ok((&Signal::ALL, To::Lines("a.jsonl".into()))));
        check("--out a", Ok((&Signal::ALL, To::Lines("a".into()))));
        check("--out a.parquet", Ok((&[Traces], To::Table("a.parquet".into()))));
        check("--out a.parquet --signals logs", Ok((&[Logs], To::Table("a.parquet".into()))));
        check("--out a.parquet --signals logs,logs", Ok((&[Logs], To::Table("a.parquet".into()))));
        check("--out a.parquet --signals logs,metrics", Err("name a folder"));
        check("--out a.parquet --format jsonl", Ok((&Signal::ALL, To::Lines("a.parquet".into()))));
        check("--out a --format parquet", Ok((&Signal::ALL, To::Tables("a".into()))));
        check("--out a --format parquet --signals logs", Ok((&[Logs], To::Tables("a".into()))));
        check("--format parquet", Err("name a file with --out"));
    }

    #[test]
    fn a_folder_without_a_table_is_gone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("tables");
        let plan = Plan { signals: Signal::ALL.to_vec(), to: To::Tables(folder.clone()) };
        drop(plan.open(false).unwrap());
        assert!(!folder.exists());
        plan.open(false).unwrap().finish().unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
    }
}
