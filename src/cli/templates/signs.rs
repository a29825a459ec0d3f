//! Five signs that templates tell little about a log, in words.

use crate::core::parse::Health;

/// A sign, and whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    /// The name used in `--json`.
    pub(super) name: &'static str,
    /// What is odd where it is there.
    pub(super) odd: &'static str,
    /// What is well where it is not.
    pub(super) well: &'static str,
    pub(super) is_odd: bool,
}

/// What each sign says, in the order of [`Health::signs`].
const WORDS: [(&str, &str); 5] = [
    ("all lines have one template", "there are several templates"),
    (
        "more than nine templates in ten took one line only",
        "most templates took several lines",
    ),
    (
        "there are more than half as many templates as lines",
        "there are far fewer templates than lines",
    ),
    (
        "no template took more than one line in a hundred",
        "some templates are frequent",
    ),
    (
        "more than half of the templates can take no line any more",
        "templates still take lines",
    ),
];

/// The signs, in the order Elastic gives them.
pub(super) fn signs(health: &Health) -> Vec<Sign> {
    let signs = health.signs().into_iter().zip(WORDS);
    let sign = |((name, is_odd), (odd, well))| Sign {
        name,
        odd,
        well,
        is_odd,
    };
    signs.map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sign_is_told_in_its_own_words() {
        let mut health = Health::default();
        assert!(signs(&health).iter().all(|sign| !sign.is_odd));
        health.single_template = true;
        health.none_frequent = true;
        let odd: Vec<_> = signs(&health)
            .into_iter()
            .filter(|sign| sign.is_odd)
            .collect();
        assert_eq!(odd[0].odd, "all lines have one template");
        assert_eq!((odd[1].name, odd[1].odd), ("none_frequent", WORDS[3].0));
        assert_eq!(odd.len(), 2);
    }
}
