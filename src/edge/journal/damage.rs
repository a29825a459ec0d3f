//! Rot, full disks and disks that fail: found, bounded and named.

use std::collections::BTreeSet;

use super::reader::Reader;
use super::simulated::{Dice, Event, Fate, Simulated};
use super::writer::{Pending, Writer, lock};
use super::*;

/// Damaged bytes that are tried.
const FLIPS: usize = 10_000;

fn settings() -> Settings {
    Settings {
        segment_bytes: 4 << 10,
        bytes_max: 64 << 10,
        ..Settings::default()
    }
}

fn open(disk: &Simulated) -> (Writer<Simulated>, Recovery) {
    Writer::open(disk.clone(), settings()).unwrap()
}

/// A body that tells its number.
fn body(number: u64) -> Vec<u8> {
    let mut dice = Dice::new(number);
    let len = 1 + dice.below(300);
    let mut body = number.to_le_bytes().to_vec();
    body.extend((0..len).map(|_| dice.roll() as u8));
    body
}

type Done = Arc<Mutex<Option<Result<Appended, AppendError>>>>;

fn append(writer: &mut Writer<Simulated>, number: u64) -> Result<Appended, AppendError> {
    let done = Done::default();
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    let body = Bytes::from(body(number));
    writer.commit(vec![Pending {
        head: Head {
            kind: 1,
            tenant: "acme".into(),
            received_at: Timestamp::from_millis(1),
            digest,
        },
        body_crc: crc32fast::hash(&body),
        body,
        then: Box::new({
            let done = Arc::clone(&done);
            move |heard| *lock(&done) = Some(heard)
        }),
    }]);
    let heard = lock(&done).take();
    heard.unwrap()
}

fn numbers(disk: &Simulated, writer: &Writer<Simulated>) -> BTreeSet<u64> {
    let segments = lock(writer.segments()).clone();
    let stored = Reader::new(disk.clone(), Seq::ZERO, segments);
    stored
        .map(|one| {
            assert_eq!(one.body, body(one.seq.get()), "{} is altered", one.seq);
            one.seq.get()
        })
        .collect()
}

/// A journal of several segments that was closed, and how many entries it has.
fn closed() -> (Simulated, u64) {
    let disk = Simulated::new();
    let (mut writer, _) = open(&disk);
    let count = 60;
    for number in 1..=count {
        append(&mut writer, number).unwrap();
    }
    writer.close();
    (disk, count)
}

fn copy(disk: &Simulated) -> Simulated {
    disk.played().cut(Fate::Keep, &mut Dice::new(0))
}

fn lost(recovery: &Recovery) -> BTreeSet<u64> {
    let ranges = recovery.lost.iter();
    ranges
        .flat_map(|range| range.start().get()..=range.end().get())
        .collect()
}

#[test]
fn every_flipped_bit_costs_at_most_one_entry_which_is_named() {
    let (disk, count) = closed();
    let names = disk.file_names();
    assert!(names.len() > 3, "{names:?}");
    let all: BTreeSet<u64> = (1..=count).collect();
    let mut dice = Dice::new(1);
    for _ in 0..FLIPS {
        let damaged = copy(&disk);
        let name = &names[dice.below(names.len())];
        let mut place = 0;
        damaged.damage(name, |bytes| {
            place = dice.below(bytes.len());
            bytes[place] ^= 1 << dice.below(8);
        });
        let (writer, recovery) = open(&damaged);
        let found = numbers(&damaged, &writer);
        let missing: BTreeSet<u64> = all.difference(&found).copied().collect();
        assert_eq!(missing, lost(&recovery), "{name} at {place}");
        assert!(missing.len() <= 1, "{name} at {place}: {missing:?}");
        assert_eq!(
            missing.is_empty(),
            recovery.broken.is_empty(),
            "{name} at {place}"
        );
        assert_eq!(recovery.last.get(), count);
    }
}

#[test]
fn larger_damage_costs_only_what_it_hits() {
    let (disk, count) = closed();
    let names = disk.file_names();
    let all: BTreeSet<u64> = (1..=count).collect();
    let mut dice = Dice::new(2);
    for _ in 0..3_000 {
        let damaged = copy(&disk);
        // The last one ends with the mark of a clean stop, without which nobody can know what
        // followed.
        let name = &names[dice.below(names.len() - 1)];
        damaged.damage(name, |bytes| {
            let from = dice.below(bytes.len());
            let to = (from + 1 + dice.below(900)).min(bytes.len());
            match dice.below(3) {
                0 => bytes[from..to].fill(0),
                1 => bytes[from..to].fill_with(|| dice.roll() as u8),
                _ => bytes.truncate(from),
            }
        });
        let (writer, recovery) = open(&damaged);
        let found = numbers(&damaged, &writer);
        let missing: BTreeSet<u64> = all.difference(&found).copied().collect();
        assert_eq!(missing, lost(&recovery), "{name}");
        assert_eq!(recovery.last.get(), count);
    }
}

#[test]
fn a_segment_that_is_gone_is_named() {
    let (disk, count) = closed();
    let names = disk.file_names();
    for name in &names[1..names.len() - 1] {
        let damaged = copy(&disk);
        storage::Storage::remove(&damaged, name).unwrap();
        let (writer, recovery) = open(&damaged);
        let found = numbers(&damaged, &writer);
        let missing: BTreeSet<u64> = (1..=count).filter(|one| !found.contains(one)).collect();
        assert!(missing.len() > 5, "{missing:?}");
        assert_eq!(missing, lost(&recovery));
    }
}

#[test]
fn damaged_bytes_are_kept_once_for_people_to_look_at() {
    let (disk, _) = closed();
    let name = disk.file_names().remove(0);
    let before = disk.bytes(&name);
    disk.damage(&name, |bytes| bytes[1_200] ^= 1);
    let (_, recovery) = open(&disk);
    let [broken] = &recovery.broken[..] else {
        panic!("{:?}", recovery.broken);
    };
    let kept = disk.bytes(broken);
    let same = before.windows(kept.len()).any(|window| {
        let differ = window.iter().zip(&kept).filter(|(one, other)| one != other);
        differ.count() == 1
    });
    assert!(same);
    let (_, again) = open(&disk);
    assert_eq!((again.broken, again.lost), (vec![], recovery.lost));
}

#[test]
fn a_body_that_looks_like_a_record_is_not_taken_for_one() {
    let (disk, count) = closed();
    // All of a segment, as a body of another: only the salt tells the records apart.
    let forged = disk.bytes(&disk.file_names()[1]);
    let (mut writer, _) = open(&disk);
    let done = Done::default();
    let body = Bytes::from(forged);
    writer.commit(vec![Pending {
        head: Head {
            kind: 1,
            tenant: "mallory".into(),
            received_at: Timestamp::from_millis(1),
            digest: [9; 16],
        },
        body_crc: crc32fast::hash(&body),
        body,
        then: Box::new({
            let done = Arc::clone(&done);
            move |heard| *lock(&done) = Some(heard)
        }),
    }]);
    lock(&done).take().unwrap().unwrap();
    append(&mut writer, count + 2).unwrap();
    writer.close();
    let names = disk.file_names();
    // Its header is damaged, so the body is searched for what follows.
    disk.damage(&names[names.len() - 2], |bytes| bytes[1_024 + 20] ^= 1);
    let (writer, recovery) = open(&disk);
    assert_eq!(lost(&recovery), BTreeSet::from([count + 1]));
    let found = numbers(&disk, &writer);
    assert_eq!(found.len() as u64, count + 1);
}

#[test]
fn a_full_disk_refuses_and_goes_on_by_itself_when_there_is_room() {
    let disk = Simulated::new();
    let (mut writer, _) = open(&disk);
    disk.set_free(Some(9 << 10));
    let mut number = 0;
    let refused = loop {
        number += 1;
        if let Err(error) = append(&mut writer, number) {
            break error;
        }
    };
    assert!(matches!(refused, AppendError::Disk(_)), "{refused}");
    let told = number - 1;
    assert!(told > 20, "{told}");
    // What is there already is still known.
    let again = append(&mut writer, 1).unwrap();
    assert_eq!(again, Appended::Repeated(Seq::new(1)));
    disk.set_free(None);
    let taken = append(&mut writer, number).unwrap();
    assert_eq!(taken, Appended::New(Seq::new(number)));
    let (writer, recovery) = open(&disk);
    assert_eq!(recovery.entries, number);
    assert_eq!(numbers(&disk, &writer).len() as u64, number);
}

#[test]
fn forgetting_makes_room_on_a_full_disk() {
    let disk = Simulated::new();
    let (mut writer, _) = open(&disk);
    disk.set_free(Some(9 << 10));
    let told = (1..)
        .take_while(|number| append(&mut writer, *number).is_ok())
        .count() as u64;
    // No other segment can be begun beside them, so the newest has to stay.
    writer.forget(Seq::new(told));
    assert_eq!(
        append(&mut writer, told + 1).unwrap(),
        Appended::New(Seq::new(told + 1))
    );
}

#[test]
fn a_file_whose_sync_failed_is_never_trusted_again() {
    for seed in 0..200 {
        let disk = Simulated::new();
        let (mut writer, _) = open(&disk);
        append(&mut writer, 1).unwrap();
        disk.fail_once_in(Some(2), &Dice::new(seed));
        let refused = (2..12).find(|number| append(&mut writer, *number).is_err());
        disk.fail_once_in(None, &Dice::new(0));
        let number = refused.unwrap_or(12);
        assert_eq!(
            append(&mut writer, number).unwrap(),
            Appended::New(Seq::new(number))
        );
        let mut poisoned = BTreeSet::new();
        for event in disk.log() {
            match event {
                Event::SyncFailed(file) => {
                    poisoned.insert(file);
                }
                Event::Sync(file) | Event::Write(file, ..) => {
                    assert!(!poisoned.contains(&file), "seed {seed}: {file}");
                }
                _ => {}
            }
        }
        let survived = copy(&disk);
        let (writer, recovery) = open(&survived);
        assert_eq!(recovery.lost, []);
        assert_eq!(numbers(&survived, &writer).len() as u64, number);
    }
}
