//! Five signs that templates tell little about a log, after Elastic's categorization status.

/// Fewer records say nothing yet.
const RECORDS_MIN: u64 = 100;
/// One record in so many makes a template frequent.
const FREQUENT_SHARE: u64 = 100;

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

/// The five, in the order Elastic gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signs(pub(super) [Sign; 5]);

impl Signs {
    /// Of the counts of all templates. Nothing is odd about fewer than 100 records.
    pub(super) fn of(counts: &[u64], records: u64) -> Self {
        let templates = counts.len() as u64;
        let rare = counts.iter().filter(|count| **count == 1).count() as u64;
        let frequent = |count: &u64| count.saturating_mul(FREQUENT_SHARE) > records;
        let enough = records >= RECORDS_MIN && templates > 0;
        let sign = |name, odd, well, is_odd| Sign {
            name,
            odd,
            well,
            is_odd: enough && is_odd,
        };
        Self([
            sign(
                "single_template",
                "all lines have one template",
                "there are several templates",
                templates == 1,
            ),
            sign(
                "mostly_rare",
                "more than nine templates in ten took one line only",
                "most templates took several lines",
                rare * 10 > templates * 9,
            ),
            sign(
                "too_many_templates",
                "there are more than half as many templates as lines",
                "there are far fewer templates than lines",
                templates * 2 > records,
            ),
            sign(
                "none_frequent",
                "no template took more than one line in a hundred",
                "some templates are frequent",
                !counts.iter().any(frequent),
            ),
            // Templates that were merged into others are gone, so none is dead.
            sign(
                "mostly_dead",
                "more than half of the templates can take no line any more",
                "templates still take lines",
                false,
            ),
        ])
    }

    pub(super) fn odd(&self) -> impl Iterator<Item = &Sign> {
        self.0.iter().filter(|sign| sign.is_odd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(counts: &[u64]) -> Vec<&'static str> {
        let signs = Signs::of(counts, counts.iter().sum());
        signs.odd().map(|sign| sign.name).collect()
    }

    #[test]
    fn each_sign_shows_when_it_should() {
        assert_eq!(odd(&[500, 400, 3, 1]), Vec::<&str>::new());
        assert_eq!(odd(&[500]), ["single_template"]);
        assert_eq!(
            odd(&[vec![1; 100], vec![50]].concat()),
            ["mostly_rare", "too_many_templates"]
        );
        assert_eq!(odd(&[2; 300]), ["none_frequent"]);
        assert_eq!(odd(&[1; 99]), Vec::<&str>::new(), "too few lines to tell");
    }
}
