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
    let sample = payload::sample(Signal::Logs);
    let framed = |is_compressed, message: &Bytes| {
        Pieces::of([frame_head(is_compressed, message.len()), message.clone()])
    };
    let nonsense = Bytes::from_static(NONSENSE);
    let gzip = [("grpc-encoding", "gzip")];
    let rare = [("grpc-encoding", "x-nobody-has-this")];
    let cut = Pieces::of([frame_head(false, sample.len() + 100), sample.clone()]);
    let small = [
        (
            Kind::BadData,
            "bytes that are no message",
            logs,
            &[][..],
            framed(false, &nonsense),
        ),
        (
            Kind::BadPacking,
            "bytes that are no gzip",
            logs,
            &gzip,
            framed(true, &nonsense),
        ),
        (
            Kind::BadPacking,
            "a frame that ends too early",
            logs,
            &[],
            cut,
        ),
        (
            Kind::UnknownEncoding,
            "an unknown grpc-encoding",
            logs,
            &rare,
            framed(true, &sample),
        ),
        (
            Kind::UnknownPath,
            "a method that does not exist",
            "/opentelemetry.proto.collector.logs.v1.LogsService/Nothing",
            &[],
            framed(false, &sample),
        ),
    ];
    let mut faults = Vec::new();
    for (kind, what, method, headers, body) in small {
        let call = Call {
            method,
            headers,
            body,
        };
        let told = peer.call(call).await;
        faults.push(Fault { kind, what, told });
    }
    let pieces = payload::large(peer.large_bytes);
    let len = pieces.iter().map(Bytes::len).sum();
    let plain = std::iter::once(frame_head(false, len)).chain(pieces.clone());
    let call = Call {
        method: logs,
        headers: &[],
        body: Pieces::of(plain),
    };
    let told = peer.call(call).await;
    faults.push(Fault {
        kind: Kind::TooLarge,
        what: "a plain message that is too large",
        told,
    });
    for (packing, what) in [
        (Packing::Gzip, "a gzip bomb"),
        (Packing::Zstd, "a zstd bomb"),
    ] {
        let body = framed(true, &packing.pack_all(pieces.clone()));
        let headers = [("grpc-encoding", packing.name())];
        let told = peer
            .call(Call {
                method: logs,
                headers: &headers,
                body,
            })
            .await;
        faults.push(Fault {
            kind: Kind::Bomb,
            what,
            told,
        });
    }
    faults
}

async fn http(peer: &Peer) -> Vec<Fault> {
    let protobuf = payload::sample(Signal::Logs);
    let json = Bytes::from(payload::sample_json(Signal::Logs));
    let nonsense = Bytes::from_static(NONSENSE);
    let (proto, text) = (Way::Protobuf, Way::Json);
    let gzip = [("content-encoding", "gzip")];
    let rare = [("content-encoding", "x-nobody-has-this")];
    let plain_text = [("content-type", "text/plain")];
    let get = Post {
        method: Method::GET,
        ..Post::logs(text, &[], Bytes::new())
    };
    let nowhere = Post {
        path: "/v1/nothing",
        ..Post::logs(text, &[], json.clone())
    };
    let nowhere_too = Post {
        path: "/v1/nothing",
        ..Post::logs(proto, &[], protobuf.clone())
    };
    let posts = [
        (
            Kind::BadData,
            "bytes that are no message",
            Post::logs(proto, &[], nonsense.clone()),
        ),
        (
            Kind::BadData,
            "text that is no JSON",
            Post::logs(text, &[], nonsense.clone()),
        ),
        (
            Kind::BadPacking,
            "bytes that are no gzip",
            Post::logs(proto, &gzip, nonsense.clone()),
        ),
        (
            Kind::BadPacking,
            "bytes that are no gzip",
            Post::logs(text, &gzip, nonsense),
        ),
        (
            Kind::UnknownEncoding,
            "an unknown Content-Encoding",
            Post::logs(proto, &rare, protobuf.clone()),
        ),
        (
            Kind::UnknownEncoding,
            "an unknown Content-Encoding",
            Post::logs(text, &rare, json),
        ),
        (Kind::UnknownPath, "an unknown path", nowhere),
        (Kind::UnknownPath, "an unknown path", nowhere_too),
        (Kind::WrongMethod, "a GET", get),
        (
            Kind::WrongType,
            "text/plain",
            Post::logs(proto, &plain_text, protobuf),
        ),
    ];
    let mut faults = Vec::new();
    for (kind, what, post) in posts {
        let told = peer.post(Protocol::One, post).await;
        faults.push(Fault { kind, what, told });
    }
    for (way, pieces) in [
        (proto, payload::large(peer.large_bytes)),
        (text, payload::large_json(peer.large_bytes)),
    ] {
        let told = large(peer, way, &pieces).await;
        faults.push(Fault {
            kind: Kind::TooLarge,
            what: "a plain body that is too large",
            told,
        });
        for (packing, what) in [
            (Packing::Gzip, "a gzip bomb"),
            (Packing::Zstd, "a zstd bomb"),
        ] {
            let headers = [("content-encoding", packing.name())];
            let body = packing.pack_all(pieces.clone());
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

/// A receiver that answers and closes at once while more is on its way may lose its own answer to
/// the reset of the connection. A client sees it by luck, so it gets a second chance.
async fn large(peer: &Peer, way: Way, pieces: &[Bytes]) -> Told {
    let body = Pieces::of(pieces.to_vec());
    let told = peer
        .post(Protocol::One, Post::logs(way, &[], body.clone()))
        .await;
    match told.answer {
        Some(_) => told,
        None => peer.post(Protocol::One, Post::logs(way, &[], body)).await,
    }
}
