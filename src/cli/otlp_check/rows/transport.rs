//! What holds on both transports.

use bytes::Bytes;

use super::super::bytes::{Writer, field, request_of, string};
use super::super::client::{Packing, Peer, Post, Protocol, Signal, Told, Way};
use super::super::payload::{self, log_bytes, record};
use super::super::report::Finding;
use super::super::trial::Trial;
use super::faults::{self, Kind};
use super::{Row, hidden};

rows! {
    "T1" "MUST" "S" "no compression and gzip are taken on every transport" => gzip;
    "T2" "optional" "Collector" "zstd is taken on every transport" => zstd;
    "T3" "SHOULD" "S" "requests without records are a success" => empty;
    "T4" "MUST" "S" "a full success leaves partial_success unset" => full_success;
    "T5" "MUST/SHOULD" "S" "records that are not taken are counted in partial_success" => partial_success;
    "T6" "MAY" "S" "a warning has a message and rejects nothing" => warning;
    "T7" "SHOULD" "S" "a request that comes twice is taken twice" => twice;
    "T8" "MUST" "S" "unknown protobuf fields are ignored on every level" => unknown_fields;
    "T9" "MUST/SHOULD" "S" "answers stay below 4 MiB" => small_answers;
    "T10" "MUST" "S" "the size of a request is limited as sent and as inflated" => limited;
    "T11" "MUST" "S" "success is said only when the records are safe" => durable;
    "T12" "derived" "S" "the way a record came makes no difference" => every_way;
}

/// Largest answer that OTLP allows, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Sends protobuf log records on both transports.
pub(super) async fn both(peer: &Peer, packing: Packing, message: &Bytes) -> Vec<Told> {
    let grpc = peer.grpc(Signal::Logs, packing, message).await;
    let http = peer
        .http(Signal::Logs, (Way::Protobuf, packing), message)
        .await;
    grpc.into_iter().chain(http).collect()
}

/// The same small record in each of the three ways.
async fn each_way(peer: &Peer, packing: Packing) -> Vec<Told> {
    let json = payload::sample_json(Signal::Logs).into();
    let mut told = both(peer, packing, &payload::sample(Signal::Logs)).await;
    told.extend(peer.http(Signal::Logs, (Way::Json, packing), &json).await);
    told
}

async fn gzip(peer: &Peer) -> Finding {
    let mut trial = Trial::of("a record was sent plain and with gzip in each way");
    for (packing, what) in [(Packing::None, "plain"), (Packing::Gzip, "gzip")] {
        for told in each_way(peer, packing).await {
            trial.whole(what, Some(told));
        }
    }
    trial.end("all were taken")
}

/// Not in the specification, so a clean refusal is no fault.
async fn zstd(peer: &Peer) -> Finding {
    let mut trial = Trial::of("a record was sent with zstd in each way");
    let mut refused = Vec::new();
    for told in each_way(peer, Packing::Zstd).await {
        if told.refused().is_some() && !told.is_retryable() {
            refused.push(told.to_string());
            continue;
        }
        trial.whole("", Some(told));
    }
    if !refused.is_empty() && !trial.has_failed() {
        let refused = refused.join("; ");
        return Finding::unseen(format!(
            "zstd is not in the specification and not offered: {refused}"
        ));
    }
    let deflate = each_way(peer, Packing::Deflate).await;
    let takes_deflate = deflate.iter().all(Told::is_whole);
    trial.end(match takes_deflate {
        true => "all were taken, as was deflate",
        false => "all were taken; deflate, which few send, was not",
    })
}

async fn empty(peer: &Peer) -> Finding {
    let mut trial =
        Trial::of("a request of no bytes, an empty ResourceLogs and an empty ScopeLogs were sent");
    let no_scope = Writer::default().message(field::RESOURCE_LOGS, Writer::default());
    let scope_logs = Writer::default().message(field::SCOPE_LOGS, Writer::default());
    let no_record = Writer::default().message(field::RESOURCE_LOGS, scope_logs);
    for message in [Bytes::new(), no_scope.done(), no_record.done()] {
        for told in both(peer, Packing::None, &message).await {
            trial.whole("", Some(told));
        }
    }
    for json in [
        "{}",
        r#"{"resourceLogs":[]}"#,
        r#"{"resourceLogs":[{"scopeLogs":[{}]}]}"#,
    ] {
        let way = (Way::Json, Packing::None);
        trial.whole(json, peer.http(Signal::Logs, way, &json.into()).await);
    }
    trial.end("each was a success")
}

/// By the comments of the .proto files an empty `partial_success` is the same as none.
async fn full_success(peer: &Peer) -> Finding {
    let mut trial = Trial::of("a record was sent in each way");
    let mut is_written = false;
    for told in each_way(peer, Packing::None).await {
        let body = told.answer.as_ref().map(|answer| answer.body.clone());
        is_written |= body.is_some_and(|body| body.windows(4).any(|part| part == b"null"));
        let is_empty = told.partial().is_some_and(|partial| {
            is_written |= partial.is_set;
            partial.rejected == 0 && partial.message.is_empty()
        });
        trial.check(is_empty, told.to_string());
    }
    trial.end(match is_written {
        false => "each was a success without partial_success",
        true => "each was a success; partial_success is there but empty, which means the same",
    })
}

/// A record that no receiver has to take, between two that it has to.
fn with_an_empty_record() -> Bytes {
    let empty = opentelemetry_proto::tonic::logs::v1::LogRecord::default();
    log_bytes(vec![record("before"), empty, record("after")])
}

async fn partial_success(peer: &Peer) -> Finding {
    let sent = "three records were sent, of which one has nothing in it";
    let mut trial = Trial::of(sent);
    let mut answers = both(peer, Packing::None, &with_an_empty_record()).await;
    let json = payload::json_logs(r#"{"body":{"stringValue":"before"}},{}"#).into();
    answers.extend(
        peer.http(Signal::Logs, (Way::Json, Packing::None), &json)
            .await,
    );
    let rejects_none = answers.iter().all(Told::is_whole);
    for told in answers {
        let is_right = told.partial().is_some_and(|partial| {
            let is_counted = (0..=1).contains(&partial.rejected);
            is_counted && (partial.rejected == 0 || !partial.message.is_empty())
        });
        let is_ok = told
            .answer
            .as_ref()
            .is_some_and(|answer| answer.status == 200);
        let text = match told.partial() {
            Some(partial) if partial.message.is_empty() => format!("{told} without a message"),
            _ => told.to_string(),
        };
        trial.check(is_right && is_ok, text);
    }
    if rejects_none && !trial.has_failed() {
        return trial.end_unseen("all were taken, so how it tells of a rejected one was not seen");
    }
    trial.end("one was rejected and the others taken, and a message says why")
}

/// Texts that are not UTF-8 are what a receiver most likely warns of.
async fn warning(peer: &Peer) -> Finding {
    let bad = payload::with_bad_utf8(&log_bytes(vec![record("bad \u{7f} byte")]));
    let answers = both(peer, Packing::None, &bad).await;
    let warnings = answers.iter().filter_map(Told::partial);
    let warnings = warnings.filter(|partial| !partial.message.is_empty());
    match warnings.map(|partial| partial.rejected).max() {
        None => {
            Finding::unseen("warnings are optional, and none came for a text that is not UTF-8")
        }
        Some(0) => Finding::pass(
            "a text that is not UTF-8 was sent: a success with rejected = 0 and a message",
        ),
        Some(_) => Finding::unseen("a text that is not UTF-8 was sent and its record rejected"),
    }
}

async fn twice(peer: &Peer) -> Finding {
    let mut trial = Trial::of("the same request was sent twice on two connections");
    for what in ["first", "again"] {
        for told in each_way(peer, Packing::None).await {
            trial.whole(what, Some(told));
        }
    }
    trial.end("both were a success")
}

async fn unknown_fields(peer: &Peer) -> Finding {
    let mut trial = Trial::of("a record was sent with fields that nobody knows on every level");
    for told in both(peer, Packing::None, &unknown_on_every_level()).await {
        trial.whole("", Some(told));
    }
    trial.end("it was taken")
}

fn unknown_on_every_level() -> Bytes {
    let new = Writer::default;
    let value = string("a record of the future").unknown();
    let attribute = new()
        .bytes(1, "probe")
        .message(2, string("x").unknown())
        .unknown();
    let record = new()
        .unknown()
        .fixed64(field::TIME, payload::MOMENT)
        .message(field::BODY, value)
        .message(field::ATTRIBUTES, attribute)
        .unknown();
    let scope = new().bytes(1, payload::SERVICE).unknown();
    let scope_logs = new()
        .message(field::SCOPE, scope)
        .unknown()
        .message(field::RECORDS, record);
    let name = new()
        .bytes(1, "service.name")
        .message(2, string(payload::SERVICE));
    let resource = new().message(1, name).unknown();
    let resource_logs = new()
        .unknown()
        .message(field::RESOURCE, resource)
        .message(field::SCOPE_LOGS, scope_logs.unknown());
    new()
        .unknown()
        .message(field::RESOURCE_LOGS, resource_logs)
        .unknown()
        .done()
}

/// Errors like to quote what they did not like.
async fn small_answers(peer: &Peer) -> Finding {
    let mut trial = Trial::of("texts of 5 MiB that invite an error to quote them were sent");
    let long = "x".repeat(5 << 20);
    let wrong_key = payload::json_logs(&format!(r#"{{"timeUnixNano":"{long}"}}"#));
    let wrong_id = payload::json_logs(&format!(r#"{{"body":{{"intValue":"{long}"}}}}"#));
    let mut answers = Vec::new();
    for json in [wrong_key, wrong_id] {
        let way = (Way::Json, Packing::None);
        answers.extend(peer.http(Signal::Logs, way, &json.into()).await);
    }
    if peer.http.is_some() {
        let kind = format!("text/{}", "x".repeat(4 << 10));
        let headers = [("content-type", kind.as_str())];
        answers.push(
            peer.post(
                Protocol::One,
                Post::logs(Way::Protobuf, &headers, Bytes::new()),
            )
            .await,
        );
    }
    let broken = request_of(Writer::default().bytes(field::BODY, &long)).done();
    answers.extend(both(peer, Packing::None, &broken).await);
    let len_of = |told: &Told| {
        let answer = told.answer.as_ref()?;
        let headers = answer.headers.iter().chain(&answer.trailers);
        Some(answer.body.len() + headers.map(|(_, value)| value.len()).sum::<usize>())
    };
    let largest = answers.iter().filter_map(len_of).max().unwrap_or(0);
    for told in answers {
        let len = len_of(&told);
        trial.check(
            len.is_some_and(|len| len <= ANSWER_BYTES_MAX),
            match len {
                Some(len) => format!("{told}, an answer of {len} bytes"),
                None => told.to_string(),
            },
        );
    }
    trial.end(&format!("the largest answer had {largest} bytes"))
}

async fn limited(peer: &Peer) -> Finding {
    let mut trial = Trial::of(format!(
        "requests of {} bytes were sent, plain and compressed",
        peer.large_bytes
    ));
    for fault in faults::of(peer).await {
        if matches!(fault.kind, Kind::TooLarge | Kind::Bomb) {
            // One that hangs up has a limit too; whether it says so rightly is for G3 and H7.
            let is_taken = fault.told.is_success();
            trial.check(
                !is_taken,
                format!("{} was taken, {}", fault.what, fault.told),
            );
        }
    }
    if trial.has_failed() {
        return trial
            .end("")
            .and("if its limit is set higher, say so with --large-bytes");
    }
    trial.end("none was taken")
}

async fn durable(_: &Peer) -> Finding {
    Finding::unseen(hidden(
        "when a record is safe cannot be seen from outside",
        "what_was_acknowledged_is_there_once_after_ten_kills",
    ))
}

async fn every_way(peer: &Peer) -> Finding {
    let mut trial = Trial::of("the same record was sent in each way, plain and with gzip");
    for packing in [Packing::None, Packing::Gzip] {
        for told in each_way(peer, packing).await {
            trial.whole(packing.name(), Some(told));
        }
    }
    trial.end_unseen(&hidden(
        "all were taken; what became of them cannot be seen from outside",
        "all_ways_to_send_the_same_records_give_the_same_batches",
    ))
}
