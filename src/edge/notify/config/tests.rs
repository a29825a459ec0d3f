use super::*;
use crate::edge::notify::check;
use crate::edge::outgoing::Egress;

fn read(yaml: &str) -> Vec<SinkConfig> {
    serde_saphyr::from_str(yaml).unwrap()
}

fn refused(yaml: &str) -> String {
    serde_saphyr::from_str::<Vec<SinkConfig>>(yaml)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_short_configuration_means_the_defaults() {
    let sinks = read(
        "
- {type: stdout, name: out}
- {type: otlp, name: collector, endpoint: 'http://collector:4317'}
- {type: webhook, name: hook, url: 'https://hooks.example.net/ops', secret: {file: /run/s}}
",
    );
    assert_eq!(check(&sinks, &Egress::default()), []);
    for sink in &sinks {
        let common = sink.common();
        let three = [EventKind::Anomaly, EventKind::Action, EventKind::Incident];
        assert_eq!(common.events.get(..3), Some(&three[..]));
        assert_eq!(common.queue_events_max, 1024);
        assert_eq!((common.limit.per_minute, common.limit.fold), (60, true));
        assert_eq!(common.limit.fold_window, Duration::from_secs(60));
    }
    let SinkConfig::Webhook(hook) = &sinks[2] else {
        panic!("the third is a webhook")
    };
    assert_eq!(hook.secret, SecretRef::File("/run/s".into()));
    assert_eq!((hook.timeout.as_secs(), hook.concurrency), (15, 4));
    assert_eq!(hook.retry.max, Duration::from_secs(300));
    assert!(!hook.allow_private);
}

#[test]
fn everything_can_be_set() {
    let sinks = read(
        "
- type: webhook
  name: hook
  events: [action]
  queue_events_max: 10
  limit: {per_minute: 0, fold: false, fold_window: 1m 30s, fold_keys_max: 5}
  url: http://127.0.0.1:9/
  secret: {env: HOOK_SECRET}
  timeout: 200ms
  retry: {initial: 1ms, max: 1h, give_up_after: 2 hours}
  concurrency: 1
  allow_private: true
- type: otlp
  name: collector
  endpoint: https://collector:4317
  headers: {x-scope-orgid: team, authorization: {env: TOKEN}}
",
    );
    assert_eq!(check(&sinks, &Egress::default()), []);
    let SinkConfig::Webhook(hook) = &sinks[0] else {
        panic!("the first is a webhook")
    };
    assert_eq!(hook.limit.fold_window, Duration::from_secs(90));
    assert_eq!(hook.timeout, Duration::from_millis(200));
    assert_eq!(hook.retry.give_up_after, Duration::from_secs(7200));
}

#[test]
fn a_secret_in_the_file_and_a_misspelt_setting_are_refused() {
    let hook = "{type: webhook, name: h, url: 'https://a', secret: ";
    refused(&format!("[{hook}whsec_aaaa}}]"));
    let said = refused(&format!("[{hook}{{file: /s}}, timeuot: 3s}}]"));
    assert!(said.contains("timeuot"), "{said}");
    let said = refused("[{type: webhok, name: h}]");
    assert!(
        said.contains("webhok") && said.contains("webhook"),
        "{said}"
    );
    let said = refused("[{type: stdout, name: o, limit: {fold_window: -3s}}]");
    assert!(said.contains("negative"), "{said}");
    let said = refused("[{type: stdout, name: o, limit: {fold_window: soon}}]");
    assert!(said.contains("no duration such as 15s"), "{said}");
}

#[test]
fn a_header_in_plain_is_not_shown() {
    let sinks = read("[{type: otlp, name: o, endpoint: 'http://a:1', headers: {a: hunter2}}]");
    assert!(!format!("{sinks:?}").contains("hunter2"));
}

#[test]
fn the_sinks_of_incidents_need_little_to_be_told() {
    let sinks = read(
        "
- {type: alertmanager, name: alerts, urls: ['https://am-0.example.net', 'https://am-1.example.net']}
- {type: pagerduty, name: pager, routing_key: {env: PAGERDUTY_KEY}}
- {type: slack, name: chat, url: {file: /run/slack}}
- {type: grafana, name: graphs, url: 'https://grafana.example.net', token: {env: GRAFANA_TOKEN}}
- {type: cloudevents, name: bus, url: 'https://bus.example.net'}
- {type: file, name: log, path: /var/log/knothole/events.jsonl}
",
    );
    assert_eq!(check(&sinks, &Egress::default()), []);
    let heard: Vec<&[EventKind]> = sinks.iter().map(|sink| sink.common().events).collect();
    let incident = &[EventKind::Incident][..];
    assert_eq!(heard[0..2], [incident, incident]);
    assert_eq!(heard[2], [EventKind::Incident, EventKind::Digest]);
    assert_eq!(heard[3], incident);
    let pages_only: Vec<bool> = sinks.iter().map(SinkConfig::pages_only).collect();
    assert_eq!(pages_only, [true, true, true, false, false, false]);
    let SinkConfig::Pagerduty(pager) = &sinks[1] else {
        panic!("the second is a pager")
    };
    assert_eq!(pager.url, "https://events.pagerduty.com/v2/enqueue");
    let SinkConfig::Alertmanager(alerts) = &sinks[0] else {
        panic!("the first is an Alertmanager")
    };
    assert_eq!(alerts.resend_every, Duration::from_secs(60));
}

#[test]
fn a_misspelt_setting_of_any_sink_is_refused() {
    for sink in [
        "alertmanager, urls: ['https://a']",
        "pagerduty, routing_key: {env: K}",
        "slack, url: {env: K}",
        "grafana, url: 'https://a', token: {env: K}",
        "cloudevents, url: 'https://a'",
        "file, path: /a",
    ] {
        read(&format!("[{{name: sink, type: {sink}}}]"));
        let said = refused(&format!("[{{name: sink, type: {sink}, colour: red}}]"));
        assert!(said.contains("colour"), "{sink}: {said}");
    }
}
