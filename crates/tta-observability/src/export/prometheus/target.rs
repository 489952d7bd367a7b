//! The resource as Prometheus sees it: the labels of `target_info`.

use std::collections::BTreeMap;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use tta_model::name::metric::prometheus_label;

use crate::resource::Resource;

/// The attributes of the process as labels, in the order of their names.
#[derive(Clone, Debug)]
pub(super) struct Target(BTreeMap<String, String>);

impl Target {
    pub(super) fn new(resource: &Resource) -> Self {
        let mut attributes: Vec<_> =
            resource.attributes().iter().map(|(key, value)| (key.as_ref(), value.to_string())).collect();
        attributes.sort();
        let mut labels = BTreeMap::new();
        for (key, value) in attributes {
            // OpenTelemetry's rule for keys that become the same label: no value is lost.
            let shown = labels.entry(label(key)).or_insert_with(String::new);
            if !shown.is_empty() {
                shown.push(';');
            }
            shown.push_str(&value);
        }
        Self(labels)
    }
}

impl EncodeLabelSet for Target {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0
            .iter()
            .try_for_each(|(key, value)| (key.as_str(), value.as_str()).encode(encoder.encode_label()))
    }
}

/// The label of an attribute that anybody may have named: it begins with a letter, since a digit is not allowed and
/// what begins with `__` belongs to Prometheus.
fn label(key: &str) -> String {
    let label = prometheus_label(key);
    match label.as_bytes().first() {
        Some(first) if first.is_ascii_alphabetic() => label,
        Some(b'_') => format!("key{label}"),
        _ => format!("key_{label}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_label_begins_with_a_letter() {
        let check = |key: &str, expected: &str| assert_eq!(label(key), expected);
        check("service.name", "service_name");
        check("9lives", "key_9lives");
        check("_hidden", "key_hidden");
        check("__name__", "key__name__");
        check("größe", "gr__e");
        check("", "key_");
    }

    #[test]
    fn keys_that_become_one_label_keep_both_values() {
        let mut resource = Resource::detect(&Config::default());
        resource.set("team_name".into(), "late");
        resource.set("team.name".into(), "early");
        let target = Target::new(&resource);
        assert_eq!(target.0["team_name"], "early;late");
        assert_eq!(target.0["service_name"], "tta-workflow-engine");
    }
}
