//! Rotel, a light Collector, passes records on; what it waits with is in its memory alone.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::Command;

use crate::knothole::Place;
use crate::otlp::{Client, record, request};
use crate::parts::{alone, free_port, part};
use crate::process::{Process, SOON, until};

const KILLS: u64 = 10;
/// Requests between two kills, and while nobody takes what Rotel passes on.
const BETWEEN: u64 = 10;
const MEANWHILE: u64 = 3;
const RECORDS: u64 = 100;

/// A Rotel that listens, and who sends to it.
struct Rotel {
    service: String,
    sender: Client,
    sent: u64,
    process: Process,
}

impl Rotel {
    /// Sends on by `protocol`, and does not give up while the test lasts.
    fn start(program: &OsString, protocol: &str, to: SocketAddr) -> Self {
        loop {
            let (grpc, http) = (free_port(), free_port());
            let mut process = Process::start(
                "Rotel",
                Command::new(program)
                    .args(["start", "--exporter", "otlp", "--batch-timeout", "50ms"])
                    .args(["--otlp-grpc-endpoint", &grpc.to_string()])
                    .args(["--otlp-http-endpoint", &http.to_string()])
                    .args(["--otlp-exporter-protocol", protocol])
                    .args(["--otlp-exporter-endpoint", &format!("http://{to}")])
                    .args(["--otlp-exporter-retry-initial-backoff", "100ms"])
                    .args(["--otlp-exporter-retry-max-backoff", "1s"]),
            );
            let sender = until(SOON, "Rotel to listen", || {
                let ended = process.ended();
                ended.then_some(None).or_else(|| Client::try_connect(grpc).map(Some))
            });
            // Somebody else was quicker to take a port that was free.
            if let Some(sender) = sender {
                return Self {
                    service: format!("shop-{protocol}"),
                    sender,
                    sent: 0,
                    process,
                };
            }
        }
    }

    fn send(&mut self, requests: u64) {
        for _ in 0..requests {
            let numbers = self.sent..self.sent + RECORDS;
            let records = numbers.map(|number| record(&format!("order {number} accepted")));
            let records = request(&[("service.name", &self.service)], records.collect());
            self.sender.export(records).unwrap();
            self.sent += RECORDS;
        }
    }
}

#[test]
fn what_rotel_took_is_there_once_after_ten_kills() {
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
        rotels.each_mut().map(|rotel| rotel.send(BETWEEN));
        knothole.process.signal(rustix::process::Signal::KILL);
        knothole.process.wait_at_most(SOON);
        rotels.each_mut().map(|rotel| rotel.send(MEANWHILE));
        knothole = place.serve_at(&fixed, settings);
    }
    for rotel in &rotels {
        knothole.wait_for_records(&rotel.service, rotel.sent);
    }
    for rotel in &mut rotels {
        assert!(rotel.process.stop().success());
    }
    for rotel in &rotels {
        let shown = knothole.service(&rotel.service).unwrap();
        assert_eq!(shown["records"], rotel.sent, "{shown}");
    }
    assert!(knothole.stop().0.success());
}
