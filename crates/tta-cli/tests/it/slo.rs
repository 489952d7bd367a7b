//! The objectives of a real program, from its metrics to what the command shows of them.
#![cfg(unix)]

use serde_json::Value;

use crate::documents;
use crate::live::Signal;
use crate::serve::{start, stop};
use crate::tta::{command, demo, run};

/// Runs the demo with a server as its receiver, as a service of this name.
fn play(service: &str, http: &str, more: &[&str]) {
    let folder = documents::good();
    let mut command = demo(folder.path(), &[&["--json", "--runs", "20", "--otlp", http], more].concat());
    command.env("OTEL_SERVICE_NAME", service);
    run(command).json();
}

fn objectives(arguments: &[&str]) -> Vec<Value> {
    let found = run(command(&[&["slo", "--json"], arguments].concat())).json();
    found["objectives"].as_array().unwrap().clone()
}

#[test]
fn the_objectives_of_a_program_are_shown() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, open, http) = start(&directory);
    let none = run(command(&["slo", "--url", &open]));
    assert!(none.status.success() && none.stdout.contains("[[slo]]\nname = "), "{none:#?}");
    assert!(none.stdout.starts_with("No program told of an objective in the last 24h."), "{none:#?}");

    play("good", &http, &[]);
    // Nothing is small enough, so every run fails.
    play("bad", &http, &["--max-bytes", "1"]);
    let found = objectives(&["--url", &open]);
    let of = |service: &str, name: &str| -> Value {
        let mut found = found.iter();
        found.find(|one| one["service"] == service && one["name"] == name).unwrap().clone()
    };
    assert_eq!(found.len(), 4, "{found:#?}");
    let good = of("good", "documents-succeed");
    assert_eq!(
        (&good["workflow"], &good["target"], &good["window"]),
        (&"document".into(), &0.99.into(), &"1h".into())
    );
    assert_eq!((&good["status"], &good["compliance"]), (&"healthy".into(), &1.0.into()));
    assert_eq!((&good["budget_remaining"], &good["is_stale"]), (&1.0.into(), &false.into()));
    assert_eq!(good["instances"].as_array().unwrap().len(), 1);
    let bad = of("bad", "documents-succeed");
    assert_eq!((&bad["status"], &bad["compliance"]), (&"breached".into(), &0.0.into()));
    let alert = &bad["alerts"][0];
    assert_eq!(
        (&alert["urgency"], &alert["long"], &alert["short"]),
        (&"page".into(), &"1h".into(), &"5m".into())
    );
    assert!((alert["burn_rate"].as_f64().unwrap() - 100.0).abs() < 1e-6, "{alert:#}");

    let shown = run(command(&["slo", "--url", &open, "--name", "documents-succeed"]));
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines[0].contains("budget left"), "{shown:#?}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let begin = ["documents-succeed", "bad", "workflow", "document", "99%", "in", "1h", "0.00%"];
    assert_eq!(words(lines[2])[..8], begin);
    assert!(lines[2].contains(" 100.00 ") && lines[2].contains(" breached "), "{shown:#?}");
    assert!(lines[3].contains(" healthy ") && lines[3].trim_end().ends_with("s ago"), "{shown:#?}");
    assert_eq!(
        lines[4],
        "page: documents-succeed of bad spends its budget 100.0 times as fast as allowed over 1h and 5m; the limit is 1.0"
    );
    assert_eq!(lines.len(), 5, "{shown:#?}");

    stop(server, Signal::TERM);
    assert_eq!(objectives(&["--data", &directory, "--service", "good"]).len(), 2);
    let stale = objectives(&["--data", &directory, "--service", "good", "--stale-after", "0"]);
    assert!(stale.iter().all(|one| one["is_stale"] == true), "{stale:#?}");
    let nobody = run(command(&["slo", "--data", &directory, "--name", "nobody"]));
    assert_eq!(nobody.stdout, "No such objective was told of in the last 24h.\n");
    run(command(&["slo", "--data", &directory, "--stale-after", "5"]))
        .assert_failed(&["parameter 'stale_after': \"5\" is no duration; write it as in 1.5s"]);
}
