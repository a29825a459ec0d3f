//! Which settings are read only when a daemon starts.

use super::settings::Settings;

impl Settings {
    /// The settings that differ in `new` and that a running daemon does not take: it has to be started
    /// again for them. By their names, in the order of the file.
    pub fn needing_restart(&self, new: &Self) -> Vec<&'static str> {
        let differ = [
            ("listen", self.listen != new.listen),
            ("state_dir", self.state_dir != new.state_dir),
            (
                "state_bytes_max",
                self.state_bytes_max != new.state_bytes_max,
            ),
            ("streams_max", self.streams_max != new.streams_max),
            ("memory_limit", self.memory_limit != new.memory_limit),
            ("shards", self.shard_count() != new.shard_count()),
            ("receive", self.receive != new.receive),
            ("ephemeral", self.ephemeral != new.ephemeral),
            ("journal", self.journal != new.journal),
            (
                "sequence.attribute",
                self.sequence.attribute != new.sequence.attribute,
            ),
            ("model", self.model != new.model),
            (
                "remediation.kubernetes",
                self.remediation.kubernetes != new.remediation.kubernetes,
            ),
            (
                "remediation.argo_namespace",
                self.remediation.argo_namespace != new.remediation.argo_namespace,
            ),
            (
                "remediation.argo_cd",
                self.remediation.argo_cd != new.remediation.argo_cd,
            ),
            (
                "remediation.jenkins",
                self.remediation.jenkins != new.remediation.jenkins,
            ),
            (
                "remediation.flux",
                self.remediation.flux != new.remediation.flux,
            ),
            (
                "remediation.policy",
                self.remediation.policy != new.remediation.policy,
            ),
            (
                "remediation.stop_file",
                self.remediation.stop_file != new.remediation.stop_file,
            ),
            ("telemetry", self.telemetry != new.telemetry),
        ];
        let named = differ.into_iter().filter(|(_, differs)| *differs);
        named.map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::daemon::config::from_text;

    #[test]
    fn what_a_running_daemon_does_not_take_is_named_and_what_it_takes_is_not() {
        let before = from_text("x", "", &[]).unwrap();
        let named = |text: &str| {
            let after = from_text("x", text, &[]).unwrap();
            before.needing_restart(&after).join(" ")
        };
        assert_eq!(named(""), "");
        assert_eq!(
            named(
                "egress: { allow: [hooks.example.net] }\ncatalog: { url: https://b.example.net }\n\
                 sinks: []\nsilences: []\nteams: [{ name: shop, matchers: [namespace=shop] }]\n\
                 incidents: { settle: 1s }\nlearn: { records_min: 7 }\n\
                 redact: { except: [email] }\n"
            ),
            ""
        );
        assert_eq!(
            named(
                "remediation: { argo_namespace: cd, flux: { url: 'https://f', secret_env: S }, \
                 argo_cd: { url: 'https://a', token_env: T }, \
                 jenkins: { url: 'https://j', user: u, token_env: T } }\n"
            ),
            "remediation.argo_namespace remediation.argo_cd remediation.jenkins remediation.flux"
        );
        assert_eq!(
            named(
                "shards: 7\nlisten: { api: 127.0.0.1:0 }\ntelemetry: { log_level: warn }\n\
                 receive: { connections_max: 9 }\nsequence: { attribute: order.id }\n"
            ),
            "listen shards receive sequence.attribute telemetry"
        );
    }
}
