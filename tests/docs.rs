//! What docs/remediation.md shows is what there is.
#![cfg(feature = "daemon")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its input has failed"
)]

use knothole::core::remedy::check::{AFTER, BEFORE};
use knothole::daemon::config::from_text;

const DOCS: &str = include_str!("../docs/remediation.md");

#[test]
fn the_input_of_a_policy_is_as_the_code_says() {
    let code = include_str!("../src/core/remedy/policy.rs");
    let rows = code.lines().filter_map(|line| line.strip_prefix("/// "));
    let rows: Vec<&str> = rows.filter(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 20, "{rows:?}");
    let table = rows.join("\n");
    assert!(
        DOCS.contains(&table),
        "docs/remediation.md has not:\n{table}"
    );
}

#[test]
fn the_table_of_checks_is_that_of_the_code() {
    let (_, section) = DOCS.split_once("## Checks\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let told: Vec<(String, bool)> = rows
        .map(|row| {
            let (name, rest) = row.split_once('`').unwrap();
            (name.to_owned(), rest.starts_with(" !"))
        })
        .collect();
    let all = BEFORE.iter().chain(AFTER);
    let there: Vec<(String, bool)> = all
        .map(|check| (check.name.to_owned(), check.is_final))
        .collect();
    assert_eq!(told, there);
}

#[test]
fn the_settings_are_taken_as_they_stand() {
    let blocks = DOCS.split("```yaml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split_once("```").unwrap().0);
    let settings: Vec<&str> = blocks.filter(|it| it.contains("remediation:")).collect();
    assert!(settings.len() >= 5, "{settings:?}");
    for text in settings {
        let read = from_text("docs/remediation.md", text, &[]);
        assert!(read.is_ok(), "{text}\n{}", read.unwrap_err());
    }
}
