//! Ways around the guard that were thought of by others: none of them may lead to a connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpListener;

use crate::edge::notify::send::knock;
use crate::edge::outgoing::{Egress, Guard, Looking};

/// Hosts that are this machine, a private network or a metadata service in disguise. `PORT` is
/// where somebody listens.
const BYPASSES: &[&str] = &[
    // This machine, written in other bases and lengths.
    "2130706433:PORT",
    "0x7f000001:PORT",
    "0x7f.0.0.1:PORT",
    "0x7f.1:PORT",
    "0177.0.0.1:PORT",
    "0177.0.0.01:PORT",
    "017700000001:PORT",
    "127.1:PORT",
    "127.0.1:PORT",
    "0x7f.0x0.0x0.0x1:PORT",
    "0x7F.0.0x0001:PORT",
    "127.0.0.1.:PORT",
    "127.0.0.0x1:PORT",
    "①②⑦.⓪.⓪.①:PORT",
    "１２７.0.0.1:PORT",
    "127。0。0。1:PORT",
    "127．0．0．1:PORT",
    "0x7f。1:PORT",
    "%31%32%37.0.0.1:PORT",
    "127.0.0.%31:PORT",
    // This machine over IPv6.
    "[::ffff:127.0.0.1]:PORT",
    "[::ffff:7f00:1]:PORT",
    "[0:0:0:0:0:ffff:127.0.0.1]:PORT",
    "[::127.0.0.1]:PORT",
    "[::7f00:1]:PORT",
    "[0:0:0:0:0:0:0:1%25lo]:PORT",
    "[64:ff9b::127.0.0.1]:PORT",
    "[64:ff9b::7f00:1]:PORT",
    "[64:ff9b:1::7f00:1]:PORT",
    "[2002:7f00:1::]:PORT",
    "[::ffff:0:127.0.0.1]:PORT",
    "[fe80::5efe:127.0.0.1]:PORT",
    "[2001:db8::5efe:7f00:1]:PORT",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]:PORT",
    "[0000:0000:0000:0000:0000:0000:0000:0001]:PORT",
    "[::0001]:PORT",
    // Nowhere, which is this machine to some.
    "0:PORT",
    "0.0.0.0:PORT",
    "0.0:PORT",
    "0x0:PORT",
    "[::]:PORT",
    "[0:0:0:0:0:0:0:0]:PORT",
    "[::ffff:0.0.0.0]:PORT",
    "0.1.2.3:PORT",
    "255.255.255.255:PORT",
    // Another host in front of it.
    "hooks.example.net@127.0.0.1:PORT",
    "hooks.example.net:80@127.0.0.1:PORT",
    "user:word@127.0.0.1:PORT",
    "hooks.example.net%2f@127.0.0.1:PORT",
    "hooks.example.net%23@127.0.0.1:PORT",
    "@127.0.0.1:PORT",
    "127.0.0.1:PORT@hooks.example.net:PORT",
    "hooks.example.net\\@127.0.0.1:PORT",
    // Names that lead here.
    "localhost.:PORT",
    "localtest.me:PORT",
    "127.0.0.1.nip.io:PORT",
    "lvh.me:PORT",
    "spoofed.example.net:PORT",
    "LOCALHOST.LOCALDOMAIN:PORT",
    "localhost.example.net:PORT",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ.:PORT",
    "loc\u{ad}alhost.:PORT",
    // Metadata services.
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "0251.254.169.254",
    "169.254.43518",
    "169.16689662",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[fd00:ec2::254]",
    "[fe80::a9fe:a9fe]",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "metadata.google.internal",
    "metadata",
    "instance-data.ec2.internal",
    // Private networks.
    "10.0.0.1",
    "0xa.1",
    "167772161",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "0300.0250.0.1",
    "3232235521",
    "100.64.0.1",
    "198.18.0.1",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::c0a8:1]",
    "[2002:c0a8:1::]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[fec0::1]",
    "kubernetes.default.svc",
    "224.0.0.1",
    "240.0.0.1",
    "[ff02::1]",
];

/// What the names above lead to.
fn leads_to(name: &str) -> IpAddr {
    match name {
        "metadata.google.internal" | "metadata" | "instance-data.ec2.internal" => {
            IpAddr::from([169, 254, 169, 254])
        }
        "kubernetes.default.svc" => IpAddr::from([10, 96, 0, 1]),
        _ => IpAddr::from([127, 0, 0, 1]),
    }
}

/// A guard whose names are resolved by `answer`.
fn guard(
    written: &str,
    answer: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static,
) -> Option<(Guard, Url)> {
    let url: Url = written.parse().ok()?;
    let guard = Guard::new(&url, written, false, &Egress::default());
    let lookup = move |name: String| {
        let found: Vec<SocketAddr> = answer(&name).into_iter().map(|ip| (ip, 0).into()).collect();
        let looking: Looking = Box::pin(async move { Ok(found) });
        looking
    };
    Some((guard.resolving_by(Arc::new(lookup)), url))
}

#[tokio::test]
async fn a_hundred_bypasses_make_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    assert!(BYPASSES.len() >= 100, "{}", BYPASSES.len());
    for host in BYPASSES {
        let written = format!("http://{}/hook", host.replace("PORT", &port));
        // What is no address is refused by that.
        if let Some((guard, url)) = guard(&written, |name| vec![leads_to(name)]) {
            let refused = knock(guard, url, Duration::from_secs(5)).await;
            let why = refused.expect_err("refused");
            let words = ["address", "user or a password"];
            assert!(
                words.iter().any(|word| why.contains(word)),
                "{written}: {why}"
            );
        }
    }
    let came = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(came.is_err(), "somebody connected");
}

#[tokio::test]
async fn a_name_server_that_changes_its_mind_leads_nowhere() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let written = format!("http://rebound.example.net:{port}/");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // A public address for whoever checks, this machine for whoever connects; and both at once.
    let answers = move |_: &str| {
        let public = IpAddr::from([203, 0, 113, 1]);
        let home = IpAddr::from([127, 0, 0, 1]);
        match count.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => vec![public],
            1 => vec![home],
            _ => vec![home, public],
        }
    };
    for _ in 0..6 {
        let answers = answers.clone();
        let (guard, url) = guard(&written, answers).unwrap();
        // Nobody answers at the public address, which is one for examples.
        assert!(knock(guard, url, Duration::from_millis(50)).await.is_err());
    }
    assert_eq!(
        asked.load(Ordering::SeqCst),
        6,
        "each attempt asks anew, and only once"
    );
    let came = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(came.is_err(), "somebody connected");
}

#[tokio::test]
async fn the_same_address_written_in_plain_is_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let written = format!("http://{host}:{port}/");
        let (guard, url) = guard(&written, |name| vec![leads_to(name)]).unwrap();
        let knocking = tokio::spawn(knock(guard, url, Duration::from_secs(30)));
        listener.accept().await.unwrap();
        knocking.abort();
    }
}
