//! Power cuts at every place of random lives, and what must hold after each.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::planted::{PLANTED, Planted};
use super::reader::Reader;
use super::simulated::{Dice, Event, FATES, Simulated};
use super::writer::{Pending, Writer, lock};
use super::*;

/// Crash points of every test run; more with `KNOTHOLE_CRASH_POINTS`.
const POINTS: u64 = 1_000_000;
/// Indices of entries that come after a power cut.
const FRESH: std::ops::Range<usize> = 100_000..200_000;

fn settings() -> Settings {
    Settings {
        segment_bytes: 4 << 10,
        bytes_max: 40 << 10,
        ..Settings::default()
    }
}

/// An entry of a life, made of its index.
fn entry(index: usize) -> Entry {
    let mut dice = Dice::new(index as u64);
    let len = [0, 1, 40, 400, 900, 3_000][dice.below(6)];
    let mut body = vec![0; dice.below(len + 1)];
    for byte in &mut body {
        *byte = dice.roll() as u8;
    }
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&(index as u64).to_le_bytes());
    let head = Head {
        kind: (index % 5) as u8,
        tenant: ["", "acme", "a tenant with a longer name"][index % 3].into(),
        received_at: Timestamp::from_millis(index as u64),
        digest,
    };
    Entry {
        head,
        body: body.into(),
    }
}

fn index_of(head: &Head) -> usize {
    let (number, _) = head.digest.split_first_chunk::<8>().unwrap();
    u64::from_le_bytes(*number) as usize
}

/// What a life did, and what it was made of.
struct Life {
    entries: Vec<Entry>,
    log: Vec<Event>,
    had_failures: bool,
}

impl Life {
    /// What has this index, if anything was appended under it.
    fn made(&self, index: usize) -> Option<Entry> {
        let made = self.entries.get(index).cloned();
        made.or_else(|| FRESH.contains(&index).then(|| entry(index)))
    }
}

fn pending(index: usize, entry: &Entry, disk: &Simulated) -> Pending {
    let Entry { head, body } = entry.clone();
    let disk = disk.clone();
    Pending {
        body_crc: crc32fast::hash(&body),
        head,
        body,
        then: Box::new(move |done| {
            if let Ok(Appended::New(seq) | Appended::Repeated(seq)) = done {
                disk.note(Event::Told(index, seq));
            }
        }),
    }
}

fn open(disk: &Simulated) -> Writer<Simulated> {
    let opened = Writer::open(disk.clone(), settings());
    let (writer, _) = opened.unwrap_or_else(|_| {
        // It cannot be opened while the disk fails.
        disk.fail_once_in(None, &Dice::new(0));
        Writer::open(disk.clone(), settings()).unwrap()
    });
    writer
}

/// Appends, repeats, forgets, stops, dies and goes on, on a disk that fails now and then.
fn live(seed: u64) -> Life {
    let mut dice = Dice::new(seed);
    let disk = Simulated::new();
    let mut writer = open(&disk);
    let mut life = Life {
        entries: Vec::new(),
        log: Vec::new(),
        had_failures: false,
    };
    let mut failing = 0;
    for _ in 0..25 {
        if failing > 0 {
            failing -= 1;
            if failing == 0 {
                disk.fail_once_in(None, &dice);
            }
        }
        match dice.below(20) {
            0 => {
                writer.close();
                writer = open(&disk);
            }
            1 => writer = open(&disk),
            2 | 3 => {
                let last = lock(writer.segments())
                    .last()
                    .map_or(0, |newest| newest.last.get());
                let upto = Seq::new(last.saturating_sub(dice.below(12) as u64));
                disk.note(Event::Forget(upto));
                writer.forget(upto);
            }
            4 if failing == 0 => {
                disk.fail_once_in(Some(3), &dice);
                life.had_failures = true;
                failing = 3;
            }
            _ => {
                let mut group = Vec::new();
                for _ in 0..=dice.below(5) {
                    let repeats = !life.entries.is_empty() && dice.once_in(6);
                    let index = match repeats {
                        true => dice.below(life.entries.len()),
                        false => {
                            life.entries.push(entry(life.entries.len()));
                            life.entries.len() - 1
                        }
                    };
                    group.push(pending(index, &life.entries[index], &disk));
                }
                writer.commit(group);
            }
        }
    }
    life.log = disk.log();
    life
}

/// What senders know at a moment of a life.
#[derive(Clone, Debug, Default)]
struct Truth {
    told: BTreeMap<Seq, usize>,
    forgotten: Seq,
}

impl Truth {
    fn learn(&mut self, event: &Event) {
        match event {
            Event::Told(index, seq) => {
                self.told.insert(*seq, *index);
            }
            Event::Forget(upto) => self.forgotten = self.forgotten.max(*upto),
            _ => {}
        }
    }
}

/// Opens a journal after a power cut, and says what is wrong with it.
fn check(disk: &Simulated, life: &Life, truth: &Truth) -> Result<Writer<Simulated>, String> {
    let (writer, recovery) =
        Writer::open(disk.clone(), settings()).map_err(|error| error.to_string())?;
    if !recovery.lost.is_empty() {
        return Err(format!("says that {:?} were lost", recovery.lost));
    }
    let segments = lock(writer.segments()).clone();
    let stored: Vec<Stored> = Reader::new(disk.clone(), Seq::ZERO, segments).collect();
    if stored.len() as u64 != recovery.entries {
        return Err(format!("{} entries of {}", stored.len(), recovery.entries));
    }
    let mut seen = HashSet::new();
    let mut last = Seq::ZERO;
    for one in &stored {
        let index = index_of(&one.head);
        let made = life.made(index);
        if made.is_none_or(|made| made.head != one.head || made.body != one.body) {
            return Err(format!("entry {} is altered or invented", one.seq));
        }
        if !seen.insert(index) {
            return Err(format!("entry {} is there twice", one.seq));
        }
        if one.seq <= last {
            return Err(format!("entry {} is out of order", one.seq));
        }
        if truth.told.get(&one.seq).is_some_and(|told| *told != index) {
            return Err(format!("entry {} is another one", one.seq));
        }
        last = one.seq;
    }
    let numbers: HashSet<Seq> = stored.iter().map(|one| one.seq).collect();
    let kept = truth.told.range(truth.forgotten.next()..);
    for (seq, _) in kept {
        if !numbers.contains(seq) {
            return Err(format!("entry {seq} was acknowledged and is lost"));
        }
    }
    match truth.told.last_key_value() {
        Some((told, _)) if *told > recovery.last => {
            Err(format!("numbers go on after {}, not {told}", recovery.last))
        }
        _ => Ok(writer),
    }
}

/// Goes on after a power cut: what was told is still known, what is new gets a new number.
fn go_on(
    disk: &Simulated,
    writer: &mut Writer<Simulated>,
    (life, truth): (&Life, &Truth),
    dice: &mut Dice,
) -> Result<(), String> {
    let fresh = entry(FRESH.start + dice.below(FRESH.len()));
    let mut group = vec![pending(index_of(&fresh.head), &fresh, disk)];
    let again = truth.told.iter().nth(dice.below(truth.told.len().max(1)));
    let again = again.map(|(seq, index)| (*seq, *index));
    // What is forgotten on a disk that fails may be forgotten wholly.
    let again = again.filter(|(seq, _)| *seq > truth.forgotten || !life.had_failures);
    if let Some((_, index)) = again {
        group.extend(life.made(index).map(|made| pending(index, &made, disk)));
    }
    writer.commit(group);
    let told = disk.log().into_iter().filter_map(|event| match event {
        Event::Told(index, seq) => Some((index, seq)),
        _ => None,
    });
    let told: HashMap<usize, Seq> = told.collect();
    if let Some((seq, index)) = again {
        match told.get(&index) {
            Some(answer) if *answer == seq => {}
            other => return Err(format!("entry {seq} sent again is {other:?}")),
        }
    }
    Ok(())
}

/// Cuts the power at every place of the life of this seed; how many cuts that were.
fn cut_everywhere(seed: u64) -> Result<u64, String> {
    let life = live(seed);
    let mut dice = Dice::new(!seed);
    let mut played = Simulated::new().played();
    let mut truth = Truth::default();
    let mut points = 0;
    for (nth, event) in life.log.iter().enumerate() {
        truth.learn(event);
        let mut begun = played.clone();
        begun.begin(event);
        for fate in FATES {
            let disk = begun.cut(fate, &mut dice);
            let done = recover_and_cut_again(&disk, &life, &truth, &mut dice);
            points += done.map_err(|error| {
                format!("seed {seed}, event {nth} ({event}), {fate:?}: {error}")
            })?;
        }
        played.play(event);
    }
    Ok(points)
}

/// Recovers, now and then goes on, and cuts the power somewhere in that.
fn recover_and_cut_again(
    disk: &Simulated,
    life: &Life,
    truth: &Truth,
    dice: &mut Dice,
) -> Result<u64, String> {
    let mut played = disk.played();
    let mut writer = check(disk, life, truth)?;
    if !dice.once_in(4) {
        return Ok(1);
    }
    go_on(disk, &mut writer, (life, truth), dice)?;
    let log = disk.log();
    let until = dice.below(log.len() + 1);
    let mut truth = truth.clone();
    for (nth, event) in log.iter().take(until + 1).enumerate() {
        truth.learn(event);
        match nth == until {
            true => played.begin(event),
            false => played.play(event),
        }
    }
    let fate = FATES[dice.below(FATES.len())];
    let again = played.cut(fate, dice);
    let mut writer = check(&again, life, &truth)
        .map_err(|error| format!("second cut at {until}, {fate:?}: {error}"))?;
    go_on(&again, &mut writer, (life, &truth), dice)?;
    Ok(2)
}

#[test]
fn no_power_cut_loses_alters_or_invents_what_was_acknowledged() {
    let wanted = std::env::var("KNOTHOLE_CRASH_POINTS").ok();
    let wanted = wanted.map_or(POINTS, |points| points.parse().unwrap());
    let mut points = 0;
    for seed in 0.. {
        if points >= wanted {
            break;
        }
        points += cut_everywhere(seed).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_simulation_finds_each_planted_fault() {
    for (fault, complaint) in [
        (Planted::AckBeforeSync, "acknowledged and is lost"),
        (Planted::BodyUnchecked, "altered or invented"),
        (Planted::FolderUnsynced, "acknowledged and is lost"),
    ] {
        PLANTED.set(Some(fault));
        let found = (0..20).find_map(|seed| cut_everywhere(seed).err());
        PLANTED.set(None);
        let found = found.unwrap_or_else(|| panic!("{fault:?} is not found"));
        assert!(found.contains(complaint), "{fault:?}: {found}");
    }
}
