//! A disk in memory that fails and loses power. Everything that was done to it is in a log, so the
//! disk can be had as it might be found after a power cut at any place of the log.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::Seq;
use super::storage::{Storage, StorageFile};
use super::writer::lock;

/// What a power cut does to something that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Drop,
    Keep,
    Zero,
    /// Each sector of 512 bytes is written or not.
    Torn512,
    /// The same with 4,096.
    Torn4096,
    Garbage,
}

pub(super) const FATES: [Fate; 6] = [
    Fate::Drop,
    Fate::Keep,
    Fate::Zero,
    Fate::Torn512,
    Fate::Torn4096,
    Fate::Garbage,
];

/// What was done, in order.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Create(String, usize, u64),
    Remove(String),
    SyncFolder,
    Write(usize, u64, Arc<[u8]>),
    Truncate(usize, u64),
    Sync(usize),
    /// The file is what the disk has.
    Settled(usize, Arc<Vec<u8>>),
    /// The sync failed: what it should have written may be on disk or not, for ever.
    SyncFailed(usize),
    /// A sender was told that its entry, by index, is kept.
    Told(usize, Seq),
    /// Entries up to this one may go from now on.
    Forget(Seq),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(file, at, bytes) => write!(f, "Write({file}, {at}, {} bytes)", bytes.len()),
            Self::Settled(file, bytes) => write!(f, "Settled({file}, {} bytes)", bytes.len()),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Numbers that look random and are the same each time.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// The disk as programs see it.
#[derive(Clone, Debug)]
pub(super) struct Simulated(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    names: BTreeMap<String, usize>,
    files: Vec<Arc<Vec<u8>>>,
    log: Vec<Event>,
    played: Played,
    dice: Dice,
    salts: u64,
    /// One of so many writes and syncs fails, if any.
    failing: Option<(usize, Dice)>,
    free: Option<u64>,
}

impl Seen {
    fn fails(&mut self) -> bool {
        let failing = self.failing.as_mut();
        failing.is_some_and(|(times, dice)| dice.once_in(*times))
    }

    fn note(&mut self, event: Event) {
        self.played.play(&event);
        self.log.push(event);
    }
}

impl Simulated {
    pub(super) fn new() -> Self {
        Self::of(BTreeMap::new(), Vec::new(), 0)
    }

    fn of(names: BTreeMap<String, usize>, files: Vec<Arc<Vec<u8>>>, salts: u64) -> Self {
        let played = Played {
            names: names.clone(),
            pending_names: Vec::new(),
            files: files
                .iter()
                .map(|file| PlayedFile::of(Arc::clone(file)))
                .collect(),
            salts,
        };
        Self(Arc::new(Mutex::new(Seen {
            names,
            files,
            log: Vec::new(),
            played,
            dice: Dice::new(salts),
            salts,
            failing: None,
            free: None,
        })))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.0)
    }

    pub(super) fn note(&self, event: Event) {
        self.seen().note(event);
    }

    pub(super) fn log(&self) -> Vec<Event> {
        self.seen().log.clone()
    }

    /// From now on one of `times` writes and syncs fails; with `None` none does.
    pub(super) fn fail_once_in(&self, times: Option<usize>, dice: &Dice) {
        self.seen().failing = times.map(|times| (times, dice.clone()));
    }

    /// Lets so many bytes be allocated from now on.
    pub(super) fn set_free(&self, bytes: Option<u64>) {
        self.seen().free = bytes;
    }

    /// The disk as it is now.
    pub(super) fn played(&self) -> Played {
        self.seen().played.clone()
    }

    /// Every file's bytes, to damage them.
    pub(super) fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut seen = self.seen();
        let file = seen.names[name];
        change(Arc::make_mut(&mut seen.files[file]));
        seen.played.files[file] = PlayedFile::of(Arc::clone(&seen.files[file]));
    }

    /// The names of all files, in order.
    pub(super) fn file_names(&self) -> Vec<String> {
        self.seen().names.keys().cloned().collect()
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        let seen = self.seen();
        seen.files[seen.names[name]].to_vec()
    }
}

#[derive(Debug)]
pub(super) struct SimulatedFile {
    disk: Simulated,
    file: usize,
}

fn broken() -> io::Error {
    io::Error::other("planted")
}

impl Storage for Simulated {
    type File = SimulatedFile;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.seen().names.keys().cloned().collect())
    }

    fn create(&self, name: &str, len: u64) -> io::Result<SimulatedFile> {
        let mut seen = self.seen();
        if seen.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if let Some(free) = &mut seen.free {
            match free.checked_sub(len) {
                Some(left) => *free = left,
                None => return Err(io::ErrorKind::StorageFull.into()),
            }
        }
        let file = seen.files.len();
        seen.files.push(Arc::new(vec![0; len as usize]));
        seen.names.insert(name.to_owned(), file);
        seen.note(Event::Create(name.to_owned(), file, len));
        let disk = self.clone();
        Ok(SimulatedFile { disk, file })
    }

    fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        let file = self.seen().names.get(name).copied();
        let disk = self.clone();
        file.map(|file| SimulatedFile { disk, file })
            .ok_or(io::ErrorKind::NotFound.into())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut seen = self.seen();
        let file = seen.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        let len = seen.files[file].len() as u64;
        seen.free = seen.free.map(|free| free + len);
        seen.note(Event::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut seen = self.seen();
        if seen.fails() {
            return Err(broken());
        }
        seen.note(Event::SyncFolder);
        Ok(())
    }

    fn salt(&self) -> u64 {
        let mut seen = self.seen();
        seen.salts += 1;
        Dice::new(seen.salts).roll()
    }
}

impl StorageFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.seen().files[self.file].len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let seen = self.disk.seen();
        let from = at as usize;
        let whole = seen.files[self.file].get(from..from + bytes.len());
        bytes.copy_from_slice(whole.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut seen = self.disk.seen();
        let fails = seen.fails();
        let bytes = if fails {
            &bytes[..bytes.len() / 2]
        } else {
            bytes
        };
        put(Arc::make_mut(&mut seen.files[self.file]), at, bytes);
        seen.note(Event::Write(self.file, at, bytes.into()));
        if fails { Err(broken()) } else { Ok(()) }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut seen = self.disk.seen();
        Arc::make_mut(&mut seen.files[self.file]).resize(len as usize, 0);
        seen.note(Event::Truncate(self.file, len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut seen = self.disk.seen();
        if seen.fails() {
            seen.note(Event::SyncFailed(self.file));
            return Err(broken());
        }
        seen.note(Event::Sync(self.file));
        Ok(())
    }

    fn settle(&self) -> io::Result<()> {
        self.sync()?;
        let mut seen = self.disk.seen();
        let Seen { played, dice, .. } = &mut *seen;
        let bytes = played.files[self.file].cut(|_, dice| FATES[dice.below(2)], dice);
        seen.files[self.file] = Arc::clone(&bytes);
        seen.note(Event::Settled(self.file, bytes));
        Ok(())
    }
}

/// The disk as a log leaves it: what is durable, and what is not yet.
#[derive(Clone, Debug)]
pub(super) struct Played {
    names: BTreeMap<String, usize>,
    pending_names: Vec<(String, Option<usize>)>,
    files: Vec<PlayedFile>,
    salts: u64,
}

#[derive(Clone, Debug)]
struct PlayedFile {
    durable: Arc<Vec<u8>>,
    pending: Vec<Change>,
    /// Of these the kernel thinks that they are on disk.
    doubtful: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Len(u64),
    Write(u64, Arc<[u8]>),
}

impl PlayedFile {
    fn of(durable: Arc<Vec<u8>>) -> Self {
        Self {
            durable,
            pending: Vec::new(),
            doubtful: Vec::new(),
        }
    }

    /// What is left when all that is not durable has the fate that `fate_of` gives it.
    fn cut(
        &self,
        mut fate_of: impl FnMut(bool, &mut Dice) -> Fate,
        dice: &mut Dice,
    ) -> Arc<Vec<u8>> {
        let mut bytes = Arc::clone(&self.durable);
        let count = self.doubtful.len() + self.pending.len();
        for (nth, change) in self.doubtful.iter().chain(&self.pending).enumerate() {
            let fate = fate_of(nth + 1 == count, dice);
            if fate != Fate::Drop {
                change.make(Arc::make_mut(&mut bytes), fate, dice);
            }
        }
        bytes
    }
}

impl Played {
    /// Does what the log says next.
    pub(super) fn play(&mut self, event: &Event) {
        match event {
            Event::SyncFolder => {
                for (name, file) in self.pending_names.drain(..) {
                    rename(&mut self.names, name, file);
                }
            }
            Event::Sync(file) => {
                let file = &mut self.files[*file];
                for change in file.pending.drain(..) {
                    change.make(Arc::make_mut(&mut file.durable), Fate::Keep, &mut Dice(0));
                }
            }
            Event::Settled(file, bytes) => self.files[*file] = PlayedFile::of(Arc::clone(bytes)),
            Event::SyncFailed(file) => {
                let file = &mut self.files[*file];
                file.doubtful.append(&mut file.pending);
            }
            _ => self.begin(event),
        }
    }

    /// Begins what the log says next, so that a power cut finds it not done yet.
    pub(super) fn begin(&mut self, event: &Event) {
        match event {
            Event::Create(name, file, len) => {
                assert_eq!(*file, self.files.len());
                let mut made = PlayedFile::of(Arc::default());
                made.pending.push(Change::Len(*len));
                self.files.push(made);
                self.pending_names.push((name.clone(), Some(*file)));
            }
            Event::Remove(name) => self.pending_names.push((name.clone(), None)),
            Event::Write(file, at, bytes) => {
                self.files[*file]
                    .pending
                    .push(Change::Write(*at, Arc::clone(bytes)));
            }
            Event::Truncate(file, len) => self.files[*file].pending.push(Change::Len(*len)),
            Event::SyncFolder | Event::Sync(_) | Event::SyncFailed(_) => {}
            Event::Settled(..) | Event::Told(..) | Event::Forget(_) => {}
        }
    }

    /// Cuts the power. What was done last has the fate `last`, all else that is not durable one of
    /// its own.
    pub(super) fn cut(&self, last: Fate, dice: &mut Dice) -> Simulated {
        // All dropped and all kept are likelier in the field than chance would have it.
        let common = [Some(Fate::Drop), Some(Fate::Keep), None][dice.below(3)];
        let mut fate_of = |is_last: bool, dice: &mut Dice| match common {
            _ if is_last => last,
            Some(common) => common,
            None => FATES[dice.below(FATES.len())],
        };
        let mut names = self.names.clone();
        for (nth, (name, file)) in self.pending_names.iter().enumerate() {
            let is_last = nth + 1 == self.pending_names.len();
            if fate_of(is_last, dice) != Fate::Drop {
                rename(&mut names, name.clone(), *file);
            }
        }
        let cut = |file: &PlayedFile| file.cut(&mut fate_of, dice);
        let files = self.files.iter().map(cut).collect();
        // Salts go on, as random ones would.
        Simulated::of(names, files, self.salts + 1_000)
    }
}

impl Change {
    fn make(&self, file: &mut Vec<u8>, fate: Fate, dice: &mut Dice) {
        match self {
            Self::Len(len) => file.resize(*len as usize, 0),
            Self::Write(at, bytes) => match fate {
                Fate::Drop => {}
                Fate::Keep => put(file, *at, bytes),
                Fate::Zero => put(file, *at, &vec![0; bytes.len()]),
                Fate::Garbage => {
                    let garbage: Vec<u8> = bytes.iter().map(|_| dice.roll() as u8).collect();
                    put(file, *at, &garbage);
                }
                Fate::Torn512 => tear(file, *at, bytes, (512, dice)),
                Fate::Torn4096 => tear(file, *at, bytes, (4_096, dice)),
            },
        }
    }
}

fn tear(file: &mut Vec<u8>, at: u64, bytes: &[u8], (sector, dice): (u64, &mut Dice)) {
    let end = at + bytes.len() as u64;
    let mut from = at;
    while from < end {
        let to = (from + 1).next_multiple_of(sector).min(end);
        if dice.once_in(2) {
            put(file, from, &bytes[(from - at) as usize..(to - at) as usize]);
        }
        from = to;
    }
}

fn put(file: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let end = at as usize + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at as usize..end].copy_from_slice(bytes);
}

fn rename(names: &mut BTreeMap<String, usize>, name: String, file: Option<usize>) {
    match file {
        Some(file) => names.insert(name, file),
        None => names.remove(&name),
    };
}
