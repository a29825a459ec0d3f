//! As much of JSON Schema as `docs/openapi.yaml` uses; any other keyword is a mistake.

use serde_json::Value;

/// What is wrong with `value` by `schema`, whose references lead into `document`.
pub(super) fn complaints(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "", &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        let mut fail = |ok: bool| {
            if !ok {
                found.push(format!("{place}: {value} is not {keyword} {rule}"));
            }
        };
        match keyword.as_str() {
            "$ref" => {
                let path = rule.as_str().unwrap().trim_start_matches('#');
                let schema = document
                    .pointer(path)
                    .unwrap_or_else(|| panic!("no {path}"));
                check(document, schema, value, place, found);
            }
            "type" => fail(listed(rule).iter().any(|kind| is(kind, value))),
            "enum" => fail(rule.as_array().unwrap().contains(value)),
            "const" => fail(rule == value),
            "minimum" => fail(value.as_f64().is_none_or(|it| it >= rule.as_f64().unwrap())),
            "pattern" => {
                let regex = regex::Regex::new(rule.as_str().unwrap()).unwrap();
                fail(value.as_str().is_none_or(|it| regex.is_match(it)));
            }
            "format" => {
                let is_time = |it: &str| it.parse::<jiff::Timestamp>().is_ok();
                fail(rule == "date-time" && value.as_str().is_none_or(is_time));
            }
            "anyOf" => {
                let mut any = rule.as_array().unwrap().iter();
                fail(any.any(|schema| complaints(document, schema, value).is_empty()));
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, rule, item, &format!("{place}/{at}"), found);
                }
            }
            "minItems" => {
                fail(
                    value
                        .as_array()
                        .is_none_or(|it| it.len() as u64 >= rule.as_u64().unwrap()),
                );
            }
            "maxItems" => {
                fail(
                    value
                        .as_array()
                        .is_none_or(|it| it.len() as u64 <= rule.as_u64().unwrap()),
                );
            }
            "required" => {
                let names = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|it| it.as_str().unwrap());
                for name in names {
                    fail(value.as_object().is_none_or(|it| it.contains_key(name)));
                }
            }
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(document, schema, value, &format!("{place}/{name}"), found);
                    }
                }
            }
            "additionalProperties" => {
                let named = schema.get("properties").and_then(Value::as_object);
                let is_named = |name: &String| named.is_some_and(|named| named.contains_key(name));
                let all = value.as_object().into_iter().flatten();
                let mut others = all.filter(|(name, _)| !is_named(name));
                match rule {
                    Value::Bool(allowed) => fail(*allowed || others.next().is_none()),
                    schema => others.for_each(|(name, value)| {
                        check(document, schema, value, &format!("{place}/{name}"), found);
                    }),
                }
            }
            "description" => {}
            other => panic!("{place}: the keyword {other} is not known"),
        }
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
