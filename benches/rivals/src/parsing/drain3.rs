//! Drain3, the Python original, in a process of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Drain3 with or without the masks of its example.
pub(crate) const KINDS: [(&str, &str); 2] = [
    ("PLAIN", "Drain3 0.9.11, default"),
    ("MASKS", "Drain3 0.9.11, example masks"),
];

/// A Python that has Drain3.
pub(crate) struct Drain3 {
    python: PathBuf,
}

/// What a timed run says.
#[derive(Deserialize)]
pub(crate) struct Timed {
    pub(crate) lines: u64,
    pub(crate) seconds: f64,
    pub(crate) templates: usize,
}

impl Drain3 {
    /// Sets it up once; `None`, and a line that says why, where that is not possible.
    pub(crate) fn find() -> Option<Self> {
        match Self::set_up() {
            Ok(drain3) => Some(drain3),
            Err(error) => {
                eprintln!("Drain3 is left out: {error:#}");
                None
            }
        }
    }

    fn set_up() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/drain3");
        let python = folder.join("bin/python");
        let works = |python: &Path| {
            let tried = Command::new(python).args(["-c", "import drain3"]).output();
            tried.is_ok_and(|tried| tried.status.success())
        };
        if !works(&python) {
            eprintln!("setting up Drain3 with pip");
            let made = Command::new("sh")
                .arg(script("setup.sh"))
                .arg(&folder)
                .output()?;
            let said = String::from_utf8_lossy(&made.stderr);
            ensure!(
                made.status.success() && works(&python),
                "setup.sh needs python3 with venv and pip: {}",
                said.trim_end()
            );
        }
        Ok(Self { python })
    }

    /// Times it on `lines`.
    pub(crate) fn speed(&self, kind: &str, lines: &[String]) -> Result<Timed> {
        self.ask("speed", kind, lines.iter().map(String::as_str))
    }

    /// The template of each line, after the last one.
    pub(crate) fn templates_of<'a>(
        &self,
        kind: &str,
        lines: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<String>> {
        self.ask("label", kind, lines)
    }

    fn ask<'a, T: DeserializeOwned>(
        &self,
        what: &str,
        kind: &str,
        lines: impl Iterator<Item = &'a str>,
    ) -> Result<T> {
        let lines: Vec<String> = lines.map(|line| line.replace('\n', " ")).collect();
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(lines.join("\n").as_bytes())?;
        let done = Command::new(&self.python)
            .arg(script("mine.py"))
            .args([what, kind])
            .arg(file.path())
            .output()?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "Drain3: {}", said.trim_end());
        serde_json::from_slice(&done.stdout).context("what Drain3 printed")
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("drain3")
        .join(name)
}
