//! A stream of bytes to the receiver, with TLS or without.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::session::Protocol;

/// Where Linux and BSD keep the authorities that the host trusts.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Both directions of a connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Whom to trust. Clones share the authorities.
#[derive(Clone, Debug)]
pub(in crate::cli::otlp_check) struct Tls(Arc<RootCertStore>);

impl Tls {
    /// Trusts the authorities of the PEM file `ca`, or those of the host.
    ///
    /// # Errors
    /// A plain sentence when there are none that can be read.
    pub(in crate::cli::otlp_check) fn trusting(ca: Option<&Path>) -> Result<Self, String> {
        let host = || {
            let mut bundles = BUNDLES.map(PathBuf::from).into_iter();
            let found = bundles.find(|bundle| bundle.exists());
            found.ok_or("this host has no list of authorities; name one with --ca FILE")
        };
        let file = match ca {
            Some(file) => file.to_owned(),
            None => host()?,
        };
        let unreadable = |why: String| format!("cannot read {}: {why}", file.display());
        let authorities = CertificateDer::pem_file_iter(&file);
        let authorities = authorities.map_err(|error| unreadable(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(authorities.flatten());
        match added {
            0 => Err(unreadable("there is no certificate in it".to_owned())),
            _ => Ok(Self(Arc::new(roots))),
        }
    }

    async fn over(
        &self,
        stream: TcpStream,
        host: &str,
        protocol: Protocol,
    ) -> Result<Box<dyn Stream>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("no TLS ({error})"))?;
        let mut config = builder
            .with_root_certificates(Arc::clone(&self.0))
            .with_no_client_auth();
        config.alpn_protocols = match protocol {
            Protocol::One => vec![b"http/1.1".to_vec()],
            Protocol::Two => vec![b"h2".to_vec()],
        };
        let name = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|error| format!("no TLS ({error})"))?;
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = connected
            .await
            .map_err(|error| format!("no TLS ({error})"))?;
        Ok(Box::new(stream))
    }
}

/// Connects to `address` (`host:port`).
///
/// # Errors
/// A plain sentence.
pub(super) async fn dial(
    address: &str,
    tls: Option<&Tls>,
    protocol: Protocol,
) -> Result<Box<dyn Stream>, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("no connection: {error}"))?;
    // Small requests would otherwise wait for the receiver's delayed acknowledgement; a stream
    // that cannot be set so still works.
    let _ = stream.set_nodelay(true);
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    match tls {
        None => Ok(Box::new(stream)),
        Some(tls) => tls.over(stream, host, protocol).await,
    }
}
