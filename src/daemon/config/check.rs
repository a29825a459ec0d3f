//! What types cannot say about settings, checked all at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

use super::incidents;
use super::remedies;
use super::settings::{Detect, Learn, Model, Receive, Sequence, Settings, Telemetry};
use super::silences;
use super::units::{ByteSize, MemoryLimit};
use crate::daemon::{clock, models};
use crate::edge::journal::TENANT_LEN_MAX;
use crate::edge::notify;
use crate::edge::receive::{Access, Tls};

/// Longest time that records may be held to be put in order.
const REORDER_DELAY_MAX_S: u64 = 60;
/// Most threads that judge.
const SHARDS_MAX: usize = 256;
/// Most alerts a day that can be asked for.
const ALERTS_PER_DAY_MAX: f64 = 1_000.0;
/// The least memory in which a daemon does anything useful.
const MEMORY_MIN: ByteSize = ByteSize::mib(64);

/// A setting's path and what is wrong with its value.
pub(super) type Finding = (String, String);

/// Everything wrong with settings that could be read, with the tokens and certificates that they name.
pub(super) fn check_all(settings: &Settings) -> Vec<Finding> {
    let mut findings = Findings(check(settings));
    findings.files(settings);
    // What is said of a token that cannot be meant is enough.
    if !findings
        .0
        .iter()
        .any(|(path, _)| path.starts_with("api.tokens") || path == "catalog")
    {
        findings.0.extend(incidents::check_secrets(settings));
    }
    findings.0
}

/// Everything wrong with settings that could be read. No secret is.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    findings.listen(settings);
    findings.receive(&settings.receive);
    findings.journal(settings);
    findings.access(settings);
    findings.sequence(&settings.sequence);
    findings.learn(&settings.learn);
    findings.detect(&settings.detect);
    findings.model(&settings.model);
    findings.telemetry(&settings.telemetry);
    findings.0.extend(silences::check(settings, clock::now()));
    findings.0.extend(incidents::check(settings));
    findings.0.extend(remedies::check(settings));
    for problem in notify::check(&settings.sinks, &settings.egress) {
        findings.say(
            problem.path,
            format!("{}; {}", problem.message, problem.hint),
        );
    }
    if settings
        .shards
        .is_some_and(|shards| shards.get() > SHARDS_MAX)
    {
        findings.say("shards", format!("at most {SHARDS_MAX} shards are run"));
    }
    if let MemoryLimit::Bytes(bytes) = settings.memory_limit
        && bytes < MEMORY_MIN
    {
        findings.say(
            "memory_limit",
            format!("{bytes} is too little; give at least {MEMORY_MIN}"),
        );
    }
    if settings.state_dir.as_os_str().is_empty() {
        findings.say(
            "state_dir",
            "the state needs a folder; write ./knothole-data",
        );
    }
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn say(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push((path.into(), message.into()));
    }

    fn share(&mut self, path: &str, value: f64) {
        if !(value > 0.0 && value < 1.0) {
            self.say(
                path,
                format!("{value} is not between 0 and 1; write 0.01 for one in a hundred"),
            );
        }
    }

    fn listen(&mut self, settings: &Settings) {
        let (listen, receive) = (&settings.listen, &settings.receive);
        let api_is_guarded = !settings.api.tokens.is_empty();
        let is_guarded = !receive.tenants.is_empty()
            || receive
                .tls
                .as_ref()
                .is_some_and(|tls| tls.client_ca.is_some());
        let all = [
            ("listen.otlp_grpc", listen.otlp_grpc),
            ("listen.otlp_http", listen.otlp_http),
            ("listen.api", listen.api),
        ];
        for (index, (path, address)) in all.iter().enumerate() {
            let is_open = match *path {
                "listen.api" => !api_is_guarded,
                _ => !is_guarded,
            };
            if is_open && !listen.allow_non_loopback && !address.ip().is_loopback() {
                self.say(*path, open_to_others(*address, *path == "listen.api"));
            }
            let taken = |other: &&(&str, SocketAddr)| other.1 == *address && address.port() != 0;
            if let Some((other, _)) = all.iter().take(index).find(taken) {
                self.say(
                    *path,
                    format!("{address} is already taken by {other}; give each its own port"),
                );
            }
        }
    }

    fn receive(&mut self, receive: &Receive) {
        if receive.request_bytes_max.as_bytes() == 0 {
            self.say(
                "receive.request_bytes_max",
                "no request would be taken; the default is 64MiB",
            );
        }
        if receive.body_len_max.as_bytes() == 0 {
            self.say(
                "receive.body_len_max",
                "nothing of a body would be read; the default is 64KiB",
            );
        }
        if receive.queue_bytes_max < receive.request_bytes_max {
            let (queue, request) = (receive.queue_bytes_max, receive.request_bytes_max);
            self.say(
                "receive.queue_bytes_max",
                format!("{queue} cannot hold one request of request_bytes_max ({request}); give it that much or more"),
            );
        }
    }

    fn journal(&mut self, settings: &Settings) {
        let (journal, request) = (
            settings.journal.bytes_max,
            settings.receive.request_bytes_max,
        );
        if journal.as_bytes() / 4 < request.as_bytes() {
            self.say(
                "journal.bytes_max",
                format!("{journal} is less than four requests of receive.request_bytes_max ({request}); give it that much or more"),
            );
        }
    }

    fn access(&mut self, settings: &Settings) {
        let receive = &settings.receive;
        let mut names = BTreeSet::new();
        for (index, tenant) in receive.tenants.iter().enumerate() {
            if tenant.name.is_empty()
                || tenant.name.len() > TENANT_LEN_MAX
                || !names.insert(&tenant.name)
            {
                let path = format!("receive.tenants[{index}].name");
                self.say(
                    path,
                    "each tenant needs a name of its own, of at most 256 bytes",
                );
            }
        }
    }

    /// A file that is there but cannot be used is told now and not at the start.
    fn files(&mut self, settings: &Settings) {
        if let Err(error) = Access::new(&settings.tenants()) {
            self.say("receive.tenants", error.to_string());
        }
        if let Some(tls) = settings.tls()
            && let Err(error) = Tls::new(tls)
        {
            self.say("receive.tls", error.to_string());
        }
    }

    fn sequence(&mut self, sequence: &Sequence) {
        for (index, pattern) in sequence.body_ids.iter().flatten().enumerate() {
            let path = format!("sequence.body_ids[{index}]");
            match regex::Regex::new(pattern) {
                Ok(regex) if regex.is_match("") => {
                    self.say(path, "the pattern matches an empty text, so every record would share one sequence");
                }
                Ok(_) => {}
                Err(error) => {
                    let text = error.to_string();
                    let reason = text
                        .lines()
                        .last()
                        .unwrap_or_default()
                        .trim_start_matches("error: ");
                    self.say(
                        path,
                        format!("{pattern:?} is no regular expression: {reason}"),
                    );
                }
            }
        }
        if sequence.reorder_delay.get().as_secs() > REORDER_DELAY_MAX_S {
            self.say(
                "sequence.reorder_delay",
                format!("records are held for at most {REORDER_DELAY_MAX_S}s"),
            );
        }
        if sequence.idle_timeout <= sequence.reorder_delay {
            self.say("sequence.idle_timeout", "must be longer than sequence.reorder_delay, or sequences end before their records are in order");
        }
    }

    fn learn(&mut self, learn: &Learn) {
        self.share(
            "learn.new_template_chance_max",
            learn.new_template_chance_max,
        );
        if learn.retrain_every.get().as_secs() < 60 {
            self.say(
                "learn.retrain_every",
                "training more often than once a minute is never done; the default is 24h",
            );
        }
    }

    fn detect(&mut self, detect: &Detect) {
        if let Some(rate) = detect.alarm_rate {
            self.share("detect.alarm_rate", rate);
        }
        let Some(alerts) = detect.alerts_per_day else {
            return;
        };
        if !(alerts > 0.0 && alerts <= ALERTS_PER_DAY_MAX) {
            self.say(
                "detect.alerts_per_day",
                format!("{alerts} alerts a day cannot be held; write a number above 0 and up to {ALERTS_PER_DAY_MAX}, such as 5"),
            );
        }
        if detect.alarm_rate.is_some() {
            self.say(
                "detect.alerts_per_day",
                "alarm_rate is set too, and only one of the two can rule; take one of them out",
            );
        }
    }

    fn model(&mut self, model: &Model) {
        for (index, bundle) in model.bundles.iter().enumerate() {
            let setting = format!("model.bundles[{index}].path");
            if !bundle.path.is_file() {
                let path = bundle.path.display();
                self.say(
                    setting,
                    format!("no file {path}; `knothole train LOGS -o {path}` makes one"),
                );
            } else if let Err(error) = models::read(&bundle.path) {
                self.say(setting, error.to_string());
            }
            let earlier = model.bundles.iter().take(index);
            if earlier
                .into_iter()
                .any(|other| other.service == bundle.service)
            {
                self.say(
                    format!("model.bundles[{index}].service"),
                    format!(
                        "{:?} has a bundle already; a service takes one",
                        bundle.service
                    ),
                );
            }
        }
    }

    fn telemetry(&mut self, telemetry: &Telemetry) {
        let level = &telemetry.log_level;
        if !level.is_ascii() {
            // EnvFilter cuts it by bytes, and panics in the middle of a character.
            self.say(
                "telemetry.log_level",
                format!("{level:?} is no level; write error, warn, info, debug or trace"),
            );
        } else if let Err(error) = EnvFilter::builder().parse(level) {
            self.say(
                "telemetry.log_level",
                format!("{level:?} is no level ({error}); write error, warn, info, debug or trace"),
            );
        }
        if let Some(endpoint) = &telemetry.endpoint
            && !is_http_url(endpoint)
        {
            self.say(
                "telemetry.endpoint",
                format!("{endpoint:?} is no endpoint; write it as http://127.0.0.1:4317"),
            );
        }
    }
}

fn open_to_others(address: SocketAddr, is_api: bool) -> String {
    let remedy = match is_api {
        true => "and nobody is asked who he is; name api.tokens",
        false => {
            "and nobody is asked who he is; name receive.tenants with tokens or \
             receive.tls.client_ca"
        }
    };
    format!(
        "{address} can be reached from other hosts, {remedy}; or listen on 127.0.0.1 or [::1], or set \
         listen.allow_non_loopback: true where a network policy or a proxy guards the port"
    )
}

fn is_http_url(text: &str) -> bool {
    let uri = text.parse::<http::Uri>().ok();
    uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    })
}
