//! Whatever somebody does to the file with another tool.

use proptest::prelude::*;
use rusqlite::types::Value;

use super::*;

/// Something that somebody does to the file.
#[derive(Clone, Debug)]
enum Deed {
    Body(i64, Vec<u8>),
    At(i64, i64),
    Delete(i64),
    Swap(i64, i64),
    Insert(i64, i64),
    CutEnd(i64),
    CutBeginning(i64),
    Hash(i64, u8),
    Previous(i64, u8),
    Rehash(i64),
    Renumber(i64, i64),
    End(bool, i64, u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let place = || 1..=12_i64;
    prop_oneof![
        (place(), proptest::collection::vec(any::<u8>(), 0..3))
            .prop_map(|(at, it)| Deed::Body(at, it)),
        (place(), -2..3_i64).prop_map(|(place, by)| Deed::At(place, by)),
        place().prop_map(Deed::Delete),
        (place(), place()).prop_map(|(one, other)| Deed::Swap(one, other)),
        (0..20_i64, place()).prop_map(|(to, like)| Deed::Insert(to, like)),
        place().prop_map(Deed::CutEnd),
        place().prop_map(Deed::CutBeginning),
        (place(), any::<u8>()).prop_map(|(place, byte)| Deed::Hash(place, byte)),
        (place(), any::<u8>()).prop_map(|(place, byte)| Deed::Previous(place, byte)),
        place().prop_map(Deed::Rehash),
        (place(), 0..20_i64).prop_map(|(from, to)| Deed::Renumber(from, to)),
        (any::<bool>(), -1..2_i64, any::<u8>())
            .prop_map(|(head, by, byte)| Deed::End(head, by, byte)),
    ]
}

impl Deed {
    /// What cannot be done is left.
    fn do_to(&self, root: &Path) {
        let connection = other_tool(root);
        let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
            let _ = connection.execute(sql, values);
        };
        let bytes = |byte: u8| vec![byte; 32];
        match self {
            Self::Body(at, body) => {
                run("UPDATE audit SET body = ?2 WHERE number = ?1", &[at, body])
            }
            Self::At(place, by) => run(
                "UPDATE audit SET at = at + ?2 WHERE number = ?1",
                &[place, by],
            ),
            Self::Delete(place) => run("DELETE FROM audit WHERE number = ?1", &[place]),
            Self::Swap(one, other) => {
                run("UPDATE audit SET number = 99 WHERE number = ?1", &[one]);
                run(
                    "UPDATE audit SET number = ?2 WHERE number = ?1",
                    &[other, one],
                );
                run("UPDATE audit SET number = ?1 WHERE number = 99", &[other]);
            }
            Self::Insert(to, like) => run(
                "INSERT INTO audit SELECT ?1, at, body, previous, hash FROM audit WHERE number = ?2",
                &[to, like],
            ),
            Self::CutEnd(from) => run("DELETE FROM audit WHERE number > ?1", &[from]),
            Self::CutBeginning(to) => run("DELETE FROM audit WHERE number < ?1", &[to]),
            Self::Hash(at, it) => run(
                "UPDATE audit SET hash = ?2 WHERE number = ?1",
                &[at, &bytes(*it)],
            ),
            Self::Previous(at, it) => run(
                "UPDATE audit SET previous = ?2 WHERE number = ?1",
                &[at, &bytes(*it)],
            ),
            Self::Rehash(place) => rehash(root, *place, *place),
            Self::Renumber(from, to) => run(
                "UPDATE audit SET number = ?2 WHERE number = ?1",
                &[from, to],
            ),
            Self::End(head, by, byte) => {
                let name = if *head { "head" } else { "anchor" };
                match by {
                    0 => run(
                        "UPDATE audit_end SET hash = ?2 WHERE name = ?1",
                        &[&name, &bytes(*byte)],
                    ),
                    by => run(
                        "UPDATE audit_end SET number = number + ?2 WHERE name = ?1",
                        &[&name, by],
                    ),
                }
            }
        }
    }
}

/// All that is kept of the audit.
fn all(root: &Path) -> Vec<Vec<Value>> {
    let connection = other_tool(root);
    let read = |sql: &str, columns: usize| -> Vec<Vec<Value>> {
        let mut select = connection.prepare(sql).unwrap();
        let row = |row: &Row<'_>| (0..columns).map(|at| row.get(at)).collect();
        let rows = select.query_map([], row).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut all = read(
        "SELECT number, at, body, previous, hash FROM audit ORDER BY number",
        5,
    );
    all.extend(read(
        "SELECT name, number, hash FROM audit_end ORDER BY name",
        3,
    ));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_changed_in_the_file_is_found(deeds in proptest::collection::vec(deed(), 1..4), may_go in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let control = open_small(folder.path(), if may_go { 8 } else { 100 });
        add(&control, 1..=12);
        let before = all(folder.path());
        for deed in &deeds {
            deed.do_to(folder.path());
        }
        let is_as_before = all(folder.path()) == before;
        let report = control.verify_audit(None).unwrap();
        prop_assert_eq!(report.is_whole(), is_as_before, "{:?}: {:?}", deeds, report);
        // Nor does going on make it good, where the oldest stay.
        add(&control, [13]);
        let is_whole = control.verify_audit(None).unwrap().is_whole();
        prop_assert!(is_whole == is_as_before || may_go);
    }
}
