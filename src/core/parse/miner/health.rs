//! Five signs that templates tell little about a stream, after Elastic's categorization status.

use super::Table;

/// Fewer records say nothing yet.
const RECORDS_MIN: u64 = 100;
/// One record in so many makes a template frequent.
const FREQUENT_SHARE: u64 = 100;

/// What is odd about a stream's templates. All `false` is healthy, and so is a stream of fewer
/// than 100 records.
///
/// Source: the Elasticsearch documentation of `categorization_status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// All records have one template.
    pub single_template: bool,
    /// More than nine templates in ten took one record only.
    pub mostly_rare: bool,
    /// There are more than half as many templates as records.
    pub too_many_templates: bool,
    /// No template took more than one record in a hundred.
    pub none_frequent: bool,
    /// More than half of the templates say what a wider one says too, so that no record will reach
    /// them.
    pub mostly_dead: bool,
}

impl Health {
    /// Whether nothing is odd.
    pub fn is_good(&self) -> bool {
        *self == Self::default()
    }

    /// The signs with their names, in the order Elastic gives them.
    pub fn signs(&self) -> [(&'static str, bool); 5] {
        [
            ("single_template", self.single_template),
            ("mostly_rare", self.mostly_rare),
            ("too_many_templates", self.too_many_templates),
            ("none_frequent", self.none_frequent),
            ("mostly_dead", self.mostly_dead),
        ]
    }
}

pub(super) fn health(table: &Table, records: u64, dead: usize) -> Health {
    let used = |entry: &&super::table::Entry| entry.template.count > 0;
    let templates = table.iter().map(|(_, entry)| entry).filter(used).count() as u64;
    if records < RECORDS_MIN || templates == 0 {
        return Health::default();
    }
    let rare = table
        .iter()
        .filter(|(_, entry)| entry.template.count == 1)
        .count() as u64;
    let frequent = |count: u64| count.saturating_mul(FREQUENT_SHARE) > records;
    Health {
        single_template: templates == 1,
        mostly_rare: rare * 10 > templates * 9,
        too_many_templates: templates * 2 > records,
        none_frequent: !table
            .iter()
            .any(|(_, entry)| frequent(entry.template.count)),
        mostly_dead: dead as u64 * 2 > templates,
    }
}
