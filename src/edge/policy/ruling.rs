//! The body of OPA's answer → a decision.

use serde_json::{Map, Value};

use super::unique::Unique;
use crate::core::record::inert;
use crate::core::remedy::facts::Decision;
use crate::edge::outgoing::told;

/// Most reasons that are kept.
pub(super) const REASONS_MAX: usize = 16;
/// Longest id of a decision, in characters.
const ID_CHARS_MAX: usize = 128;

/// What `body` decides.
///
/// A policy that says no says no, whatever else is wrong with what it says. One that says yes has to say it
/// clearly: `allow` is `true`, and `require_approval` is a boolean where it is there. The reasons are for
/// people: what is no list of texts is left out of them, and they say so.
///
/// # Errors
/// There is no decision in it; why, in one sentence.
pub(super) fn read(body: &[u8]) -> Result<Decision, String> {
    let Unique(answer) = serde_json::from_slice(body).map_err(|error| {
        format!(
            "the policy's answer cannot be read: {}",
            told(&error.to_string())
        )
    })?;
    let Value::Object(answer) = answer else {
        return Err("the policy's answer is no JSON object: is its url one of OPA?".to_owned());
    };
    let result = answer.get("result").ok_or(
        "the policy gave no result: is the path in its url right, and does a rule of it cover this \
         action?",
    )?;
    let Value::Object(result) = result else {
        return Err(format!(
            "the policy's result is {}, not an object with allow: does its url lead to the rule that \
             makes the decision?",
            kind_of(result)
        ));
    };
    let mut decision = Decision {
        is_allowed: false,
        needs_approval: false,
        reasons: reasons(result),
        id: id(&answer),
    };
    match result.get("allow") {
        Some(Value::Bool(false)) => return Ok(decision),
        Some(Value::Bool(true)) => {}
        Some(other) => {
            return Err(format!(
                "the policy's allow is {}, neither true nor false",
                kind_of(other)
            ));
        }
        None => return Err("the policy's result has no allow".to_owned()),
    }
    match result.get("require_approval") {
        None => {}
        Some(Value::Bool(needs)) => decision.needs_approval = *needs,
        Some(other) => {
            return Err(format!(
                "the policy's require_approval is {}, neither true nor false",
                kind_of(other)
            ));
        }
    }
    decision.is_allowed = true;
    Ok(decision)
}

fn reasons(result: &Map<String, Value>) -> Vec<Box<str>> {
    let said = match result.get("reasons") {
        None => return Vec::new(),
        Some(Value::Array(said)) => said,
        Some(other) => {
            return vec![
                format!("(its reasons are {}, not a list of texts)", kind_of(other)).into(),
            ];
        }
    };
    let texts = said.iter().filter_map(Value::as_str);
    let mut kept: Vec<Box<str>> = texts.take(REASONS_MAX).map(|it| told(it).into()).collect();
    if kept.len() < said.len() {
        let missing = said.len() - kept.len();
        kept.push(format!("({missing} more that are too many or no texts)").into());
    }
    kept
}

/// The id under which OPA has written the decision down. One that is longer than any of its own is none.
fn id(answer: &Map<String, Value>) -> Option<Box<str>> {
    let id = answer.get("decision_id")?.as_str()?;
    let is_good = !id.is_empty() && id.chars().count() <= ID_CHARS_MAX;
    is_good.then(|| inert(id).into())
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(true) => "a bare true",
        Value::Bool(false) => "a bare false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
