//! Every name of a span, attribute, metric and event is written in tta-model and nowhere else.
//!
//! Dashboards, rules and queries are made from tta-model's tables. A name written a second time, or beside
//! them, is a panel without data.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Crate, Violation};
use crate::source::Said;

/// The crate that owns the names, and the folder of its tables.
const OWNER: &str = "tta-model";
const TABLES: &str = "crates/tta-model/src/name";

/// Crates whose strings are not names: this tool speaks about names.
const EXEMPT: &[&str] = &[OWNER, "xtask"];

/// The table whose names are plain words with underscores; in the other tables such words are values.
const LOG_TABLE: &str = "crates/tta-model/src/name/log.rs";

/// The only crate that logs; elsewhere a word such as `budget_exceeded` is a kind of error.
const RECORDER: &str = "tta-observability";

/// Endings that make a dotted word a file, whatever it begins with.
const FILE_ENDINGS: &[&str] =
    &["css", "db", "html", "js", "json", "jsonl", "md", "rs", "sqlite", "svg", "toml", "txt", "yaml", "yml"];

/// Collects the names of tta-model's tables; what does not have the shape of a name is prose there.
pub(super) fn known(crates: &[Crate]) -> BTreeSet<String> {
    let owner = crates.iter().filter(|member| member.name == OWNER);
    let tables = owner.flat_map(|member| &member.sources).filter(|source| source.path.starts_with(TABLES));
    let mut known = BTreeSet::new();
    for table in tables {
        let is_log = table.path == Path::new(LOG_TABLE);
        known.extend(table.facts.iter().filter_map(|fact| match &fact.said {
            Said::Text(text) if is_name(text) || (is_log && is_log_name(text)) => Some(text.clone()),
            _ => None,
        }));
    }
    known
}

/// Finds names written outside tta-model: known ones, and new ones in a known namespace.
pub(super) fn check(known: &BTreeSet<String>, crates: &[Crate]) -> Vec<Violation> {
    let namespaces: BTreeSet<&str> =
        known.iter().filter_map(|name| name.split_once('.')).map(|(first, _)| first).collect();
    let libraries: BTreeSet<String> = crates.iter().map(|member| member.name.replace('-', "_")).collect();
    let checked = crates.iter().filter(|member| !EXEMPT.contains(&member.name.as_str()));
    let mut violations = Vec::new();
    for (member, source) in
        checked.flat_map(|member| member.sources.iter().map(move |source| (member, source)))
    {
        for fact in &source.facts {
            let Said::Text(text) = &fact.said else { continue };
            let is_known = known.contains(text) && (is_name(text) || member.name == RECORDER);
            if is_known {
                let message = format!("the name \"{text}\" is written out; take it from tta_model::name");
                violations.push(Violation::new(&source.path, fact.line, message));
            } else if is_name(text) && is_claimed(text, &namespaces) && !libraries.contains(text) {
                let message =
                    format!("\"{text}\" looks like a name that tta_model::name does not have; add it there");
                violations.push(Violation::new(&source.path, fact.line, message));
            }
        }
    }
    violations
}

fn is_claimed(text: &str, namespaces: &BTreeSet<&str>) -> bool {
    let is_file = text.rsplit_once('.').is_some_and(|(_, ending)| FILE_ENDINGS.contains(&ending));
    if is_file {
        return false;
    }
    text.starts_with("tta_") || text.split_once('.').is_some_and(|(first, _)| namespaces.contains(first))
}

/// Tells whether a text has the shape of a name: `primitive.execution.count`, `tta_requests_total`, or one
/// with holes to fill, `primitive.{}.execute`.
fn is_name(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
    starts_well && text.split('.').all(is_word) && (text.contains('.') || text.starts_with("tta_"))
}

/// Tells whether a text has the shape of a log event's name: `retry_attempt_failed`.
fn is_log_name(text: &str) -> bool {
    text.contains('_') && is_word(text)
}

fn is_word(segment: &str) -> bool {
    let may_stand = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_{}".contains(c);
    !segment.is_empty() && segment.chars().all(may_stand)
}

#[cfg(test)]
mod tests {
    use super::{Crate, is_name, known};
    use crate::walls::tests::planted;

    fn tables() -> Vec<Crate> {
        let text = "pub const A: Attribute = Attribute { key: \"cache.hit\", meaning: \"Whether it was there. Or not.\" };
            metrics! { REQUESTS = \"tta_requests_total\" }";
        planted("tta-model", "name/attribute.rs", text)
    }

    fn check(crate_name: &str, text: &str, violations: usize) {
        let mut crates = tables();
        let known = known(&crates);
        crates.extend(planted(crate_name, "cache.rs", text));
        assert_eq!(super::check(&known, &crates).len(), violations, "{text}");
    }

    #[test]
    fn reads_the_tables_and_not_their_prose() {
        let names: Vec<String> = known(&tables()).into_iter().collect();
        assert_eq!(names, ["cache.hit", "tta_requests_total"]);
    }

    #[test]
    fn names_of_log_events_have_no_dot() {
        let table =
            |file: &str| planted("tta-model", file, "logs! { A = \"retry_exhausted\": \"No more.\" }");
        assert_eq!(known(&table("name/log.rs")).len(), 1);
        assert_eq!(known(&table("name/attribute.rs")).len(), 0);
        let written = |crate_name: &str| {
            let text = "const A: &str = \"retry_exhausted\";";
            super::check(&known(&table("name/log.rs")), &planted(crate_name, "error.rs", text)).len()
        };
        assert_eq!((written("tta-observability"), written("tta-primitives")), (1, 0));
    }

    #[test]
    fn a_name_written_out_is_found() {
        check("tta-primitives", "const A: &str = \"cache.hit\";", 1);
        check("tta-observability", "fn f() { g!(\"tta_requests_total\") }", 1);
        check("tta-observability", "#[serde(rename = \"cache.hit\")] struct A;", 1);
    }

    #[test]
    fn a_new_name_in_a_known_namespace_is_found() {
        check("tta-primitives", "const A: &str = \"cache.miss\";", 1);
        check("tta-primitives", "fn f() { format!(\"cache.{backend}.lookup\") }", 1);
        check("tta-primitives", "const A: &str = \"tta_misses_total\";", 1);
    }

    #[test]
    fn tests_prose_and_other_dotted_words_stand() {
        check("tta-primitives", "#[cfg(test)] mod tests { const A: &str = \"cache.hit\"; }", 0);
        check("tta-primitives", "/// Sets \"cache.hit\".\nfn f() {} // \"cache.hit\"", 0);
        check("tta-primitives", "const A: &str = \"Cargo.toml\"; const B: &str = \"cache.json\";", 0);
        check("tta-primitives", "const A: &str = \"tta_primitives\";", 0);
        check("xtask", "const A: &str = \"cache.hit\";", 0);
    }

    #[test]
    fn a_sentence_is_not_a_name() {
        assert!(!is_name("hit."));
        assert!(!is_name("cache. Hit"));
        assert!(!is_name(".hit"));
        assert!(is_name("gen_ai.client.token.usage"));
    }
}
