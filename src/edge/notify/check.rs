//! What is wrong with the `sinks:` part of the configuration file.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;

use super::config::{
    AlertmanagerConfig, CloudeventsConfig, Common, EventKind, FileConfig, GrafanaConfig,
    HeaderConfig, OtlpConfig, Retry, SinkConfig, SlackConfig, WebhookConfig,
};
use super::send::reach;
use crate::edge::outgoing::{Egress, Problem, address_problem};

/// Longest name of a sink, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// More waiting events than this would hold too much memory per sink.
const QUEUE_EVENTS_LIMIT: usize = 100_000;
/// More than this is no limit any more; it also bounds what the limiter remembers.
const PER_MINUTE_LIMIT: u32 = 100_000;
/// Most requests under way to one webhook.
const CONCURRENCY_LIMIT: usize = 64;
/// Most secrets besides the first; each adds a signature to every request.
const SECRETS_LIMIT: usize = 4;
/// Most members of a cluster of Alertmanagers.
const PEERS_LIMIT: usize = 16;
/// Most files that can be put aside.
const FILES_LIMIT: usize = 1000;
/// A file that held less would be put aside for every event.
const FILE_BYTES_MIN: u64 = 1 << 20;
/// The longest that anything waits.
const WAIT_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Headers that are part of how a request is made.
const OWN_HEADERS: [&str; 5] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
];

/// Everything that is wrong with `sinks`, in their order, where they may reach what `egress` says. Pure:
/// neither secrets nor names are looked up, [`Dispatcher::start`](super::Dispatcher::start) does that.
pub fn check(sinks: &[SinkConfig], egress: &Egress) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, sink) in sinks.iter().enumerate() {
        let mut report = Report {
            prefix: format!("sinks[{index}]"),
            egress,
            problems: &mut problems,
        };
        let name = sink.common().name;
        let mut earlier = sinks.iter().take(index);
        if earlier.clone().any(|other| other.common().name == name) {
            let message = format!("the name \"{name}\" is taken by an earlier sink");
            report.add("name", message, "metrics tell sinks apart by their names");
        }
        check_common(&sink.common(), &mut report);
        match sink {
            SinkConfig::Stdout(_) => {}
            SinkConfig::Otlp(otlp) => check_otlp(otlp, &mut report),
            SinkConfig::Webhook(webhook) => check_webhook(webhook, &mut report),
            SinkConfig::File(file) => {
                let is_same = |it: &SinkConfig| matches!(it, SinkConfig::File(other) if other.path == file.path);
                if earlier.any(is_same) {
                    let message = "an earlier sink writes to the same file".to_owned();
                    report.add("path", message, "each puts the file aside for itself");
                }
                check_file(file, &mut report);
            }
            SinkConfig::Cloudevents(events) => check_cloudevents(events, &mut report),
            SinkConfig::Alertmanager(alerts) => check_alertmanager(alerts, &mut report),
            SinkConfig::Pagerduty(pager) => {
                report.address("url", &pager.url, pager.allow_private);
                report.lookup(pager.incident_url.as_deref());
                report.times(pager.timeout, &pager.retry);
            }
            SinkConfig::Slack(slack) => check_slack(slack, &mut report),
            SinkConfig::Grafana(grafana) => check_grafana(grafana, &mut report),
        }
    }
    problems
}

struct Report<'a> {
    prefix: String,
    egress: &'a Egress,
    problems: &'a mut Vec<Problem>,
}

impl Report<'_> {
    fn add(&mut self, field: &str, message: String, hint: &'static str) {
        self.problems.push(Problem {
            path: format!("{}.{field}", self.prefix),
            message,
            hint,
        });
    }

    /// Reports `value` unless it is between `low` and `high`.
    fn range(&mut self, field: &str, value: usize, (low, high): (usize, usize)) {
        if !(low..=high).contains(&value) {
            let message = format!("{value} is outside {low} to {high}");
            self.add(field, message, "choose a number in that range");
        }
    }

    /// Reports `url` unless it can be sent to.
    fn address(&mut self, field: &str, url: &str, allow_private: bool) {
        let path = format!("{}.{field}", self.prefix);
        let problem = address_problem(&path, url, allow_private, self.egress);
        self.problems.extend(problem);
    }

    /// Reports the address that people look incidents up at unless it is one.
    fn lookup(&mut self, url: Option<&str>) {
        let is_good = url.is_none_or(|url| {
            let parsed = url.parse::<Url>();
            parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        });
        if !is_good {
            let hint = "write https://host/incidents/, the id is put behind it";
            self.add("incident_url", "is no web address".to_owned(), hint);
        }
    }

    fn headers(&mut self, headers: &BTreeMap<String, HeaderConfig>) {
        for (name, value) in headers {
            let field = format!("headers.{name}");
            if name.parse::<http::HeaderName>().is_err() {
                let hint = "use a lower-case header name such as x-scope-orgid";
                self.add(&field, "is no header name".to_owned(), hint);
            }
            if OWN_HEADERS.contains(&&*name.to_ascii_lowercase()) {
                let hint = "leave it out; it is what each request needs";
                self.add(&field, "is set by knothole".to_owned(), hint);
            }
            if matches!(value, HeaderConfig::Plain(_)) && sounds_secret(name) {
                let hint = "write {file: path} or {env: NAME} instead of the value";
                self.add(&field, "holds a secret in plain".to_owned(), hint);
            }
        }
    }

    fn times(&mut self, timeout: Duration, retry: &Retry) {
        self.wait("timeout", timeout);
        check_retry(retry, self);
    }

    /// Reports what is no time to wait.
    fn wait(&mut self, field: &str, value: Duration) {
        let hint = "write a duration such as 15s or 5m";
        if value.is_zero() {
            self.add(field, "is zero".to_owned(), hint);
        } else if value > WAIT_MAX {
            self.add(field, "is more than seven days".to_owned(), hint);
        }
    }
}

fn check_common(common: &Common<'_>, report: &mut Report<'_>) {
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name = common.name;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_name_char) {
        let message = format!("{name:?} is no name for a sink");
        let hint = "use letters, digits, '-', '_' and '.', 128 at most";
        report.add("name", message, hint);
    }
    if common.events.is_empty() {
        let hint = "list some of anomaly, action, incident, digest and change, or leave it out";
        report.add("events", "is empty, so nothing is sent".to_owned(), hint);
    }
    report.range(
        "queue_events_max",
        common.queue_events_max,
        (1, QUEUE_EVENTS_LIMIT),
    );
    if common.limit.per_minute > PER_MINUTE_LIMIT {
        let message = format!("{} is more than 100000", common.limit.per_minute);
        report.add("limit.per_minute", message, "0 means no limit");
    }
    let keys = common.limit.fold_keys_max;
    report.range("limit.fold_keys_max", keys, (1, 1_000_000));
}

fn check_retry(retry: &Retry, report: &mut Report<'_>) {
    report.wait("retry.initial", retry.initial);
    report.wait("retry.max", retry.max);
    if retry.max < retry.initial {
        let hint = "the waits grow from initial to max";
        report.add("retry.max", "is less than retry.initial".to_owned(), hint);
    }
}

fn check_otlp(otlp: &OtlpConfig, report: &mut Report<'_>) {
    let uri = otlp.endpoint.parse::<http::Uri>();
    let is_good = uri.is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    });
    if !is_good {
        let message = format!("{:?} is no OTLP/gRPC endpoint", otlp.endpoint);
        let hint = "write http://host:4317, or https:// for TLS";
        report.add("endpoint", message, hint);
    } else if let Err(refusal) = reach(&otlp.endpoint, report.egress) {
        let hint = "list it in egress.allow; metadata services are never sent to";
        report.add("endpoint", refusal.to_string(), hint);
    }
    report.headers(&otlp.headers);
    report.times(otlp.timeout, &otlp.retry);
}

fn sounds_secret(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    ["auth", "token", "key", "secret", "cookie", "password"]
        .iter()
        .any(|word| header.contains(word))
}

fn check_webhook(webhook: &WebhookConfig, report: &mut Report<'_>) {
    report.address("url", &webhook.url, webhook.allow_private);
    if webhook.also_secrets.len() > SECRETS_LIMIT {
        let message = format!("has {} secrets", webhook.also_secrets.len());
        report.add(
            "also_secrets",
            message,
            "one or two are enough to change secrets",
        );
    }
    report.wait("timeout", webhook.timeout);
    let range = (1, CONCURRENCY_LIMIT);
    report.range("concurrency", webhook.concurrency, range);
    check_retry(&webhook.retry, report);
}

fn check_file(file: &FileConfig, report: &mut Report<'_>) {
    if file.path.file_name().is_none() {
        let message = format!("{:?} is no file", file.path.display());
        report.add(
            "path",
            message,
            "write the path of a file such as /var/log/knothole.jsonl",
        );
    }
    if file.bytes_max < FILE_BYTES_MIN {
        let message = format!("{} is less than {FILE_BYTES_MIN}", file.bytes_max);
        report.add("bytes_max", message, "one event can take as much");
    }
    report.range("files_kept", file.files_kept, (0, FILES_LIMIT));
}

fn check_cloudevents(events: &CloudeventsConfig, report: &mut Report<'_>) {
    report.address("url", &events.url, events.allow_private);
    let is_uri = |source: &String| {
        !source.is_empty() && source.chars().all(|c| c.is_ascii_graphic() && c != '"')
    };
    if !events.source.as_ref().is_none_or(is_uri) {
        let hint = "write a URI such as /knothole/prod, or leave it out";
        report.add("source", "is no URI".to_owned(), hint);
    }
    report.headers(&events.headers);
    report.times(events.timeout, &events.retry);
}

fn check_alertmanager(alerts: &AlertmanagerConfig, report: &mut Report<'_>) {
    report.range("urls", alerts.urls.len(), (1, PEERS_LIMIT));
    for (index, url) in alerts.urls.iter().enumerate() {
        report.address(&format!("urls[{index}]"), url, alerts.allow_private);
    }
    if alerts.alertname.is_empty() {
        let hint = "leave it out for KnotholeIncident";
        report.add("alertname", "is empty".to_owned(), hint);
    }
    report.wait("resend_every", alerts.resend_every);
    report.lookup(alerts.incident_url.as_deref());
    report.headers(&alerts.headers);
    report.times(alerts.timeout, &alerts.retry);
}

fn check_slack(slack: &SlackConfig, report: &mut Report<'_>) {
    let takes = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Action | EventKind::Incident | EventKind::Digest
        )
    };
    if !slack.events.iter().all(takes) {
        let message = "asks for what is not told there".to_owned();
        report.add("events", message, "list action, incident or digest");
    }
    report.lookup(slack.incident_url.as_deref());
    report.times(slack.timeout, &slack.retry);
}

fn check_grafana(grafana: &GrafanaConfig, report: &mut Report<'_>) {
    report.address("url", &grafana.url, grafana.allow_private);
    if grafana.panel_id.is_some() && grafana.dashboard_uid.is_none() {
        let hint = "name the dashboard_uid too, or leave out the panel";
        report.add("panel_id", "has no dashboard".to_owned(), hint);
    }
    report.lookup(grafana.incident_url.as_deref());
    report.times(grafana.timeout, &grafana.retry);
}

#[cfg(test)]
mod tests;
