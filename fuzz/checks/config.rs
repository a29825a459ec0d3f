//! Any text, as the settings, as settings below a variable of the environment, or as templates by hand:
//! it is read or refused, the complaints are bounded and safe to print, and what is taken is taken again
//! and means the same, also when it is written anew.

use std::fmt::Debug;

use knothole::daemon::config::{
    ENVIRONMENT, Override, PROBLEMS_MAX, Problems, from_text, hand_from_text,
};

pub(crate) fn check(input: &[u8]) {
    let Some((&how, text)) = input.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    // What the settings name is opened, and a device may have no end.
    if text.contains("/dev") || text.contains("/proc") {
        return;
    }
    match how % 3 {
        0 => holds(&text, |text| from_text("x", text, &[])),
        1 => holds(&text, |text| hand_from_text("x", text)),
        _ => {
            let (value, text) = text.split_once('\n').unwrap_or((&text, ""));
            let (name, path) = ENVIRONMENT[usize::from(how / 3) % ENVIRONMENT.len()];
            let given = [Override::flag(name, path, value)];
            holds(text, |text| from_text("x", text, &given));
        }
    }
}

fn holds<T: Debug>(text: &str, read: impl Fn(&str) -> Result<T, Problems>) {
    let meaning = |text: &str| read(text).map(|read| format!("{read:?}"));
    match meaning(text) {
        Ok(first) => {
            for text in [Some(text.to_owned()), written_anew(text)].iter().flatten() {
                let again = meaning(text).map_err(|problems| problems.to_string());
                assert_eq!(again.as_ref(), Ok(&first), "{text}");
            }
        }
        Err(problems) => told(&problems),
    }
}

fn told(problems: &Problems) {
    let shown = problems.to_string();
    assert!((1..=PROBLEMS_MAX).contains(&problems.list().len()));
    // Each has a message, its setting and a line of the file with a mark below it.
    assert!(
        shown.chars().count() <= 100 + 2_000 * problems.list().len(),
        "{shown}"
    );
    assert!(
        !shown.contains(|c: char| c.is_control() && c != '\n'),
        "{shown:?}"
    );
    assert!(
        problems
            .list()
            .iter()
            .all(|problem| !problem.message.is_empty())
    );
    assert!(problems.to_json().to_string().len() <= 100 + 12_000 * problems.list().len());
}

/// The same as JSON, which is YAML too. What has a null may have had a number that JSON has not.
fn written_anew(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_saphyr::from_str(text).ok()?;
    let json = value.to_string();
    (!json.contains("null")).then_some(json)
}
