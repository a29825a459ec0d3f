//! What is told of the body of a request to those who may not read it: a template of pods has the values of
//! environment variables in it.

use serde_json::Value;

/// Most changes of a patch that are named.
const CHANGES_MAX: usize = 4;
/// Longest change that is named, in characters.
const CHANGE_CHARS_MAX: usize = 120;

/// How long `body` is, and of a JSON patch what it changes, without a value: `body of 84 bytes withheld: replace
/// /spec/template`.
pub fn withheld(body: &str) -> String {
    let length = body.len();
    let changes = changes(body);
    let named = changes.iter().take(CHANGES_MAX);
    let mut told: Vec<&str> = named.map(String::as_str).collect();
    if changes.len() > CHANGES_MAX {
        told.push("and more");
    }
    match told.is_empty() {
        true => format!("body of {length} bytes withheld"),
        false => format!("body of {length} bytes withheld: {}", told.join(", ")),
    }
}

/// What a JSON patch does where, without what only tests.
fn changes(body: &str) -> Vec<String> {
    let Ok(Value::Array(steps)) = serde_json::from_str(body) else {
        return Vec::new();
    };
    let change = |step: &Value| {
        let verb = step["op"].as_str().filter(|verb| *verb != "test")?;
        let change = format!("{verb} {}", step["path"].as_str()?);
        Some(change.chars().take(CHANGE_CHARS_MAX).collect())
    };
    steps.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_patch_changes_is_named_and_no_value_of_it() {
        let body = r#"[{"op":"test","path":"/metadata/uid","value":"u1"},
            {"op":"replace","path":"/spec/template","value":{"env":[{"name":"DB","value":"hunter2"}]}}]"#;
        let told = withheld(body);
        let length = body.len();
        assert_eq!(
            told,
            format!("body of {length} bytes withheld: replace /spec/template")
        );
    }

    #[test]
    fn what_is_no_patch_is_told_by_its_length_alone() {
        assert_eq!(withheld("token=hunter2"), "body of 13 bytes withheld");
        assert_eq!(withheld(r#"{"op":"add"}"#), "body of 12 bytes withheld");
        assert_eq!(withheld(r#"[7,{"op":1}]"#), "body of 12 bytes withheld");
    }

    #[test]
    fn what_is_told_has_a_bound() {
        let step = format!(r#"{{"op":"add","path":"/{}"}}"#, "x".repeat(5_000));
        let told = withheld(&format!("[{}]", vec![step; 100].join(",")));
        assert!(told.len() < 600 && told.ends_with("and more"), "{told}");
    }
}
