//! `--self`: receivers of our own to look at.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::client::Peer;
use super::find::Wanted;
use crate::cli::failure::{Failure, OrFailure as _};
use crate::cli::scratch::Scratch;
use crate::daemon::Daemon;
use crate::daemon::config::{Settings, from_text};
use crate::edge::receive::{
    self, Accepted, Access, Intake, Metrics, Receiver, Refusal, Taken, TenantSettings, serve_grpc,
    serve_http,
};
use crate::edge::store::Store;

const SETTINGS: &str = "\
listen: { otlp_grpc: '127.0.0.1:0', otlp_http: '127.0.0.1:0', api: '127.0.0.1:0' }
sinks: []
";
/// The token of the receiver that wants one. It guards nothing.
const TOKEN: &str = "otlp-check-is-not-a-secret";
/// When the receiver without room asks senders to come again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// A daemon as `serve` runs it and, beside it, two of its receivers: one without room, one that
/// wants a token. Only the daemon takes records.
pub(super) struct Own {
    daemon: Daemon,
    stop: CancellationToken,
    // Dropped last: the state lies in it.
    _folder: Scratch,
}

impl Own {
    /// Starts all of it on free ports and says where it is.
    ///
    /// # Errors
    /// Those of the environment.
    pub(super) async fn start(wanted: &Wanted) -> Result<(Self, Peer), Failure> {
        let folder = Scratch::of("otlp-check")?;
        let settings = from_text("otlp-check", SETTINGS, &[])
            .map_err(|problems| anyhow::anyhow!("{problems}"))
            .or_use()?;
        let settings = Settings {
            state_dir: folder.path().join("state"),
            ..settings
        };
        let store = Store::open(&settings.state_dir, settings.store_limits()).or_environment()?;
        let daemon = Daemon::start(&settings, store, None).await;
        let daemon = daemon.or_environment()?;
        let stop = CancellationToken::new();
        let tenant = tenant(folder.path())?;
        let full = receiver(Access::new(&[]).or_environment()?, Refuses(true));
        let full = listen(full, &stop).await.or_environment()?;
        let guarded = receiver(Access::new(&[tenant]).or_environment()?, Refuses(false));
        let guarded = listen(guarded, &stop).await.or_environment()?;
        let addresses = daemon.addresses();
        let mut peer = peer(wanted, (addresses.otlp_grpc, addresses.otlp_http));
        peer.full = Some(Box::new(self::peer(wanted, full)));
        let mut guarded = self::peer(wanted, guarded);
        let token = HeaderValue::from_str(&format!("Bearer {TOKEN}")).or_environment()?;
        guarded.headers.push((AUTHORIZATION, token));
        peer.guarded = Some(Box::new(guarded));
        let own = Self {
            daemon,
            stop,
            _folder: folder,
        };
        Ok((own, peer))
    }

    /// Stops all of it.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        self.stop.cancel();
        self.daemon.stop().await.or_environment()
    }
}

fn peer(wanted: &Wanted, (grpc, http): (SocketAddr, SocketAddr)) -> Peer {
    Peer {
        grpc: Some(grpc.to_string()),
        http: Some(http.to_string()),
        ..Peer::of(wanted)
    }
}

/// Takes nothing because there is no room, or takes everything and forgets it.
struct Refuses(bool);

impl Intake for Refuses {
    async fn accept(&self, _: Accepted) -> Result<Taken, Refusal> {
        match self.0 {
            true => Err(Refusal::Overloaded {
                retry_after: RETRY_AFTER,
            }),
            false => Ok(Taken::New),
        }
    }
}

fn receiver(access: Access, intake: Refuses) -> Receiver<Refuses> {
    let settings = receive::Settings::of_instance("otlp-check");
    Receiver::new(
        Arc::new(intake),
        settings,
        Metrics::default(),
        (access, None),
    )
}

fn tenant(folder: &Path) -> Result<TenantSettings, Failure> {
    let token_file = folder.join("token");
    std::fs::write(&token_file, TOKEN).or_environment()?;
    Ok(TenantSettings {
        name: "otlp-check".to_owned(),
        token_file,
        resource: Vec::new(),
    })
}

/// Serves both transports until `stop`.
async fn listen(
    receiver: Receiver<Refuses>,
    stop: &CancellationToken,
) -> std::io::Result<(SocketAddr, SocketAddr)> {
    let grpc = TcpListener::bind(("127.0.0.1", 0)).await?;
    let http = TcpListener::bind(("127.0.0.1", 0)).await?;
    let addresses = (grpc.local_addr()?, http.local_addr()?);
    tokio::spawn(serve_grpc(grpc, receiver.clone(), stop.clone()));
    tokio::spawn(serve_http(http, receiver, stop.clone()));
    Ok(addresses)
}
