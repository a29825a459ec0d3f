//! Requests that are wrong for good, and what the receiver says to them. Several rows look at the
//! same answers: their codes, their bodies, whether a client would send the same again.

use bytes::Bytes;
use http::Method;

use super::super::client::{
    Call, Packing, Peer, Pieces, Post, Protocol, Signal, Told, Way, frame_head,
};
use super::super::payload;

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// The bytes are no message.
    BadData,
    /// The bytes are not compressed as it says.
    BadPacking,
    /// Larger than any limit that OTLP recommends.
    TooLarge,
    /// Larger only after inflating.
    Bomb,
    UnknownEncoding,
    UnknownPath,
    WrongMethod,
    WrongType,
}

/// A wrong request and its answer.
pub(in super::super) struct Fault {
    pub(in super::super) kind: Kind,
    pub(in super::super) what: &'static str,
    pub(in super::super) told: Told,
}

const NONSENSE: &[u8] = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff not OTLP";

/// All faults, on every transport that is there.
pub(super) async fn of(peer: &Peer) -> &[Fault] {
    peer.faults.get_or_init(|| ask(peer)).await
}

async fn ask(peer: &Peer) -> Vec<Fault> {
    let mut faults = Vec::new();
    if peer.grpc.is_some() {
        faults.extend(grpc(peer).await);
    }
    if peer.http.is_some() {
        faults.extend(http(peer).await);
    }
    faults
}

async fn grpc(peer: &Peer) -> Vec<Fault> {
    let logs = Signal::Logs.method();
    let nothing = "/opentelemetry.proto.collector.logs.v1.LogsService/Nothing";
    let sample = payload::sample(Signal::Logs);
    let nonsense = Bytes::from_static(NONSENSE);
    let gzip = [("grpc-encoding", "gzip")];
    let rare = [("grpc-encoding", "x-nobody-has-this")];
    let no_message = ("bytes that are no message", framed(false, &nonsense));
    let no_gzip = ("bytes that are no gzip", framed(true, &nonsense));
    let cut = Pieces::of([frame_head(false, sample.len() + 100), sample.clone()]);
    let cut = ("a frame that ends too early", cut);
    let unknown = ("an unknown grpc-encoding", framed(true, &sample));
    let nowhere = ("a method that does not exist", framed(false, &sample));
    let calls = [
        (Kind::BadData, logs, &[][..], no_message),
        (Kind::BadPacking, logs, &gzip, no_gzip),
        (Kind::BadPacking, logs, &[], cut),
        (Kind::UnknownEncoding, logs, &rare, unknown),
        (Kind::UnknownPath, nothing, &[], nowhere),
    ];
    let mut faults = Vec::new();
    for (kind, method, headers, (what, body)) in calls {
        let call = Call {
            method,
            headers,
            body,
        };
        let told = peer.call(call).await;
        faults.push(Fault { kind, what, told });
    }
    faults.extend(large_calls(peer).await);
    faults
}

/// A gRPC frame.
fn framed(is_compressed: bool, message: &Bytes) -> Pieces {
    Pieces::of([frame_head(is_compressed, message.len()), message.clone()])
}

async fn large_calls(peer: &Peer) -> Vec<Fault> {
    let method = Signal::Logs.method();
    let pieces = payload::large(peer.large_bytes);
    let len = pieces.iter().map(Bytes::len).sum();
    let plain = std::iter::once(frame_head(false, len)).chain(pieces.clone());
    let call = Call {
        method,
        headers: &[],
        body: Pieces::of(plain),
    };
    let mut faults = vec![Fault {
        kind: Kind::TooLarge,
        what: PLAIN,
        told: peer.call(call).await,
    }];
    for (packing, what) in BOMBS {
        let sample = payload::sample(Signal::Logs);
        // A receiver that does not inflate this has no need of a limit for it.
        let small = peer.grpc(Signal::Logs, packing, &sample).await;
        if small.is_some_and(|told| told.is_whole()) {
            let headers = [("grpc-encoding", packing.name())];
            let call = Call {
                method,
                headers: &headers,
                body: framed(true, &packing.pack_all(pieces.clone())),
            };
            let told = peer.call(call).await;
            faults.push(Fault {
                kind: Kind::Bomb,
                what,
                told,
            });
        }
    }
    faults
}

const PLAIN: &str = "plain and too large";
const BOMBS: [(Packing, &str); 2] = [
    (Packing::Gzip, "a gzip bomb"),
    (Packing::Zstd, "a zstd bomb"),
];

const GZIP: &[(&str, &str)] = &[("content-encoding", "gzip")];
const RARE: &[(&str, &str)] = &[("content-encoding", "x-nobody-has-this")];
const TEXT: &[(&str, &str)] = &[("content-type", "text/plain")];

fn small_posts() -> Vec<(Kind, &'static str, Post<'static>)> {
    let (proto, json) = (Way::Protobuf, Way::Json);
    let nonsense = |way, headers| Post::logs(way, headers, Bytes::from_static(NONSENSE));
    let sample = |way, headers| match way {
        Way::Json => {
            let body = Bytes::from(payload::sample_json(Signal::Logs));
            Post::logs(way, headers, body)
        }
        _ => Post::logs(way, headers, payload::sample(Signal::Logs)),
    };
    let no_json = Bytes::from_static(br#"{"resourceLogs": [ this is no JSON"#);
    let nowhere = |way| Post {
        path: "/v1/nothing",
        ..sample(way, &[])
    };
    let get = Post {
        method: Method::GET,
        ..Post::logs(json, &[], Bytes::new())
    };
    let (no_message, no_gzip) = ("bytes that are no message", "bytes that are no gzip");
    let (encoding, path) = ("an unknown Content-Encoding", "an unknown path");
    vec![
        (Kind::BadData, no_message, nonsense(proto, &[])),
        (Kind::BadData, no_message, nonsense(json, &[])),
        (
            Kind::BadData,
            "text that is no JSON",
            Post::logs(json, &[], no_json),
        ),
        (Kind::BadPacking, no_gzip, nonsense(proto, GZIP)),
        (Kind::BadPacking, no_gzip, nonsense(json, GZIP)),
        (Kind::UnknownEncoding, encoding, sample(proto, RARE)),
        (Kind::UnknownEncoding, encoding, sample(json, RARE)),
        (Kind::UnknownPath, path, nowhere(json)),
        (Kind::UnknownPath, path, nowhere(proto)),
        (Kind::WrongMethod, "a GET", get),
        (Kind::WrongType, "text/plain", sample(proto, TEXT)),
    ]
}

async fn http(peer: &Peer) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (kind, what, post) in small_posts() {
        let told = peer.post(Protocol::One, post).await;
        faults.push(Fault { kind, what, told });
    }
    let large = payload::large(peer.large_bytes);
    faults.extend(large_posts(peer, (Way::Protobuf, payload::sample(Signal::Logs)), &large).await);
    let sample = payload::sample_json(Signal::Logs).into();
    let large = payload::large_json(peer.large_bytes);
    faults.extend(large_posts(peer, (Way::Json, sample), &large).await);
    faults
}

async fn large_posts(peer: &Peer, (way, sample): (Way, Bytes), pieces: &[Bytes]) -> Vec<Fault> {
    let mut faults = vec![Fault {
        kind: Kind::TooLarge,
        what: PLAIN,
        told: peer.post_stubbornly(way, pieces).await,
    }];
    for (packing, what) in BOMBS {
        let small = peer.http(Signal::Logs, (way, packing), &sample).await;
        if small.is_some_and(|told| told.is_whole()) {
            let headers = [("content-encoding", packing.name())];
            let body = packing.pack_all(pieces.to_vec());
            let told = peer
                .post(Protocol::One, Post::logs(way, &headers, body))
                .await;
            faults.push(Fault {
                kind: Kind::Bomb,
                what,
                told,
            });
        }
    }
    faults
}
