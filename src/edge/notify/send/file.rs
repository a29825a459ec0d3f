//! A file of JSON lines, put aside when it is large enough.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::SendSetupError;
use crate::core::record::Timestamp;
use crate::edge::notify::config::{FileConfig, FileSync};
use crate::edge::notify::deliver::{Answer, Message, Sink};

/// Who may read it: what is told of incidents quotes logs.
const MODE: u32 = 0o640;

/// One file.
#[derive(Clone)]
pub(crate) struct FileSink {
    path: PathBuf,
    bytes_max: u64,
    files_kept: usize,
    sync: FileSync,
}

impl FileSink {
    /// Opens the file once, so that a wrong path is told at the start.
    pub(crate) fn new(config: &FileConfig) -> Result<Self, SendSetupError> {
        let sink = Self {
            path: config.path.clone(),
            bytes_max: config.bytes_max,
            files_kept: config.files_kept,
            sync: config.sync,
        };
        match sink.open() {
            Ok(_) => Ok(sink),
            Err(source) => Err(SendSetupError::File {
                path: config.path.clone(),
                source,
            }),
        }
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(MODE)
            .open(&self.path)
    }

    /// Writes `lines`, which end in a newline, all or none.
    fn write(&self, lines: &[u8]) -> io::Result<()> {
        let mut file = self.open()?;
        let mut length = file.metadata()?.len();
        if length > 0 && length.saturating_add(lines.len() as u64) > self.bytes_max {
            drop(file);
            self.put_aside()?;
            file = self.open()?;
            length = 0;
        }
        let written = mend(&mut file, length)
            .and_then(|()| file.write_all(lines))
            .and_then(|()| match self.sync {
                FileSync::Always => self.settle(&file, length),
                FileSync::Never => Ok(()),
            });
        if written.is_err() {
            // Half a line would be taken for one; if this fails too, the next write ends it.
            let _ = file.set_len(length);
        }
        written
    }

    /// Has what was written on disk for sure, and a file that was empty in its folder.
    fn settle(&self, file: &File, length: u64) -> io::Result<()> {
        file.sync_data()?;
        if length > 0 {
            return Ok(());
        }
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// `path.1` becomes `path.2` and so on; the oldest goes.
    fn put_aside(&self) -> io::Result<()> {
        if self.files_kept == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.files_kept).rev() {
            rename_if_there(&self.aside(number), &self.aside(number + 1))?;
        }
        rename_if_there(&self.path, &self.aside(1))
    }

    fn aside(&self, number: usize) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }
}

/// Ends the half line that a crash has left.
fn mend(file: &mut File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    match last {
        [b'\n'] => Ok(()),
        _ => file.write_all(b"\n"),
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

impl Sink for FileSink {
    async fn send(&self, batch: &[Message], _now: Timestamp) -> Answer {
        let mut lines = Vec::new();
        for message in batch {
            lines.extend_from_slice(&message.body);
            lines.push(b'\n');
        }
        let sink = self.clone();
        let written = tokio::task::spawn_blocking(move || sink.write(&lines));
        match written.await {
            Ok(Ok(())) => Answer::Taken { refused: 0 },
            Ok(Err(error)) => Answer::Later {
                why: error.to_string(),
                after: None,
            },
            Err(_) => Answer::Later {
                why: "the write broke off".to_owned(),
                after: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(folder: &tempfile::TempDir, bytes_max: u64, files_kept: usize) -> FileSink {
        FileSink {
            path: folder.path().join("events.jsonl"),
            bytes_max,
            files_kept,
            sync: FileSync::Always,
        }
    }

    fn message(body: &str) -> Message {
        Message {
            id: body.into(),
            body: body.into(),
            offered_at: Timestamp::ZERO,
            expires_at: None,
            lane: None,
        }
    }

    #[tokio::test]
    async fn a_file_that_is_full_is_put_aside_and_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let sink = sink(&folder, 16, 2);
        for n in 0..10 {
            let line = format!("{{\"n\":{n}}}");
            let answer = sink.send(&[message(&line)], Timestamp::ZERO).await;
            assert!(matches!(answer, Answer::Taken { refused: 0 }));
        }
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(read(&sink.path), "{\"n\":8}\n{\"n\":9}\n");
        assert_eq!(read(&sink.aside(1)), "{\"n\":6}\n{\"n\":7}\n");
        assert_eq!(read(&sink.aside(2)), "{\"n\":4}\n{\"n\":5}\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[tokio::test]
    async fn a_file_beside_the_daemon_needs_no_folder_in_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("a")).unwrap();
        let named = FileSink {
            path: "events.jsonl".into(),
            ..sink(&folder, 1000, 1)
        };
        named.settle(&file, 0).unwrap();
    }

    #[tokio::test]
    async fn half_a_line_of_before_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let sink = sink(&folder, 1000, 1);
        fs::write(&sink.path, "{\"a\":1}\n{\"b\":").unwrap();
        sink.send(&[message("{\"c\":3}")], Timestamp::ZERO).await;
        let text = fs::read_to_string(&sink.path).unwrap();
        assert_eq!(text, "{\"a\":1}\n{\"b\":\n{\"c\":3}\n");
    }

    #[tokio::test]
    async fn a_folder_that_went_away_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let sink = sink(&folder, 1000, 1);
        drop(folder);
        let answer = sink.send(&[message("{}")], Timestamp::ZERO).await;
        assert!(matches!(answer, Answer::Later { .. }));
    }
}
