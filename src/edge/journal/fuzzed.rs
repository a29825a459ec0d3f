//! What must hold for any bytes as the files of a journal, and for any damage to a sound one: it
//! opens, what it says is there can be read in order, it takes an entry, and the next start finds
//! all of that again.

use std::sync::LazyLock;

use super::reader::Reader;
use super::simulated::Simulated;
use super::writer::{Pending, Writer, lock};
use super::*;

/// The files of a sound journal: some segments, and what is left of one that was forgotten.
static SOUND: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let disk = Simulated::new();
    if let Some((mut writer, _)) = open(&disk) {
        for number in 0..30 {
            append(&mut writer, &[number; 200]);
        }
        writer.forget(Seq::new(15));
        writer.close();
    }
    let names = disk.file_names();
    names
        .into_iter()
        .map(|name| (name.clone(), disk.bytes(&name)))
        .collect()
});

/// Makes files of the input and opens them as a journal.
pub fn check(input: &[u8]) {
    let Some((mode, rest)) = input.split_first() else {
        return;
    };
    let disk = Simulated::with_files(match mode % 2 {
        0 => edited(rest),
        _ => raw(rest),
    });
    let Some((mut writer, recovery)) = open(&disk) else {
        return;
    };
    let before = read(&disk, &writer, &recovery);
    let appended = append(&mut writer, b"one more");
    drop(writer);
    let again = open(&disk);
    assert!(again.is_some(), "it was open before");
    if let Some((writer, recovery)) = again {
        let mut after = read(&disk, &writer, &recovery);
        if let Some(Appended::New(seq)) = appended {
            assert_eq!(after.pop().map(|one| one.seq), Some(seq));
        }
        let numbers = |stored: &[Stored]| stored.iter().map(|one| one.seq).collect::<Vec<_>>();
        assert_eq!(numbers(&before), numbers(&after), "{input:?}");
        assert!(before == after, "{input:?}");
    }
}

fn open(disk: &Simulated) -> Option<(Writer<Simulated>, Recovery)> {
    let settings = Settings {
        segment_bytes: 4 << 10,
        bytes_max: 1 << 20,
        ..Settings::default()
    };
    match Writer::open(disk.clone(), settings) {
        Ok(opened) => Some(opened),
        Err(JournalError::Newer { .. }) => None,
        Err(error) => {
            assert_eq!(error.to_string(), "");
            None
        }
    }
}

fn append(writer: &mut Writer<Simulated>, body: &[u8]) -> Option<Appended> {
    let mut digest = [0; 16];
    for (to, from) in digest.iter_mut().zip(body) {
        *to = *from;
    }
    let heard = Arc::new(Mutex::new(None));
    writer.commit(vec![Pending {
        head: Head {
            kind: 1,
            tenant: "acme".into(),
            received_at: Timestamp::from_millis(1),
            digest,
        },
        body_crc: crc32fast::hash(body),
        body: Bytes::copy_from_slice(body),
        then: Box::new({
            let heard = Arc::clone(&heard);
            move |done| *lock(&heard) = done.ok()
        }),
    }]);
    lock(&heard).take()
}

fn read(disk: &Simulated, writer: &Writer<Simulated>, recovery: &Recovery) -> Vec<Stored> {
    let segments = lock(writer.segments()).clone();
    let stored: Vec<Stored> = Reader::new(disk.clone(), Seq::ZERO, segments).collect();
    assert_eq!(stored.len() as u64, recovery.entries);
    assert!(stored.is_sorted_by(|one, next| one.seq < next.seq));
    assert!(stored.last().is_none_or(|last| last.seq <= recovery.last));
    stored
}

/// The sound journal with some bytes changed: which file, where, how, how much, with what.
fn edited(edits: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = SOUND.clone();
    for edit in edits.chunks_exact(6) {
        let count = files.len();
        let (_, bytes) = &mut files[usize::from(edit[0]) % count];
        if bytes.is_empty() {
            continue;
        }
        let from = usize::from(u16::from_le_bytes([edit[1], edit[2]])) % bytes.len();
        let to = (from + usize::from(edit[4])).min(bytes.len());
        match edit[3] % 5 {
            0 => bytes[from] ^= 1 << (edit[5] % 8),
            1 => bytes[from..to].fill(edit[5]),
            2 => bytes.truncate(from),
            3 => drop(bytes.drain(from..to)),
            _ => {
                let copied = bytes[from..to].to_vec();
                let at = usize::from(edit[5]) * 16 % bytes.len();
                bytes.splice(at..at, copied);
            }
        }
    }
    files
}

/// One file after another, each with a name and a length.
fn raw(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    while let [kind, len, ..] = *bytes {
        let len = (usize::from(len) * 32).min(bytes.len() - 2);
        let extension = ["journal", "keys", "tmp"][usize::from(kind) % 3];
        let name = format!("{:012}.{extension}", kind / 3);
        files.push((name, bytes[2..2 + len].to_vec()));
        bytes = &bytes[2 + len..];
    }
    files
}

#[cfg(test)]
mod tests {
    use super::super::simulated::Dice;
    use super::*;

    #[test]
    fn what_fuzzing_found_worth_keeping_holds() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/journal");
        let files = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 5, "{folder} has few inputs");
        for file in files {
            let input = std::fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| check(&input)).is_err() {
                panic!("the journal does not hold for {}", file.display());
            }
        }
    }

    #[test]
    fn any_files_and_any_damage_are_lived_with() {
        let mut dice = Dice::new(7);
        for _ in 0..20_000 {
            let len = 1 + 6 * dice.below(5) + dice.below(40);
            let input: Vec<u8> = (0..len).map(|_| dice.roll() as u8).collect();
            check(&input);
        }
    }
}
