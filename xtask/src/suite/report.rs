//! What the steps came to.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Counts of tests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// Adds what a line of a test runner's output says: libtest's `test result:` or nextest's `Summary`.
    pub(crate) fn read(&mut self, line: &str) {
        let line = without_colour(line);
        // Nextest shows what a failed test printed, libtest's own count of one included, indented.
        if !(line.starts_with("test result:") || line.trim_start().starts_with("Summary [")) {
            return;
        }
        let line = line.split_once(']').map_or(line.as_str(), |(_, counts)| counts);
        let words: Vec<&str> =
            line.split([' ', ',', ';', '(', ')', ':']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<usize>() else { continue };
            match pair[1] {
                "passed" => self.passed += count,
                // Nextest says `1 timed out` and `1 exec failed` beside `1 failed`.
                "failed" | "timed" | "exec" => self.failed += count,
                "skipped" | "ignored" => self.skipped += count,
                _ => {}
            }
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// It could not run here, and why.
    Skipped(String),
    /// It ran tests, and whether the runner succeeded.
    Tested {
        tally: Tally,
        success: bool,
    },
}

struct Line {
    name: &'static str,
    verdict: &'static str,
    elapsed: Duration,
    remark: String,
}

/// The steps so far: each test counts as one, and so does each step that is not made of tests.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
    tally: Tally,
}

impl Report {
    /// Runs a step under its heading and notes how it ended.
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<Outcome>) {
        println!("\n==> {name}");
        let started = Instant::now();
        let outcome = step();
        let elapsed = started.elapsed();
        let (verdict, remark) = self.count(outcome);
        println!(
            "<== {name}: {verdict} in {:.1} s{}{remark}",
            elapsed.as_secs_f64(),
            if remark.is_empty() { "" } else { ", " }
        );
        self.lines.push(Line { name, verdict, elapsed, remark });
    }

    fn count(&mut self, outcome: Result<Outcome>) -> (&'static str, String) {
        match outcome {
            Ok(Outcome::Passed) => {
                self.tally.passed += 1;
                ("passed", String::new())
            }
            Ok(Outcome::Skipped(reason)) => {
                self.tally.skipped += 1;
                ("skipped", reason)
            }
            Ok(Outcome::Tested { tally, success }) => {
                self.tally.passed += tally.passed;
                self.tally.skipped += tally.skipped;
                // What did not compile has no failed test, and is a failure all the same.
                self.tally.failed += if success { tally.failed } else { tally.failed.max(1) };
                let verdict = if success && tally.failed == 0 { "passed" } else { "failed" };
                let Tally { passed, failed, skipped } = tally;
                let why = if !success && failed == 0 { "; no test failed, but the run did" } else { "" };
                (verdict, format!("{passed} passed, {failed} failed, {skipped} skipped{why}"))
            }
            Err(error) => {
                self.tally.failed += 1;
                ("failed", format!("{error:#}"))
            }
        }
    }

    /// Prints the table and, as the very last line, the count.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n{:<12} {:<8} {:>8}", "step", "verdict", "seconds");
        for line in &self.lines {
            let row = format!(
                "{:<12} {:<8} {:>8.1}  {}",
                line.name,
                line.verdict,
                line.elapsed.as_secs_f64(),
                line.remark
            );
            println!("{}", row.trim_end());
        }
        let Tally { passed, failed, skipped } = self.tally;
        println!("\n{passed} passed, {failed} failed, {skipped} skipped");
        let flushed = std::io::stdout().flush().is_ok();
        if failed == 0 && flushed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::{Outcome, Report, Tally};

    fn check(line: &str, passed: usize, failed: usize, skipped: usize) {
        let mut tally = Tally::default();
        tally.read(line);
        assert_eq!(tally, Tally { passed, failed, skipped }, "{line}");
    }

    #[test]
    fn reads_the_counts_of_both_runners() {
        check(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s",
            3,
            0,
            1,
        );
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", 3, 2, 0);
        check("    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out", 0, 0, 0);
        check("     Summary [   0.032s] 5 tests run: 4 passed (1 slow), 1 failed, 2 skipped", 4, 1, 2);
        check("     Summary [   9.1s] 3 tests run: 1 passed, 1 timed out, 1 exec failed, 0 skipped", 1, 2, 0);
        check(
            "\u{1b}[32;1m     Summary\u{1b}[0m [   0.032s] \u{1b}[1m1\u{1b}[0m test run: \u{1b}[1m1\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, 0 skipped",
            1,
            0,
            0,
        );
        check("running 3 tests", 0, 0, 0);
        check("it says: test result: ok. 3 passed", 0, 0, 0);
    }

    #[test]
    fn counts_what_did_not_compile_as_a_failure() {
        let mut report = Report::default();
        report.run("tests", || Ok(Outcome::Tested { tally: Tally::default(), success: false }));
        assert_eq!(report.tally, Tally { passed: 0, failed: 1, skipped: 0 });
    }

    #[test]
    fn counts_tests_and_the_steps_without_tests() {
        let mut report = Report::default();
        let tally = Tally { passed: 5, failed: 1, skipped: 2 };
        report.run("tests", || Ok(Outcome::Tested { tally, success: false }));
        report.run("format", || Ok(Outcome::Passed));
        report.run("deny", || Ok(Outcome::Skipped(String::from("not installed"))));
        report.run("docs", || Err(anyhow!("a link is broken")));
        assert_eq!(report.tally, Tally { passed: 6, failed: 2, skipped: 3 });
    }
}
