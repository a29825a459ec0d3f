//! Certificates, read again when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// The files of a server's TLS, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate and those between it and its root.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// The authorities of clients; where given, a client without a certificate of theirs is sent
    /// away (mutual TLS).
    pub client_ca_file: Option<PathBuf>,
}

/// TLS cannot be spoken with these files.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used for TLS: {why}", file.display())]
pub struct TlsError {
    /// The file at fault.
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

/// Speaks TLS. Clones share the certificates.
#[derive(Clone)]
pub struct Tls {
    settings: Arc<TlsSettings>,
    acceptor: Arc<ArcSwap<ServerConfig>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.settings).finish()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] names the file at fault.
    pub fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        let config = config_of(&settings)?;
        Ok(Self {
            settings: Arc::new(settings),
            acceptor: Arc::new(ArcSwap::from_pointee(config)),
        })
    }

    /// Reads the files again; on an error what was read before stays in use.
    ///
    /// # Errors
    /// [`TlsError`] names the file at fault.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.acceptor.store(Arc::new(config_of(&self.settings)?));
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.acceptor.load_full())
    }

    /// What changes when a file does.
    pub(super) fn stamp(&self) -> Vec<Option<SystemTime>> {
        let TlsSettings {
            cert_file,
            key_file,
            client_ca_file,
        } = self.settings.as_ref();
        let files = [Some(cert_file), Some(key_file), client_ca_file.as_ref()];
        let changed = |file: &PathBuf| std::fs::metadata(file).ok()?.modified().ok();
        files.into_iter().flatten().map(changed).collect()
    }
}

fn config_of(settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&settings.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key_file)
        .map_err(|fault| unusable(&settings.key_file, &fault))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|fault| unusable(&settings.cert_file, &fault))?;
    let builder = match &settings.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(file)? {
                roots
                    .add(authority)
                    .map_err(|fault| unusable(file, &fault))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = verifier.build().map_err(|fault| unusable(file, &fault))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|fault| unusable(&settings.key_file, &fault))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_file_iter(file).map_err(|fault| unusable(file, &fault))?;
    let all: Result<Vec<_>, _> = all.collect();
    let all = all.map_err(|fault| unusable(file, &fault))?;
    match all.is_empty() {
        true => Err(unusable(file, &"there is no certificate in it")),
        false => Ok(all),
    }
}

fn unusable(file: &Path, why: &dyn std::fmt::Display) -> TlsError {
    TlsError {
        file: file.to_owned(),
        why: why.to_string(),
    }
}
