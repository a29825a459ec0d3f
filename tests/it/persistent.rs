//! Collectors whose queue is on disk: every record is judged once, whatever befalls the daemon.

use std::ffi::OsString;
use std::process::Command;

use crate::knothole::{Knothole, Place, metric};
use crate::parts::{alone, part, recipe, write_lines};
use crate::process::{Process, SOON, until};

const KILLS: u64 = 10;

/// A way for records to come, and the service that they are of.
#[derive(Clone, Copy)]
struct Way {
    service: &'static str,
    exporter: &'static str,
    encoding: &'static str,
    compression: &'static str,
}

const GRPC_GZIP: Way = Way {
    service: "cart",
    exporter: "otlp_grpc",
    encoding: "proto",
    compression: "gzip",
};
const HTTP_ZSTD: Way = Way {
    service: "order",
    exporter: "otlp_http",
    encoding: "proto",
    compression: "zstd",
};
const HTTP_JSON: Way = Way {
    service: "stock",
    exporter: "otlp_http",
    encoding: "json",
    compression: "gzip",
};

impl Way {
    /// A Collector that sends as many lines of the service, some requests at once, and never gives up.
    fn start(
        self,
        otelcol: &OsString,
        (place, to): (&Place, &Knothole),
        lines: u64,
        at_once: u64,
    ) -> Process {
        let file = place.path(&format!("{}.log", self.service));
        let lines: Vec<String> = (0..lines).map(|n| self.line(n)).collect();
        write_lines(&file, lines.iter().map(String::as_str));
        Process::start(
            self.service,
            Command::new(otelcol)
                .arg("--config")
                .arg(recipe("collector/configs/tail-persistent.yaml"))
                .env("LOG_FILE", &file)
                .env("KNOTHOLE_GRPC", to.grpc.to_string())
                .env("KNOTHOLE_HTTP", to.http.to_string())
                .env("SERVICE_NAME", self.service)
                .env("A_EXPORTER", self.exporter)
                .env("A_ENCODING", self.encoding)
                .env("A_COMPRESSION", self.compression)
                .env("A_CONSUMERS", at_once.to_string())
                .env("A_STATE", place.path(&format!("{}-state", self.service))),
        )
    }

    fn line(self, number: u64) -> String {
        format!("{} {number} accepted in {} ms", self.service, number % 90)
    }
}

#[test]
fn collectors_with_a_queue_on_disk_lose_and_double_nothing_while_it_is_killed_ten_times() {
    const LINES: u64 = 70_000;
    let Some(otelcol) = part("KNOTHOLE_OTELCOL") else {
        return;
    };
    let _alone = alone();
    let place = Place::new();
    let settings = "sequence: { reorder_delay: 100ms }\nsinks: []";
    let mut knothole = place.serve(settings);
    let fixed = place.at_ports_of(&knothole);
    let ways = [GRPC_GZIP, HTTP_ZSTD, HTTP_JSON];
    let tails = ways.map(|way| way.start(&otelcol, (&place, &knothole), LINES, 4));
    for kill in 1..=KILLS {
        // Each way is still under way at each kill.
        let enough = LINES * kill / (KILLS + 2);
        until(SOON, "some records of each way", || {
            let came = |way: &Way| records_of(&knothole, way) >= enough;
            ways.iter().all(came).then_some(())
        });
        knothole.process.signal(rustix::process::Signal::KILL);
        knothole.process.wait_at_most(SOON);
        knothole = place.serve_at(&fixed, settings);
    }
    assert_every_line_once(&knothole, &ways, LINES, tails);
    assert!(knothole.stop().0.success());
}

#[test]
fn collectors_with_a_queue_on_disk_lose_and_double_nothing_while_it_refuses_for_overload() {
    const LINES: u64 = 100_000;
    let Some(otelcol) = part("KNOTHOLE_OTELCOL") else {
        return;
    };
    let _alone = alone();
    let place = Place::new();
    // Room for one or two of the requests that the Collectors have under way.
    let settings = "receive: { request_bytes_max: 512KiB, queue_bytes_max: 512KiB }\n\
         sequence: { reorder_delay: 100ms }\nsinks: []";
    let knothole = place.serve(settings);
    let ways = [GRPC_GZIP, HTTP_JSON];
    let tails = ways.map(|way| way.start(&otelcol, (&place, &knothole), LINES, 16));
    assert_every_line_once(&knothole, &ways, LINES, tails);
    let metrics = knothole.get("/metrics").1;
    for transport in ["grpc", "http"] {
        let refused = format!("knothole_otlp_refused_total{{transport=\"{transport}\"");
        let refused = metrics.lines().filter(|line| line.starts_with(&refused));
        let refused = refused.collect::<Vec<_>>().join("\n");
        let times = metric(&refused, "knothole_otlp_refused_total");
        eprintln!("{transport}: {times} requests refused\n{refused}");
        assert!(times > 0, "no overload of {transport}");
    }
    assert!(knothole.stop().0.success());
}

fn records_of(knothole: &Knothole, way: &Way) -> u64 {
    let shown = knothole.service(way.service);
    shown.map_or(0, |shown| shown["records"].as_u64().unwrap())
}

/// Waits until all is there, and for the Collectors, who may have more to send.
fn assert_every_line_once<const N: usize>(
    knothole: &Knothole,
    ways: &[Way; N],
    lines: u64,
    tails: [Process; N],
) {
    for way in ways {
        knothole.wait_for_records(way.service, lines);
    }
    for mut tail in tails {
        assert!(tail.stop().success());
    }
    let ledger = knothole.ledger();
    assert_eq!(ledger.accounted_for(), ledger.received, "{ledger:?}");
    for way in ways {
        assert_eq!(
            records_of(knothole, way),
            lines,
            "{} came twice",
            way.service
        );
    }
}
