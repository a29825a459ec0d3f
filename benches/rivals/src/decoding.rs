//! Bytes of OTLP requests → batches of records, beside the least that this takes with prost.

use std::hint::black_box;

use anyhow::Result;
use knothole::edge::receive::{ConvertSettings, convert};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message as _;

use crate::contest::{Entrant, Lap, Standings, race};
use crate::hdfs;

pub(crate) fn contest(lines: &[String]) -> Result<Standings> {
    let large = &hdfs::requests(lines, hdfs::BATCH_LEN);
    let small = &hdfs::requests(lines, 1_000);
    let settings = &ConvertSettings::of_instance("bench");
    let records = lines.len();
    let ours = move |requests: &[Vec<u8>]| {
        each(requests, records, |request| {
            black_box(convert(request, settings));
        })
    };
    let floor = move |requests: &[Vec<u8>]| {
        each(requests, records, |request| {
            black_box(request);
        })
    };
    race(vec![
        Entrant {
            name: "knothole, prost and convert, 8,192 in a request",
            run: Box::new(move || ours(large)),
        },
        Entrant {
            name: "prost alone, 8,192 in a request",
            run: Box::new(move || floor(large)),
        },
        Entrant {
            name: "knothole, prost and convert, 1,000 in a request",
            run: Box::new(move || ours(small)),
        },
        Entrant {
            name: "prost alone, 1,000 in a request",
            run: Box::new(move || floor(small)),
        },
    ])
}

fn each(
    requests: &[Vec<u8>],
    records: usize,
    take: impl Fn(ExportLogsServiceRequest),
) -> Result<Lap> {
    let (lap, ()) = Lap::of(records, || {
        for bytes in requests {
            take(ExportLogsServiceRequest::decode(bytes.as_slice())?);
        }
        Ok(())
    })?;
    Ok(lap)
}
