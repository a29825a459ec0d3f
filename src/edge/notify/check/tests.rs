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
    let paths: Vec<String> = check(&sinks, &Egress::default())
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

#[test]
fn problems_of_the_sinks_of_incidents_are_told_with_their_places() {
    let sinks: Vec<SinkConfig> = serde_saphyr::from_str(
        "
- type: alertmanager
  name: a
  urls: ['http://10.0.0.1:9093', 'am:9093']
  alertname: ''
  resend_every: 0s
  headers: {authorization: Bearer x}
- {type: alertmanager, name: b, urls: []}
- {type: pagerduty, name: c, routing_key: {env: K}, url: 'http://10.0.0.1', incident_url: ftp}
- {type: slack, name: d, url: {env: K}, events: [anomaly]}
- {type: grafana, name: e, url: 'https://g', token: {env: K}, panel_id: 3}
- {type: cloudevents, name: f, url: 'https://u:p@h', source: ''}
- {type: file, name: g, path: /, bytes_max: 10, files_kept: 5000}
",
    )
    .unwrap();
    let problems = check(&sinks, &Egress::default());
    let paths: Vec<&str> = problems.iter().map(|problem| &*problem.path).collect();
    assert_eq!(
        paths,
        [
            "sinks[0].urls[0]",
            "sinks[0].urls[1]",
            "sinks[0].alertname",
            "sinks[0].resend_every",
            "sinks[0].headers.authorization",
            "sinks[1].urls",
            "sinks[2].url",
            "sinks[2].incident_url",
            "sinks[3].events",
            "sinks[4].panel_id",
            "sinks[5].url",
            "sinks[5].source",
            "sinks[6].path",
            "sinks[6].bytes_max",
            "sinks[6].files_kept",
        ]
    );
}

fn places(yaml: &str, allow: &[&str]) -> Vec<String> {
    let sinks: Vec<SinkConfig> = serde_saphyr::from_str(yaml).unwrap();
    let allow = allow.iter().map(ToString::to_string).collect();
    let problems = check(&sinks, &Egress { allow }).into_iter();
    problems.map(|problem| problem.path).collect()
}

#[test]
fn what_is_listed_needs_no_other_word_and_what_is_not_is_told_at_once() {
    let yaml = "
- {type: alertmanager, name: a, urls: ['http://10.1.2.3:9093', 'http://10.2.0.1:9093']}
- {type: cloudevents, name: b, url: 'https://bus.example.net'}
- {type: cloudevents, name: c, url: 'https://evil.example.net'}
- {type: otlp, name: d, endpoint: 'http://10.1.2.3:4317'}
- {type: otlp, name: e, endpoint: 'http://collector:4317'}
- {type: otlp, name: f, endpoint: 'http://169.254.169.254:4317'}
";
    let network = ["10.1.0.0/16", "bus.example.net"];
    let told = ["sinks[0].urls[1]", "sinks[4].endpoint", "sinks[5].endpoint"];
    assert_eq!(places(yaml, &network), told);
    let told = ["sinks[0].urls[0]", "sinks[0].urls[1]", "sinks[2].url"];
    assert_eq!(places(yaml, &["bus.example.net"])[..3], told);
    assert_eq!(
        places(yaml, &[]),
        ["sinks[0].urls[0]", "sinks[0].urls[1]", "sinks[5].endpoint"]
    );
}

#[test]
fn what_would_break_a_sink_while_it_runs_is_told_before() {
    let yaml = "
- {type: file, name: a, path: /var/log/a.jsonl}
- {type: file, name: b, path: /var/log/a.jsonl}
- type: cloudevents
  name: c
  url: https://a
  source: 'a b'
  headers: {Content-Type: text/plain}
  timeout: 200h
  retry: {initial: 1s, max: 9000000000000s}
";
    let told = [
        "sinks[1].path",
        "sinks[2].source",
        "sinks[2].headers.Content-Type",
        "sinks[2].timeout",
        "sinks[2].retry.max",
    ];
    assert_eq!(places(yaml, &[]), told);
}
