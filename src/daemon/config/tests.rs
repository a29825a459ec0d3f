use std::fs;

use super::*;
use crate::core::record::Timestamp;

fn problems(text: &str, overrides: &[Override]) -> String {
    from_text("knothole.yaml", text, overrides)
        .unwrap_err()
        .to_string()
}

#[test]
fn the_default_file_says_the_defaults() {
    let default = format!("{:?}", Settings::default());
    for text in [DEFAULT_FILE, ""] {
        assert_eq!(format!("{:?}", from_text("x", text, &[]).unwrap()), default);
    }
}

#[test]
fn the_default_file_names_every_setting() {
    // The reader lists what is known at a place where a name is not; each must be in the file.
    let sections = [
        "",
        "listen",
        "receive",
        "redact",
        "templates",
        "sequence",
        "learn",
        "model",
        "budget",
        "remediation",
        "telemetry",
    ];
    for section in sections {
        let text = if section.is_empty() {
            "zzzzzzzz: 1".to_owned()
        } else {
            format!("{section}:\n  zzzzzzzz: 1")
        };
        let told = problems(&text, &[]);
        let known = told
            .split("known here: ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap();
        for name in known.split(", ") {
            assert!(
                DEFAULT_FILE.contains(&format!("{name}:")),
                "{section}.{name}"
            );
        }
    }
}

#[test]
fn the_templates_by_hand_are_read_and_checked_with_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("by-hand.yaml");
    let settings = format!("shards: 2\ntemplates: {{by_hand: {:?}}}\n", file);
    fs::write(&file, "templates: [{text: 'door <*> is open'}]\n").unwrap();
    let read = from_text("x", &settings, &[]).unwrap();
    assert_eq!(read.templates.hand.templates().len(), 1);
    assert_eq!(read.engine().unwrap().hand.templates().len(), 1);
    fs::write(&file, "\ntemplates: [{text: 'door 5 is open'}]\n").unwrap();
    let told = problems(&settings, &[]);
    assert!(
        told.contains("knothole.yaml:2:22  templates.by_hand: "),
        "{told}"
    );
    assert!(
        told.contains("by-hand.yaml:2:20  templates[0].text: ")
            && told.contains("write \"door <*> is open\""),
        "{told}"
    );
    fs::remove_file(&file).unwrap();
    assert!(problems(&settings, &[]).contains("cannot read"));
}

#[test]
fn what_is_redacted_is_read_and_mistakes_in_it_are_told_with_their_place() {
    let text = "redact:\n  except: [email]\n  patterns: [{name: customer, regex: 'C-\\d+'}]\n";
    let settings = from_text("x", text, &[]).unwrap();
    let redactor = settings.engine().unwrap().redactor;
    let line = "ann@example.org C-77 password=hunter2";
    assert_eq!(
        redactor.text(line),
        "ann@example.org <redacted:customer> password=<redacted:secret>"
    );
    let wrong = "redact:\n  except: [mail]\n  patterns:\n    - {name: a, regex: '('}\n    \
                 - {name: b, regex: 'x*'}\n    - {nam: c, regex: x}\n";
    let told = problems(wrong, &[]);
    for expected in [
        "knothole.yaml:2:12  redact.except[0]: there is no kind \"mail\"; known are secret, ",
        "knothole.yaml:4:24  redact.patterns[0].regex: \"(\" is no regular expression: unclosed group",
        "knothole.yaml:5:24  redact.patterns[1].regex: the pattern matches an empty text",
        "knothole.yaml:6:8  unknown setting \"nam\" in redact.patterns[2]; did you mean \"name\"?",
    ] {
        assert!(
            told.contains(expected),
            "{expected}\n--- not in ---\n{told}"
        );
    }
}

#[test]
fn what_is_set_is_read_in_its_units() {
    let text = "receive: {request_bytes_max: 1MiB, body_len_max: 100}\nsequence:\n  \
                idle_timeout: 90s\nlearn: {retrain_every: 12h}\nmemory_limit: 75%\nshards: 3\n\
                detect: {alarm_rate: 0.1}\n";
    let settings = from_text("x", text, &[]).unwrap();
    assert_eq!(settings.receive.request_bytes_max, ByteSize::mib(1));
    assert_eq!(settings.receive.body_len_max.as_len(), 100);
    assert_eq!(settings.sequence.idle_timeout, Period::seconds(90));
    assert_eq!(settings.learn.retrain_every, Period::seconds(43_200));
    assert_eq!(settings.memory_limit, MemoryLimit::Percent(75));
    assert_eq!(settings.shards.unwrap().get(), 3);
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_place_and_a_way_out() {
    let text = "lisen:\n  api: 1\nstate_bytes_max: lots\nsequence:\n  body_ids: ['a(', '\\d+']\n\
                shards: 0\nlearn:\n  new_template_chance_max: 2\n";
    let told = problems(text, &[]);
    for expected in [
        "knothole.yaml:1:1  unknown setting \"lisen\"; did you mean \"listen\"?\n    1 | lisen:\n      | ^^^^^\n",
        "knothole.yaml:3:18  state_bytes_max: \"lots\" is not a size; write it as 64MiB",
        "knothole.yaml:5:14  sequence.body_ids[0]: \"a(\" is no regular expression: unclosed group",
        "knothole.yaml:6:9  shards: expected a whole number from 1 on",
        "knothole.yaml:8:28  learn.new_template_chance_max: 2 is not between 0 and 1",
        "5 problems; serve would refuse this",
    ] {
        assert!(
            told.contains(expected),
            "{expected}\n--- not in ---\n{told}"
        );
    }
}

#[test]
fn an_address_that_others_can_reach_is_refused_unless_asked_for() {
    let open = "listen:\n  otlp_grpc: 0.0.0.0:4317\n";
    let told = problems(open, &[]);
    assert!(told.contains("knothole.yaml:2:14"), "{told}");
    assert!(told.contains("receive.tenants") && told.contains("allow_non_loopback: true"));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "a-token-of-enough-length").unwrap();
    let tenant = format!("receive:\n  tenants: [{{name: shop, token_file: {token:?}}}]\n");
    assert!(from_text("x", &format!("{open}{tenant}"), &[]).is_ok());
    let api = problems(&format!("listen: {{api: '0.0.0.0:8080'}}\n{tenant}"), &[]);
    assert!(api.contains("api.tokens"), "{api}");
    fs::write(&token, "short").unwrap();
    let short = problems(&tenant, &[]);
    assert!(
        short.contains("receive.tenants") && short.contains("shorter"),
        "{short}"
    );
    let allowed = format!("{open}  allow_non_loopback: true\n");
    let settings = from_text("x", &allowed, &[]).unwrap();
    assert_eq!(settings.listen.otlp_grpc.to_string(), "0.0.0.0:4317");
    assert!(from_text("x", "listen: {api: '[::1]:8080'}", &[]).is_ok());
}

#[test]
fn two_listeners_do_not_share_an_address_but_each_may_take_a_free_port() {
    let told = problems("listen: {api: '127.0.0.1:4317'}", &[]);
    assert!(told.contains("already taken by listen.otlp_grpc"), "{told}");
    let free = "listen: {api: '127.0.0.1:0', otlp_grpc: '127.0.0.1:0', otlp_http: '127.0.0.1:0'}";
    assert!(from_text("x", free, &[]).is_ok());
}

#[test]
fn a_flag_beats_the_environment_and_that_beats_the_file() {
    let text = "state_dir: from-file\nlisten: {api: '127.0.0.1:1'}\n";
    let variable = |name: &str| match name {
        "KNOTHOLE_STATE_DIR" => Some("from-environment".to_owned()),
        "KNOTHOLE_LISTEN_API" => Some("127.0.0.1:2".to_owned()),
        "KNOTHOLE_LOG" => Some(String::new()),
        _ => None,
    };
    let mut overrides = Override::from_environment(variable);
    overrides.push(Override::flag("--state-dir", "state_dir", "from-flag"));
    let settings = from_text("x", text, &overrides).unwrap();
    assert_eq!(settings.state_dir, PathBuf::from("from-flag"));
    assert_eq!(settings.listen.api.port(), 2);
    assert_eq!(settings.telemetry.log_level, "info");
}

#[test]
fn a_wrong_variable_is_named_as_the_place() {
    let overrides = [Override::flag(
        "KNOTHOLE_MEMORY_LIMIT",
        "memory_limit",
        "much",
    )];
    let told = problems("", &overrides);
    assert!(
        told.starts_with("KNOTHOLE_MEMORY_LIMIT  memory_limit: \"much\""),
        "{told}"
    );
    let open = [Override::flag("--listen-api", "listen.api", "0.0.0.0:80")];
    assert!(problems("", &open).starts_with("--listen-api  listen.api: 0.0.0.0:80"));
}

#[test]
fn every_variable_stands_for_a_setting_that_exists() {
    for (name, path) in ENVIRONMENT {
        let wrong = [Override::flag(name, path, "[")];
        if let Err(told) = from_text("x", "", &wrong) {
            assert!(
                !told.to_string().contains("unknown setting"),
                "{name}: {told}"
            );
        }
    }
}

#[test]
fn a_file_that_is_no_yaml_is_one_problem_with_its_place() {
    let told = problems("listen: {api\n  state_dir: [\n", &[]);
    assert!(
        told.contains("not readable as YAML") && told.contains("1 problem"),
        "{told}"
    );
}

#[test]
fn a_missing_file_is_told_by_name() {
    let missing = load(Some(Path::new("no-such-file.yaml")), &[]).unwrap_err();
    assert!(
        missing.to_string().contains("no-such-file.yaml"),
        "{missing}"
    );
    assert!(matches!(missing, ConfigError::Unreadable { .. }));
}

#[test]
fn problems_are_told_to_scripts_as_json() {
    let json = from_text("f.yaml", "shards: x\n", &[])
        .unwrap_err()
        .to_json();
    assert_eq!(json["file"], "f.yaml");
    assert_eq!(json["problems"][0]["line"], 1);
    assert_eq!(json["problems"][0]["column"], 9);
    assert_eq!(json["problems"][0]["setting"], "shards");
}

#[test]
fn the_examples_in_the_default_file_work_when_they_are_uncommented() {
    let uncommented: String = DEFAULT_FILE
        .lines()
        .filter(|line| {
            !matches!(
                *line,
                "sinks: [{ type: stdout, name: stdout }]"
                    | "actions: []"
                    | "silences: []"
                    | "windows: []"
                    | "teams: []"
            )
        })
        .map(|line| match line {
            line if line.starts_with("# Where events go") => "sinks:".to_owned(),
            line if line.starts_with("# What to do when") => "actions:".to_owned(),
            line if line.starts_with("# Who does not want") => "silences:".to_owned(),
            line if line.starts_with("# When what is odd") => "windows:".to_owned(),
            line if line.starts_with("# Whose services") => "teams:".to_owned(),
            line => line
                .strip_prefix("#   ")
                .map_or(line.to_owned(), |rest| format!("  {rest}")),
        })
        .map(|line| line + "\n")
        .collect();
    let settings = from_text("x", &uncommented, &[]).unwrap();
    assert_eq!(settings.sinks.len(), 3);
    assert_eq!(settings.actions.len(), 1);
    // Noon of the day on which the example was made.
    let now = Timestamp::from_millis(1_795_348_800_000);
    let silences = settings.silences(now);
    assert_eq!(
        (silences.silences().len(), silences.windows().len()),
        (1, 1)
    );
    assert_eq!(settings.teams().day(Some("payments")).pages_max, 5);
}

#[test]
fn sinks_and_actions_are_checked_with_the_rest() {
    let text = "sinks:\n  - type: webhook\n    name: ops\n    url: nowhere\n    secret: {env: S}\n\
                \x20 - {type: stdout, name: ops}\nactions:\n  - {name: a, action: restart_pood}\n\
                \x20 - {name: b, action: scale, max: 4, score_min: 3}\nshards: x\n";
    let told = problems(text, &[]);
    for expected in [
        "knothole.yaml:4:10  sinks[0].url: \"nowhere\" is no web address; write https://host/path",
        "sinks[1].name: the name \"ops\" is taken by an earlier sink",
        "knothole.yaml:8:23  actions[0].action: unknown value \"restart_pood\"; did you mean \"restart_pod\"?",
        "score_min: 3 is no score",
        "5 problems",
    ] {
        assert!(
            told.contains(expected),
            "{expected}\n--- not in ---\n{told}"
        );
    }
}

#[test]
fn a_secret_in_the_file_is_not_repeated() {
    let text = "sinks:\n  - type: otlp\n    name: o\n    endpoint: http://a:1\n    headers:\n      \
                authorization: Bearer hunter2\n";
    let told = problems(text, &[]);
    assert!(
        told.contains("secret in plain") && !told.contains("hunter2"),
        "{told}"
    );
    let url = "sinks: [{type: webhook, name: o, url: 'https://u:hunter2@a', secret: {env: S}}]";
    let told = problems(url, &[]);
    assert!(
        told.contains("secret in plain") && !told.contains("hunter2"),
        "{told}"
    );
}

#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_refused() {
    let refused = load(Some(Path::new("/dev/zero")), &[]).unwrap_err();
    assert!(refused.to_string().contains("too long"), "{refused}");
}

#[test]
fn a_level_that_is_no_ascii_is_a_problem_and_not_a_panic() {
    let told = problems("telemetry: {log_level: ' aé=info'}\n", &[]);
    assert!(
        told.contains("telemetry.log_level") && told.contains("is no level"),
        "{told}"
    );
}

#[test]
fn senders_are_known_where_none_of_several_tenants_may_speak_for_another() {
    let known = |tenants: &str| {
        let text = format!("receive: {{ tenants: [{tenants}] }}");
        // That the files of the tokens are not there is of no matter here.
        let settings: Settings = serde_saphyr::from_str(&text).unwrap();
        settings.senders_are_known()
    };
    let tenant = |name: &str, resource: &str| {
        format!("{{ name: {name}, token_file: t, resource: {{ {resource} }} }}")
    };
    let held = tenant("a", "k8s.namespace.name: [shop]");
    assert!(!known(""));
    assert!(known(&tenant("all", "")));
    let both = |other: &str| known(&format!("{held}, {}", tenant("b", other)));
    assert!(both("k8s.namespace.name: [bank]"));
    assert!(!both(""));
    assert!(!both("service.namespace: [bank]"));
}
