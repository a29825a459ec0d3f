//! A running `knothole serve`.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::process::{Process, SOON, until};

/// The state folder, the settings and what else a test needs on disk.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// A daemon on free ports.
pub(crate) struct Knothole {
    pub(crate) process: Process,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) api: SocketAddr,
    /// What the API is shown.
    token: Option<&'static str>,
}

/// Where the records went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) received: u64,
    pub(crate) scored: u64,
    pub(crate) learned: u64,
    pub(crate) suppressed: u64,
    pub(crate) rejected: u64,
    pub(crate) pending: u64,
}

impl Ledger {
    pub(crate) fn accounted_for(&self) -> u64 {
        self.scored + self.learned + self.suppressed + self.rejected + self.pending
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the settings: `yaml` on top of free ports and a state folder in here.
    pub(crate) fn configure(&self, yaml: &str) -> PathBuf {
        let free = "{ otlp_grpc: 127.0.0.1:0, otlp_http: 127.0.0.1:0, api: 127.0.0.1:0 }";
        self.configure_at(free, yaml)
    }

    fn configure_at(&self, listen: &str, yaml: &str) -> PathBuf {
        let path = self.path("knothole.yaml");
        let state = self.path("state");
        let text = format!("listen: {listen}\nstate_dir: {}\n{yaml}\n", state.display());
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Where this daemon listens, for one that takes its place: senders know the address.
    pub(crate) fn at_ports_of(&self, knothole: &Knothole) -> String {
        let Knothole { grpc, http, .. } = knothole;
        format!("{{ otlp_grpc: {grpc}, otlp_http: {http}, api: 127.0.0.1:0 }}")
    }

    /// A daemon that listens where another one did, once it is ready.
    pub(crate) fn serve_at(&self, listen: &str, yaml: &str) -> Knothole {
        let config = self.configure_at(listen, yaml);
        let mut command = knothole(&["serve", "--config", config.to_str().unwrap()]);
        Knothole::ready(Process::start("knothole", &mut command))
    }

    /// A daemon with these settings, once it is ready.
    pub(crate) fn serve(&self, yaml: &str) -> Knothole {
        self.serve_with(yaml, &[])
    }

    pub(crate) fn serve_with(&self, yaml: &str, env: &[(&str, &str)]) -> Knothole {
        let config = self.configure(yaml);
        let mut command = knothole(&["serve", "--config", config.to_str().unwrap()]);
        command.envs(env.iter().copied());
        Knothole::ready(Process::start("knothole", &mut command))
    }
}

impl Knothole {
    fn ready(process: Process) -> Self {
        let line = process.says("ready ");
        let after = |mark: &str| {
            let (_, rest) = line.split_once(mark).unwrap();
            let (address, _) = rest.split_once(',').unwrap();
            address.parse().unwrap()
        };
        Self {
            grpc: after("gRPC "),
            http: after("HTTP "),
            api: after("http://"),
            process,
            token: None,
        }
    }

    /// Shows the API this token from now on.
    pub(crate) fn with_token(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get_as(self.api, self.token, path).expect("the API answers")
    }

    pub(crate) fn ledger(&self) -> Ledger {
        ledger_of(&self.get("/metrics").1)
    }

    /// Waits until `received` records came in and none of them waits any more.
    pub(crate) fn ledger_when_settled(&self, received: u64, limit: Duration) -> Ledger {
        let mut last = Ledger::default();
        let settled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(limit, &format!("{received} records to be settled"), || {
                last = self.ledger();
                (last.received >= received && last.pending == 0).then_some(last)
            })
        }));
        settled.unwrap_or_else(|_| panic!("{received} records were to be settled: {last:?}"))
    }

    /// What `/v1/services` says about the service of this name.
    pub(crate) fn service(&self, name: &str) -> Option<serde_json::Value> {
        let answer: serde_json::Value = serde_json::from_str(&self.get("/v1/services").1).unwrap();
        let services = answer["services"].as_array().unwrap();
        services
            .iter()
            .find(|service| service["name"] == name)
            .cloned()
    }

    /// The services shown, and how many records came of each.
    pub(crate) fn records_by_service(&self) -> BTreeMap<String, u64> {
        let answer: serde_json::Value = serde_json::from_str(&self.get("/v1/services").1).unwrap();
        let services = answer["services"].as_array().unwrap().iter();
        services
            .map(|service| {
                let name = service["name"].as_str().unwrap().to_owned();
                (name, service["records"].as_u64().unwrap())
            })
            .collect()
    }

    pub(crate) fn wait_for_state(&self, name: &str, state: &str) -> serde_json::Value {
        until(SOON, &format!("{name} to be {state}"), || {
            self.service(name)
                .filter(|service| service["state"] == state)
        })
    }

    /// The service once it shows as many records as were counted: the board lags behind the ledger.
    pub(crate) fn wait_for_records(&self, name: &str, records: u64) -> serde_json::Value {
        until(SOON, &format!("{name} to show {records} records"), || {
            self.service(name)
                .filter(|service| service["records"] == records)
        })
    }

    /// The anomalies and proposals on standard output so far.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let is_of_incidents = |event: &serde_json::Value| {
            let name = event["type"].as_str().unwrap();
            name.starts_with("knothole.incident") || name.starts_with("knothole.digest")
        };
        let mut events = self.all_events();
        events.retain(|event| !is_of_incidents(event));
        events
    }

    /// Everything on standard output so far.
    pub(crate) fn all_events(&self) -> Vec<serde_json::Value> {
        let lines = self.process.stdout();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Status and body of a POST of JSON.
    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        let (status, text) = post_as(self.api, self.token, path, body).expect("the API answers");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// The same where it may be gone: an error is no answer.
    pub(crate) fn try_post(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> std::io::Result<(u16, serde_json::Value)> {
        let (status, text) = post_as(self.api, self.token, path, body)?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Stops it as a service manager does.
    pub(crate) fn stop(mut self) -> (ExitStatus, Vec<serde_json::Value>) {
        let status = self.process.stop();
        (status, self.events())
    }
}

/// The binary, deaf to what the developer's shell says.
pub(crate) fn knothole(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_knothole"));
    command.args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KNOTHOLE_")) {
        command.env_remove(name);
    }
    command
}

fn shown(token: Option<&str>) -> String {
    token.map_or(String::new(), |it| {
        format!("authorization: Bearer {it}\r\n")
    })
}

/// Status and body of a GET.
fn get_as(address: SocketAddr, token: Option<&str>, path: &str) -> std::io::Result<(u16, String)> {
    let shown = shown(token);
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{shown}\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((status.unwrap_or(0), body.to_owned()))
}

/// Status and body of a POST of JSON.
fn post_as(
    address: SocketAddr,
    token: Option<&str>,
    path: &str,
    body: &serde_json::Value,
) -> std::io::Result<(u16, String)> {
    let (body, shown) = (body.to_string(), shown(token));
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\n{shown}content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((status.unwrap_or(0), body.to_owned()))
}

/// The value of a metric, summed over its labels; 0 if it is not there.
pub(crate) fn metric(exposition: &str, name: &str) -> u64 {
    let values = exposition.lines().filter_map(|line| {
        let (sample, value) = line.rsplit_once(' ')?;
        let bare = sample.split('{').next()?;
        (bare == name).then(|| value.parse::<f64>().unwrap() as u64)
    });
    values.sum()
}

fn ledger_of(exposition: &str) -> Ledger {
    let total = |what: &str| metric(exposition, &format!("knothole_log_records_{what}"));
    Ledger {
        received: total("received_total"),
        scored: total("scored_total"),
        learned: total("learned_total"),
        suppressed: total("suppressed_total"),
        rejected: total("rejected_total"),
        pending: total("pending"),
    }
}
