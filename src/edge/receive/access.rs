//! Who may send: bearer tokens, the tenants they stand for, and what these may claim to be.
//!
//! Tokens come from files, which are read again when they change, so that one can be exchanged
//! without a restart: a file may have several, one a line, the old and the new.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};

use super::receiver::Failure;
use super::{Decoded, RejectReason};
use crate::core::record::Resource;

/// Most bytes of a token file that are read.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The shortest token that is taken, in bytes.
const TOKEN_LEN_MIN: usize = 16;

/// Somebody who may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSettings {
    /// Its name, in metrics and logs.
    pub name: String,
    /// The file with its tokens, one a line.
    pub token_file: PathBuf,
    /// Resource attributes that its records must have, each with one of the values, beside a
    /// `service.name`; none allows everything. What claims to be something else is rejected.
    pub resource: Vec<(String, Vec<String>)>,
}

/// What a token stands for.
#[derive(Debug)]
pub(super) struct Tenant {
    name: Arc<str>,
    resource: Vec<(String, Vec<String>)>,
}

impl Tenant {
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Rejects the records that claim to be of somebody else.
    pub(super) fn restrict(&self, decoded: &mut Decoded) {
        let mut rejected = 0;
        let mut keeps = |resource: &Resource, len: usize| {
            let is_allowed = self.is_allowed(resource);
            rejected += if is_allowed { 0 } else { len as u64 };
            is_allowed
        };
        decoded
            .batches
            .retain(|batch| keeps(&batch.resource, batch.len()));
        decoded
            .spans
            .retain(|spans| keeps(&spans.resource, spans.spans.len()));
        decoded
            .metrics
            .retain(|metric| keeps(&metric.resource, metric.points.len()));
        if rejected > 0 {
            decoded.rejected.push((RejectReason::NotAllowed, rejected));
        }
    }

    fn is_allowed(&self, resource: &Resource) -> bool {
        // Without a service's name others of its attributes would name the service.
        let name = resource.get("service.name");
        let is_named = name.is_some_and(|name| !name.is_empty());
        let matches = self.resource.iter().all(|(name, values)| {
            let value = resource.get(name);
            value.is_some_and(|value| values.iter().any(|allowed| allowed == value))
        });
        self.resource.is_empty() || (is_named && matches)
    }
}

/// A token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the tokens of {tenant} from {}: {source}", file.display())]
    Unreadable {
        /// Whose.
        tenant: String,
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// There is no token in it.
    #[error("{} has no token for {tenant}; write one with: head -c 32 /dev/urandom | base64", file.display())]
    None {
        /// Whose.
        tenant: String,
        /// The file.
        file: PathBuf,
    },
    /// It can be guessed.
    #[error("a token in {} is shorter than 16 bytes; make one with: head -c 32 /dev/urandom | base64", file.display())]
    Short {
        /// The file.
        file: PathBuf,
    },
    /// Two tenants share it.
    #[error("a token in {} is another tenant's too", file.display())]
    Shared {
        /// The file.
        file: PathBuf,
    },
}

/// Knows the tokens. Clones share them.
#[derive(Clone, Debug)]
pub struct Access {
    settings: Arc<[TenantSettings]>,
    /// By the SHA-256 of the token, so that a look-up tells nothing of how much was right. `None`
    /// lets everybody in.
    tokens: Arc<ArcSwap<Option<Tokens>>>,
}

type Tokens = HashMap<[u8; 32], Arc<Tenant>>;

impl Access {
    /// Everybody may send.
    pub fn of_anybody() -> Self {
        Self {
            settings: Arc::default(),
            tokens: Arc::new(ArcSwap::from_pointee(None)),
        }
    }

    /// Reads the tokens; without tenants everybody may send.
    ///
    /// # Errors
    /// [`TokenError`] where a file has none that can be used.
    pub fn new(settings: &[TenantSettings]) -> Result<Self, TokenError> {
        let access = Self {
            settings: settings.into(),
            tokens: Arc::new(ArcSwap::from_pointee(None)),
        };
        access.reload()?;
        Ok(access)
    }

    /// Reads the tokens again; on an error those known before stay good.
    ///
    /// # Errors
    /// [`TokenError`] where a file has none that can be used.
    pub fn reload(&self) -> Result<(), TokenError> {
        if self.settings.is_empty() {
            return Ok(());
        }
        let mut tokens = Tokens::new();
        for settings in self.settings.iter() {
            let tenant = Arc::new(Tenant {
                name: settings.name.as_str().into(),
                resource: settings.resource.clone(),
            });
            let file = &settings.token_file;
            for token in read(settings)? {
                let digest = Sha256::digest(token.as_bytes()).into();
                if tokens.insert(digest, Arc::clone(&tenant)).is_some() {
                    return Err(TokenError::Shared { file: file.clone() });
                }
            }
        }
        self.tokens.store(Arc::new(Some(tokens)));
        Ok(())
    }

    /// Rejects the records that the tenant `name` may not send; all where there is none of that name
    /// any more.
    pub(super) fn restrict(&self, name: &str, decoded: &mut Decoded) {
        let tenant = self.settings.iter().find(|tenant| tenant.name == name);
        let resource = tenant.map(|tenant| tenant.resource.clone());
        match resource {
            Some(resource) => Tenant {
                name: name.into(),
                resource,
            }
            .restrict(decoded),
            None => {
                tracing::error!(
                    tenant = name,
                    records = decoded.records,
                    "Acknowledged records of a tenant that is no longer configured are not judged."
                );
                decoded.batches.clear();
            }
        }
    }

    /// What changes when a file does.
    pub(super) fn stamp(&self) -> Vec<Option<SystemTime>> {
        let changed = |settings: &TenantSettings| {
            let metadata = std::fs::metadata(&settings.token_file).ok()?;
            metadata.modified().ok()
        };
        self.settings.iter().map(changed).collect()
    }

    /// Whose request this is; `None` where everybody may send.
    pub(super) fn tenant(&self, headers: &HeaderMap) -> Result<Option<Arc<Tenant>>, Failure> {
        let tokens = self.tokens.load();
        let Some(tokens) = tokens.as_ref() else {
            return Ok(None);
        };
        let given = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
        let token = given.and_then(|given| {
            let (scheme, token) = given.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let tenant = token.and_then(|token| {
            let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
            tokens.get(&digest)
        });
        match tenant {
            Some(tenant) => Ok(Some(Arc::clone(tenant))),
            None => Err(Failure::Unauthenticated),
        }
    }
}

fn read(settings: &TenantSettings) -> Result<Vec<String>, TokenError> {
    use std::io::Read as _;
    let file = &settings.token_file;
    let tenant = || settings.name.clone();
    let unreadable = |source| TokenError::Unreadable {
        tenant: tenant(),
        file: file.clone(),
        source,
    };
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(unreadable)?;
    let lines = text.lines().map(str::trim);
    let tokens: Vec<String> = lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    if tokens.is_empty() {
        return Err(TokenError::None {
            tenant: tenant(),
            file: file.clone(),
        });
    }
    match tokens.iter().any(|token| token.len() < TOKEN_LEN_MIN) {
        true => Err(TokenError::Short { file: file.clone() }),
        false => Ok(tokens),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OLD: &str = "an-old-token-of-enough-length";
    const NEW: &str = "a-new-token-of-enough-length";

    fn access(folder: &tempfile::TempDir, tokens: &str) -> Access {
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, tokens).unwrap();
        Access::new(&[TenantSettings {
            name: "shop".to_owned(),
            token_file,
            resource: Vec::new(),
        }])
        .unwrap()
    }

    fn lets_in(access: &Access, authorization: &str) -> bool {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(authorization).unwrap();
        headers.insert(AUTHORIZATION, value);
        access.tenant(&headers).is_ok()
    }

    #[test]
    fn only_a_token_of_the_file_is_let_in() {
        let folder = tempfile::tempdir().unwrap();
        let access = access(&folder, &format!("{OLD}\n\n{NEW}\n"));
        assert!(lets_in(&access, &format!("Bearer {OLD}")));
        assert!(lets_in(&access, &format!("bearer  {NEW}")));
        for wrong in [
            "",
            OLD,
            "Bearer",
            "Bearer an-old-token",
            &format!("Basic {OLD}"),
        ] {
            assert!(!lets_in(&access, wrong), "{wrong}");
        }
        assert!(access.tenant(&HeaderMap::new()).is_err());
        assert!(Access::new(&[]).unwrap().tenant(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn a_file_that_changes_for_the_worse_leaves_the_tokens_that_were_good() {
        let folder = tempfile::tempdir().unwrap();
        let access = access(&folder, OLD);
        let file = folder.path().join("token");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(access.reload(), Err(TokenError::None { .. })));
        assert!(lets_in(&access, &format!("Bearer {OLD}")));
        std::fs::write(&file, "short").unwrap();
        assert!(matches!(access.reload(), Err(TokenError::Short { .. })));
        std::fs::write(&file, NEW).unwrap();
        access.reload().unwrap();
        assert!(lets_in(&access, &format!("Bearer {NEW}")));
        assert!(!lets_in(&access, &format!("Bearer {OLD}")));
    }
}
