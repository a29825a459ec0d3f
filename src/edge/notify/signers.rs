//! Who signed a request that came in: the webhooks that actions are sent to answer with their own secrets.

use super::config::{EventKind, SinkConfig};
use super::dispatch::StartError;
use super::secret::SigningKey;
use super::send::SendSetupError;

/// Most signatures of one request that are looked at.
const SIGNATURES_MAX: usize = 8;

/// The webhooks that take actions, with their keys.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    of: Vec<(Box<str>, Vec<SigningKey>)>,
}

impl Signers {
    /// Those of `sinks`. Loads secrets.
    ///
    /// # Errors
    /// A secret cannot be used.
    pub fn load(sinks: &[SinkConfig]) -> Result<Self, StartError> {
        let mut of = Vec::new();
        for sink in sinks {
            let SinkConfig::Webhook(hook) = sink else {
                continue;
            };
            if !hook.events.contains(&EventKind::Action) {
                continue;
            }
            let secrets = std::iter::once(&hook.secret).chain(&hook.also_secrets);
            let keys: Result<Vec<SigningKey>, _> = secrets.map(SigningKey::load).collect();
            let keys = keys.map_err(|error| StartError {
                sink: hook.name.clone(),
                source: SendSetupError::from(error),
            })?;
            of.push((hook.name.as_str().into(), keys));
        }
        Ok(Self { of })
    }

    /// The name of the webhook with whose secret `body` was signed, with this id and at `timestamp` (seconds
    /// since 1970). `signatures` is the header `webhook-signature`: one that is right is enough, and only
    /// those of version 1 count.
    pub fn signer(
        &self,
        (id, timestamp): (&str, u64),
        body: &[u8],
        signatures: &str,
    ) -> Option<&str> {
        let given = signatures.split(' ').take(SIGNATURES_MAX);
        let given: Vec<&str> = given.filter_map(|it| it.strip_prefix("v1,")).collect();
        let signed = |key: &SigningKey| {
            given
                .iter()
                .any(|signature| key.verifies((id, timestamp), body, signature))
        };
        let found = self.of.iter().find(|(_, keys)| keys.iter().any(signed));
        found.map(|(name, _)| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the standard's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    /// Webhooks with these names, secrets and kinds of events.
    fn signers(folder: &tempfile::TempDir, hooks: &[(&str, &str, &str)]) -> Signers {
        let sinks: Vec<SinkConfig> = hooks
            .iter()
            .map(|(name, secret, events)| {
                let path = folder.path().join(name);
                std::fs::write(&path, secret).unwrap();
                let path = path.display();
                let yaml = format!(
                    "{{type: webhook, name: {name}, url: 'https://h.example.net/', \
                     events: {events}, secret: {{file: '{path}'}}}}"
                );
                serde_saphyr::from_str(&yaml).unwrap()
            })
            .collect();
        Signers::load(&sinks).unwrap()
    }

    #[test]
    fn the_standards_own_vector_is_known_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let signers = signers(&folder, &[("ops", SECRET, "[action]")]);
        let known = |id, at, body: &[u8], signature: &str| {
            signers.signer((id, at), body, signature).is_some()
        };
        assert_eq!(signers.signer((ID, AT), BODY, SIGNATURE), Some("ops"));
        assert!(!known("msg_other", AT, BODY, SIGNATURE));
        assert!(!known(ID, AT + 1, BODY, SIGNATURE));
        assert!(!known(ID, AT, br#"{"test": 2432232315}"#, SIGNATURE));
        let bare = SIGNATURE.trim_start_matches("v1,");
        for wrong in [
            "",
            " ",
            "v1,",
            "v1,!!",
            bare,
            &format!("v1a,{bare}"),
            "v1,AAAA",
        ] {
            assert!(!known(ID, AT, BODY, wrong), "{wrong:?}");
        }
    }

    #[test]
    fn any_of_several_signatures_will_do_and_a_flood_of_them_is_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let signers = signers(&folder, &[("ops", SECRET, "[action]")]);
        let several = format!("v1a,AAAA v1,AAAA {SIGNATURE}");
        assert_eq!(signers.signer((ID, AT), BODY, &several), Some("ops"));
        let flood = format!("{}{SIGNATURE}", "v1,AAAA ".repeat(SIGNATURES_MAX));
        assert_eq!(signers.signer((ID, AT), BODY, &flood), None);
    }

    #[test]
    fn each_hook_has_its_own_secret_and_those_that_take_no_actions_have_no_say() {
        let folder = tempfile::tempdir().unwrap();
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let of = |hooks: &[(&str, &str, &str)]| {
            let signers = signers(&folder, hooks);
            let found = signers.signer((ID, AT), BODY, SIGNATURE);
            found.map(str::to_owned)
        };
        let two = [("a", other, "[action]"), ("b", SECRET, "[action]")];
        assert_eq!(of(&two).as_deref(), Some("b"));
        assert_eq!(of(&[("c", SECRET, "[incident]")]), None);
        assert_eq!(of(&[]), None);
    }
}
