//! What is wrong with the `sinks:` part of the configuration file.

use std::time::Duration;

use reqwest::Url;

use super::config::{Common, HeaderConfig, OtlpConfig, Retry, SinkConfig, WebhookConfig};
use super::guard;

/// Longest name of a sink, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// More waiting events than this would hold too much memory per sink.
const QUEUE_EVENTS_LIMIT: usize = 100_000;
/// More than this is no limit any more; it also bounds what the limiter remembers.
const PER_MINUTE_LIMIT: u32 = 100_000;
/// Most requests under way to one webhook.
const CONCURRENCY_LIMIT: usize = 64;

/// Something wrong in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, for instance `sinks[0].url`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be accepted.
    pub hint: &'static str,
}

/// Everything that is wrong with `sinks`, in their order. Pure: neither secrets nor names are
/// looked up, [`Dispatcher::start`](super::Dispatcher::start) does that.
pub fn check(sinks: &[SinkConfig]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, sink) in sinks.iter().enumerate() {
        let mut report = Report {
            prefix: format!("sinks[{index}]"),
            problems: &mut problems,
        };
        let name = sink.common().name;
        if sinks.iter().take(index).any(|s| s.common().name == name) {
            let message = format!("the name \"{name}\" is taken by an earlier sink");
            report.add("name", message, "metrics tell sinks apart by their names");
        }
        check_common(&sink.common(), &mut report);
        match sink {
            SinkConfig::Stdout(_) => {}
            SinkConfig::Otlp(otlp) => check_otlp(otlp, &mut report),
            SinkConfig::Webhook(webhook) => check_webhook(webhook, &mut report),
            _ => {}
        }
    }
    problems
}

struct Report<'a> {
    prefix: String,
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

    fn positive(&mut self, field: &str, value: Duration) {
        if value.is_zero() {
            let hint = "write a duration such as 15s or 5m";
            self.add(field, "is zero".to_owned(), hint);
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
        let hint = "list anomaly, action or both, or leave the setting out";
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
    report.positive("retry.initial", retry.initial);
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
    }
    for (name, value) in &otlp.headers {
        let field = format!("headers.{name}");
        if name.parse::<http::HeaderName>().is_err() {
            let hint = "use a lower-case header name such as x-scope-orgid";
            report.add(&field, "is no header name".to_owned(), hint);
        }
        if matches!(value, HeaderConfig::Plain(_)) && sounds_secret(name) {
            let hint = "write {file: path} or {env: NAME} instead of the value";
            report.add(&field, "holds a secret in plain".to_owned(), hint);
        }
    }
    report.positive("timeout", otlp.timeout);
    check_retry(&otlp.retry, report);
}

fn sounds_secret(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    ["auth", "token", "key", "secret", "cookie", "password"]
        .iter()
        .any(|word| header.contains(word))
}

fn check_webhook(webhook: &WebhookConfig, report: &mut Report<'_>) {
    let url = webhook.url.parse::<Url>();
    match url {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            if !url.username().is_empty() || url.password().is_some() {
                let hint = "take the user and password out; the signature tells who sends";
                report.add("url", "holds a secret in plain".to_owned(), hint);
            }
            if let Err(refusal) = guard::check_url(&url, webhook.allow_private) {
                let hint = "set allow_private: true for a private address; link-local and \
                            metadata addresses are never taken";
                report.add("url", refusal.to_string(), hint);
            }
        }
        Ok(_) | Err(_) => {
            let message = format!("{:?} is no web address", webhook.url);
            let hint = "write https://host/path";
            report.add("url", message, hint);
        }
    }
    report.positive("timeout", webhook.timeout);
    let range = (1, CONCURRENCY_LIMIT);
    report.range("concurrency", webhook.concurrency, range);
    check_retry(&webhook.retry, report);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_told_at_once_with_their_places() {
        let sinks: Vec<SinkConfig> = serde_saphyr::from_str(
            "
- {type: stdout, name: 'a b', queue_events_max: 0, events: []}
- {type: otlp, name: o, endpoint: 'collector:4317', headers: {authorization: Bearer}}
- type: webhook
  name: o
  url: http://169.254.169.254/latest
  secret: {env: S}
  timeout: 0s
  retry: {initial: 5s, max: 1s}
  concurrency: 0
- {type: webhook, name: p, url: 'ftp://a', secret: {env: S}}
- {type: webhook, name: q, url: 'https://user:word@a', secret: {env: S}}
",
        )
        .unwrap();
        let paths: Vec<String> = check(&sinks)
            .into_iter()
            .map(|problem| problem.path)
            .collect();
        assert_eq!(
            paths,
            [
                "sinks[0].name",
                "sinks[0].events",
                "sinks[0].queue_events_max",
                "sinks[1].endpoint",
                "sinks[1].headers.authorization",
                "sinks[2].name",
                "sinks[2].url",
                "sinks[2].timeout",
                "sinks[2].concurrency",
                "sinks[2].retry.max",
                "sinks[3].url",
                "sinks[4].url",
            ]
        );
    }
}
