//! The ports: bound before anything else starts, served when everything else runs.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::config::Settings;
use super::door::Door;
use super::running::StartError;
use crate::edge::api::{self, Api};
use crate::edge::receive::{Receiver, ServeError, serve_grpc, serve_http};

/// Where the daemon listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// OTLP over HTTP.
    pub otlp_http: SocketAddr,
    /// API, health and metrics.
    pub api: SocketAddr,
}

/// Sockets that nobody serves yet.
pub(super) struct Listeners {
    otlp_grpc: TcpListener,
    otlp_http: TcpListener,
    api: TcpListener,
}

impl Listeners {
    pub(super) async fn bind(settings: &Settings) -> Result<Self, StartError> {
        let listen = &settings.listen;
        Ok(Self {
            otlp_grpc: bind("OTLP/gRPC", listen.otlp_grpc).await?,
            otlp_http: bind("OTLP/HTTP", listen.otlp_http).await?,
            api: bind("the API", listen.api).await?,
        })
    }

    pub(super) fn addresses(&self) -> Result<Addresses, StartError> {
        Ok(Addresses {
            otlp_grpc: self.otlp_grpc.local_addr()?,
            otlp_http: self.otlp_http.local_addr()?,
            api: self.api.local_addr()?,
        })
    }

    pub(super) fn serve(
        self,
        receiver: Receiver<Door>,
        api: Api,
        stop: &CancellationToken,
    ) -> JoinSet<Result<(), ServeError>> {
        let mut servers = JoinSet::new();
        servers.spawn(serve_grpc(self.otlp_grpc, receiver.clone(), stop.clone()));
        servers.spawn(serve_http(self.otlp_http, receiver, stop.clone()));
        let (listener, stop) = (self.api, stop.clone());
        servers.spawn(async move { Ok(api::serve(listener, api, stop).await?) });
        servers
    }
}

async fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| StartError::Listen {
        what,
        address,
        source,
    })
}
