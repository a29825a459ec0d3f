//! How soon a request that changes something leaves, once it is allowed.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::core::remedy::facts::Refused;

/// Longer than anybody may wait for a connection who acts.
const SLOW: Duration = Duration::from_secs(3);

#[tokio::test]
async fn what_waits_for_a_connection_until_all_may_be_stopped_does_not_leave() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&path, own.cert.pem()).unwrap();
    let mut settings = settings(&url);
    if let Source::Server { ca_file, .. } = &mut settings.source {
        *ca_file = Some(path);
    }
    let time = Arc::new(AtomicU64::new(START.as_nanos()));
    let kube = client(&settings, &time).await;
    // A server that takes its time for TLS.
    let slow = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = Vec::new();
        let gone = tokio::time::timeout(SLOW, stream.read_to_end(&mut sent)).await;
        gone.is_ok()
    };
    let plan = eviction();
    let (answer, is_gone) = tokio::join!(kube.request(&plan.requests[0]), slow);
    assert!(
        matches!(answer, Answer::Refused(Refused::NotNow(None), _)),
        "{answer:?}"
    );
    assert!(
        is_gone,
        "it would have been sent seconds after it was allowed"
    );
}
