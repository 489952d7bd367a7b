//! `cargo xtask coverage`: which lines of the libraries no test runs.
//!
//! The counts come from the compiler's own instrumentation through cargo-llvm-cov, over the tests of the
//! whole workspace, because the end-to-end tests live in `tta`. Lines of tests are left out: they run by
//! definition and would flatter the result.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::source::Source;
use crate::{process, python, workspace};

/// The crates whose lines count.
const MEASURED: &[&str] = &["tta-model", "tta-primitives", "tta-observability"];

const INSTALL: &str = "\
cargo-llvm-cov is not installed. It takes two commands:
  cargo install cargo-llvm-cov --locked
  rustup component add llvm-tools
Instead of the second, LLVM of the compiler's major version (rustc -vV) from the system's packages will do,
for example `apt-get install llvm-22`; it is found by itself, or through LLVM_COV and LLVM_PROFDATA.";

/// Measures, prints a line for each crate, and fails when one of them is below `--fail-under`.
///
/// # Errors
///
/// When the tool is missing, a test fails, or an argument is not understood.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let floor = floor(arguments)?;
    if !process::has_cargo_command("llvm-cov") {
        bail!(INSTALL);
    }
    let root = &workspace::root();
    let target = workspace::manifests()?.target_directory.into_std_path_buf();
    let report = target.join("coverage.lcov");
    measure(root, &target, &report)?;
    let text =
        std::fs::read_to_string(&report).with_context(|| format!("cannot read {}", report.display()))?;
    let mut code = ExitCode::SUCCESS;
    println!("\n{:<20} {:>8} {:>8} {:>8}", "crate", "lines", "run", "percent");
    for name in MEASURED {
        let folder = root.join("crates").join(name).join("src");
        let tests = test_lines(root, &folder)?;
        let lines = count(&text, &folder, |file, line| tests.iter().any(|test| test.covers(file, line)));
        println!("{name:<20} {:>8} {:>8} {:>8.1}", lines.all, lines.run, lines.percent());
        if lines.percent() < floor {
            code = ExitCode::FAILURE;
        }
    }
    if floor > 0.0 {
        println!(
            "\nat least {floor} percent are asked of each: {}",
            if code == ExitCode::SUCCESS { "met" } else { "not met" }
        );
    }
    Ok(code)
}

fn floor(arguments: &[String]) -> Result<f64> {
    let words: Vec<&str> = arguments.iter().flat_map(|argument| argument.splitn(2, '=')).collect();
    match words.as_slice() {
        [] => Ok(0.0),
        ["--fail-under", percent] => {
            percent.parse().with_context(|| format!("`{percent}` is not a percentage"))
        }
        _ => bail!("usage: cargo xtask coverage [--fail-under PERCENT]"),
    }
}

fn measure(root: &Path, target: &Path, report: &Path) -> Result<()> {
    let mut command = process::cargo(&["llvm-cov"]);
    if process::has_cargo_command("nextest") {
        command.args(["nextest", "--no-tests=pass"]);
    }
    command
        .args(["--workspace", "--exclude", "xtask", "--all-features", "--lcov", "--output-path"])
        .arg(report);
    for (variable, tool) in [("LLVM_COV", "llvm-cov"), ("LLVM_PROFDATA", "llvm-profdata")] {
        if std::env::var_os(variable).is_none()
            && let Some(path) = system_llvm(tool)?
        {
            command.env(variable, path);
        }
    }
    match python::prepare(root, target) {
        Ok(interpreter) => {
            command.env(python::INTERPRETER, interpreter);
        }
        Err(error) => println!("without the OTLP receiver's tests: {error:#}"),
    }
    process::run(command.current_dir(root))
}

/// Finds the system's LLVM tool of the compiler's own major version, where rustup's component is missing.
///
/// The version matters: an older LLVM cannot read the profiles that a newer compiler writes.
fn system_llvm(tool: &str) -> Result<Option<PathBuf>> {
    let libraries = process::output(Command::new("rustc").args(["--print", "target-libdir"]))?;
    if Path::new(libraries.trim()).with_file_name("bin").join(tool).exists() {
        return Ok(None);
    }
    let about = process::output(Command::new("rustc").arg("-vV"))?;
    let version = about
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .context("rustc names no LLVM version")?;
    let major = version.split('.').next().unwrap_or(version);
    let in_package = PathBuf::from(format!("/usr/lib/llvm-{major}/bin/{tool}"));
    let found =
        std::iter::once(in_package).chain(on_path(&format!("{tool}-{major}"))).find(|path| path.exists());
    Ok(found)
}

fn on_path(program: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).collect()
}

/// The lines of one file that exist in tests only; the whole file where `source` is absent.
struct TestLines {
    file: PathBuf,
    source: Option<Source>,
}

impl TestLines {
    fn covers(&self, file: &Path, line: usize) -> bool {
        self.file == file && self.source.as_ref().is_none_or(|source| source.is_test(line))
    }
}

fn test_lines(root: &Path, folder: &Path) -> Result<Vec<TestLines>> {
    let mut sources = Source::read_all(root, folder)?;
    let files = workspace::rust_files(folder)?.into_iter().map(|file| {
        let index = sources.iter().position(|source| root.join(&source.path) == file);
        TestLines { file, source: index.map(|index| sources.swap_remove(index)) }
    });
    Ok(files.collect())
}

/// Lines that could run, and those that did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    all: u32,
    run: u32,
}

impl Lines {
    /// A crate without a line to run is covered.
    fn percent(&self) -> f64 {
        if self.all == 0 { 100.0 } else { 100.0 * f64::from(self.run) / f64::from(self.all) }
    }
}

/// Counts the lines of an LCOV report below `folder`, without those that `is_test` tells.
fn count(report: &str, folder: &Path, is_test: impl Fn(&Path, usize) -> bool) -> Lines {
    let mut lines = Lines::default();
    let mut file = Path::new("");
    for record in report.lines() {
        if let Some(path) = record.strip_prefix("SF:") {
            file = Path::new(path);
        } else if let Some((line, runs)) = record.strip_prefix("DA:").and_then(|data| data.split_once(',')) {
            let line = line.parse().unwrap_or(0);
            if file.starts_with(folder) && !is_test(file, line) {
                lines.all += 1;
                lines.run += u32::from(runs.split(',').next() != Some("0"));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Lines, count, floor};

    #[test]
    fn counts_the_lines_below_a_folder_without_tests() {
        let report =
            "SF:/a/src/lib.rs\nDA:1,5\nDA:2,0\nDA:3,1\nDA:9,7\nend_of_record\nSF:/b/src/lib.rs\nDA:1,0\n";
        let lines = count(report, Path::new("/a/src"), |_, line| line == 9);
        assert_eq!(lines, Lines { all: 3, run: 2 });
    }

    #[test]
    fn reads_the_floor() {
        let check =
            |words: &[&str]| floor(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()).ok();
        assert_eq!(check(&[]), Some(0.0));
        assert_eq!(check(&["--fail-under", "85"]), Some(85.0));
        assert_eq!(check(&["--fail-under=85"]), Some(85.0));
        assert_eq!(check(&["--fail-under"]), None);
        assert_eq!(check(&["--html"]), None);
    }
}
