//! OTLP/gRPC.

use tokio::task::JoinSet;
use tonic::Code;

use super::super::client::{
    Call, Packing, Peer, Pieces, Refusal, Signal, Told, Verdict, Way, frame_head,
};
use super::super::payload;
use super::super::report::Finding;
use super::super::trial::Trial;
use super::Row;
use super::faults::{self, Fault, Kind};

rows! {
    "G1" "MUST" "S, P" "the Export methods of logs, traces and metrics are there" => services;
    "G2" "SHOULD" "S" "calls on one connection do not hinder each other" => independent;
    "G3" "MUST" "S" "a message that is too large is RESOURCE_EXHAUSTED without RetryInfo" => oversize;
    "G4" "SHOULD" "S" "overload is UNAVAILABLE, and RetryInfo says when to come again" => overload;
    "G5" "SHOULD" "S" "bytes that are no message are INVALID_ARGUMENT" => bad_data;
    "G6" "SHOULD" "S" "no client is told to send again what can never be taken" => not_retryable;
    "G7" "MUST" "gRPC" "an unknown grpc-encoding is UNIMPLEMENTED, with those that are known" => unknown_encoding;
    "G8" "SHOULD" "S" "without credentials a call is UNAUTHENTICATED or PERMISSION_DENIED" => credentials;
}

/// Calls made at once on one connection.
const CALLS: usize = 32;

const ABSENT: &str = "no OTLP/gRPC was found at this endpoint";

const PROFILES: &str =
    "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";

async fn services(peer: &Peer) -> Finding {
    if peer.grpc.is_none() {
        return Finding::unseen(ABSENT);
    }
    let mut trial = Trial::of("a request was sent to the Export method of each signal");
    let mut absent = Vec::new();
    for signal in Signal::ALL {
        let told = peer
            .grpc(signal, Packing::None, &payload::sample(signal))
            .await;
        let is_absent =
            told.as_ref().and_then(Told::code) == Some(Refusal::Grpc(Code::Unimplemented));
        // A receiver of logs alone is one too, if it says so.
        if is_absent && signal != Signal::Logs {
            absent.push(signal.name());
            continue;
        }
        trial.whole(signal.name(), told);
    }
    let profiles = Call {
        method: PROFILES,
        headers: &[],
        body: Pieces::of([frame_head(false, 0)]),
    };
    trial.see("profiles", Some(peer.call(profiles).await), |told| {
        told.is_whole() || told.code() == Some(Refusal::Grpc(Code::Unimplemented))
    });
    match absent.is_empty() {
        true => trial.end("logs, traces and metrics were taken; profiles too, or UNIMPLEMENTED"),
        false => trial.end_unseen(&format!(
            "{} are not taken here (UNIMPLEMENTED)",
            absent.join(" and ")
        )),
    }
}

async fn independent(peer: &Peer) -> Finding {
    if peer.grpc.is_none() {
        return Finding::unseen(ABSENT);
    }
    let mut trial = Trial::of(format!(
        "{CALLS} calls were made at once on one connection, every eighth of them with bytes that \
         are no message"
    ));
    let session = match peer.open_grpc(0).await {
        Ok(session) => session,
        Err(why) => return Finding::fail(format!("no connection for {CALLS} calls: {why}")),
    };
    let good = payload::sample(Signal::Logs);
    let bad = bytes::Bytes::from_static(b"\xff\xff\xff no message");
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        let is_good = number % 8 != 7;
        let message = if is_good { &good } else { &bad };
        let call = Call {
            method: Signal::Logs.method(),
            headers: &[],
            body: Pieces::of([frame_head(false, message.len()), message.clone()]),
        };
        if let (Some(mut session), Ok(request)) = (session.beside(), peer.call_request(call)) {
            calls.spawn(async move { (is_good, Told::grpc(session.send(request).await)) });
        }
    }
    for (is_good, told) in calls.join_all().await {
        let is_overloaded = told.code() == Some(Refusal::Grpc(Code::Unavailable));
        let is_right = match is_good {
            true => told.is_whole() || is_overloaded,
            false => matches!(told.verdict, Verdict::Refused(_)),
        };
        trial.check(is_right, told.to_string());
    }
    trial.end("each had its own answer")
}

async fn oversize(peer: &Peer) -> Finding {
    let mut trial = Trial::of(format!(
        "messages of {} bytes were sent, plain and compressed",
        peer.large_bytes
    ));
    let wanted = Refusal::Grpc(Code::ResourceExhausted);
    let mut taken = 0;
    for fault in grpc_faults(peer, &[Kind::TooLarge, Kind::Bomb]).await {
        if fault.told.is_success() {
            taken += 1;
            continue;
        }
        let delay = fault.told.refused().and_then(|refused| refused.retry_after);
        let text = match delay {
            Some(_) => format!("{}, {} with RetryInfo", fault.what, fault.told),
            None => format!("{}, {}", fault.what, fault.told),
        };
        trial.check(fault.told.code() == Some(wanted) && delay.is_none(), text);
    }
    if taken > 0 && !trial.has_failed() {
        return Finding::unseen(format!(
            "messages of {} bytes were taken; try larger ones with --large-bytes",
            peer.large_bytes
        ));
    }
    trial.end("each was RESOURCE_EXHAUSTED without RetryInfo")
}

/// Only a receiver of our own is driven to its limits.
async fn overload(peer: &Peer) -> Finding {
    let Some(full) = &peer.full else {
        return Finding::unseen(
            "overload is not provoked on a receiver of somebody else's; --self shows it for \
             knothole",
        );
    };
    let mut trial = Trial::of("a record was sent by gRPC to a receiver that has no room");
    let message = payload::sample(Signal::Logs);
    let call = Call {
        method: Signal::Logs.method(),
        headers: &[],
        body: Pieces::of([frame_head(false, message.len()), message]),
    };
    trial.see("", Some(full.call(call).await), |told| {
        let delay = told.refused().and_then(|refused| refused.retry_after);
        let is_unavailable = told.code() == Some(Refusal::Grpc(Code::Unavailable));
        is_unavailable && delay.is_some_and(|delay| !delay.is_zero())
    });
    trial.end("UNAVAILABLE with a RetryInfo above zero")
}

async fn bad_data(peer: &Peer) -> Finding {
    let mut trial = Trial::of("bytes that are no message were sent");
    let mut has_details = true;
    for fault in grpc_faults(peer, &[Kind::BadData]).await {
        let refused = fault.told.refused();
        has_details &= refused.is_some_and(|refused| refused.says_bad_request);
        let wanted = Some(Refusal::Grpc(Code::InvalidArgument));
        trial.check(fault.told.code() == wanted, fault.told.to_string());
    }
    trial.end(match has_details {
        true => "INVALID_ARGUMENT with BadRequest",
        false => "INVALID_ARGUMENT; BadRequest, which may come along, did not",
    })
}

async fn not_retryable(peer: &Peer) -> Finding {
    let mut trial = Trial::of(
        "bytes that are no message, broken gzip, a cut frame, an unknown encoding and method and \
         messages that are too large were sent",
    );
    for fault in faults::of(peer).await {
        if fault.told.way == Way::Grpc && !fault.told.is_success() {
            let is_permanent = fault.told.refused().is_some() && !fault.told.is_retryable();
            let text = match fault.told.is_retryable() {
                true => format!("{}, {}, which clients send again", fault.what, fault.told),
                false => format!("{}, {}", fault.what, fault.told),
            };
            trial.check(is_permanent, text);
        }
    }
    trial.end("none was refused with a code that makes clients send it again")
}

async fn unknown_encoding(peer: &Peer) -> Finding {
    let mut trial = Trial::of("a message with a grpc-encoding that nobody has was sent");
    for fault in grpc_faults(peer, &[Kind::UnknownEncoding]).await {
        let told = &fault.told;
        let answer = told.answer.as_ref();
        let has_list = answer.is_some_and(|answer| {
            let name = "grpc-accept-encoding";
            answer.headers.contains_key(name) || answer.trailers.contains_key(name)
        });
        let is_right = told.code() == Some(Refusal::Grpc(Code::Unimplemented));
        let text = match is_right {
            true => format!("{told} without grpc-accept-encoding"),
            false => told.to_string(),
        };
        trial.check(is_right && has_list, text);
    }
    trial.end("UNIMPLEMENTED with grpc-accept-encoding")
}

/// Without the credentials that were given with `--header`; at home, on the receiver that wants
/// some.
async fn credentials(peer: &Peer) -> Finding {
    let peer = peer.guarded.as_deref().unwrap_or(peer);
    let bare = peer.without_headers();
    let (grpc, http) = (send_one(&bare).await, post_one(&bare).await);
    let told = [&grpc, &http];
    if told.iter().all(|told| told.is_none()) {
        return Finding::unseen(ABSENT);
    }
    if told
        .iter()
        .all(|told| told.as_ref().is_none_or(|told| told.partial().is_some()))
    {
        return Finding::unseen("authentication is off: a record without credentials was taken");
    }
    let mut trial = Trial::of("a record was sent without credentials and with them");
    trial.see("without", grpc, |told| {
        let wanted = [Code::Unauthenticated, Code::PermissionDenied].map(Refusal::Grpc);
        told.code().is_some_and(|code| wanted.contains(&code))
    });
    trial.see("without", http, |told| {
        let wanted = [401, 403].map(Refusal::Http);
        told.code().is_some_and(|code| wanted.contains(&code))
    });
    trial.whole("with", send_one(peer).await);
    trial.whole("with", post_one(peer).await);
    trial.end("without, it was refused with a code that is not sent again; with, it was taken")
}

async fn send_one(peer: &Peer) -> Option<Told> {
    peer.grpc(Signal::Logs, Packing::None, &payload::sample(Signal::Logs))
        .await
}

async fn post_one(peer: &Peer) -> Option<Told> {
    let way = (Way::Protobuf, Packing::None);
    peer.http(Signal::Logs, way, &payload::sample(Signal::Logs))
        .await
}

async fn grpc_faults<'a>(peer: &'a Peer, kinds: &[Kind]) -> Vec<&'a Fault> {
    let faults = faults::of(peer).await.iter();
    faults
        .filter(|fault| fault.told.way == Way::Grpc && kinds.contains(&fault.kind))
        .collect()
}
