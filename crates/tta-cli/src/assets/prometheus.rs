//! The configuration of a Prometheus that scrapes a program on the same machine.

use serde::Serialize;
use tta::config::Config;

/// The job of the scrapes: the label `job` of every series.
const JOB: &str = "tta-primitives";
/// How often metrics are scraped and rules evaluated: often enough to watch a demo.
const INTERVAL: &str = "5s";

/// The file `prometheus.yml`.
#[derive(Debug, Serialize)]
pub(super) struct PrometheusConfig {
    global: Global,
    rule_files: Vec<&'static str>,
    scrape_configs: Vec<Scrape>,
}

#[derive(Debug, Serialize)]
struct Global {
    evaluation_interval: &'static str,
}

#[derive(Debug, Serialize)]
struct Scrape {
    job_name: &'static str,
    scrape_interval: &'static str,
    static_configs: Vec<Targets>,
}

#[derive(Debug, Serialize)]
struct Targets {
    targets: Vec<String>,
}

/// The configuration: all rules of the folder, and the address at which a program shows its metrics by default.
pub(super) fn config() -> PrometheusConfig {
    let address = Config::default().metrics.address;
    PrometheusConfig {
        global: Global { evaluation_interval: INTERVAL },
        // Relative to the file itself.
        rule_files: vec!["rules/*.yml"],
        scrape_configs: vec![Scrape {
            job_name: JOB,
            scrape_interval: INTERVAL,
            static_configs: vec![Targets { targets: vec![address.to_string()] }],
        }],
    }
}
