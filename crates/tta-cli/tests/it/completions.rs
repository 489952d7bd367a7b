//! `tta completions`.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::tta::{command, run};

#[test]
fn every_shell_gets_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run(command(&["completions", shell]));
        assert!(ended.status.success(), "{ended:#?}");
        for name in ["demo", "doctor", "serve", "export", "import", "completions", "since"] {
            assert!(ended.stdout.contains(name), "{shell}: {name}");
        }
    }
    let wrong = run(command(&["completions", "basic"]));
    assert_eq!(wrong.status.code(), Some(2), "{wrong:#?}");
    assert!(wrong.stderr.contains("possible values: bash"), "{wrong:#?}");
}

#[cfg(unix)]
#[test]
fn bash_completes_with_them() {
    let script = run(command(&["completions", "bash"])).stdout;
    // Asks as the shell does when somebody presses tab behind `tta exp`.
    let ask = "\nCOMP_WORDS=(tta exp); COMP_CWORD=1; _tta tta exp tta; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-s"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = bash.spawn().expect("bash is there");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(format!("{script}{ask}\n").as_bytes()).expect("it reads");
    drop(input);
    let answer = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "export");
}
