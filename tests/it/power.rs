//! Power cuts on a real file system: an ext4 on a loop device is shut down as it is, nothing is
//! flushed, and what is there after the next mount is compared with what was acknowledged. Needs
//! Linux, root, ext4 and Python (for the ioctl); skipped by name elsewhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, mpsc};
use std::thread;

use knothole::core::record::Timestamp;
use knothole::edge::journal::{AppendError, Appended, Entry, Head, Journal, Seq, Settings};

use crate::parts::alone;

const ROUNDS: u64 = 60;
const SENDERS: u64 = 8;
const IMAGE_BYTES: u64 = 256 << 20;
/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
sys.stdin.readline()
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A file system that can lose power; not mounted any more when it is dropped.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    /// `None` where this machine has no such thing.
    fn make() -> Option<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let disk = Self {
            image: folder.path().join("image"),
            mount: folder.path().join("mount"),
            _folder: folder,
        };
        fs::create_dir(&disk.mount).unwrap();
        File::create(&disk.image)
            .unwrap()
            .set_len(IMAGE_BYTES)
            .unwrap();
        let can = runs(Command::new("mkfs.ext4").arg("-q").arg(&disk.image)) && disk.mount();
        (can && disk.cut() && disk.mount()).then_some(disk)
    }

    fn mount(&self) -> bool {
        let options = ["-t", "ext4", "-o", "loop"];
        runs(
            Command::new("mount")
                .args(options)
                .args([&self.image, &self.mount]),
        )
    }

    fn unmount(&self) -> bool {
        runs(Command::new("umount").arg(&self.mount))
    }

    /// Cuts the power, and takes the file system away.
    fn cut(&self) -> bool {
        self.arm().is_some_and(Switch::cut) && self.unmount()
    }

    /// Gets ready to cut the power at once.
    fn arm(&self) -> Option<Switch> {
        let mut python = Command::new("python3");
        python.args(["-c", SHUT_DOWN]).arg(&self.mount);
        let quiet = python.stdin(Stdio::piped()).stdout(Stdio::null());
        quiet.stderr(Stdio::null()).spawn().ok().map(Switch)
    }
}

/// What cuts the power.
struct Switch(Child);

impl Switch {
    fn cut(mut self) -> bool {
        let said = self
            .0
            .stdin
            .take()
            .is_some_and(|mut line| line.write_all(b"now\n").is_ok());
        said && self.0.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn runs(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn disk(test: &str) -> Option<Disk> {
    let disk = Disk::make();
    if disk.is_none() {
        eprintln!("skipped: {test}: no ext4 on a loop device can be mounted and shut down here");
    }
    disk
}

/// What has this number, of a random length up to 16 KB.
fn body(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut roll = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let len = 1 << (roll() % 15);
    let mut body = number.to_le_bytes().to_vec();
    body.resize_with(len + 8, || roll() as u8);
    body
}

fn entry(number: u64) -> Entry {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    let head = Head {
        kind: 1,
        tenant: "acme".into(),
        received_at: Timestamp::from_millis(1),
        digest,
    };
    let body = body(number).into();
    Entry { head, body }
}

fn open(folder: &Path) -> (Journal, Vec<std::ops::RangeInclusive<Seq>>) {
    let settings = Settings {
        segment_bytes: 8 << 20,
        bytes_max: 128 << 20,
        ..Settings::default()
    };
    let (journal, recovery) = Journal::open(folder, settings).unwrap();
    (journal, recovery.lost)
}

/// What senders were told: which entry has which number.
#[derive(Default)]
struct Told {
    entries: Mutex<BTreeMap<Seq, u64>>,
    more: Condvar,
}

impl Told {
    fn wait_for(&self, count: usize) {
        let entries = self.entries.lock().unwrap();
        let few = |entries: &mut BTreeMap<_, _>| entries.len() < count;
        drop(self.more.wait_while(entries, few).unwrap());
    }
}

/// Sends one entry after another until the disk is gone.
fn send(journal: &Journal, sender: u64, round: u64, told: &Told) {
    for nth in 0.. {
        let number = ((round * SENDERS + sender) << 32) | nth;
        let (answer, answered) = mpsc::channel();
        let then = move |done: Result<Appended, AppendError>| answer.send(done).unwrap();
        let accepted = journal.append(entry(number), then).is_ok();
        match accepted.then(|| answered.recv().unwrap()) {
            Some(Ok(Appended::New(seq) | Appended::Repeated(seq))) => {
                told.entries.lock().unwrap().insert(seq, number);
                told.more.notify_all();
            }
            Some(Err(_)) | None => return,
        }
    }
}

#[test]
fn what_was_acknowledged_survives_power_cuts() {
    let Some(disk) = disk("what_was_acknowledged_survives_power_cuts") else {
        return;
    };
    // A mount namespace that is made meanwhile would keep the disk.
    let _alone = alone();
    let folder = disk.mount.join("state/journal");
    let mut told_before = BTreeMap::new();
    for round in 0..ROUNDS {
        let (journal, lost) = open(&folder);
        assert_eq!(lost, [], "round {round}");
        let stored = journal.read(Seq::ZERO).map(|one| (one.seq, one.body));
        let stored: BTreeMap<Seq, _> = stored.collect();
        for (seq, bytes) in &stored {
            let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
            assert_eq!(
                *bytes,
                body(number),
                "round {round}: entry {seq} is altered"
            );
        }
        for (seq, number) in &told_before {
            let kept = stored
                .get(seq)
                .is_some_and(|bytes| bytes[..8] == u64::to_le_bytes(*number));
            assert!(
                kept,
                "round {round}: entry {seq} was acknowledged and is lost"
            );
        }
        journal.forget(stored.keys().next_back().copied().unwrap_or_default());
        let told = Told::default();
        let switch = disk.arm().unwrap();
        told_before = thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (journal, told) = (&journal, &told);
                scope.spawn(move || send(journal, sender, round, told));
            }
            told.wait_for(1 + (round * 37 % 97) as usize);
            // A sync that is under way when the disk goes may end well here; after a power cut
            // nobody would hear of it.
            let told_before = told.entries.lock().unwrap().clone();
            assert!(switch.cut());
            told_before
        });
        drop(journal);
        assert!(disk.unmount() && disk.mount());
    }
}

#[test]
fn a_power_cut_takes_what_was_not_synced() {
    let Some(disk) = disk("a_power_cut_takes_what_was_not_synced") else {
        return;
    };
    let _alone = alone();
    let path = disk.mount.join("unsynced");
    File::create(&path).unwrap().write_all(&body(1)).unwrap();
    assert!(disk.cut() && disk.mount());
    assert!(!fs::read(&path).is_ok_and(|bytes| bytes == body(1)));
}
