//! The real programs that `tests/parts/setup.sh` installs.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::process::Process;

/// The value of `variable`, which names an installed part. Without it the test is skipped by name,
/// and fails in CI.
pub(crate) fn part(variable: &str) -> Option<OsString> {
    let value = std::env::var_os(variable);
    if value.is_none() {
        let test = std::thread::current().name().unwrap_or("?").to_owned();
        let reason = format!("skipped: {test}: no {variable}, see tests/parts/README.md");
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!in_ci, "{reason}");
        eprintln!("{reason}");
    }
    value
}

/// Held by tests that need the machine for themselves, because time matters to
/// them or they train a model, which has the lowest priority.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    // A test that failed leaves nothing behind.
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn recipe(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parts")
        .join(path)
}

/// A Collector that reads a file and sends it.
pub(crate) struct Tail<'a> {
    pub(crate) file: &'a Path,
    pub(crate) to: SocketAddr,
    pub(crate) service: &'a str,
    pub(crate) pod: &'a str,
}

impl Tail<'_> {
    pub(crate) fn start(&self, otelcol: &OsString) -> Process {
        self.start_with(otelcol, &[])
    }

    /// `configs` are laid over the usual one.
    pub(crate) fn start_with(&self, otelcol: &OsString, configs: &[&str]) -> Process {
        let over = configs
            .iter()
            .flat_map(|config| [OsString::from("--config"), recipe(config).into_os_string()]);
        let name = format!("the Collector of {}", self.file.display());
        Process::start(
            &name,
            Command::new(otelcol)
                .arg("--config")
                .arg(recipe("collector/configs/tail.yaml"))
                .args(over)
                .env("LOG_FILE", self.file)
                .env("KNOTHOLE_GRPC", self.to.to_string())
                .env("SERVICE_NAME", self.service)
                .env("HOST_NAME", "")
                .env("POD_NAME", self.pod)
                .env("POD_NAMESPACE", ""),
        )
    }
}

/// A Collector that writes what it is sent to a file.
pub(crate) struct Sink {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    out: PathBuf,
    _process: Process,
}

impl Sink {
    pub(crate) fn start(otelcol: &OsString, folder: &Path) -> Self {
        let out = folder.join("sink.jsonl");
        loop {
            let (grpc, http) = (free_port(), free_port());
            let process = Process::start(
                "the Collector that takes the events",
                Command::new(otelcol)
                    .arg("--config")
                    .arg(recipe("collector/configs/sink.yaml"))
                    .env("B_GRPC", grpc.to_string())
                    .env("B_HTTP", http.to_string())
                    .env("B_OUT", &out),
            );
            let is_ready = process.stderr_until(|line| {
                let is_taken = line.contains("address already in use");
                (is_taken || line.contains("Everything is ready")).then_some(!is_taken)
            });
            // Somebody else was quicker to take a port that was free.
            if is_ready {
                return Self {
                    grpc,
                    http,
                    out,
                    _process: process,
                };
            }
        }
    }

    /// The log records so far, as OTLP's JSON.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.out).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let requests = whole
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        requests
            .flat_map(|request| list(&request, "resourceLogs"))
            .flat_map(|resource| list(&resource, "scopeLogs"))
            .flat_map(|scope| list(&scope, "logRecords"))
            .collect()
    }
}

/// An OTLP log record as one object: its own fields and its attributes side by side.
pub(crate) fn flattened(record: &serde_json::Value) -> serde_json::Value {
    let mut flat = record.clone();
    for attribute in record["attributes"].as_array().unwrap() {
        let value = attribute["value"].as_object().unwrap();
        let value = value.values().next().cloned().unwrap_or_default();
        flat[attribute["key"].as_str().unwrap()] = value;
    }
    flat["sequence"] = flat["knothole.sequence"].clone();
    flat
}

fn list(holder: &serde_json::Value, name: &str) -> Vec<serde_json::Value> {
    holder[name].as_array().cloned().unwrap_or_default()
}

/// Collectors cannot say which port they took, so one is looked for. Another program might take
/// it first; then the Collector ends and is to be started again.
pub(crate) fn free_port() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Writes `lines` to a file for a Collector to read.
pub(crate) fn write_lines<'a>(path: &Path, lines: impl IntoIterator<Item = &'a str>) {
    let mut file = std::io::BufWriter::new(File::create(path).unwrap());
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
    file.flush().unwrap();
}

pub(crate) fn append_line(path: &Path, line: &str) {
    let mut file = File::options().append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}
