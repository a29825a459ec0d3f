//! How much one request may hold.

use prost::Message as _;
use tonic::Code;

use crate::knothole::Place;
use crate::otlp::{Client, record, request};
use crate::process::SOON;

const MIB: usize = 1 << 20;

#[test]
fn a_request_of_nearly_64_mib_is_taken_and_one_above_is_refused() {
    let place = Place::new();
    let knothole = place.serve("sinks: []");
    let mut client = Client::connect(knothole.grpc);
    // Two records of a mebibyte less than the rest, as nothing else is as simple to measure.
    let of_size = |bytes: usize| {
        let body = "word ".repeat(MIB / 5);
        let records = (0..bytes / MIB).map(|_| record(&body)).collect();
        let mut request = request(&[("service.name", "large")], records);
        let filler = bytes - request.encoded_len() - 64;
        let scope = &mut request.resource_logs[0].scope_logs[0];
        scope.log_records.push(record(&"x".repeat(filler)));
        request
    };
    let taken = of_size(64 * MIB - 1024);
    let count = taken.resource_logs[0].scope_logs[0].log_records.len() as u64;
    assert!(taken.encoded_len() > 63 * MIB && taken.encoded_len() < 64 * MIB);
    client.export(taken).unwrap();

    let refused = client.export(of_size(64 * MIB + 1024)).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let ledger = knothole.ledger_when_settled(count, SOON);
    assert_eq!(
        ledger.received, count,
        "the refused request left nothing behind"
    );
    assert_eq!(ledger.accounted_for(), count, "{ledger:?}");
}
