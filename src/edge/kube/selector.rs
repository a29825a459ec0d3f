//! Which labels a selector selects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Labels, by name.
pub(super) type Labels = BTreeMap<String, String>;

/// Whether `selector` selects `labels`, as `policy/v1` and workloads have it: an empty selector selects
/// everything. An operator that is not known selects too, since whoever asks is looking for what forbids.
pub(super) fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let has_labels = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    has_labels
        && selector
            .match_expressions
            .iter()
            .flatten()
            .all(|expression| {
                let value = labels.get(&expression.key);
                let values = expression.values.as_deref().unwrap_or_default();
                match expression.operator.as_str() {
                    "In" => value.is_some_and(|value| values.contains(value)),
                    // What does not have the label at all is not in it either.
                    "NotIn" => value.is_none_or(|value| !values.contains(value)),
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => true,
                }
            })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn does(selector: serde_json::Value) -> bool {
        let labels = [("app", "cart"), ("tier", "web")];
        let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        selects(&serde_json::from_value(selector).unwrap(), &labels)
    }

    fn expression(key: &str, operator: &str, values: &[&str]) -> bool {
        does(json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}))
    }

    #[test]
    fn a_selector_selects_what_kubernetes_says_it_does() {
        assert!(does(json!({})));
        assert!(does(json!({"matchLabels": {}, "matchExpressions": []})));
        assert!(does(json!({"matchLabels": {"app": "cart"}})));
        assert!(!does(json!({"matchLabels": {"app": "cart", "tier": "db"}})));
        assert!(!does(json!({"matchLabels": {"zone": "a"}})));
        assert!(expression("app", "In", &["till", "cart"]));
        assert!(!expression("app", "In", &["till"]));
        assert!(!expression("zone", "In", &["a"]));
        assert!(expression("app", "NotIn", &["till"]));
        assert!(!expression("app", "NotIn", &["cart"]));
        assert!(expression("zone", "NotIn", &["a"]));
        assert!(expression("app", "Exists", &[]));
        assert!(!expression("zone", "Exists", &[]));
        assert!(expression("zone", "DoesNotExist", &[]));
        assert!(!expression("app", "DoesNotExist", &[]));
        assert!(!does(json!({
            "matchLabels": {"app": "cart"},
            "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]
        })));
    }
}
