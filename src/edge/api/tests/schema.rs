//! As much of JSON Schema as `docs/openapi.yaml` uses; any other keyword is a mistake.

use serde_json::Value;

/// What is wrong with `value` by `schema`, whose references lead into `document`.
pub(super) fn complaints(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "", &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    // `true` takes anything, `false` nothing.
    if let Value::Bool(taken) = schema {
        if !taken {
            found.push(format!("{place}: {value} is not described"));
        }
        return;
    }
    for (keyword, rule) in schema.as_object().unwrap() {
        match holds(document, keyword, rule, value) {
            Some(true) => {}
            Some(false) => found.push(format!("{place}: {value} is not {keyword} {rule}")),
            None => {
                for (name, schema, value) in inner(document, schema, keyword, value) {
                    check(document, schema, value, &format!("{place}/{name}"), found);
                }
            }
        }
    }
}

/// Whether `value` keeps the rule; `None` where it is one for what is in it.
fn holds(document: &Value, keyword: &str, rule: &Value, value: &Value) -> Option<bool> {
    let count = value.as_array().map(|items| items.len() as u64);
    Some(match keyword {
        "$ref" | "items" | "properties" => return None,
        "additionalProperties" => return None,
        "description" => true,
        "type" => listed(rule).iter().any(|kind| is(kind, value)),
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "minimum" => value.as_f64().is_none_or(|it| it >= rule.as_f64().unwrap()),
        "minItems" => count.is_none_or(|count| count >= rule.as_u64().unwrap()),
        "maxItems" => count.is_none_or(|count| count <= rule.as_u64().unwrap()),
        "pattern" => {
            let regex = regex::Regex::new(rule.as_str().unwrap()).unwrap();
            value.as_str().is_none_or(|it| regex.is_match(it))
        }
        "format" => {
            let is_time = |it: &str| it.parse::<jiff::Timestamp>().is_ok();
            rule == "date-time" && value.as_str().is_none_or(is_time)
        }
        "anyOf" => {
            let mut any = rule.as_array().unwrap().iter();
            any.any(|schema| complaints(document, schema, value).is_empty())
        }
        "required" => value.as_object().is_none_or(|it| {
            let names = rule.as_array().unwrap();
            names
                .iter()
                .all(|name| it.contains_key(name.as_str().unwrap()))
        }),
        other => panic!("the keyword {other} is not known"),
    })
}

/// What is in `value` that `keyword` has a schema for, with its name.
fn inner<'a>(
    document: &'a Value,
    schema: &'a Value,
    keyword: &str,
    value: &'a Value,
) -> Vec<(String, &'a Value, &'a Value)> {
    let rule = &schema[keyword];
    let fields = value.as_object().into_iter().flatten();
    match keyword {
        "$ref" => {
            let path = rule.as_str().unwrap().trim_start_matches('#');
            let schema = document.pointer(path);
            let schema = schema.unwrap_or_else(|| panic!("there is no {path}"));
            vec![(String::new(), schema, value)]
        }
        "items" => {
            let items = value.as_array().into_iter().flatten().enumerate();
            items
                .map(|(at, item)| (at.to_string(), rule, item))
                .collect()
        }
        "properties" => fields
            .filter_map(|(name, value)| Some((name.clone(), rule.get(name)?, value)))
            .collect(),
        _ => fields
            .filter(|(name, _)| schema["properties"].get(name.as_str()).is_none())
            .map(|(name, value)| (name.clone(), rule, value))
            .collect(),
    }
}

fn listed(rule: &Value) -> Vec<&str> {
    match rule {
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        kind => vec![kind.as_str().unwrap()],
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known"),
    }
}
