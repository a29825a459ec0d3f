//! The life of a daemon: it learns, judges, reads its settings again, and says what is wrong.

use std::time::Duration;

use rustix::process::Signal;

use crate::knothole::{Knothole, Place, knothole};
use crate::otlp::{Client, record};
use crate::parts::alone;
use crate::process::{SOON, until};
use crate::shop::{LEARN_QUICKLY, STEPS, WELL, of_shop, steps_of, trace_name};

const SEQUENCE: &str = "sequence: { idle_timeout: 1s, reorder_delay: 100ms }\n";
const NOW: Duration = Duration::ZERO;

#[test]
fn a_service_is_learned_then_trained_then_judged_without_settings_for_it() {
    let _alone = alone();
    let place = Place::new();
    let knothole = place.serve(&format!("{LEARN_QUICKLY}{SEQUENCE}"));
    assert_eq!(knothole.get("/livez"), (200, "ok\n".to_owned()));
    assert_eq!(knothole.get("/readyz"), (200, "ok\n".to_owned()));
    let mut client = Client::connect(knothole.grpc);
    client.export(of_shop(steps_of(0, &WELL, NOW))).unwrap();
    let learning = knothole.wait_for_state("shop", "learning");
    assert!(learning["model"].is_null(), "{learning}");
    assert!(learning["new_template_chance"].as_f64().unwrap() > 0.05);
    let requests = (1..201)
        .flat_map(|number| steps_of(number, &WELL, NOW))
        .collect();
    client.export(of_shop(requests)).unwrap();
    knothole.process.says("shop  training");
    knothole.process.says("shop  active");
    let active = knothole.wait_for_state("shop", "active");
    assert!(
        active["model"]["trained_on"].as_u64() >= Some(300),
        "{active}"
    );
    assert_eq!(knothole.events().len(), 0, "nothing was judged so far");

    // The receipt before the payment, and one as always.
    let culprit = trace_name(201);
    client
        .export(of_shop(steps_of(201, &[0, 1, 4, 2, 3, 5], NOW)))
        .unwrap();
    client.export(of_shop(steps_of(202, &WELL, NOW))).unwrap();
    let event: serde_json::Value = knothole
        .process
        .stdout_until(|line| serde_json::from_str(line).ok());
    assert_eq!(event["type"], "knothole.anomaly.detected");
    assert_eq!(event["service"], "shop");
    assert_eq!(event["sequence"], culprit);
    assert_eq!(event["trace_id"], culprit);
    assert_eq!(event["explanation"]["observed"], STEPS[4]);
    let expected = &event["explanation"]["expected"][0];
    assert_eq!(expected["template"]["text"], STEPS[2], "{event}");
    let shown: serde_json::Value = serde_json::from_str(&knothole.get("/v1/anomalies").1).unwrap();
    assert_eq!(shown["anomalies"][0]["id"], event["id"]);
    let records = 203 * STEPS.len() as u64;
    let ledger = knothole.ledger_when_settled(records, SOON);
    assert_eq!(
        (ledger.received, ledger.scored),
        (records, 2 * STEPS.len() as u64),
        "{ledger:?}"
    );
    let (status, events) = knothole.stop();
    assert!(status.success());
    assert_eq!(events.len(), 1, "{events:#?}");
}

#[test]
fn wrong_settings_are_exit_code_2_with_line_and_column() {
    let place = Place::new();
    let config = place.configure("sequence:\n  reorder_dely: 3s\n");
    let output = knothole(&["serve", "--config", config.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("knothole.yaml:4:3"), "{said}");
    assert!(said.contains("did you mean \"reorder_delay\"?"), "{said}");
}

#[test]
fn a_taken_port_is_exit_code_3_and_named() {
    let place = Place::new();
    let first = place.serve("");
    let taken = first.grpc.to_string();
    let other = Place::new();
    let config = other.configure("");
    let output = knothole(&["serve", "--config", config.to_str().unwrap()])
        .args(["--listen-otlp-grpc", &taken])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&taken), "{said}");
}

#[test]
fn a_state_folder_in_use_is_exit_code_3() {
    let place = Place::new();
    let _first = place.serve("");
    let config = place.configure("");
    let second = knothole(&["serve", "--config", config.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(3), "{said}");
    assert!(
        said.contains(place.path("state").to_str().unwrap()),
        "{said}"
    );
}

#[test]
fn a_hangup_reads_the_settings_again_and_keeps_the_old_ones_if_they_are_wrong() {
    let _alone = alone();
    let place = Place::new();
    let with_sinks = |sinks: &str| format!("{LEARN_QUICKLY}{SEQUENCE}{sinks}");
    let mut knothole = place.serve(&with_sinks("sinks: []\n"));

    place.configure(&with_sinks("sinks: [{ type: stdout }]\n"));
    knothole.process.signal(Signal::HUP);
    let said = knothole.process.says("the settings stay as they were");
    assert_eq!(said, "the settings stay as they were");
    assert!(
        knothole
            .process
            .stderr()
            .iter()
            .any(|line| line.contains("knothole.yaml:5"))
    );
    assert_eq!(knothole.get("/readyz").0, 200);

    place.configure(&with_sinks("sinks: [{ type: stdout, name: out }]\n"));
    knothole.process.signal(Signal::HUP);
    knothole.process.says("settings read again");
    break_a_trained_service(&knothole);
    knothole
        .process
        .stdout_until(|line| line.contains("knothole.anomaly.detected").then_some(()));
    assert!(knothole.process.stop().success());
}

#[test]
fn a_hangup_reads_the_templates_by_hand_again_and_keeps_the_old_ones_if_they_are_wrong() {
    let _alone = alone();
    let place = Place::new();
    let by_hand = place.path("by-hand.yaml");
    std::fs::write(&by_hand, "templates: [{text: 'walk <**>'}]\n").unwrap();
    let settings = format!(
        "{SEQUENCE}templates: {{ by_hand: {} }}\n",
        by_hand.display()
    );
    let mut knothole = place.serve(&settings);
    let mut client = Client::connect(knothole.grpc);
    let mut sent = 0;
    let mut templates_after = |knothole: &Knothole, bodies: &[&str]| {
        let records = bodies.iter().map(|body| record(body)).collect();
        client.export(of_shop(records)).unwrap();
        sent += bodies.len() as u64;
        let taken = until(SOON, "the records to be taken in", || {
            knothole
                .service("shop")
                .filter(|service| service["records"] == sent)
        });
        taken["templates"].clone()
    };
    assert_eq!(
        templates_after(&knothole, &["walk", "walk home", "walk to the sea"]),
        2
    );
    assert_eq!(
        templates_after(&knothole, &["swim home"]),
        3,
        "this one is learned"
    );

    std::fs::write(
        &by_hand,
        "templates: [{text: 'walk <**>'}, {text: 'swim <**>'}]\n",
    )
    .unwrap();
    knothole.process.signal(Signal::HUP);
    knothole.process.says("settings read again");
    assert_eq!(
        templates_after(&knothole, &["swim home", "swim in the cold sea"]),
        4
    );

    std::fs::write(&by_hand, "templates: [{text: 'fly 5 <**>'}]\n").unwrap();
    knothole.process.signal(Signal::HUP);
    knothole.process.says("the settings stay as they were");
    let told = knothole.process.stderr();
    assert!(
        told.iter()
            .any(|line| line.contains("by-hand.yaml:1:20") && line.contains("fly <*> <**>")),
        "{told:#?}"
    );
    assert_eq!(templates_after(&knothole, &["swim to the other side"]), 4);
    assert!(knothole.process.stop().success());
}

/// Learns a service and sends it one broken request.
fn break_a_trained_service(knothole: &Knothole) {
    let mut client = Client::connect(knothole.grpc);
    let requests = (0..200)
        .flat_map(|number| steps_of(number, &WELL, NOW))
        .collect();
    client.export(of_shop(requests)).unwrap();
    knothole.wait_for_state("shop", "active");
    client
        .export(of_shop(steps_of(1000, &[0, 5, 1, 2, 3, 4], NOW)))
        .unwrap();
}
