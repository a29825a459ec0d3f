use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn open(root: &Path) -> Control {
    Control::open(root, ControlSettings::default()).unwrap()
}

fn event(id: &str, seconds: u64) -> ToldEvent {
    ToldEvent {
        id: id.into(),
        at: Timestamp::from_millis(seconds * 1_000),
    }
}

fn row(sink: &str, id: &str) -> OutboxRow {
    OutboxRow {
        sink: sink.into(),
        kind: "webhook".into(),
        id: id.into(),
        message: format!("{sink} {id}").into_bytes(),
        at: Timestamp::from_millis(5),
    }
}

fn ids(control: &Control) -> Vec<String> {
    let pending = control.pending().unwrap();
    pending
        .iter()
        .map(|row| format!("{}:{}", row.sink, row.id))
        .collect()
}

#[test]
fn what_was_told_is_not_new_again_and_its_messages_are_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    let rows = [row("hook", "a"), row("chat", "a"), row("hook", "b")];
    let events = [event("a", 1), event("b", 1), event("a", 1)];
    assert_eq!(
        control.tell(&events, &rows, &[]).unwrap().are_new,
        [true, true, false]
    );
    assert_eq!(control.pending().unwrap(), rows);
    control.settled(&[("hook", "a"), ("chat", "a")]).unwrap();
    drop(control);
    let control = open(folder.path());
    let rows = [row("hook", "a"), row("hook", "c"), row("hook", "notice")];
    let events = [event("a", 2), event("c", 2)];
    assert_eq!(
        control.tell(&events, &rows, &[]).unwrap().are_new,
        [false, true]
    );
    assert_eq!(ids(&control), ["hook:b", "hook:c", "hook:notice"]);
}

#[test]
fn what_was_written_survives_a_death_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    control
        .tell(&[event("a", 1)], &[row("hook", "a")], &[])
        .unwrap();
    control.set_watermark("emitted", u64::MAX).unwrap();
    // The files as a kill would leave them: nothing is closed, the log not put in its place.
    let died = tempfile::tempdir().unwrap();
    for file in ["control.db", "control.db-wal"] {
        fs::copy(folder.path().join(file), died.path().join(file)).unwrap();
    }
    let again = open(died.path());
    assert_eq!(ids(&again), ["hook:a"]);
    assert_eq!(
        again.tell(&[event("a", 2)], &[], &[]).unwrap().are_new,
        [false]
    );
    assert_eq!(again.watermark("emitted").unwrap(), Some(u64::MAX));
    assert_eq!(again.watermark("other").unwrap(), None);
}

#[test]
fn a_transaction_that_a_death_cuts_off_leaves_nothing_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    control
        .tell(&[event("a", 1)], &[row("hook", "a")], &[])
        .unwrap();
    let wal = fs::metadata(folder.path().join("control.db-wal"))
        .unwrap()
        .len();
    let more: Vec<OutboxRow> = (0..50).map(|id| row("hook", &id.to_string())).collect();
    control.tell(&[event("b", 1)], &more, &[]).unwrap();
    let grown = fs::metadata(folder.path().join("control.db-wal"))
        .unwrap()
        .len();
    assert!(grown > wal);
    for cut in (wal..grown).step_by(997) {
        let died = tempfile::tempdir().unwrap();
        for file in ["control.db", "control.db-wal"] {
            fs::copy(folder.path().join(file), died.path().join(file)).unwrap();
        }
        let log = fs::OpenOptions::new()
            .write(true)
            .open(died.path().join("control.db-wal"));
        log.unwrap().set_len(cut).unwrap();
        let again = open(died.path());
        assert_eq!(ids(&again), ["hook:a"], "cut at {cut}");
        assert_eq!(
            again.tell(&[event("b", 2)], &[], &[]).unwrap().are_new,
            [true],
            "cut at {cut}"
        );
    }
}

#[test]
fn memory_of_what_was_told_is_bounded_by_age_and_number() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ControlSettings {
        told_age_max: Duration::from_secs(100),
        told_max: 3,
        outbox_max: 2,
        dead_max: 2,
        ..ControlSettings::default()
    };
    let control = Control::open(folder.path(), settings).unwrap();
    let told: Vec<ToldEvent> = ["a", "b", "c", "d"].map(|id| event(id, 10)).to_vec();
    control.tell(&told, &[], &[]).unwrap();
    let count = |control: &Control| {
        let sql = "SELECT count(*) FROM told";
        control
            .connection()
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(count(&control), 3);
    assert_eq!(control.tell(&told[3..], &[], &[]).unwrap().are_new, [false]);
    assert_eq!(control.tell(&told[..1], &[], &[]).unwrap().are_new, [true]);
    control.tell(&[event("later", 111)], &[], &[]).unwrap();
    assert_eq!(count(&control), 1);
    control
        .tell(&[], &["1", "2", "3"].map(|id| row("hook", id)), &[])
        .unwrap();
    assert_eq!(ids(&control), ["hook:2", "hook:3"]);
}

#[test]
fn a_damaged_database_is_set_aside_and_a_damaged_row_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let control = open(folder.path());
    let rows = [row("hook", "a"), row("hook", "b")];
    control
        .tell(&[event("a", 1), event("b", 1)], &rows, &[])
        .unwrap();
    drop(control);
    let whole = fs::read(&path).unwrap();
    let text = b"hook a";
    let at = whole
        .windows(text.len())
        .position(|window| window == text)
        .unwrap();
    let mut flipped = whole.clone();
    flipped[at] ^= 1;
    fs::write(&path, &flipped).unwrap();
    let control = open(folder.path());
    assert_eq!(ids(&control), ["hook:b"]);
    drop(control);
    let mut broken = whole;
    broken[4_096..8_192].fill(7);
    fs::write(&path, &broken).unwrap();
    let control = open(folder.path());
    assert_eq!(ids(&control), [""; 0]);
    assert!(folder.path().join("control.db.broken").exists());
    fs::write(folder.path().join("other"), b"").unwrap();
    drop(control);
    fs::write(
        &path,
        b"no database at all, but long enough to be looked at",
    )
    .unwrap();
    assert_eq!(ids(&open(folder.path())), [""; 0]);
}

#[test]
fn no_flipped_byte_changes_what_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let control = open(folder.path());
    let rows: Vec<OutboxRow> = (0..20).map(|id| row("hook", &id.to_string())).collect();
    control.tell(&[event("a", 1)], &rows, &[]).unwrap();
    drop(control);
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(251) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        let Ok(control) = Control::open(folder.path(), ControlSettings::default()) else {
            // A version that is not ours is refused.
            continue;
        };
        for found in control.pending().unwrap() {
            assert!(rows.contains(&found), "flipped at {at}: {found:?}");
        }
        drop(control);
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(folder.path().join(format!("control.db{suffix}")));
        }
    }
}

#[test]
fn the_outbox_of_an_earlier_version_is_taken_over_once() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("outbox.json");
    let message = r#"{"id":"a","body":[123,125],"offered_at":7,"expires_at":null}"#;
    let json = format!(r#"[{{"sink":"hook","kind":"webhook","message":{message}}}]"#);
    fs::write(&old, json).unwrap();
    let control = open(folder.path());
    let [taken] = &control.pending().unwrap()[..] else {
        panic!("one message");
    };
    assert_eq!(
        (&*taken.sink, &*taken.kind, &*taken.id),
        ("hook", "webhook", "a")
    );
    assert_eq!(taken.at, Timestamp::from_nanos(7));
    let back: serde_json::Value = serde_json::from_slice(&taken.message).unwrap();
    assert_eq!(
        back,
        serde_json::from_str::<serde_json::Value>(message).unwrap()
    );
    assert!(!old.exists());
    drop(control);
    assert_eq!(ids(&open(folder.path())), ["hook:a"]);
    fs::write(&old, "no json").unwrap();
    assert_eq!(ids(&open(folder.path())), ["hook:a"]);
    assert!(!old.exists());
}

#[test]
fn only_the_user_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    control.tell(&[event("a", 1)], &[], &[]).unwrap();
    for file in ["control.db", "control.db-wal", "control.db-shm"] {
        let metadata = fs::metadata(folder.path().join(file)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_later_version_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    control
        .connection()
        .pragma_update(None, "user_version", 9)
        .unwrap();
    drop(control);
    let refused = Control::open(folder.path(), ControlSettings::default());
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("format 9") && refused.contains("move"),
        "{refused}"
    );
}

#[test]
fn a_message_that_is_given_up_waits_for_a_person_and_can_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ControlSettings {
        dead_max: 2,
        ..ControlSettings::default()
    };
    let control = Control::open(folder.path(), settings).unwrap();
    let rows = ["a", "b", "c"].map(|id| row("hook", id));
    let now = Timestamp::from_millis(77_000);
    control.tell(&[], &rows, &[]).unwrap();
    control
        .bury(
            &[("hook", "a", "the answer was 400"), ("chat", "a", "")],
            now,
        )
        .unwrap();
    assert_eq!(ids(&control), ["hook:b", "hook:c"]);
    let dead = control.dead().unwrap();
    assert_eq!(dead.len(), 1, "what is not pending cannot be given up");
    assert_eq!(dead[0].row, rows[0]);
    assert_eq!((dead[0].died, &*dead[0].why), (now, "the answer was 400"));
    control
        .bury(&[("hook", "b", "old"), ("hook", "c", "old")], now)
        .unwrap();
    drop(control);
    let control = Control::open(folder.path(), settings).unwrap();
    let left: Vec<_> = control.dead().unwrap();
    let left: Vec<&str> = left.iter().map(|dead| &*dead.row.id).collect();
    assert_eq!(left, ["b", "c"], "the oldest went for want of room");
    assert_eq!(control.raise(Some("chat"), None).unwrap(), 0);
    assert_eq!(control.raise(Some("hook"), Some("c")).unwrap(), 1);
    assert_eq!(control.raise(None, None).unwrap(), 1);
    assert_eq!(control.dead().unwrap(), []);
    let waiting = control.waiting().unwrap();
    let waiting: Vec<(&str, u64)> = waiting.iter().map(|it| (&*it.id, it.bytes)).collect();
    assert_eq!(waiting, [("c", 6), ("b", 6)]);
    // Whoever starts takes up what is pending, and once more what is raised would be twice.
    assert_eq!(ids(&control), [""; 0]);
    let raised: Vec<OutboxRow> = control.raised().unwrap();
    assert_eq!(raised, [rows[2].clone(), rows[1].clone()]);
    assert_eq!(control.raised().unwrap(), []);
    assert_eq!(ids(&control), ["hook:c", "hook:b"]);
}

fn incident(id: &str, seconds: u64, body: &str) -> Document {
    Document {
        kind: Kind::Incident,
        id: id.into(),
        at: Timestamp::from_millis(seconds * 1_000),
        body: body.into(),
    }
}

#[test]
fn documents_are_written_with_what_is_told_and_read_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    let documents = [
        incident("aa1", 10, "one"),
        incident("ab2", 30, "two"),
        incident("ac3", 20, "three"),
    ];
    let filings = documents.clone().map(Filing::Put);
    control.tell(&[event("a", 1)], &[], &filings).unwrap();
    let again = incident("aa1", 10, "one again").into();
    control.tell(&[], &[], &[again]).unwrap();
    drop(control);
    let control = open(folder.path());
    let read = |after, limit| control.newest(Kind::Incident, after, limit).unwrap();
    let ids = |found: &[Numbered]| -> Vec<String> {
        let ids = found.iter().map(|found| found.document.id.to_string());
        ids.collect()
    };
    let first = read(None, 2);
    assert_eq!(ids(&first), ["ab2", "ac3"]);
    let after = (first[1].document.at, first[1].nth);
    let rest = read(Some(after), 2);
    assert_eq!(ids(&rest), ["aa1"]);
    assert_eq!(rest[0].document.body, b"one again");
    assert_eq!(control.newest(Kind::Change, None, 9).unwrap(), []);
    let found = |prefix, limit| control.beginning(Kind::Incident, prefix, limit).unwrap();
    assert_eq!(found("ab", 9), [documents[1].clone()]);
    assert_eq!(found("a", 2).len(), 2);
    assert_eq!(found("a%", 9), [], "no pattern, just a beginning");
    let remove = || Filing::Remove {
        kind: Kind::Incident,
        id: "ab2".into(),
    };
    let written = incident("ab2", 40, "two again").into();
    control.tell(&[], &[], &[written, remove()]).unwrap();
    assert_eq!(control.document(Kind::Incident, "ab2").unwrap(), None);
    control.tell(&[], &[], &[remove()]).unwrap();
    assert_eq!(read(None, 9).len(), 2);
}

#[test]
fn what_was_written_first_goes_first_whatever_its_time_says() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    let silence = |number: u32, seconds: u64| Document {
        kind: Kind::Silence,
        id: format!("{number:05}").into(),
        at: Timestamp::from_millis(seconds * 1_000),
        body: Vec::new(),
    };
    // Ten thousand from a time to come, then one of now.
    let future = (0..10_000).map(|number| silence(number, 9_000_000_000).into());
    let future: Vec<Filing> = future.collect();
    control.tell(&[], &[], &future).unwrap();
    control
        .tell(&[], &[], &[silence(20_000, 1).into()])
        .unwrap();
    let is_there = |id| control.document(Kind::Silence, id).unwrap().is_some();
    assert!(is_there("20000"), "what is new is there");
    assert_eq!(
        control.newest(Kind::Silence, None, 20_000).unwrap().len(),
        10_000
    );
    assert!(
        is_there("00001") && !is_there("00000"),
        "the first was let go"
    );
}

#[test]
fn when_something_was_told_is_known_as_long_as_that_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path());
    control.tell(&[event("a", 7)], &[], &[]).unwrap();
    control.tell(&[event("a", 9)], &[], &[]).unwrap();
    let at = control.told_at(&["b", "a"]).unwrap();
    assert_eq!(at, [None, Some(Timestamp::from_millis(7_000))]);
}
