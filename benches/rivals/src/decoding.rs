//! Bytes of OTLP requests → batches of records, beside prost, which has no batches then yet.

use std::hint::black_box;

use anyhow::Result;
use knothole::edge::receive::{ConvertSettings, Encoding, Signal, decode};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message as _;

use crate::contest::{Entrant, Lap, Standings, race};
use crate::hdfs;

pub(crate) fn contest(lines: &[String]) -> Result<Standings> {
    let large = &hdfs::requests(lines, hdfs::BATCH_LEN);
    let small = &hdfs::requests(lines, 1_000);
    let json = &small
        .iter()
        .map(|bytes| {
            let request = ExportLogsServiceRequest::decode(bytes.as_slice())?;
            Ok(serde_json::to_vec(&request)?)
        })
        .collect::<Result<Vec<_>>>()?;
    let settings = &ConvertSettings::of_instance("bench");
    let records = lines.len();
    let ours = move |requests: &[Vec<u8>]| {
        each(requests, records, |bytes| {
            black_box(decode(Signal::Logs, Encoding::Protobuf, bytes, settings)?);
            Ok(())
        })
    };
    let floor = move |requests: &[Vec<u8>]| {
        each(requests, records, |bytes| {
            black_box(ExportLogsServiceRequest::decode(bytes)?);
            Ok(())
        })
    };
    race(vec![
        Entrant {
            name: "knothole, 8,192 in a request",
            run: Box::new(move || ours(large)),
        },
        Entrant {
            name: "prost alone, 8,192 in a request",
            run: Box::new(move || floor(large)),
        },
        Entrant {
            name: "knothole, 1,000 in a request",
            run: Box::new(move || ours(small)),
        },
        Entrant {
            name: "prost alone, 1,000 in a request",
            run: Box::new(move || floor(small)),
        },
        Entrant {
            name: "knothole, JSON, 1,000 in a request",
            run: Box::new(move || {
                each(json, records, |bytes| {
                    black_box(decode(Signal::Logs, Encoding::Json, bytes, settings)?);
                    Ok(())
                })
            }),
        },
        Entrant {
            name: "serde alone, JSON, 1,000 in a request",
            run: Box::new(move || {
                each(json, records, |bytes| {
                    black_box(serde_json::from_slice::<ExportLogsServiceRequest>(bytes)?);
                    Ok(())
                })
            }),
        },
    ])
}

fn each(
    requests: &[Vec<u8>],
    records: usize,
    take: impl Fn(&[u8]) -> Result<()>,
) -> Result<Lap> {
    let (lap, ()) = Lap::of(records, || requests.iter().try_for_each(|bytes| take(bytes)))?;
    Ok(lap)
}
