//! Time and randomness have one door each, the core detaches nothing, and libraries do not print.
//!
//! Tests run in paused time with fixed identifiers; one reading of the real clock elsewhere would make them
//! flicker. What is spawned outlives the run that is dropped, so the core may spawn only where it joins.

use super::{Crate, Violation};
use crate::source::{Said, Source};

const CORE: &str = "tta-primitives";

/// Crates that talk to a terminal.
const MAY_PRINT: &[&str] = &["tta-cli", "xtask"];

/// Words that only some files of the core may say.
struct Rule {
    /// Endings of paths; an ending that starts with `::` stands for a whole crate.
    paths: &'static [&'static str],
    methods: &'static [&'static str],
    /// The files that may, below the crate's `src/`.
    files: &'static [&'static str],
    reason: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        paths: &[
            "Instant::now",
            "Instant::elapsed",
            "SystemTime::now",
            "SystemTime::elapsed",
            "time::sleep",
            "time::sleep_until",
            "time::timeout",
            "time::timeout_at",
            "time::interval",
            "thread::sleep",
            "::quanta",
        ],
        methods: &[],
        files: &["clock.rs"],
        reason: "time goes through clock.rs",
    },
    Rule {
        paths: &["::rand", "::fastrand", "::getrandom", "Uuid::new_v4", "Uuid::now_v7"],
        methods: &[],
        files: &["random.rs"],
        reason: "randomness goes through random.rs",
    },
    Rule {
        paths: &[
            "tokio::spawn",
            "task::spawn",
            "task::spawn_local",
            "task::spawn_blocking",
            "thread::spawn",
            "spawn",
        ],
        methods: &["spawn", "spawn_on", "spawn_local", "spawn_blocking"],
        files: SPAWNERS,
        reason: "the core detaches no work; a file that joins what it spawns is listed in xtask/src/walls/purity.rs",
    },
];

/// The files of the core that may spawn: branches and items, which are joined or aborted by their primitive; the
/// renewal of cache entries, which ends with the cache; and the undoing of a saga, which its run waits for.
const SPAWNERS: &[&str] =
    &["cache/cached.rs", "compose/fan_out.rs", "compose/parallel/branch.rs", "compose/saga/undo.rs"];

/// Finds the words that the core's files may not say, and prints in libraries.
pub(super) fn check(crates: &[Crate]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in crates {
        for source in &member.sources {
            if member.name == CORE {
                violations.extend(RULES.iter().flat_map(|rule| check_rule(rule, source)));
            }
            if !MAY_PRINT.contains(&member.name.as_str()) {
                violations.extend(check_prints(source));
            }
        }
    }
    violations
}

fn check_rule(rule: &Rule, source: &Source) -> Vec<Violation> {
    let source_folder = std::path::Path::new("crates").join(CORE).join("src");
    if rule.files.iter().any(|file| source.path == source_folder.join(file)) {
        return Vec::new();
    }
    let said = |said: &Said| match said {
        Said::Path(segments) => {
            rule.paths.iter().any(|path| is_named(path, segments)).then(|| segments.join("::"))
        }
        Said::Method(name) => rule.methods.contains(&name.as_str()).then(|| format!(".{name}()")),
        Said::Text(_) | Said::Macro(_) => None,
    };
    let found = source.facts.iter().filter_map(|fact| Some((fact.line, said(&fact.said)?)));
    found
        .map(|(line, word)| Violation::new(&source.path, line, format!("`{word}`: {}", rule.reason)))
        .collect()
}

/// Tells whether a path ends as the rule says, is in the rule's crate, or is the rule's bare function.
fn is_named(rule: &str, segments: &[String]) -> bool {
    if let Some(crate_name) = rule.strip_prefix("::") {
        return segments.len() > 1 && segments[0] == crate_name;
    }
    let wanted: Vec<&str> = rule.split("::").collect();
    if wanted.len() == 1 {
        return segments == wanted;
    }
    segments.iter().map(String::as_str).collect::<Vec<_>>().ends_with(&wanted)
}

fn check_prints(source: &Source) -> Vec<Violation> {
    const PRINTS: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];
    let prints = source.facts.iter().filter_map(|fact| match &fact.said {
        Said::Macro(name) if PRINTS.contains(&name.as_str()) => {
            Some(Violation::new(&source.path, fact.line, format!("`{name}!`: a library does not print")))
        }
        _ => None,
    });
    prints.collect()
}

#[cfg(test)]
mod tests {
    use crate::walls::tests::planted;

    fn check(crate_name: &str, file: &str, text: &str, violations: usize) {
        assert_eq!(
            super::check(&planted(crate_name, file, text)).len(),
            violations,
            "{crate_name}/{file}: {text}"
        );
    }

    #[test]
    fn a_second_clock_is_found() {
        for text in [
            "fn f() { Instant::now(); }",
            "fn f() { std::time::SystemTime::now(); }",
            "use tokio::time::{sleep, Duration};",
            "async fn f() { tokio::select! { _ = tokio::time::sleep(d) => {} } }",
            "use quanta::Clock;",
            "fn f() { once.get_or_init(Instant::now); }",
        ] {
            check("tta-primitives", "retry.rs", text, 1);
            check("tta-primitives", "clock.rs", text, 0);
            check("tta-observability", "lib.rs", text, 0);
        }
    }

    #[test]
    fn a_second_source_of_randomness_is_found() {
        for text in ["fn f() { rand::random(); }", "use rand::{Rng};", "fn f() { uuid::Uuid::new_v4(); }"] {
            check("tta-primitives", "retry.rs", text, 1);
            check("tta-primitives", "random.rs", text, 0);
        }
    }

    #[test]
    fn a_detached_task_is_found() {
        for text in [
            "fn f() { tokio::spawn(g()); }",
            "use tokio::task::spawn_blocking;",
            "fn f() { set.spawn(g()); }",
        ] {
            check("tta-primitives", "retry.rs", text, 1);
            check("tta-primitives", "compose/saga/undo.rs", text, 0);
        }
        check("tta-primitives", "retry.rs", "fn f() { branches.spawned(); }", 0);
    }

    #[test]
    fn a_print_in_a_library_is_found() {
        for name in ["println", "eprintln", "dbg"] {
            let text = format!("fn f() {{ {name}!(\"x\") }}");
            check("tta-observability", "lib.rs", &text, 1);
            check("tta-cli", "main.rs", &text, 0);
        }
        check("tta-model", "lib.rs", "#[test] fn f() { println!(\"x\") }", 0);
        check("tta-model", "lib.rs", "//! ```\n//! println!();\n//! ```", 0);
    }
}
