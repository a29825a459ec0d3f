//! Rotel, a light Collector, passes records on. It waits where nobody listens, but what a broken
//! connection took it drops, and says so: those it may keep.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::Command;

use crate::knothole::{Knothole, Place};
use crate::otlp::{Client, record, request};
use crate::parts::{alone, free_port, part};
use crate::process::{Process, SOON, until};

const KILLS: u64 = 10;
/// Requests before a kill, and while nobody takes what Rotel passes on.
const BEFORE: usize = 5;
const MEANWHILE: usize = 2;
const RECORDS: u64 = 100;

/// A Rotel that listens, and who sends to it.
struct Rotel {
    protocol: &'static str,
    sender: Client,
    /// The services sent of, one by each request.
    services: Vec<String>,
    process: Process,
}

impl Rotel {
    /// Sends on by `protocol`, and does not give up while the test lasts.
    fn start(program: &OsString, protocol: &'static str, to: SocketAddr) -> Self {
        loop {
            let (grpc, http) = (free_port(), free_port());
            let mut process = Process::start(
                "Rotel",
                Command::new(program)
                    .args(["start", "--exporter", "otlp", "--disable-batching"])
                    .args(["--otlp-grpc-endpoint", &grpc.to_string()])
                    .args(["--otlp-http-endpoint", &http.to_string()])
                    .args(["--otlp-exporter-protocol", protocol])
                    .args(["--otlp-exporter-endpoint", &format!("http://{to}")])
                    .args(["--otlp-exporter-retry-initial-backoff", "100ms"])
                    .args(["--otlp-exporter-retry-max-backoff", "1s"]),
            );
            let sender = until(SOON, "Rotel to listen", || {
                let ended = process.ended();
                ended
                    .then_some(None)
                    .or_else(|| Client::try_connect(grpc).map(Some))
            });
            // Somebody else was quicker to take a port that was free.
            if let Some(sender) = sender {
                return Self {
                    protocol,
                    sender,
                    services: Vec::new(),
                    process,
                };
            }
        }
    }

    fn send(&mut self, requests: usize) {
        for _ in 0..requests {
            let service = format!("shop-{}-{}", self.protocol, self.services.len());
            let records = (0..RECORDS).map(|number| record(&format!("order {number} accepted")));
            let records = request(&[("service.name", &service)], records.collect());
            self.sender.export(records).unwrap();
            self.services.push(service);
        }
    }

    /// Requests that it gave up. Without batches it passes on one for each that it took.
    fn dropped(&self) -> usize {
        let said = self.process.stdout();
        said.iter()
            .filter(|line| line.contains("dropping data"))
            .count()
    }

    /// Services of which all records are there; more, or a part, is a fault.
    fn arrived(&self, knothole: &Knothole) -> usize {
        let shown = knothole.records_by_service();
        let counts = self.services.iter().filter_map(|name| shown.get(name));
        counts.filter(|count| **count == RECORDS).count()
    }
}

#[test]
fn what_rotel_took_and_did_not_drop_is_there_once_after_ten_kills() {
    let Some(program) = part("KNOTHOLE_ROTEL") else {
        return;
    };
    let _alone = alone();
    let place = Place::new();
    let settings = "sequence: { reorder_delay: 100ms }\nsinks: []";
    let mut knothole = place.serve(settings);
    let fixed = place.at_ports_of(&knothole);
    let ways = [("grpc", knothole.grpc), ("http", knothole.http)];
    let mut rotels = ways.map(|(protocol, to)| Rotel::start(&program, protocol, to));
    for _ in 0..KILLS {
        for rotel in &mut rotels {
            let before = rotel.arrived(&knothole);
            rotel.send(BEFORE);
            until(SOON, "some records", || {
                (rotel.arrived(&knothole) > before).then_some(())
            });
        }
        knothole.process.signal(rustix::process::Signal::KILL);
        knothole.process.wait_at_most(SOON);
        for rotel in &mut rotels {
            rotel.send(MEANWHILE);
        }
        knothole = place.serve_at(&fixed, settings);
    }
    for rotel in &rotels {
        let sent = rotel.services.len();
        until(SOON, "what Rotel did not drop", || {
            (rotel.arrived(&knothole) + rotel.dropped() >= sent).then_some(())
        });
        eprintln!(
            "{} of {sent} requests by {} arrived, Rotel dropped {}",
            rotel.arrived(&knothole),
            rotel.protocol,
            rotel.dropped()
        );
    }
    let mut processes = rotels.map(|rotel| rotel.process);
    for rotel in &processes {
        rotel.signal(rustix::process::Signal::TERM);
    }
    for rotel in &mut processes {
        rotel.wait_at_most(SOON);
    }
    let shown = knothole.records_by_service();
    let altered = shown.iter().find(|(_, count)| **count != RECORDS);
    assert_eq!(altered, None);
}
