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

/// Collects the names of tta-model's tables: what is neither dotted nor prefixed there is prose.
pub(super) fn known(crates: &[Crate]) -> BTreeSet<String> {
    let owner = crates.iter().filter(|member| member.name == OWNER);
    let tables =
        owner.flat_map(|member| &member.sources).filter(|source| source.path.starts_with(Path::new(TABLES)));
    let texts = tables.flat_map(|source| &source.facts).filter_map(|fact| match &fact.said {
        Said::Text(text) if is_name(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

/// Finds names written outside tta-model: known ones, and new ones in a known namespace.
pub(super) fn check(known: &BTreeSet<String>, crates: &[Crate]) -> Vec<Violation> {
    let namespaces: BTreeSet<&str> =
        known.iter().filter_map(|name| name.split_once('.')).map(|(first, _)| first).collect();
    let libraries: BTreeSet<String> = crates.iter().map(|member| member.name.replace('-', "_")).collect();
    let mut violations = Vec::new();
    for source in crates
        .iter()
        .filter(|member| !EXEMPT.contains(&member.name.as_str()))
        .flat_map(|member| &member.sources)
    {
        for fact in &source.facts {
            let Said::Text(text) = &fact.said else { continue };
            if known.contains(text) {
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
    text.starts_with("tta_") || text.split_once('.').is_some_and(|(first, _)| namespaces.contains(first))
}

/// Tells whether a text has the shape of a name: `primitive.execution.count`, `tta_requests_total`, or one
/// with holes to fill, `primitive.{}.execute`.
fn is_name(text: &str) -> bool {
    let is_word = |segment: &str| {
        !segment.is_empty()
            && segment.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_{}".contains(c))
    };
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
    starts_well && text.split('.').all(is_word) && (text.contains('.') || text.starts_with("tta_"))
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
        check("tta-primitives", "const A: &str = \"Cargo.toml\"; const B: &str = \"config.json\";", 0);
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
