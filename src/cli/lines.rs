//! The lines of a log file: plain, gzip, zstd or xz, told by content; `-` is standard input.
//!
//! Memory is bounded whatever the file holds (an `.xz` block excepted, which its decoder takes as
//! a whole): a line longer than [`LINE_LEN_MAX`] is cut, and bytes that are not UTF-8 are replaced.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, PipeReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use thiserror::Error;

use super::progress::Progress;
use super::terminal::printable;
use crate::core::parse::Folder;

/// Longest line in bytes; what is beyond is dropped and counted in [`Lines::cut`].
pub(crate) const LINE_LEN_MAX: usize = 1 << 20;
/// Longest record of several lines in bytes, as the daemon's longest body.
const RECORD_LEN_MAX: usize = 64 << 10;
/// How many lines are read before the progress is shown anew.
const PROGRESS_EVERY: u64 = 1024;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];

/// Why lines cannot be read.
#[derive(Debug, Error)]
pub(crate) enum LinesError {
    /// The file cannot be opened.
    #[error("cannot open {name}: {source}")]
    Open { name: String, source: io::Error },
    /// It is a folder.
    #[error("{name} is a folder; name the files in it")]
    Folder { name: String },
    /// Reading or decompressing stopped short.
    #[error("cannot read {name} after line {line}: {source}")]
    Read {
        name: String,
        line: u64,
        source: io::Error,
    },
}

/// A log file that is being read.
pub(crate) struct Lines {
    name: String,
    reader: Box<dyn BufRead>,
    /// Decodes an `.xz`, which has no reader that streams.
    decoder: Option<JoinHandle<io::Result<()>>>,
    /// Bytes of the file as stored, read so far.
    read: Arc<AtomicU64>,
    progress: Progress,
    line: Vec<u8>,
    replaced: String,
    number: u64,
    cut: u64,
    records: Records,
}

/// Lines on their way to becoming records.
#[derive(Default)]
struct Records {
    folder: Folder,
    record: String,
    /// The first line of the next record, which was read to see where this one ends.
    next: String,
    has_next: bool,
}

impl Lines {
    /// Opens `path`; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<Self, LinesError> {
        if path == Path::new("-") {
            return Self::over(io::stdin(), "standard input", None);
        }
        let name = printable(&path.display().to_string(), 200);
        let opened = File::open(path).and_then(|file| file.metadata().map(|about| (file, about)));
        match opened {
            Ok((_, about)) if about.is_dir() => Err(LinesError::Folder { name }),
            Ok((file, about)) => Self::over(file, &name, about.is_file().then_some(about.len())),
            Err(source) => Err(LinesError::Open { name, source }),
        }
    }

    /// Reads from anything; `len` is the number of bytes to come, where known.
    pub(crate) fn over(
        input: impl Read + Send + 'static,
        name: &str,
        len: Option<u64>,
    ) -> Result<Self, LinesError> {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            input,
            read: Arc::clone(&read),
        };
        let (reader, decoder) = decoded(counted).map_err(|source| LinesError::Read {
            name: name.to_owned(),
            line: 0,
            source,
        })?;
        Ok(Self {
            name: name.to_owned(),
            reader,
            decoder,
            read,
            progress: Progress::of_bytes(len, name),
            line: Vec::new(),
            replaced: String::new(),
            number: 0,
            cut: 0,
            records: Records::default(),
        })
    }

    /// The next line, without its end (LF or CR LF); `None` after the last.
    pub(crate) fn next_line(&mut self) -> Result<Option<&str>, LinesError> {
        if self.number.is_multiple_of(PROGRESS_EVERY) {
            self.show_progress();
        }
        match self.fill() {
            Ok(true) => self.number += 1,
            Ok(false) => return Ok(None),
            Err(source) => {
                let (name, line) = (self.name.clone(), self.number);
                return Err(LinesError::Read {
                    name,
                    line,
                    source: in_words(source),
                });
            }
        }
        if std::str::from_utf8(&self.line).is_err() {
            self.replaced = String::from_utf8_lossy(&self.line).into_owned();
            return Ok(Some(&self.replaced));
        }
        Ok(std::str::from_utf8(&self.line).ok())
    }

    /// The next record: a line and those that go on with it, such as a stack trace
    /// ([`Folder`]). Lines that would make it longer than [`RECORD_LEN_MAX`] are left out: of a
    /// trace they are the outermost frames, which tell nothing apart.
    pub(crate) fn next_record(&mut self) -> Result<Option<&str>, LinesError> {
        let mut records = std::mem::take(&mut self.records);
        let read = self.fill_record(&mut records);
        self.records = records;
        Ok(read?.then_some(self.records.record.as_str()))
    }

    /// Reads up to the first line of the record after; false at the end.
    fn fill_record(&mut self, records: &mut Records) -> Result<bool, LinesError> {
        std::mem::swap(&mut records.record, &mut records.next);
        let mut any = std::mem::take(&mut records.has_next);
        if !any {
            records.record.clear();
        }
        while let Some(line) = self.next_line()? {
            if !records.folder.goes_on(line) {
                let begun = if any {
                    &mut records.next
                } else {
                    &mut records.record
                };
                begun.clear();
                begun.push_str(line);
                if std::mem::replace(&mut any, true) {
                    records.has_next = true;
                    break;
                }
            } else if records.record.len() + line.len() < RECORD_LEN_MAX {
                records.record.push('\n');
                records.record.push_str(line);
            }
        }
        Ok(any)
    }

    /// Moves the progress bar on.
    pub(crate) fn show_progress(&mut self) {
        self.progress
            .set(self.read.load(Ordering::Relaxed), self.number);
    }

    /// Lines read so far.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Lines that were longer than [`LINE_LEN_MAX`].
    pub(crate) fn cut(&self) -> u64 {
        self.cut
    }

    /// Reads a line into `self.line`; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.line.clear();
        let bound = LINE_LEN_MAX as u64 + 1;
        let len = (&mut self.reader)
            .take(bound)
            .read_until(b'\n', &mut self.line)?;
        if len == 0 {
            return match self.decoder.take() {
                Some(decoder) => join(decoder).map(|()| false),
                None => Ok(false),
            };
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if len > LINE_LEN_MAX {
            self.reader.skip_until(b'\n')?;
            self.line.truncate(LINE_LEN_MAX);
            self.cut += 1;
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        Ok(true)
    }
}

type Decoded = (Box<dyn BufRead>, Option<JoinHandle<io::Result<()>>>);

fn decoded(mut input: impl Read + Send + 'static) -> io::Result<Decoded> {
    let mut head = Vec::new();
    input
        .by_ref()
        .take(XZ.len() as u64)
        .read_to_end(&mut head)?;
    let is = |magic: &[u8]| head.starts_with(magic);
    let (gzip, zstd, xz) = (is(GZIP), is(ZSTD), is(XZ));
    let whole = BufReader::with_capacity(64 << 10, Cursor::new(head).chain(input));
    if gzip {
        Ok((
            Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(whole))),
            None,
        ))
    } else if zstd {
        Ok((
            Box::new(BufReader::new(zstd::Decoder::with_buffer(whole)?)),
            None,
        ))
    } else if xz {
        let (reader, decoder) = decode_xz(whole)?;
        Ok((Box::new(BufReader::new(reader)), Some(decoder)))
    } else {
        Ok((Box::new(whole), None))
    }
}

fn decode_xz(
    mut input: impl BufRead + Send + 'static,
) -> io::Result<(PipeReader, JoinHandle<io::Result<()>>)> {
    let (reader, mut writer) = io::pipe()?;
    let decode = move || match lzma_rs::xz_decompress(&mut input, &mut writer) {
        Ok(()) => Ok(()),
        Err(lzma_rs::error::Error::IoError(error)) => Err(error),
        Err(error) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{error:?}"),
        )),
    };
    Ok((
        reader,
        thread::Builder::new().name("xz".to_owned()).spawn(decode)?,
    ))
}

/// Decoders say "failed to fill whole buffer" of a file that was cut short.
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(error.kind(), "it ends too soon; was it copied whole?")
        }
        _ => error,
    }
}

fn join(decoder: JoinHandle<io::Result<()>>) -> io::Result<()> {
    decoder
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the xz decoder gave up")))
}

/// Counts the bytes that pass.
struct Counted<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(buffer)?;
        self.read.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<String>, LinesError> {
        let mut lines = Lines::over(Cursor::new(bytes.to_vec()), "test", None)?;
        let mut read = Vec::new();
        while let Some(line) = lines.next_line()? {
            read.push(line.to_owned());
        }
        assert_eq!(lines.number(), read.len() as u64);
        Ok(read)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        lzma_rs::xz_compress(&mut Cursor::new(text), &mut packed).unwrap();
        packed
    }

    #[test]
    fn each_packing_gives_the_same_lines() {
        let text: String = (0..5000).map(|n| format!("line {n} of a log\n")).collect();
        let text = text.as_bytes();
        let plain = all(text).unwrap();
        assert_eq!(plain.len(), 5000);
        assert_eq!(plain[4999], "line 4999 of a log");
        for packed in [gzip(text), zstd::encode_all(text, 1).unwrap(), xz(text)] {
            assert_eq!(all(&packed).unwrap(), plain);
        }
        let (first, second) = text.split_at(20_000);
        let members = [gzip(first), gzip(second)].concat();
        assert_eq!(
            all(&members).unwrap(),
            plain,
            "a rotated file may be several gzip members"
        );
    }

    #[test]
    fn a_file_cut_short_is_an_error_not_an_end() {
        let text: String = (0..5000).map(|n| format!("line {n}\n")).collect();
        let text = text.as_bytes();
        for packed in [gzip(text), zstd::encode_all(text, 1).unwrap(), xz(text)] {
            let refused = all(&packed[..packed.len() - 20]).unwrap_err().to_string();
            assert!(
                refused.starts_with("cannot read test after line ")
                    && refused.ends_with("it ends too soon; was it copied whole?"),
                "{refused}"
            );
        }
    }

    #[test]
    fn line_ends_empty_lines_and_a_last_line_without_end() {
        assert_eq!(
            all(b"a\r\n\r\n\nb\rc\nlast").unwrap(),
            ["a", "", "", "b\rc", "last"]
        );
        assert_eq!(all(b"").unwrap(), Vec::<String>::new());
        assert_eq!(all(b"x").unwrap(), ["x"]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(
            all(b"caf\xe9 open\nfine\n").unwrap(),
            ["caf\u{fffd} open", "fine"]
        );
    }

    #[test]
    fn a_line_too_long_is_cut_and_counted_and_the_next_is_whole() {
        let exact = "e".repeat(LINE_LEN_MAX);
        let long = "l".repeat(LINE_LEN_MAX + 3);
        let text = format!("{exact}\n{long}\nnext\n");
        let mut lines = Lines::over(Cursor::new(text), "test", None).unwrap();
        assert_eq!(lines.next_line().unwrap().unwrap().len(), LINE_LEN_MAX);
        assert_eq!(lines.cut(), 0);
        assert_eq!(lines.next_line().unwrap().unwrap().len(), LINE_LEN_MAX);
        assert_eq!(lines.cut(), 1);
        assert_eq!(lines.next_line().unwrap(), Some("next"));
        assert_eq!(lines.next_line().unwrap(), None);
    }

    fn records(text: &str) -> Vec<String> {
        let mut lines = Lines::over(Cursor::new(text.to_owned()), "test", None).unwrap();
        let mut read = Vec::new();
        while let Some(record) = lines.next_record().unwrap() {
            read.push(record.to_owned());
        }
        read
    }

    #[test]
    fn a_stack_trace_is_one_record_with_the_line_before_it() {
        let trace = "order 7 failed\n\tat a.B.c(B.java:1)\nCaused by: d.E: f\n\tat d.E.g(E.java:2)";
        let text = format!("ready\n{trace}\n\nstopped\n{trace}\n");
        assert_eq!(records(&text), ["ready", trace, "", "stopped", trace]);
        assert_eq!(records(""), Vec::<String>::new());
        assert_eq!(records("one"), ["one"]);
    }

    #[test]
    fn a_record_too_long_is_cut_and_the_next_is_whole() {
        let text = format!(
            "head\n{}next\n",
            format!("\t{}\n", "x".repeat(1_000)).repeat(100)
        );
        let mut lines = Lines::over(Cursor::new(text), "test", None).unwrap();
        let len = lines.next_record().unwrap().unwrap().len();
        assert!(
            (RECORD_LEN_MAX - 1_002..RECORD_LEN_MAX).contains(&len),
            "{len}"
        );
        assert_eq!(lines.next_record().unwrap(), Some("next"));
        assert_eq!(lines.next_record().unwrap(), None);
        assert_eq!(lines.number(), 102);
    }

    #[test]
    fn what_cannot_be_opened_is_named() {
        let missing = Lines::open(Path::new("no/such.log"))
            .err()
            .unwrap()
            .to_string();
        assert!(
            missing.starts_with("cannot open no/such.log: "),
            "{missing}"
        );
        let folder = tempfile::tempdir().unwrap();
        let folder = Lines::open(folder.path()).err().unwrap().to_string();
        assert!(
            folder.ends_with("is a folder; name the files in it"),
            "{folder}"
        );
    }
}
