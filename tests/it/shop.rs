//! A made-up service: each request for an order logs the same lines in the same order.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use crate::otlp::{record, request};

/// What a request logs.
pub(crate) const STEPS: [&str; 6] = [
    "request for cart opened",
    "stock reserved in warehouse",
    "payment authorised by bank",
    "parcel handed to carrier",
    "receipt mailed to customer",
    "request closed without complaint",
];
/// The places in [`STEPS`] of a request that went well.
pub(crate) const WELL: [usize; 6] = [0, 1, 2, 3, 4, 5];
/// Settings under which 60 requests are enough to learn from.
pub(crate) const LEARN_QUICKLY: &str =
    "learn: { sequences_min: 60, records_min: 300, new_template_chance_max: 0.05 }\n";

pub(crate) fn of_shop(records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    request(&[("service.name", "shop")], records)
}

/// The records of request `number`, a millisecond apart, the last one `age` ago.
pub(crate) fn steps_of(number: u64, steps: &[usize], age: Duration) -> Vec<LogRecord> {
    let last = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - age;
    let first = last - Duration::from_millis(steps.len() as u64);
    let at = |place: u64| (first + Duration::from_millis(place)).as_nanos();
    steps
        .iter()
        .zip(0..)
        .map(|(step, place)| LogRecord {
            time_unix_nano: at(place).try_into().unwrap(),
            trace_id: trace_id(number),
            ..record(STEPS[*step])
        })
        .collect()
}

/// The trace id of request `number` as it is shown.
pub(crate) fn trace_name(number: u64) -> String {
    let id = trace_id(number);
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn trace_id(number: u64) -> Vec<u8> {
    u128::from(number + 1).to_be_bytes().to_vec()
}
