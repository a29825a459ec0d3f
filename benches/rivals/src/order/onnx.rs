//! ONNX Runtime in a process of its own.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use knothole::core::model::Weights;
use serde::de::DeserializeOwned;

use crate::contest::Lap;

/// A running process that answers windows when it is asked to.
pub(crate) struct Onnx {
    process: Child,
    asked: ChildStdin,
    said: BufReader<ChildStdout>,
    first_row: Vec<f32>,
}

impl Onnx {
    /// Sets it up once; `None`, and a line that says why, where that is not possible.
    pub(crate) fn find(weights: &Weights) -> Option<Self> {
        match Self::start(weights) {
            Ok(onnx) => Some(onnx),
            Err(error) => {
                eprintln!("ONNX Runtime is left out: {error:#}");
                None
            }
        }
    }

    /// The log-probabilities after the window 0, 1, … 9.
    pub(crate) fn first_row(&self) -> &[f32] {
        &self.first_row
    }

    /// Answers so many windows.
    pub(crate) fn lap(&mut self, windows: usize) -> Result<Lap> {
        writeln!(self.asked, "{windows}")?;
        let (units, seconds): (u64, f64) = line(&mut self.said)?;
        let spent = Duration::from_secs_f64(seconds);
        Ok(Lap { units, spent })
    }

    fn start(weights: &Weights) -> Result<Self> {
        let mut file = tempfile::NamedTempFile::new()?;
        for value in weights.values().iter().flatten() {
            file.write_all(&value.to_le_bytes())?;
        }
        let mut process = Command::new(python()?)
            .arg(script("windows.py"))
            .arg(file.path())
            .arg(weights.key_count().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let asked = process.stdin.take().context("no way to ask")?;
        let mut said = BufReader::new(process.stdout.take().context("no way to listen")?);
        let first_row = line(&mut said)?;
        Ok(Self {
            process,
            asked,
            said,
            first_row,
        })
    }
}

impl Drop for Onnx {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line<T: DeserializeOwned>(said: &mut impl BufRead) -> Result<T> {
    let mut line = String::new();
    said.read_line(&mut line)?;
    serde_json::from_str(&line).context("what ONNX Runtime printed")
}

/// A Python that has ONNX Runtime.
fn python() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/onnx");
    let python = folder.join("bin/python");
    let works = |python: &Path| {
        let tried = Command::new(python)
            .args(["-c", "import numpy, onnx, onnxruntime"])
            .output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    if !works(&python) {
        eprintln!("setting up ONNX Runtime with pip");
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
    Ok(python)
}

fn script(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx");
    folder.join(name)
}
