//! The committed files under `deploy/` are those that the command writes, and it tells when they are not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs;
use crate::tta::{command, run};

const FILES: &[&str] = &["prometheus/prometheus.yml", "prometheus/rules/tta-aliases.yml"];

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn assets(folder: &Path, more: &[&str]) -> Command {
    let mut command = command(&["assets", "--out"]);
    command.arg(folder).args(more);
    command
}

/// Writes the files into a folder.
pub fn write(folder: &Path) {
    let ended = run(assets(folder, &[]));
    assert!(ended.status.success(), "{ended:#?}");
    let written = FILES.iter().map(|file| folder.join(file).display().to_string() + "\n");
    assert_eq!(ended.stdout, written.collect::<String>());
}

#[test]
fn the_committed_files_are_those_that_are_written() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    for file in FILES {
        let read = |folder: &Path| fs::read_to_string(folder.join(file)).unwrap().replace("\r\n", "\n");
        assert_eq!(read(&committed()), read(folder.path()), "{file}: run `cargo run -p tta-cli -- assets`");
    }
    let ended = run(assets(&committed(), &["--check"]));
    assert!(ended.status.success(), "{ended:#?}");
    assert_eq!(ended.stdout, "", "a check writes nothing");
}

#[test]
fn a_check_names_what_is_stale_or_missing() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    fs::write(folder.path().join(FILES[0]), "# edited\n").unwrap();
    let ended = run(assets(folder.path(), &["--check"]));
    ended.assert_failed(&["prometheus.yml is stale", "tta assets --out"]);
    assert!(!ended.stderr.contains("tta-aliases.yml"), "{ended:#?}");
    assert_eq!(fs::read_to_string(folder.path().join(FILES[0])).unwrap(), "# edited\n");

    fs::remove_file(folder.path().join(FILES[1])).unwrap();
    run(assets(folder.path(), &["--check"]))
        .assert_failed(&["prometheus.yml is stale", "tta-aliases.yml is missing"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    run(assets(&file, &[])).assert_failed(&["cannot write", "prometheus.yml", "set another folder"]);
}

#[test]
fn promtool_takes_the_configuration_and_its_rules() {
    if !programs::are_there(&["promtool"]) {
        return;
    }
    for (check, file) in [("config", FILES[0]), ("rules", FILES[1])] {
        let mut command = Command::new("promtool");
        command.args(["check", check]).arg(committed().join(file));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:#?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "it has nothing to complain about");
    }
}
