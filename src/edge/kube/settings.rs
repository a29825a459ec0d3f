//! Settings → a client: which server, whom we say we are, and whom we believe.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt as _};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tower::timeout::TimeoutLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};

use super::error::{KubeError, with_causes};
use super::wire::{TokenFile, Wire, in_time, not_late};
use crate::core::record::Timestamp;

/// Which cluster, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct KubeSettings {
    /// Where the cluster is, and who we are there.
    pub source: Source,
    /// How long one request may take, its connection included.
    pub timeout: Duration,
    /// Which knothole this is: claims and events name it.
    pub instance: Box<str>,
    /// What the cluster calls whoever set a field.
    pub field_manager: Box<str>,
    /// Where Argo CD keeps its Application objects; none where it is not asked through them.
    pub argo_namespace: Option<Box<str>>,
}

/// Where a cluster is found.
#[derive(Clone, Debug)]
pub enum Source {
    /// A kubeconfig file. A token file that it names is read for each request; the rest of it once.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// The context; none is the current one.
        context: Option<String>,
    },
    /// The cluster that we run in, as the service account of our pod.
    InCluster,
    /// A server by its address.
    Server {
        /// `https://…`; `http://…` only on this machine, such as that of `kubectl proxy`.
        url: String,
        /// The certificates of those who may vouch for the server; none are the system's.
        ca_file: Option<PathBuf>,
        /// The token, read for each request.
        token_file: Option<PathBuf>,
    },
}

/// The time, by our clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The longest that a connection may take to be made, TLS included.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// How long a connection is kept that nobody uses. Load balancers drop those that idle without a word, and a
/// request that is lost in one has to be settled.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// Most connections that are kept.
const IDLE_CONNECTIONS_MAX: usize = 4;

impl KubeSettings {
    /// How long a request may take when the owner says nothing: 10 seconds.
    pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

    /// The cluster at `source`, with defaults.
    pub fn of(source: Source) -> Self {
        Self {
            source,
            timeout: Self::TIMEOUT_DEFAULT,
            instance: "knothole".into(),
            field_manager: "knothole".into(),
            argo_namespace: None,
        }
    }
}

/// A client for these settings. Files are read, and a credential plugin of a kubeconfig is run; the server is
/// not asked.
pub(super) async fn connect(settings: &KubeSettings) -> Result<Wire, KubeError> {
    let settings = settings.clone();
    let made = tokio::task::spawn_blocking(move || wire(&settings));
    match made.await {
        Ok(wire) => wire,
        Err(error) => Err(KubeError::Settings(error.to_string())),
    }
}

fn wire(settings: &KubeSettings) -> Result<Wire, KubeError> {
    let mut config = config(&settings.source)?;
    check(&config)?;
    config.headers.push((
        USER_AGENT,
        HeaderValue::from_static(concat!("knothole/", env!("CARGO_PKG_VERSION"))),
    ));
    // Ours is trimmed and bounded, and read for each request.
    let token = config.auth_info.token_file.take();
    let token = match config.auth_info.token {
        // As everywhere else a token in the kubeconfig comes before a file of one.
        Some(_) => None,
        None => token.map(|path| TokenFile::new(path.into())),
    };
    let client = client(&config, settings.timeout).map_err(|e| of_kube(&e))?;
    Ok(Wire::new(client, token, settings.timeout))
}

fn config(source: &Source) -> Result<Config, KubeError> {
    match source {
        Source::Kubeconfig { path, context } => of_kubeconfig(path, context.as_deref()),
        Source::InCluster => Config::incluster().map_err(|e| of_kube(&e)),
        Source::Server {
            url,
            ca_file,
            token_file,
        } => {
            let refused = || {
                KubeError::Settings(format!(
                    "{url:?} is no address of a server; write it as https://10.0.0.1:6443"
                ))
            };
            let address: http::Uri = url.parse().map_err(|_| refused())?;
            if address.host().is_none() || address.query().is_some() {
                return Err(refused());
            }
            let mut config = Config::new(address);
            if config.cluster_url.scheme_str() == Some("http") {
                // Nobody has to vouch for it, and those of the system take long to read.
                config.root_cert = Some(Vec::new());
            }
            config.auth_info.token_file = token_file
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned());
            if let Some(path) = ca_file {
                config.root_cert = Some(certificates(path)?);
                config.root_cert_file = Some(path.clone());
            }
            Ok(config)
        }
    }
}

fn of_kubeconfig(path: &PathBuf, context: Option<&str>) -> Result<Config, KubeError> {
    let kubeconfig = Kubeconfig::read_from(path).map_err(|e| of_kube(&e))?;
    // The library also takes a proxy from the environment, which is there for other programs.
    let has_proxy = kubeconfig
        .clusters
        .iter()
        .filter_map(|it| it.cluster.as_ref())
        .any(|it| it.proxy_url.is_some());
    if has_proxy {
        let why = "the kubeconfig goes by way of a proxy, which is not supported";
        return Err(KubeError::Settings(why.to_owned()));
    }
    let options = KubeConfigOptions {
        context: context.map(ToOwned::to_owned),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options);
    let config = tokio::runtime::Handle::current().block_on(config);
    config.map_err(|e| of_kube(&e))
}

fn certificates(path: &PathBuf) -> Result<Vec<Vec<u8>>, KubeError> {
    let unreadable = |why: String| {
        let path = path.display();
        KubeError::Settings(format!("cannot read the certificates in {path}: {why}"))
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|e| unreadable(e.to_string()))?
        .map(|it| it.map(|it| it.as_ref().to_vec()))
        .collect();
    let found = found.map_err(|e| unreadable(e.to_string()))?;
    if found.is_empty() {
        return Err(unreadable("there are none".to_owned()));
    }
    Ok(found)
}

/// Whoever acts on a cluster must know that it is that cluster, and tells its token to nobody else.
fn check(config: &Config) -> Result<(), KubeError> {
    let refused = |why: &str| Err(KubeError::Settings(why.to_owned()));
    if config.accept_invalid_certs {
        return refused(
            "insecure-skip-tls-verify is not supported; give it certificate-authority instead",
        );
    }
    let url = &config.cluster_url;
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    match url.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_here => Ok(()),
        _ => refused("the address of the server has to start with https://"),
    }
}

/// Not the library's own stack: that one sends what was refused again, and logs each failure by itself.
fn client(config: &Config, timeout: Duration) -> Result<kube::Client, kube::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let connector = ServiceBuilder::new()
        .map_future(in_time)
        .layer(TimeoutLayer::new(timeout.min(CONNECT_TIMEOUT_MAX)))
        .service(tls);
    let connector = BoxCloneSyncService::new(connector);
    let http: HyperClient<_, Body> = HyperClient::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        // A request that met a connection just closed is not sent again behind our back.
        .retry_canceled_requests(false)
        .build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_future(not_late)
        .map_err(BoxError::from)
        .service(http);
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}

fn of_kube(error: &dyn std::error::Error) -> KubeError {
    KubeError::Settings(with_causes(error))
}
