mod property;

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::super::{ControlSettings, Filing};
use super::*;

fn open(root: &Path) -> Control {
    Control::open(root, ControlSettings::default()).unwrap()
}

/// One that keeps at most so many entries, and does not wait for the disk.
fn open_small(root: &Path, audit_max: usize) -> Control {
    let settings = ControlSettings {
        audit_max,
        ..ControlSettings::default()
    };
    let control = Control::open(root, settings).unwrap();
    let connection = control.connection();
    connection
        .pragma_update(None, "synchronous", "off")
        .unwrap();
    drop(connection);
    control
}

/// Another tool, on the file that is used.
fn other_tool(root: &Path) -> Connection {
    let connection = Connection::open(root.join("control.db")).unwrap();
    connection
        .pragma_update(None, "synchronous", "off")
        .unwrap();
    connection
}

fn entry(nth: u64) -> Filing {
    Filing::Audit {
        at: Timestamp::from_millis(1_000 + nth),
        body: format!("what was done {nth}").into_bytes(),
    }
}

fn add(control: &Control, nth: impl IntoIterator<Item = u64>) -> Vec<AuditMark> {
    let filings: Vec<Filing> = nth.into_iter().map(entry).collect();
    control.tell(&[], &[], &filings).unwrap().audited
}

/// Somebody with another tool.
fn tamper(root: &Path, sql: &str) {
    other_tool(root).execute_batch(sql).unwrap();
}

fn faults(control: &Control) -> Vec<AuditFault> {
    control.verify_audit(None).unwrap().faults
}

/// What is found after `sql` was done to ten entries.
fn found_after(sql: &str) -> Vec<AuditFault> {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    add(&control, 1..=10);
    tamper(folder.path(), sql);
    faults(&control)
}

#[test]
fn entries_are_numbered_without_gaps_and_each_has_the_hash_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    let mut marks = add(&control, [1, 2]);
    drop(control);
    let control = open(folder.path());
    marks.extend(add(&control, [3]));
    let numbers: Vec<u64> = marks.iter().map(|mark| mark.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    // As the documentation says, with nothing of the code above.
    let mut previous = vec![0; 32];
    for (number, mark) in (1_u64..).zip(&marks) {
        let at = (1_000 + number) * 1_000_000;
        let body = format!("what was done {number}");
        let (number, at) = (number.to_le_bytes(), at.to_le_bytes());
        let mut bytes = Vec::new();
        for part in [
            b"knothole audit v1",
            &previous[..],
            &number,
            &at,
            body.as_bytes(),
        ] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        previous = Sha256::digest(&bytes).to_vec();
        assert_eq!(mark.hash.0.to_vec(), previous);
    }
    let report = control.verify_audit(None).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.entries, report.head), (3, Some(marks[2])));
    let newest = control.audit_newest(None, 2).unwrap();
    assert_eq!([newest[0].number, newest[1].number], [3, 2]);
    assert_eq!(control.audit_newest(Some(2), 9).unwrap()[0].number, 1);
    let after = control.audit_after(1, 9).unwrap();
    assert_eq!((after.len(), after[0].number), (2, 2));
    assert_eq!(
        (after[0].hash, &after[0].body[..]),
        (marks[1].hash, &b"what was done 2"[..])
    );
}

#[test]
fn an_entry_is_there_with_the_rest_of_its_turn_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    add(&control, [1]);
    tamper(
        folder.path(),
        "CREATE TRIGGER full BEFORE INSERT ON told BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    let event = super::super::ToldEvent {
        id: "a".into(),
        at: Timestamp::from_millis(1),
    };
    let refused = control.tell(std::slice::from_ref(&event), &[], &[entry(2)]);
    assert!(refused.is_err());
    assert_eq!(control.audit_after(0, 9).unwrap().len(), 1);
    tamper(folder.path(), "DROP TRIGGER full");
    let written = control.tell(&[event], &[], &[entry(2)]).unwrap();
    assert_eq!(written.audited[0].number, 2, "no number is used up");
    assert_eq!(faults(&control), []);
}

#[test]
fn the_oldest_go_and_leave_their_last_hash() {
    let folder = tempfile::tempdir().unwrap();
    let control = open_small(folder.path(), 200);
    let marks = add(&control, 1..=200);
    assert_eq!(control.verify_audit(None).unwrap().entries, 200);
    add(&control, [201]);
    let report = control.verify_audit(None).unwrap();
    // Two go at once.
    assert_eq!(report.entries, 199);
    assert_eq!(report.anchor, Some(marks[1]));
    assert!(report.is_whole(), "{report:?}");
    add(&control, 202..=1_000);
    assert!(control.verify_audit(None).unwrap().is_whole());
    assert!(control.audit_after(0, 999).unwrap().len() <= 200);
}

#[test]
fn every_broken_place_is_named_for_what_it_is() {
    use AuditFault::*;
    let swap = "UPDATE audit SET number = 99 WHERE number = 4;
        UPDATE audit SET number = 4 WHERE number = 7; UPDATE audit SET number = 7 WHERE number = 99;";
    let zero = "x'0000000000000000000000000000000000000000000000000000000000000000'";
    for (sql, expected) in [
        ("SELECT 1", vec![]),
        ("UPDATE audit SET body = x'00' WHERE number = 4", vec![Edited { number: 4 }]),
        ("UPDATE audit SET at = at + 1 WHERE number = 10", vec![Edited { number: 10 }]),
        (
            &format!("UPDATE audit SET hash = {zero} WHERE number = 4"),
            vec![Edited { number: 4 }],
        ),
        (
            "UPDATE audit SET hash = previous WHERE number = 4",
            vec![Edited { number: 4 }],
        ),
        ("DELETE FROM audit WHERE number = 5", vec![Missing { from: 5, to: 5 }]),
        (
            "DELETE FROM audit WHERE number IN (4, 5, 8)",
            vec![Missing { from: 4, to: 5 }, Missing { from: 8, to: 8 }],
        ),
        ("DELETE FROM audit WHERE number < 3", vec![BeginningCut { from: 1, to: 2 }]),
        ("DELETE FROM audit WHERE number > 8", vec![EndCut { from: 9, to: 10 }]),
        ("DELETE FROM audit", vec![EndCut { from: 1, to: 10 }]),
        (swap, vec![Moved { number: 4, was: 7 }, Moved { number: 7, was: 4 }]),
        (
            "UPDATE audit SET number = number + 1 WHERE number = 10",
            vec![EndCut { from: 10, to: 10 }, Moved { number: 11, was: 10 }],
        ),
        (
            "INSERT INTO audit SELECT 11, at, body, previous, hash FROM audit WHERE number = 3",
            vec![Inserted { number: 11 }],
        ),
        (
            "INSERT INTO audit VALUES (11, 5, x'00', x'01', x'02')",
            vec![Inserted { number: 11 }],
        ),
        ("DELETE FROM audit_end WHERE name = 'head'", vec![HeadGone]),
        ("DELETE FROM audit_end", vec![AnchorGone, HeadGone]),
        ("DELETE FROM audit; DELETE FROM audit_end", vec![AnchorGone, HeadGone]),
        (
            "UPDATE audit_end SET hash = (SELECT hash FROM audit WHERE number = 9) WHERE name = 'head'",
            vec![HeadDiffers { number: 10 }],
        ),
        (
            "UPDATE audit_end SET (number, hash) = (SELECT number, hash FROM audit WHERE number = 9)
                WHERE name = 'head'",
            vec![Inserted { number: 10 }],
        ),
        (
            // The way in which the oldest go, when there is room for them still.
            "UPDATE audit_end SET (number, hash) = (SELECT number, hash FROM audit WHERE number = 2)
                WHERE name = 'anchor'; DELETE FROM audit WHERE number <= 2",
            vec![BeginningCut { from: 1, to: 2 }],
        ),
    ] {
        assert_eq!(found_after(sql), expected, "{sql}");
    }
}

/// Writes the hashes of the entries from `from` to `to` anew, each after what lies before it.
fn rehash(root: &Path, from: i64, to: i64) {
    let connection = other_tool(root);
    for number in from..=to {
        let hash_of = |number: i64| -> Option<Vec<u8>> {
            let sql = "SELECT hash FROM audit WHERE number = ?1";
            let read = connection.query_row(sql, [number], |row| row.get(0));
            read.optional().unwrap()
        };
        let sql = "SELECT at, body FROM audit WHERE number = ?1";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let row = connection.query_row(sql, [number], read).optional();
        let Some((at, body)): Option<(i64, Vec<u8>)> = row.unwrap() else {
            continue;
        };
        let previous = hash_of(number - 1).unwrap_or(AuditHash::ZERO.0.to_vec());
        let hash = AuditHash::of(&previous, number, at, &body);
        let sql = "UPDATE audit SET previous = ?1, hash = ?2 WHERE number = ?3";
        let values = params![previous, hash.0, number];
        connection.execute(sql, values).unwrap();
    }
}

#[test]
fn an_entry_that_is_written_anew_with_its_hash_does_not_fit_the_next() {
    for (from, to, expected) in [
        (4, 4, AuditFault::Unlinked { number: 5 }),
        (4, 9, AuditFault::Unlinked { number: 10 }),
        (10, 10, AuditFault::HeadDiffers { number: 10 }),
        (4, 10, AuditFault::HeadDiffers { number: 10 }),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let control = open(folder.path());
        add(&control, 1..=10);
        let sql = format!("UPDATE audit SET body = x'00' WHERE number = {from}");
        tamper(folder.path(), &sql);
        rehash(folder.path(), from, to);
        assert_eq!(faults(&control), [expected], "{from} to {to}");
    }
}

#[test]
fn a_chain_that_is_written_anew_as_a_whole_shows_by_a_head_from_elsewhere_alone() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    let marks = add(&control, 1..=10);
    let sql = "UPDATE audit SET body = x'00' WHERE number = 4";
    tamper(folder.path(), sql);
    rehash(folder.path(), 4, 10);
    let sql = "UPDATE audit_end SET hash = (SELECT hash FROM audit WHERE number = 10)
        WHERE name = 'head'";
    tamper(folder.path(), sql);
    let with = |known: AuditMark| control.verify_audit(Some(known)).unwrap().faults;
    assert_eq!(faults(&control), []);
    assert_eq!(with(marks[2]), [], "it was so until then");
    for known in [marks[3], marks[9]] {
        let number = known.number;
        assert_eq!(with(known), [AuditFault::KnownDiffers { number }]);
    }
    // Cut off with the head: what is known is not there any more.
    let sql = "DELETE FROM audit WHERE number > 8; UPDATE audit_end SET (number, hash) =
        (SELECT number, hash FROM audit WHERE number = 8) WHERE name = 'head'";
    tamper(folder.path(), sql);
    assert_eq!(faults(&control), []);
    assert_eq!(with(marks[9]), [AuditFault::EndCut { from: 9, to: 10 }]);
}

#[test]
fn a_head_that_is_too_old_to_be_compared_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let control = open_small(folder.path(), 5);
    let marks = add(&control, 1..=8);
    let with = |known: AuditMark| control.verify_audit(Some(known)).unwrap().faults;
    assert_eq!(with(marks[1]), [AuditFault::KnownGone { number: 2 }]);
    assert_eq!(with(marks[2]), [], "the last that went");
    let hash = marks[0].hash;
    let wrong = AuditMark { number: 3, hash };
    assert_eq!(with(wrong), [AuditFault::KnownDiffers { number: 3 }]);
}

#[test]
fn no_later_entry_and_no_start_heals_a_break() {
    let none = "x'0000000000000000000000000000000000000000000000000000000000000000'";
    for sql in [
        "UPDATE audit SET body = x'00' WHERE number = 10",
        "DELETE FROM audit WHERE number = 4",
        "DELETE FROM audit WHERE number < 4",
        "DELETE FROM audit WHERE number > 6",
        "DELETE FROM audit",
        "DELETE FROM audit_end WHERE name = 'head'",
        "DELETE FROM audit_end",
        "DELETE FROM audit; DELETE FROM audit_end",
        "DELETE FROM audit WHERE number > 6; DELETE FROM audit_end WHERE name = 'head'",
        "DELETE FROM audit; DELETE FROM audit_end WHERE name = 'head'",
        "UPDATE audit_end SET number = 7 WHERE name = 'head'",
        "UPDATE audit_end SET number = 9223372036854775807 WHERE name = 'head'",
        "UPDATE audit_end SET number = -5",
        "INSERT INTO audit VALUES (4503599627370495, 5, x'00', x'01', x'02')",
        "INSERT INTO audit VALUES (9223372036854775807, 5, x'00', x'01', x'02')",
        "INSERT INTO audit VALUES (-1, 5, x'00', x'01', x'02')",
        &format!("UPDATE audit_end SET hash = {none} WHERE name = 'head'"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let control = open(folder.path());
        add(&control, 1..=10);
        drop(control);
        tamper(folder.path(), sql);
        for nth in 20..25 {
            let control = open(folder.path());
            let before = faults(&control);
            assert!(!before.is_empty(), "{sql}");
            let marks = add(&control, [nth]);
            let last = control.audit_newest(None, 20).unwrap();
            let is_there = last.iter().any(|row| row.hash == marks[0].hash);
            assert!(is_there, "{sql}");
            let after = faults(&control);
            assert!(!after.is_empty(), "healed by an entry: {sql}");
        }
    }
}

#[test]
fn rows_that_do_not_fit_stay_at_a_start_and_what_is_told_of_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    add(&control, 1..=3_000);
    drop(control);
    tamper(folder.path(), "UPDATE audit SET at = 7 WHERE number > 10");
    let control = open(folder.path());
    let report = control.verify_audit(None).unwrap();
    assert_eq!(report.entries, 3_000);
    assert_eq!((report.faults.len(), report.unlisted), (1_000, 1_990));
}

#[test]
fn a_start_on_a_broken_chain_says_once_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let said = || {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        add(&open(folder.path()), 1..=5);
        drop(guard);
        let text = written.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    };
    assert_eq!(said(), "");
    assert_eq!(said(), "", "nor at the next start");
    tamper(folder.path(), "DELETE FROM audit WHERE number IN (2, 4)");
    let said = said();
    assert_eq!(said.matches("WARN").count(), 1, "{said}");
    assert!(said.contains("faults=2"), "{said}");
    assert!(said.contains("missing: entry 2 is not there"), "{said}");
    assert!(said.contains("knothole audit verify"), "{said}");
    assert_eq!(open(folder.path()).audit_after(0, 99).unwrap().len(), 13);
}

/// What was logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn entries_of_a_version_before_are_moved_into_the_chain_once() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    // As format 2 had them: documents, of which the oldest had gone already.
    tamper(
        folder.path(),
        "DROP TABLE audit; DROP TABLE audit_end; PRAGMA user_version = 2",
    );
    let connection = other_tool(folder.path());
    for number in [7_i64, 8, 9] {
        let (id, body) = (format!("{number:020}"), format!("{number}").into_bytes());
        let parts = [b"audit", id.as_bytes(), &number.to_le_bytes(), &body];
        let sum = super::super::sum(&parts);
        let sql = "INSERT INTO document (kind, id, at, body, sum) VALUES ('audit', ?1, ?2, ?3, ?4)";
        let values = params![id, number, body, sum];
        connection.execute(sql, values).unwrap();
    }
    drop(connection);
    let refused = Control::read_only(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("format 2"), "{refused}");
    for _ in 0..2 {
        let control = open(folder.path());
        let rows = control.audit_after(0, 9).unwrap();
        let rows: Vec<(u64, &[u8])> = rows.iter().map(|it| (it.number, &it.body[..])).collect();
        assert_eq!(rows, [(1, &b"7"[..]), (2, b"8"), (3, b"9")]);
        assert_eq!(faults(&control), []);
    }
    assert_eq!(add(&open(folder.path()), [1])[0].number, 4);
}

#[test]
fn it_can_be_read_beside_a_daemon_and_after_it_and_written_by_neither() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Control::read_only(folder.path()).unwrap_err().to_string();
    assert!(missing.contains("no such file"), "{missing}");
    let control = open(folder.path());
    add(&control, [1, 2]);
    let reader = Control::read_only(folder.path()).unwrap();
    assert!(reader.verify_audit(None).unwrap().is_whole());
    let refused = reader.tell(&[], &[], &[entry(3)]).unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
    add(&control, [3]);
    assert_eq!(reader.verify_audit(None).unwrap().entries, 3);
    drop((reader, control));
    let reader = Control::read_only(folder.path()).unwrap();
    assert_eq!(reader.audit_after(0, 9).unwrap().len(), 3);
    drop(reader);
    std::fs::write(folder.path().join("control.db"), "no database, but long").unwrap();
    assert!(Control::read_only(folder.path()).is_err());
}

#[test]
fn a_place_in_the_chain_is_read_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mark = add(&open(folder.path()), [1])[0];
    let text = mark.to_string();
    assert_eq!(text.len(), 2 + 64);
    assert_eq!(text.parse(), Ok(mark));
    assert_eq!(text.to_uppercase().parse(), Ok(mark));
    for wrong in [
        "",
        "1",
        "1:",
        "0:00",
        "-1:00",
        &text[1..],
        &text[..65],
        &format!("{text}0"),
    ] {
        assert!(wrong.parse::<AuditMark>().is_err(), "{wrong}");
    }
}

#[test]
fn of_the_oldest_entries_nobody_lets_go_of_more_than_had_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let control = open_small(folder.path(), 1_000);
    add(&control, 1..=1_003);
    let anchor = control.verify_audit(None).unwrap().anchor.unwrap();
    assert_eq!((anchor.number, faults(&control)), (10, vec![]));
    tamper(
        folder.path(),
        "UPDATE audit_end SET number = 12, hash = (SELECT hash FROM audit WHERE number = 12)
            WHERE name = 'anchor';
        DELETE FROM audit WHERE number <= 12",
    );
    let cut = AuditFault::BeginningCut { from: 11, to: 12 };
    assert_eq!(faults(&control), [cut]);
}
