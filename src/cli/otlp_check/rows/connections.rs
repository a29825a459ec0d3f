//! OTLP/HTTP: how connections are used.

use bytes::Bytes;
use http::Method;
use tokio::task::JoinSet;

use super::super::client::{
    Answer, Packing, Peer, Pieces, Post, Protocol, Session, Signal, Told, Way,
};
use super::super::payload;
use super::super::report::Finding;
use super::super::trial::Trial;
use super::Row;
use super::http::ABSENT;

rows! {
    "H11" "MAY" "S" "an answer is gzip only if the request asks for it" => gzip_answers;
    "H12" "SHOULD" "S, HTTP" "keep-alive, parallel connections, chunked bodies, Expect: 100-continue" => connections;
    "H13" "optional" "Collector" "browsers may ask first (CORS)" => cors;
}

/// Connections opened at once.
const CONNECTIONS: usize = 8;
/// Requests on one connection.
const REQUESTS: usize = 3;

async fn gzip_answers(peer: &Peer) -> Finding {
    if peer.http.is_none() {
        return Finding::unseen(ABSENT);
    }
    let mut trial = Trial::of("a gzip body was posted without and with Accept-Encoding: gzip");
    let body = Packing::Gzip.pack(&payload::sample(Signal::Logs));
    let packed = ("content-encoding", "gzip");
    let told = peer
        .post(
            Protocol::One,
            Post::logs(Way::Protobuf, &[packed], body.clone()),
        )
        .await;
    let encoding = told.header("content-encoding").map(str::to_owned);
    trial.check(
        told.is_whole() && encoding.as_deref().is_none_or(|name| name == "identity"),
        format!(
            "{told} with Content-Encoding {}",
            encoding.as_deref().unwrap_or("none")
        ),
    );
    let asking = [packed, ("accept-encoding", "gzip")];
    let told = peer
        .post(Protocol::One, Post::logs(Way::Protobuf, &asking, body))
        .await;
    let encoding = told
        .header("content-encoding")
        .unwrap_or("identity")
        .to_owned();
    let has_answer = told
        .answer
        .as_ref()
        .is_some_and(|answer| answer.status == 200);
    let is_right = match encoding.as_str() {
        // Its content is looked at in the other rows.
        "gzip" => has_answer,
        "identity" => told.is_whole(),
        _ => false,
    };
    trial.check(
        is_right,
        format!("asked for gzip, {told} with Content-Encoding {encoding}"),
    );
    trial.end(&format!(
        "plain when not asked for, {encoding} when asked for"
    ))
}

async fn connections(peer: &Peer) -> Finding {
    if peer.http.is_none() {
        return Finding::unseen(ABSENT);
    }
    let mut trial = Trial::of(format!(
        "{REQUESTS} requests on one connection, {CONNECTIONS} connections at once, a chunked body \
         and Expect: 100-continue were tried"
    ));
    keep_alive(peer, &mut trial).await;
    parallel(peer, &mut trial).await;
    let sample = payload::sample(Signal::Logs);
    let halves = [
        sample.slice(..sample.len() / 2),
        sample.slice(sample.len() / 2..),
    ];
    let chunked = Post::logs(Way::Protobuf, &[], Pieces::of(halves).without_length());
    trial.whole("chunked", Some(peer.post(Protocol::One, chunked).await));
    match peer
        .post_expecting(&payload::sample_json(Signal::Logs))
        .await
    {
        Ok((true, status)) => {
            trial.check(
                status == 200,
                format!("after 100 Continue came HTTP {status}"),
            );
        }
        Ok((false, status)) => {
            trial.check(
                false,
                format!("Expect: 100-continue was answered HTTP {status} at once"),
            );
        }
        Err(why) => trial.check(false, format!("Expect: 100-continue, {why}")),
    }
    trial.end("all worked")
}

async fn keep_alive(peer: &Peer, trial: &mut Trial) {
    let mut session = match peer.open_http(Protocol::One, 0).await {
        Ok(session) => session,
        Err(why) => return trial.check(false, why),
    };
    for _ in 0..REQUESTS {
        let post = Post::logs(Way::Protobuf, &[], payload::sample(Signal::Logs));
        let answer = send(peer, &mut session, post).await;
        trial.whole("one connection", Some(Told::http(Way::Protobuf, answer)));
    }
}

async fn parallel(peer: &Peer, trial: &mut Trial) {
    let mut running = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let post = Post::logs(Way::Protobuf, &[], payload::sample(Signal::Logs));
        match (
            peer.open_http(Protocol::One, 0).await,
            peer.post_request(post),
        ) {
            (Ok(mut session), Ok(request)) => {
                running.spawn(async move { session.send(request).await });
            }
            (Err(why), _) | (_, Err(why)) => trial.check(false, why),
        }
    }
    for answer in running.join_all().await {
        trial.whole("at once", Some(Told::http(Way::Protobuf, answer)));
    }
}

async fn send(peer: &Peer, session: &mut Session, post: Post<'_>) -> Result<Answer, String> {
    session.send(peer.post_request(post)?).await
}

async fn cors(peer: &Peer) -> Finding {
    if peer.http.is_none() {
        return Finding::unseen(ABSENT);
    }
    const ORIGIN: &str = "https://otlp-check.example";
    let headers = [
        ("origin", ORIGIN),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let preflight = Post {
        method: Method::OPTIONS,
        ..Post::logs(Way::Json, &headers, Bytes::new())
    };
    let told = peer.post(Protocol::One, preflight).await;
    let Some(allowed) = told.header("access-control-allow-origin") else {
        return match &told.answer {
            Some(answer) => Finding::unseen(format!(
                "CORS is optional and off here: a preflight was answered HTTP {}",
                answer.status
            )),
            None => Finding::fail(format!("a preflight was sent: {told}")),
        };
    };
    if !["*", ORIGIN].contains(&allowed) {
        return Finding::unseen(format!("CORS is optional and on for {allowed} only"));
    }
    let mut trial = Trial::of("a preflight of a browser was sent");
    let status = told.answer.as_ref().map_or(0, |answer| answer.status);
    trial.check(
        (200..300).contains(&status),
        format!("Access-Control-Allow-Origin {allowed}, but HTTP {status}"),
    );
    trial.end("it was allowed")
}
