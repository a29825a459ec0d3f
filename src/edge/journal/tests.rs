use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;

use super::*;

fn entry(body: &[u8]) -> Entry {
    entry_at(body, 1)
}

fn entry_at(body: &[u8], seconds: u64) -> Entry {
    let mut digest = [0; 16];
    digest[..4].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    let head = Head {
        kind: 7,
        tenant: "acme".into(),
        received_at: Timestamp::from_millis(seconds * 1_000),
        digest,
    };
    Entry {
        head,
        body: Bytes::copy_from_slice(body),
    }
}

fn append(journal: &Journal, entry: Entry) -> Result<Appended, AppendError> {
    let (sender, receiver) = mpsc::channel();
    journal.append(entry, move |done| sender.send(done).unwrap())?;
    receiver.recv().unwrap()
}

fn put(journal: &Journal, body: &[u8]) -> u64 {
    match append(journal, entry(body)).unwrap() {
        Appended::New(seq) => seq.get(),
        Appended::Repeated(seq) => panic!("repeats {seq}"),
    }
}

fn bodies(journal: &Journal, from: u64) -> Vec<(u64, Vec<u8>)> {
    let stored = journal.read(Seq::new(from));
    stored
        .map(|one| {
            assert_eq!(one.head, entry(&one.body).head);
            (one.seq.get(), one.body.to_vec())
        })
        .collect()
}

/// Segments of a few kilobytes.
fn small() -> Settings {
    Settings {
        segment_bytes: 4 << 10,
        bytes_max: 64 << 10,
        ..Settings::default()
    }
}

fn open(folder: &Path) -> (Journal, Recovery) {
    Journal::open(folder, small()).unwrap()
}

#[test]
fn what_was_appended_is_read_in_order_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/journal");
    let written: Vec<_> = (1..=40_u64)
        .map(|number| (number, vec![number as u8; number as usize * 37 % 900]))
        .collect();
    let (journal, recovery) = open(&path);
    assert_eq!(recovery, Recovery::default());
    for (number, body) in &written {
        assert_eq!(put(&journal, body), *number);
    }
    assert_eq!(bodies(&journal, 0), written);
    assert_eq!(bodies(&journal, 31), written[30..]);
    drop(journal);
    let (journal, recovery) = open(&path);
    assert_eq!((recovery.entries, recovery.last.get()), (40, 40));
    assert_eq!((recovery.torn_bytes, recovery.lost.len()), (0, 0));
    assert_eq!(bodies(&journal, 0), written);
    assert_eq!(put(&journal, b"one more"), 41);
    assert_eq!(bodies(&journal, 41), [(41, b"one more".to_vec())]);
}

#[test]
fn only_the_user_can_read_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (journal, _) = open(&path);
    put(&journal, b"secret");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let files: Vec<_> = fs::read_dir(&path).unwrap().flatten().collect();
    assert_eq!(files.len(), 1);
    assert_eq!(mode(&files[0].path()), 0o600);
}

#[test]
fn the_same_bytes_are_kept_once_within_the_window_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    assert_eq!(put(&journal, b"a"), 1);
    assert_eq!(put(&journal, b"b"), 2);
    let again = append(&journal, entry(b"a")).unwrap();
    assert_eq!(again, Appended::Repeated(Seq::new(1)));
    drop(journal);
    let (journal, _) = open(folder.path());
    let again = append(&journal, entry_at(b"b", 15 * 60)).unwrap();
    assert_eq!(again, Appended::Repeated(Seq::new(2)));
    let later = append(&journal, entry_at(b"c", 16 * 60 + 1)).unwrap();
    assert_eq!(later, Appended::New(Seq::new(3)));
    let later = append(&journal, entry_at(b"a", 16 * 60 + 1)).unwrap();
    assert_eq!(later, Appended::New(Seq::new(4)));
    assert_eq!(journal.read(Seq::ZERO).count(), 4);
}

#[test]
fn what_is_forgotten_is_deleted_and_its_repeats_are_still_known() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    for number in 1..=60_u8 {
        put(&journal, &[number; 500]);
    }
    let before = journal.status();
    journal.forget(Seq::new(30));
    // Commits follow one another, so the one after shows that it was done.
    put(&journal, b"x");
    put(&journal, b"y");
    let first = journal.read(Seq::ZERO).next().unwrap().seq.get();
    assert!((24..=31).contains(&first), "{first}");
    assert!(journal.status().bytes < before.bytes);
    journal.forget(Seq::new(1_000));
    put(&journal, b"z");
    put(&journal, b"last");
    drop(journal);
    let left: u64 = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(left < 8 << 10, "{left}");
    let (journal, recovery) = open(folder.path());
    assert_eq!((recovery.lost.len(), recovery.last.get()), (0, 64));
    for number in 1..=60_u8 {
        let again = append(&journal, entry(&[number; 500])).unwrap();
        assert_eq!(again, Appended::Repeated(Seq::new(number.into())));
    }
}

#[test]
fn a_journal_at_its_bound_refuses_until_something_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let mut last = 0;
    let refused = loop {
        match append(&journal, entry(&[last as u8; 3_000])) {
            Ok(Appended::New(seq)) => last = seq.get(),
            Ok(Appended::Repeated(seq)) => panic!("repeats {seq}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::Bound), "{refused}");
    let bytes = journal.status().bytes;
    assert!((56 << 10..=64 << 10).contains(&bytes), "{bytes}");
    journal.forget(Seq::new(last - 1));
    let taken = (0..3).find_map(|_| append(&journal, entry(b"more")).ok());
    assert_eq!(taken, Some(Appended::New(Seq::new(last + 1))));
}

#[test]
fn an_entry_larger_than_a_segment_is_kept_and_one_larger_than_all_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let large = vec![1; 20_000];
    assert_eq!(put(&journal, &large), 1);
    assert_eq!(bodies(&journal, 0), [(1, large)]);
    let refused = append(&journal, entry(&vec![2; 40_000]));
    assert!(matches!(refused, Err(AppendError::TooLarge)));
}

#[test]
fn callers_are_told_in_order_and_one_sync_serves_many() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), Settings::default()).unwrap();
    let (sender, receiver) = mpsc::channel();
    for number in 0..500_u32 {
        let sender = sender.clone();
        let body = number.to_le_bytes();
        let then = move |done: Result<Appended, AppendError>| sender.send(done.unwrap()).unwrap();
        journal.append(entry(&body), then).unwrap();
    }
    drop(sender);
    let told: Vec<_> = receiver.iter().collect();
    let expected: Vec<_> = (1..=500).map(|seq| Appended::New(Seq::new(seq))).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        queue_bytes_max: 1_000,
        ..small()
    };
    let (journal, _) = Journal::open(folder.path(), settings).unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let (begun, began) = mpsc::channel();
    let blocking = move |_: Result<Appended, AppendError>| {
        begun.send(()).unwrap();
        let _ = wait.recv();
    };
    journal.append(entry(b"first"), blocking).unwrap();
    began.recv().unwrap();
    journal.append(entry(&[1; 300]), |_| {}).unwrap();
    let refused = journal.append(entry(&[2; 300]), |_| {});
    assert!(matches!(refused, Err(AppendError::Full)));
    drop(go);
    journal.close();
    assert_eq!(journal.read(Seq::ZERO).count(), 2);
    let refused = journal.append(entry(b"late"), |_| {});
    assert!(matches!(refused, Err(AppendError::Closed)));
}

#[test]
fn numbers_go_on_after_the_last_that_the_caller_knows() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        after: Seq::new(500),
        ..small()
    };
    let (journal, recovery) = Journal::open(folder.path(), settings).unwrap();
    assert_eq!(recovery.last.get(), 500);
    assert_eq!(put(&journal, b"a"), 501);
    drop(journal);
    let (_, recovery) = open(folder.path());
    assert_eq!((recovery.lost, recovery.last.get()), (vec![], 501));
}

#[test]
fn a_journal_of_a_later_version_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    put(&journal, b"a");
    drop(journal);
    let path = folder.path().join("000000000001.journal");
    let mut bytes = fs::read(&path).unwrap();
    for start in [0, 512] {
        bytes[start + 8] = 9;
        bytes[start + 12..start + 16].fill(0);
        let crc = crc32fast::hash(&bytes[start..start + 512]);
        bytes[start + 12..start + 16].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(&path, bytes).unwrap();
    let refused = Journal::open(folder.path(), small())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("format 9") && refused.contains("move"),
        "{refused}"
    );
}

#[test]
fn a_caller_that_panics_closes_the_journal_and_nobody_waits_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let (sender, receiver) = mpsc::channel::<()>();
    let then = move |_: Result<Appended, AppendError>| {
        drop(sender);
        panic!("planted");
    };
    journal.append(entry(b"a"), then).unwrap();
    assert!(receiver.recv().is_err());
    journal.close();
    assert!(matches!(
        append(&journal, entry(b"b")),
        Err(AppendError::Closed)
    ));
}
