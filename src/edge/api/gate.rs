//! Who may do what: bearer tokens with roles; without tokens, whoever is on this host.
//!
//! Tokens come from files or environment variables. Files are read again when they change, so that a
//! token can be exchanged without a restart: a file may have several, one a line, the old and the new.

use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Method, Uri};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Caller;

/// Most bytes of a token file that are read.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The shortest token that is taken, in bytes.
const TOKEN_LEN_MIN: usize = 16;
/// How often files are looked at.
const RELOAD_EVERY: Duration = Duration::from_secs(2);
/// Who somebody is where no token is asked for.
pub(super) const LOCAL: &str = "local";

/// What somebody may do. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May read.
    Viewer,
    /// May take incidents on, end and silence them, tell of changes and alerts, report on actions, and
    /// stop them all.
    Operator,
    /// May approve and deny actions, and allow them again after all were stopped.
    Approver,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Approver];

    /// The name used in settings and on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Somebody with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// Their name, as the audit tells it.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Where their tokens are.
    pub source: TokenSource,
}

/// Where tokens are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// In an environment variable: one.
    Environment(String),
    /// In a file, one a line.
    File(PathBuf),
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the tokens of {name} from {}: {source}", file.display())]
    Unreadable {
        /// Whose.
        name: String,
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// There is no token in it.
    #[error("{place} has no token for {name}; make one with: head -c 32 /dev/urandom | base64")]
    None {
        /// Whose.
        name: String,
        /// The file or variable.
        place: String,
    },
    /// It can be guessed.
    #[error(
        "a token in {place} is shorter than 16 bytes; make one with: head -c 32 /dev/urandom | base64"
    )]
    Short {
        /// The file or variable.
        place: String,
    },
    /// Two of them share it.
    #[error("a token in {place} is somebody else's too")]
    Shared {
        /// The file or variable.
        place: String,
    },
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No token, or none that is known.
    Unknown,
    /// A role that may not do this.
    Role(Role),
    /// The role that whoever is on this host has where there are no tokens.
    Tokenless(Role),
    /// There are no tokens, and the port can be reached from other hosts.
    Closed,
    /// The request was made for another site: a browser was made to send it.
    Foreign,
}

/// Knows the tokens. Clones share them.
#[derive(Clone)]
pub struct Gate {
    keys: Arc<ArcSwap<Keys>>,
}

/// The tokens as they were read.
#[derive(Default)]
struct Keys {
    settings: Arc<[TokenSettings]>,
    /// By the SHA-256 of the token, so that a look-up tells nothing of how much was right.
    holders: HashMap<[u8; 32], (Arc<str>, Role)>,
    /// What the files were like when they were read.
    stamps: Stamps,
}

/// What changes when a file does.
type Stamps = Vec<Option<SystemTime>>;

impl Keys {
    fn read(settings: Arc<[TokenSettings]>) -> Result<Self, TokenError> {
        // Before the files are read: what changes meanwhile is read again.
        let stamps = stamps(&settings);
        let mut holders = HashMap::new();
        for of_one in settings.iter() {
            let name: Arc<str> = of_one.name.as_str().into();
            for token in read(of_one)? {
                let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
                let holder = (Arc::clone(&name), of_one.role);
                if holders.insert(digest, holder).is_some() {
                    let place = of_one.source.to_string();
                    return Err(TokenError::Shared { place });
                }
            }
        }
        Ok(Self {
            settings,
            holders,
            stamps,
        })
    }
}

fn stamps(settings: &[TokenSettings]) -> Stamps {
    let changed = |settings: &TokenSettings| match &settings.source {
        TokenSource::Environment(_) => None,
        TokenSource::File(file) => std::fs::metadata(file).ok()?.modified().ok(),
    };
    settings.iter().map(changed).collect()
}

impl Gate {
    /// Reads the tokens. Without any, only callers of a port that is bound to loopback are let in, as
    /// operators.
    ///
    /// # Errors
    /// [`TokenError`] where a token is missing or cannot be used.
    pub fn new(settings: &[TokenSettings]) -> Result<Self, TokenError> {
        let keys = Keys::read(settings.into())?;
        Ok(Self {
            keys: Arc::new(ArcSwap::from_pointee(keys)),
        })
    }

    /// Lets in those that `other` does from now on, and nobody else.
    pub fn take_over(&self, other: &Self) {
        self.keys.store(other.keys.load_full());
    }

    /// Reads the tokens again; on an error those known before stay good.
    ///
    /// # Errors
    /// [`TokenError`] where a token is missing or cannot be used.
    pub fn reload(&self) -> Result<(), TokenError> {
        let before = self.keys.load();
        let keys = Keys::read(Arc::clone(&before.settings))?;
        // Other settings that came meanwhile are the newer ones.
        self.keys.compare_and_swap(&before, Arc::new(keys));
        Ok(())
    }

    /// Reads the tokens again whenever their files change. Ends when it is dropped.
    pub async fn follow_files(self) {
        let mut refused = None;
        loop {
            tokio::time::sleep(RELOAD_EVERY).await;
            let keys = self.keys.load_full();
            let now = stamps(&keys.settings);
            if now == keys.stamps || refused.as_ref() == Some(&now) {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!("The tokens of the API were read again."),
                Err(error) => {
                    tracing::error!(
                        %error,
                        "The tokens of the API were not read again; the old ones stay good."
                    );
                    refused = Some(now);
                }
            }
        }
    }

    /// Whether tokens are asked for.
    pub fn asks(&self) -> bool {
        !self.keys.load().settings.is_empty()
    }

    /// Whether somebody of this name has a token.
    pub fn knows(&self, name: &str) -> bool {
        let keys = self.keys.load();
        let mut names = keys.settings.iter().map(|settings| &settings.name);
        names.any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Who sends `request`, if they may do what takes at least the role `least`. `is_local` says that
    /// the port is bound to loopback.
    pub(super) fn admit(
        &self,
        request: &Knock<'_>,
        least: Role,
        is_local: bool,
    ) -> Result<Caller, Denied> {
        if !request.is_safe() && request.is_cross_site() {
            return Err(Denied::Foreign);
        }
        let asks = self.asks();
        let (name, role) = match asks {
            true => self.holder(request.headers).ok_or(Denied::Unknown)?,
            false if !is_local => return Err(Denied::Closed),
            // A name server may lead a browser's page here under the page's own name.
            false if !request.names_this_host() => return Err(Denied::Foreign),
            false => (LOCAL.into(), Role::Operator),
        };
        if role < least {
            return Err(Denied::role(role, asks));
        }
        Ok(Caller {
            name,
            role,
            address: request.address,
        })
    }

    fn holder(&self, headers: &HeaderMap) -> Option<(Arc<str>, Role)> {
        let given = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = given.split_once(' ')?;
        let digest: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
        let keys = self.keys.load();
        let holder = keys.holders.get(&digest).cloned();
        holder.filter(|_| scheme.eq_ignore_ascii_case("bearer"))
    }
}

impl Default for Gate {
    /// Without tokens.
    fn default() -> Self {
        Self {
            keys: Arc::default(),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.keys.load().settings;
        f.debug_struct("Gate").field("settings", settings).finish()
    }
}

/// What the gate looks at of a request.
pub(super) struct Knock<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    pub(super) address: Option<IpAddr>,
}

impl Denied {
    /// Somebody's role may not do this; `asks` says whether tokens are asked for.
    pub(super) const fn role(role: Role, asks: bool) -> Self {
        match asks {
            true => Self::Role(role),
            false => Self::Tokenless(role),
        }
    }
}

impl Knock<'_> {
    fn is_safe(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    /// Whether a browser says that a page of another site makes it send this.
    fn is_cross_site(&self) -> bool {
        let text = |name: &str| {
            let value = self.headers.get(name)?;
            Some(value.to_str().unwrap_or_default())
        };
        let told = text("sec-fetch-site").is_some_and(|it| !matches!(it, "same-origin" | "none"));
        let origin = text(ORIGIN.as_str());
        let is_own = |origin: &str| {
            let (_, authority) = origin.split_once("://").unwrap_or_default();
            !authority.is_empty() && self.authority() == Some(authority)
        };
        told || origin.is_some_and(|origin| !is_own(origin))
    }

    /// Whether the request is for this host by a name that no name server decides about.
    fn names_this_host(&self) -> bool {
        let Some(authority) = self.authority() else {
            return false;
        };
        let Ok(authority) = authority.parse::<http::uri::Authority>() else {
            return false;
        };
        let host = authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = bare.parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
    }

    /// The host, and the port where one is named: HTTP/2 has it in the target.
    fn authority(&self) -> Option<&str> {
        match self.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.headers.get(HOST)?.to_str().ok(),
        }
    }
}

fn read(settings: &TokenSettings) -> Result<Vec<String>, TokenError> {
    let place = || settings.source.to_string();
    let text = match &settings.source {
        TokenSource::Environment(name) => std::env::var(name).unwrap_or_default(),
        TokenSource::File(file) => {
            let mut text = String::new();
            std::fs::File::open(file)
                .and_then(|opened| opened.take(FILE_BYTES_MAX).read_to_string(&mut text))
                .map_err(|source| TokenError::Unreadable {
                    name: settings.name.clone(),
                    file: file.clone(),
                    source,
                })?;
            text
        }
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let tokens: Vec<String> = lines.map(str::to_owned).collect();
    if tokens.is_empty() {
        let name = settings.name.clone();
        return Err(TokenError::None {
            name,
            place: place(),
        });
    }
    match tokens.iter().any(|token| token.len() < TOKEN_LEN_MIN) {
        true => Err(TokenError::Short { place: place() }),
        false => Ok(tokens),
    }
}
