//! Keys: secrets of a form that those who take them have agreed on.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::edge::outgoing::{SecretError, SecretRef, load};

/// Why a key cannot be used. No variant holds any part of the secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The prefix is missing.
    #[error(
        "the secret in {0} does not start with \"whsec_\"; make one with: \
         echo \"whsec_$(head -c 32 /dev/urandom | base64)\""
    )]
    NoPrefix(String),
    /// The rest is no base64.
    #[error("the secret in {0} has no valid base64 after \"whsec_\"")]
    NotBase64(String),
    /// Standard Webhooks wants 24 to 64 bytes.
    #[error("the secret in {from} has {bytes} bytes, not 24 to 64")]
    WrongLength {
        /// Where it was looked for.
        from: String,
        /// How many bytes it has.
        bytes: usize,
    },
    /// PagerDuty's keys have 32 letters and digits.
    #[error("the secret in {0} is no routing key, which has 32 letters and digits")]
    NoRoutingKey(String),
}

/// Reads PagerDuty's routing key.
pub(crate) fn load_routing_key(reference: &SecretRef) -> Result<String, KeyError> {
    let key = load(reference)?;
    let is_key = key.len() == 32 && key.chars().all(|c| c.is_ascii_alphanumeric());
    match is_key {
        true => Ok(key),
        false => Err(KeyError::NoRoutingKey(reference.to_string())),
    }
}

/// The key of a webhook.
#[derive(Clone)]
pub(super) struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Loads and decodes `whsec_…`.
    pub(super) fn load(reference: &SecretRef) -> Result<Self, KeyError> {
        Self::decode(&load(reference)?, &reference.to_string())
    }

    /// Decodes `text`; `from` names its origin in errors.
    pub(super) fn decode(text: &str, from: &str) -> Result<Self, KeyError> {
        let Some(encoded) = text.strip_prefix("whsec_") else {
            return Err(KeyError::NoPrefix(from.to_owned()));
        };
        let Ok(key) = STANDARD.decode(encoded) else {
            return Err(KeyError::NotBase64(from.to_owned()));
        };
        if !(24..=64).contains(&key.len()) {
            return Err(KeyError::WrongLength {
                from: from.to_owned(),
                bytes: key.len(),
            });
        }
        Ok(Self(key))
    }

    /// The value of `webhook-signature` (Standard Webhooks 1.0): `v1,` and the base64 of the
    /// HMAC-SHA256 over `id.timestamp.body`. `timestamp` is in seconds since the epoch.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        match self.over(id, timestamp, body) {
            Some(mac) => format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())),
            None => String::new(),
        }
    }

    /// Whether `signature`, without its `v1,`, is that of this key. How long this takes tells nothing of
    /// how much of it is right.
    pub(super) fn verifies(
        &self,
        (id, timestamp): (&str, u64),
        body: &[u8],
        signature: &str,
    ) -> bool {
        let (Some(mac), Ok(signature)) =
            (self.over(id, timestamp, body), STANDARD.decode(signature))
        else {
            return false;
        };
        mac.verify_slice(&signature).is_ok()
    }

    /// `None` is never: HMAC takes keys of every length.
    fn over(&self, id: &str, timestamp: u64, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(timestamp.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        Some(mac)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_standards_own_vector() {
        let key = SigningKey::decode("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "test").unwrap();
        assert_eq!(
            key.sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                br#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_bad_secret_is_refused_with_its_origin_and_without_itself() {
        let error = |text: &str| SigningKey::decode(text, "file /s").unwrap_err().to_string();
        assert!(error("hunter2hunter2").starts_with("the secret in file /s does not start with"));
        assert_eq!(
            error("whsec_!hunter2"),
            "the secret in file /s has no valid base64 after \"whsec_\""
        );
        assert_eq!(
            error("whsec_aHVudGVyMg=="),
            "the secret in file /s has 7 bytes, not 24 to 64"
        );
        for text in ["hunter2hunter2", "whsec_!hunter2"] {
            assert!(!error(text).contains("hunter2"));
        }
    }

    #[test]
    fn a_secret_file_may_end_in_a_newline_but_not_be_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let key = SigningKey::load(&SecretRef::File(path.clone())).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
        std::fs::write(&path, " \n").unwrap();
        let error = SigningKey::load(&SecretRef::File(path)).unwrap_err();
        assert!(matches!(error, KeyError::Secret(SecretError::Empty(_))));
    }

    #[test]
    fn a_secret_that_is_not_there_is_told_by_its_place() {
        let missing = SecretRef::Env("KNOTHOLE_TEST_NO_SUCH_VARIABLE".into());
        let error = SigningKey::load(&missing).unwrap_err().to_string();
        assert!(error.contains("environment variable KNOTHOLE_TEST_NO_SUCH_VARIABLE"));
    }
}
