//! OTLP/HTTP: what is answered.

use super::super::client::{
    Packing, Peer, Post, Protocol, Refusal, Signal, Told, Way, content_type, is_of_type,
};
use super::super::payload;
use super::super::report::Finding;
use super::super::trial::Trial;
use super::Row;
use super::faults::{self, Fault, Kind};

rows! {
    "H1" "MUST" "S" "logs, traces and metrics are taken by POST, over HTTP/2 too if that is spoken" => paths;
    "H2" "SHOULD" "S" "protobuf and JSON are taken on one port, by Content-Type" => content_types;
    "H3" "MUST" "S" "the answer has the Content-Type of the request" => same_type;
    "H4" "MUST" "S" "success is 200 with the message of the signal" => success;
    "H5" "MUST" "S" "every error has a google.rpc.Status in its body" => statuses;
    "H6" "MUST/SHOULD" "S" "a body that cannot be read is 400 with BadRequest" => bad_data;
    "H7" "MUST" "S" "a body that is too large is 413" => oversize;
    "H8" "SHOULD" "S" "overload is 429 or 503, and Retry-After says when to come again" => overload;
    "H9" "MUST" "S" "no client is told to send again what can never be taken" => not_retryable;
    "H10" "SHOULD" "HTTP" "wrong methods are 405, types and encodings 415, paths 404" => misuse;
}

pub(super) const ABSENT: &str = "no OTLP/HTTP was found at this endpoint";

/// HTTP/1.1 is needed, HTTP/2 is not: the specification leaves it to the implementation.
async fn paths(peer: &Peer) -> Finding {
    if peer.http.is_none() {
        return Finding::unseen(ABSENT);
    }
    let mut trial = Trial::of("a request of each signal was posted");
    let mut absent = Vec::new();
    let mut speaks_two = true;
    for signal in Signal::ALL {
        let post = |protocol| {
            let post = Post::logs(Way::Protobuf, &[], payload::sample(signal));
            let path = signal.path();
            peer.post(protocol, Post { path, ..post })
        };
        let told = post(Protocol::One).await;
        // A receiver of logs alone is one too, if it says so.
        if signal != Signal::Logs && told.code() == Some(Refusal::Http(404)) {
            absent.push(signal.name());
            continue;
        }
        trial.whole(&format!("{} over HTTP/1.1", signal.name()), Some(told));
        let told = post(Protocol::Two).await;
        match told.answer {
            Some(_) => trial.whole(&format!("{} over HTTP/2", signal.name()), Some(told)),
            None => speaks_two = false,
        }
    }
    if !absent.is_empty() {
        return trial.end_unseen(&format!(
            "{} are not taken here (404)",
            absent.join(" and ")
        ));
    }
    trial.end(match speaks_two {
        true => "all were taken over HTTP/1.1 and HTTP/2",
        false => "all were taken over HTTP/1.1; HTTP/2, which is optional, is not spoken",
    })
}

async fn content_types(peer: &Peer) -> Finding {
    if peer.http.is_none() {
        return Finding::unseen(ABSENT);
    }
    let mut trial =
        Trial::of("protobuf and JSON were posted to one port, with and without parameters");
    let json = payload::sample_json(Signal::Logs);
    for (way, name) in [
        (Way::Protobuf, "application/x-protobuf"),
        (Way::Protobuf, "Application/X-Protobuf"),
        (Way::Json, "application/json"),
        (Way::Json, "application/json; charset=utf-8"),
        (Way::Json, "application/json;charset=UTF-8"),
    ] {
        let body = match way {
            Way::Json => json.clone().into(),
            _ => payload::sample(Signal::Logs),
        };
        let headers = [("content-type", name)];
        let told = peer
            .post(Protocol::One, Post::logs(way, &headers, body))
            .await;
        trial.whole(name, Some(told));
    }
    trial.end("all were taken")
}

async fn same_type(peer: &Peer) -> Finding {
    let mut trial = Trial::of("requests in protobuf and in JSON were posted, right and wrong ones");
    let mut answers: Vec<(&str, Told)> = Vec::new();
    for (way, body) in samples() {
        let told = peer.http(Signal::Logs, (way, Packing::None), &body).await;
        answers.extend(told.map(|told| ("a record", told)));
    }
    let wrong = http_faults(peer, &[Kind::BadData, Kind::BadPacking, Kind::TooLarge]).await;
    answers.extend(
        wrong
            .into_iter()
            .map(|fault| (fault.what, fault.told.clone())),
    );
    for (what, told) in answers {
        let Some(answer) = &told.answer else { continue };
        let wanted = content_type(told.way);
        let found = told.header("content-type").unwrap_or("none");
        trial.check(
            is_of_type(&answer.headers, wanted),
            format!("{what} in {wanted} was answered with Content-Type {found}"),
        );
    }
    trial.end("each answer had the Content-Type of its request")
}

async fn success(peer: &Peer) -> Finding {
    let mut trial = Trial::of("a record was posted in protobuf and in JSON");
    for (way, body) in samples() {
        let told = peer.http(Signal::Logs, (way, Packing::None), &body).await;
        let status = |told: &Told| told.answer.as_ref().map(|answer| answer.status);
        let text = told.as_ref().map(|told| match status(told) {
            Some(status) => format!("{told} (HTTP {status})"),
            None => told.to_string(),
        });
        if let (Some(told), Some(text)) = (told, text) {
            trial.check(told.is_whole() && status(&told) == Some(200), text);
        }
    }
    trial.end("200 and an ExportLogsServiceResponse")
}

fn samples() -> [(Way, bytes::Bytes); 2] {
    [
        (Way::Protobuf, payload::sample(Signal::Logs)),
        (Way::Json, payload::sample_json(Signal::Logs).into()),
    ]
}

async fn statuses(peer: &Peer) -> Finding {
    let mut trial = Trial::of("requests that are wrong in ten ways were posted");
    for fault in faults::of(peer).await {
        let Some(refused) = fault.told.refused().filter(|_| fault.told.way != Way::Grpc) else {
            continue;
        };
        let said = format!("{}, {}", fault.what, fault.told);
        let text = match refused.has_status {
            true => format!("{said} with a Status that has no message"),
            false => {
                let found = fault
                    .told
                    .header("content-type")
                    .unwrap_or("no Content-Type");
                format!("{said} without a Status ({found})")
            }
        };
        trial.check(refused.has_status && !refused.message.is_empty(), text);
    }
    trial.end("each error had a Status with a message")
}

async fn bad_data(peer: &Peer) -> Finding {
    let mut trial = Trial::of("bodies that are no message, no JSON and no gzip were posted");
    for fault in http_faults(peer, &[Kind::BadData, Kind::BadPacking]).await {
        let is_400 = fault.told.code() == Some(Refusal::Http(400));
        let has_details = fault
            .told
            .refused()
            .is_some_and(|refused| refused.says_bad_request);
        let text = match is_400 {
            true => format!("{}, {} without BadRequest", fault.what, fault.told),
            false => format!("{}, {}", fault.what, fault.told),
        };
        // The detail describes data; broken compression is before them.
        trial.check(
            is_400 && (has_details || fault.kind == Kind::BadPacking),
            text,
        );
    }
    trial.end("each was 400 with BadRequest")
}

async fn oversize(peer: &Peer) -> Finding {
    let mut trial = Trial::of(format!(
        "bodies of {} bytes were posted, plain and compressed",
        peer.large_bytes
    ));
    let mut taken = 0;
    for fault in http_faults(peer, &[Kind::TooLarge, Kind::Bomb]).await {
        taken += usize::from(fault.told.is_success());
        if !fault.told.is_success() {
            let is_413 = fault.told.code() == Some(Refusal::Http(413));
            trial.check(is_413, format!("{}, {}", fault.what, fault.told));
        }
    }
    if taken > 0 && !trial.has_failed() {
        return Finding::unseen(format!(
            "bodies of {} bytes were taken; try larger ones with --large-bytes",
            peer.large_bytes
        ));
    }
    trial.end("each was 413")
}

/// Only a receiver of our own is driven to its limits.
async fn overload(peer: &Peer) -> Finding {
    let Some(full) = &peer.full else {
        return Finding::unseen(
            "overload is not provoked on a receiver of somebody else's; --self shows it for \
             knothole",
        );
    };
    let mut trial = Trial::of("a record was posted to a receiver that has no room");
    for (way, body) in samples() {
        let told = full.post(Protocol::One, Post::logs(way, &[], body)).await;
        trial.see("", Some(told), |told| {
            let delay = told.refused().and_then(|refused| refused.retry_after);
            let is_busy = [429, 503].map(|status| Some(Refusal::Http(status)));
            is_busy.contains(&told.code()) && delay.is_some_and(|delay| !delay.is_zero())
        });
    }
    trial.end("429 or 503 with a Retry-After above zero")
}

async fn not_retryable(peer: &Peer) -> Finding {
    let mut trial = Trial::of("requests that are wrong in ten ways were posted");
    for fault in faults::of(peer).await {
        if fault.told.way != Way::Grpc && fault.told.refused().is_some() {
            trial.check(
                !fault.told.is_retryable(),
                format!("{}, {}, which clients send again", fault.what, fault.told),
            );
        }
    }
    trial.end("none was refused with a code that makes clients send it again")
}

async fn misuse(peer: &Peer) -> Finding {
    let mut trial =
        Trial::of("a GET, text/plain, an unknown Content-Encoding and an unknown path were tried");
    for (kind, wanted) in [
        (Kind::WrongMethod, 405),
        (Kind::WrongType, 415),
        (Kind::UnknownEncoding, 415),
        (Kind::UnknownPath, 404),
    ] {
        for fault in http_faults(peer, &[kind]).await {
            let is_right = fault.told.code() == Some(Refusal::Http(wanted));
            trial.check(
                is_right,
                format!("{}, {} instead of {wanted}", fault.what, fault.told),
            );
        }
    }
    trial.end("405, 415, 415 and 404")
}

async fn http_faults<'a>(peer: &'a Peer, kinds: &[Kind]) -> Vec<&'a Fault> {
    let faults = faults::of(peer).await.iter();
    faults
        .filter(|fault| fault.told.way != Way::Grpc && kinds.contains(&fault.kind))
        .collect()
}
