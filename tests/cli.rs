//! The binary as a script sees it: output, exit codes, pipes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "outside #[test] functions a failed test may panic too"
)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use knothole::core::model::Bundle;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

fn knothole(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_knothole"));
    command.args(args).stdin(Stdio::null());
    // What the developer's shell says must not matter.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KNOTHOLE_")) {
        command.env_remove(name);
    }
    command
}

fn run(args: &[&str]) -> Output {
    knothole(args).output().unwrap()
}

fn with_stdin(args: &[&str], input: &[u8]) -> Output {
    let mut child: Child = knothole(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The bundled log of a real cluster.
fn hdfs_small() -> String {
    format!(
        "{}/datasets/hdfs/small/hdfs.log.zst",
        env!("CARGO_MANIFEST_DIR")
    )
}

#[test]
fn help_teaches_and_wrong_use_is_exit_code_2() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    for word in [
        "serve",
        "demo",
        "detect",
        "train",
        "templates",
        "replay",
        "model",
        "check-config",
    ] {
        assert!(stdout(&help).contains(word), "{word} is not in --help");
    }
    for wrong in [
        &["banana"][..],
        &[],
        &["replay", "x"],
        &["replay", "x", "--to", "y", "--rate", "0"],
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(
            !output.stderr.is_empty() && output.stdout.is_empty(),
            "{wrong:?}"
        );
    }
}

#[test]
fn check_config_tells_every_problem_with_its_place_and_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(
        folder.path(),
        "knothole.yaml",
        "lisen: {}\nmemory_limit: lots\n",
    );
    let output = run(&["check-config", &file]);
    assert_eq!(output.status.code(), Some(2));
    let told = stdout(&output);
    assert!(
        told.contains(&format!(
            "{file}:1:1  unknown setting \"lisen\"; did you mean \"listen\"?"
        )),
        "{told}"
    );
    assert!(
        told.contains("    1 | lisen: {}\n      | ^^^^^\n"),
        "{told}"
    );
    assert!(
        told.contains(&format!("{file}:2:15  memory_limit: \"lots\"")),
        "{told}"
    );
    assert!(
        told.ends_with("2 problems; serve would refuse this\n"),
        "{told}"
    );

    let output = run(&["check-config", "--json", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json(&output)["problems"].as_array().unwrap().len(), 2);
}

#[test]
fn rules_are_tried_on_cases_and_a_case_that_fails_is_exit_code_1() {
    let examples = format!("{}/examples", env!("CARGO_MANIFEST_DIR"));
    let output = run(&["rules", "test", &format!("{examples}/rules_test.yaml")]);
    let told = stdout(&output);
    assert!(output.status.success(), "{told}{}", stderr(&output));
    assert!(told.ends_with(" cases, 0 failed\n"), "{told}");

    let folder = tempfile::tempdir().unwrap();
    let case = "- name: a\n  anomaly: { kind: sequence }\n  expect: [{ rule: restart-pod, outcome: done }]\n";
    let text = format!("config: {examples}/rules.yaml\nrule_tests:\n{case}");
    let file = write(folder.path(), "cases.yaml", &text);
    let output = run(&["rules", "test", &file]);
    assert_eq!(output.status.code(), Some(1));
    let told = stdout(&output);
    let expected = "FAILED     a\n           restart-pod: expected done, but it is nothing\n             \
                    the resource does not name, in full, what restart_pod is done to\n1 case, 1 failed\n";
    assert_eq!(told, expected);
    let output = run(&["rules", "test", "--json", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["failed"], 1);

    let file = write(
        folder.path(),
        "cases.yaml",
        text.replace("restart-pod", "restart-pot"),
    );
    let output = run(&["rules", "test", &file]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    let expected = format!(
        "{file}:5:20  rule_tests[0].expect[0].rule: there is no rule \"restart-pot\"; did you mean \"restart-pod\"?"
    );
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn the_printed_default_file_has_nothing_wrong() {
    let default = run(&["check-config", "--print-default"]);
    assert!(default.status.success());
    let output = with_stdin(&["check-config", "-"], &default.stdout);
    assert!(output.status.success(), "{}", stdout(&output));
    assert!(stdout(&output).starts_with("-: nothing wrong\n"));
    assert_eq!(
        json(&with_stdin(
            &["check-config", "--json", "-"],
            &default.stdout
        ))["problems"],
        serde_json::json!([])
    );
}

/// Jobs of four records, one a second, that go as they always go.
fn jobs_log(count: usize) -> String {
    let job = |job: usize| {
        let second = |step: usize| (job + step) % 60;
        let minute = |step: usize| (job + step) / 60;
        ["accepted", "was planned", "ran well", "is done"]
            .into_iter()
            .enumerate()
            .map(move |(step, what)| {
                format!(
                    "2026-11-21T08:{:02}:{:02}.000 INFO job_{:08}4711 {what}\n",
                    minute(step),
                    second(step),
                    job
                )
            })
            .collect::<Vec<String>>()
    };
    let mut lines: Vec<String> = (0..count).flat_map(job).collect();
    lines.sort();
    lines.concat()
}

#[test]
fn a_model_that_was_trained_with_another_idle_timeout_says_what_to_set() {
    let folder = tempfile::tempdir().unwrap();
    let log = write(folder.path(), "jobs.log", jobs_log(300));
    let model = folder.path().join("jobs.safetensors");
    let model = model.to_str().unwrap();
    let trained = run(&["train", &log, "-o", model, "--idle-timeout", "20s"]);
    assert!(trained.status.success(), "{}", stderr(&trained));

    let shown = run(&["model", "show", model]);
    assert!(
        stdout(&shown).contains("judge with sequence.idle_timeout: 20s"),
        "{}",
        stdout(&shown)
    );
    let said = "set `sequence.idle_timeout: 20s`";
    for (idle_timeout, warns) in [("60s", true), ("20s", false)] {
        let config = format!(
            "model: {{ bundles: [{{ service: jobs, path: {model} }}] }}\n\
             sequence: {{ idle_timeout: {idle_timeout} }}\n"
        );
        let config = write(folder.path(), "knothole.yaml", config);
        let detected = run(&["detect", "--model", model, "--config", &config, &log]);
        let told = stderr(&detected);
        assert!(detected.status.success(), "{told}");
        assert_eq!(told.matches(said).count(), usize::from(warns), "{told}");
        let checked = stdout(&run(&["check-config", &config]));
        assert!(checked.contains("nothing wrong"), "{checked}");
        assert_eq!(checked.contains(said), warns, "{checked}");
        let checked = json(&run(&["check-config", "--json", &config]));
        let warnings = checked["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), usize::from(warns), "{checked}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named_and_exit_code_2() {
    for args in [
        &["check-config", "no/such.yaml"][..],
        &["templates", "no/such.log"],
        &["model", "show", "no/such.safetensors"],
        &["replay", "no/such.log", "--to", "127.0.0.1:1"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).starts_with("knothole: cannot ") && stderr(&output).contains("no/such"),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn templates_of_a_real_log_add_up() {
    let output = run(&["templates", "--json", &hdfs_small()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report = json(&output);
    let templates = report["templates"].as_array().unwrap();
    let counted: u64 = templates
        .iter()
        .map(|row| row["count"].as_u64().unwrap())
        .sum();
    assert_eq!(Some(counted), report["records"].as_u64());
    assert!(counted > 80_000, "{counted} lines");
    assert!(
        (20..2_000).contains(&templates.len()),
        "{} templates",
        templates.len()
    );
    let counts: Vec<_> = templates.iter().map(|row| row["count"].as_u64()).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b), "most frequent first");
    assert!(
        templates.iter().all(|row| row["example"] != ""),
        "each has an example"
    );
    assert_eq!(
        json(&run(&[
            "templates",
            "--json",
            "--limit",
            "3",
            &hdfs_small()
        ]))["templates"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn templates_of_a_pipe_become_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let page = page.to_str().unwrap();
    let output = with_stdin(
        &["templates", "--html", page],
        b"lamp 1 lit\nlamp 2 lit\n<b>\n",
    );
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "", "the page is a file");
    assert!(stderr(&output).contains("page.html is written"));
    let html = std::fs::read_to_string(page).unwrap();
    assert!(
        html.contains("Templates of <bdi>standard input</bdi>"),
        "{html}"
    );
    assert!(
        html.contains("&lt;b&gt;") && !html.contains("<b>\n"),
        "{html}"
    );
    let nowhere = with_stdin(&["templates", "--html", "no/such/page.html"], b"a\n");
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(stderr(&nowhere).contains("cannot write no/such/page.html: "));
}

#[test]
fn templates_by_hand_are_tried_and_mistakes_are_told_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(
        folder.path(),
        "good.yaml",
        "templates:\n  - text: door <*> is open\n",
    );
    let log = write(folder.path(), "app.log", "door 5 is open\nlamp is lit\n");
    let output = run(&["templates", "test", &good, "door red is open"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("rule      templates[0]\ntemplate  door <*> is open\n"));
    let strict = [
        "templates",
        "test",
        &good,
        "--strict",
        "--json",
        "--lines",
        &log,
    ];
    let output = run(&strict);
    assert_eq!(
        output.status.code(),
        Some(1),
        "the lamp is left to learning"
    );
    assert_eq!(stdout(&output).lines().count(), 2);
    let listed = json(&run(&["templates", "--json", "--by-hand", &good, &log]));
    assert_eq!(listed["templates"][0]["text"], "door <*> is open");
    assert_eq!(listed["templates"][0]["by_hand"], true);

    let bad = write(
        folder.path(),
        "bad.yaml",
        "templates:\n  - text: door 5 is open\n",
    );
    let output = run(&["templates", "test", &bad]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(
        told.contains("bad.yaml:2:11") && told.contains("write \"door <*> is open\""),
        "{told}"
    );
    assert_eq!(
        run(&["templates", "test", "no/such.yaml"]).status.code(),
        Some(2)
    );
}

#[test]
fn what_another_tool_learned_is_imported_and_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "processors: {drain: {seed_templates: ['user <*> left after 5 s']}}\n";
    let collector = write(folder.path(), "collector.yaml", settings);
    let output = run(&["templates", "import", "--from", "otel-drain", &collector]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mine = write(folder.path(), "mine.yaml", stdout(&output));
    let output = run(&["templates", "test", &mine, "user ann left after 17 s"]);
    assert!(
        stdout(&output).contains("rule      seed\n"),
        "{}",
        stdout(&output)
    );
    let output = run(&["templates", "import", "--from", "drain3", &collector]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("neither JSON nor base64"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let mut child = knothole(&["templates", &hdfs_small()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before anything is written, as `head -0` does.
    drop(child.stdout.take());
    let mut complaint = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut complaint)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(complaint, "");
}

#[test]
fn a_log_cut_short_is_an_error_that_says_how_far_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(hdfs_small()).unwrap();
    let file = write(folder.path(), "cut.zst", &whole[..whole.len() / 2]);
    let output = run(&["templates", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("cut.zst after line "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn nobody_at_the_endpoint_is_exit_code_3_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "app.log", "a\nb\n");
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = run(&["replay", &file, "--to", &format!("http://{free}")]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("knothole serve"),
        "{}",
        stderr(&output)
    );
    let nonsense = run(&["replay", &file, "--to", "ftp://x"]);
    assert_eq!(nonsense.status.code(), Some(2));
}

#[test]
fn what_is_no_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "app.safetensors", "hello");
    let output = run(&["model", "show", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("is no model that can be used"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_model_whose_voices_cannot_be_read_is_refused_where_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let starter = format!(
        "{}/models/hdfs-starter.safetensors",
        env!("CARGO_MANIFEST_DIR")
    );
    let whole = Bundle::from_bytes(&std::fs::read(starter).unwrap()).unwrap();
    let other = &whole.voices()[..whole.voices().len() / 2];
    let other = Bundle::new(whole.manifest().clone(), whole.network(), other).unwrap();
    let model = write(folder.path(), "old.safetensors", other.to_bytes().unwrap());
    let log = write(folder.path(), "a.log", "INFO began\n");
    let config = format!("model: {{ bundles: [{{ service: jobs, path: {model} }}] }}\n");
    let config = write(folder.path(), "knothole.yaml", config);
    for args in [
        &["detect", "--model", &model, &log][..],
        &["model", "show", &model],
        &["check-config", &config],
        &["serve", "--config", &config],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let told = stderr(&output) + &stdout(&output);
        assert!(told.contains("old.safetensors"), "{told}");
        assert!(told.contains("train it again"), "{told}");
    }
}

/// Counts what it takes.
#[derive(Clone, Default)]
struct Receiver {
    bodies: Arc<Mutex<Vec<String>>>,
    services: Arc<Mutex<BTreeSet<String>>>,
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
            Some(Value::StringValue(text)) => text,
            other => panic!("expected a string, got {other:?}"),
        };
        for logs in request.into_inner().resource_logs {
            let attributes = logs
                .resource
                .into_iter()
                .flat_map(|resource| resource.attributes);
            self.services
                .lock()
                .unwrap()
                .extend(attributes.map(|a| format!("{}={}", a.key, text(a.value))));
            let records = logs
                .scope_logs
                .into_iter()
                .flat_map(|scope| scope.log_records);
            self.bodies
                .lock()
                .unwrap()
                .extend(records.map(|record| text(record.body)));
        }
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

#[test]
fn simulate_says_what_it_lacks_and_whose_fault_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let rules = format!("{}/examples/rules.yaml", env!("CARGO_MANIFEST_DIR"));
    let none = write(folder.path(), "none.yaml", "actions: []\n");
    let state = folder.path().join("state").to_str().unwrap().to_owned();
    for (args, code, says) in [
        (vec!["--state-dir", &state], 2, "--config"),
        (vec!["-c", &none, "--state-dir", &state], 2, "has no rules"),
        (vec!["-c", &rules, "--state-dir", &state], 3, "control.db"),
        (vec!["-c", &rules, "--from", "soon"], 2, "soon"),
        (
            vec!["-c", &rules, "--from", "1h", "--to", "2h"],
            2,
            "is not before",
        ),
        (vec!["-c", &rules, "--layout", "nezha"], 2, "--test"),
        (
            vec!["-c", &rules, "--layout", "nezha", "--test", "x"],
            2,
            "--train",
        ),
        (
            vec![
                "-c", &rules, "--layout", "nezha", "--test", "x", "--from", "1h",
            ],
            2,
            "--from",
        ),
    ] {
        let output = run(&[&["simulate"], &args[..]].concat());
        let complaint = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {complaint}");
        assert!(complaint.contains(says), "{args:?}: {complaint}");
        assert!(stdout(&output).is_empty(), "{args:?}");
    }
}

#[test]
fn replay_sends_every_line_of_a_real_log_once_and_in_order() {
    let receiver = Receiver::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let service =
        LogsServiceServer::new(receiver.clone()).accept_compressed(CompressionEncoding::Gzip);
    let server = tonic::transport::Server::builder().add_service(service);
    runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let file = hdfs_small();
    let sent = run(&[
        "replay",
        &file,
        "--to",
        &endpoint,
        "--service",
        "hdfs",
        "--attribute",
        "zone=a",
        "--json",
    ]);
    assert!(sent.status.success(), "{}", stderr(&sent));
    let packed = std::fs::File::open(&file).unwrap();
    let text = std::io::read_to_string(zstd::Decoder::new(packed).unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        *receiver.bodies.lock().unwrap() == lines,
        "the bodies are the lines"
    );
    let count = json(&sent);
    assert_eq!(count["accepted"].as_u64(), Some(lines.len() as u64));
    assert_eq!(
        (&count["rejected"], &count["retries"]),
        (&0.into(), &0.into())
    );
    let services = receiver.services.lock().unwrap();
    assert_eq!(
        services.iter().collect::<Vec<_>>(),
        ["service.name=hdfs", "zone=a"]
    );
}
