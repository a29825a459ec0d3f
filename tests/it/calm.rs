//! What makes no incident, and what makes one where there could be fifty.

use std::time::Duration;

use crate::incidents::incidents;
use crate::knothole::{Knothole, Place, knothole};
use crate::otlp::{Client, record, request};
use crate::parts::{Tail, alone, part, write_lines};
use crate::process::{SOON, until};
use crate::shop::{STEPS, WELL, of_shop, steps_of};
use rustix::process::Signal;

/// Everything that could be told is told at once.
const EAGER: &str = "\
    learn: { sequences_min: 60, records_min: 300, new_template_chance_max: 0.05, warm_up: 0s }\n\
    sequence: { idle_timeout: 1s, reorder_delay: 100ms }\n\
    incidents: { settle: 200ms }\n\
    sinks: [{ type: stdout, name: out, limit: { per_minute: 0, fold: false } }]\n";
const HOUR: Duration = Duration::from_secs(3_600);

/// Sends requests that go well, numbered on from those before, and waits until they have been judged:
/// each begins two seconds after the one before. So many records of others were sent before.
fn go_on_well(knothole: &Knothole, requests: std::ops::Range<u64>, under_way: u64) {
    let mut client = Client::connect(knothole.grpc);
    let end = requests.end;
    for number in requests {
        let age = Duration::from_secs(2 * (end - number));
        let sent = steps_of(number, &WELL, age);
        client.export(of_shop(sent)).unwrap();
    }
    knothole.wait_for_records("shop", WELL.len() as u64 * end + under_way);
}

fn assert_calm(knothole: &Knothole, when: &str) {
    let found = incidents(knothole, "");
    assert!(found.is_empty(), "{when}: {found:#?}");
    let told = knothole.all_events();
    assert!(told.is_empty(), "{when}: {told:#?}");
}

fn kill(mut knothole: Knothole) {
    knothole.process.signal(Signal::KILL);
    knothole.process.wait_at_most(SOON);
}

#[test]
fn a_host_whose_clock_is_400_days_off_and_a_gap_of_an_hour_make_no_incident() {
    let Some(faketime) = part("KNOTHOLE_FAKETIME") else {
        return;
    };
    let place = Place::new();
    let settings = EAGER.replace("idle_timeout: 1s", "idle_timeout: 1h");
    let first = place.serve(&settings);
    let mut client = Client::connect(first.grpc);
    let learned = (0..200).flat_map(|number| steps_of(number, &WELL, 3 * HOUR));
    client.export(of_shop(learned.collect())).unwrap();
    go_on_well(&first, 200..210, 0);
    first.wait_for_state("shop", "active");
    go_on_well(&first, 210..220, 0);
    assert_calm(&first, "after the gap");
    // One that is under way over every jump has not ended by any clock.
    let under_way = 9_999;
    let begun = steps_of(under_way, &[0, 1, 2], Duration::ZERO);
    client.export(of_shop(begun)).unwrap();
    first.wait_for_records("shop", 220 * WELL.len() as u64 + 3);
    kill(first);
    let mut number = 220;
    for jump in ["+400d", "-400d", "+400d", "+0d"] {
        let env = [
            ("LD_PRELOAD", faketime.to_str().unwrap()),
            ("FAKETIME", jump),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ];
        let knothole = place.serve_with(&settings, &env);
        knothole.wait_for_state("shop", "active");
        go_on_well(&knothole, number..number + 20, 3);
        number += 20;
        assert_calm(&knothole, jump);
        kill(knothole);
    }
    // It is still on its guard.
    let last = place.serve(&settings);
    let mut client = Client::connect(last.grpc);
    let broken = steps_of(number, &[0, 1, 5], Duration::ZERO);
    client.export(of_shop(broken)).unwrap();
    until(SOON, "the incident", || incidents(&last, "").pop());
}

#[test]
fn tens_of_thousands_of_records_sent_again_by_a_killed_collector_make_no_incident() {
    const LINES: usize = 30_000;
    let Some(otelcol) = part("KNOTHOLE_OTELCOL") else {
        return;
    };
    let _alone = alone();
    let place = Place::new();
    let knothole = place.serve(EAGER);
    let mut client = Client::connect(knothole.grpc);
    let learned = (0..200).flat_map(|number| steps_of(number, &WELL, HOUR));
    client.export(of_shop(learned.collect())).unwrap();
    go_on_well(&knothole, 200..210, 0);
    knothole.wait_for_state("shop", "active");
    let start = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(60);
    let line = |n: usize| {
        let millis = i64::try_from(n + n / 999).unwrap();
        let at = start + jiff::SignedDuration::from_millis(millis);
        let (request, step) = (n / WELL.len(), n % WELL.len());
        let said = STEPS[step];
        format!("{at} INFO req_{request:07} {said}")
    };
    let lines: Vec<String> = (0..LINES).map(line).collect();
    let file = place.path("shop.log");
    write_lines(&file, lines.iter().map(String::as_str));
    let tail = Tail {
        file: &file,
        to: knothole.grpc,
        service: "store",
        pod: "",
    };
    // Without a place on disk it reads the whole file at each start.
    for start in 1..=4 {
        let mut collector = tail.start(&otelcol);
        let seen = until(SOON, "the whole file", || {
            let ledger = knothole.ledger();
            let all = (1_260 + start * LINES) as u64;
            (ledger.received >= all && ledger.pending == 0).then_some(ledger)
        });
        assert_eq!(seen.accounted_for(), seen.received, "{seen:?}");
        collector.signal(Signal::KILL);
        collector.wait_at_most(SOON);
    }
    knothole.wait_for_state("store", "active");
    assert_eq!(knothole.service("store").unwrap()["records"], LINES);
    assert_calm(&knothole, "after three times the same file");
}

#[test]
fn fifty_services_that_break_at_once_make_at_most_three_incidents() {
    let place = Place::new();
    let line = |request: u64, step: usize| format!("ord_{} {}", 1_000_000 + request, STEPS[step]);
    let start = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let learned = (0..200u64).flat_map(|request| WELL.map(|step| (request, step)));
    let learned = learned.map(|(request, step)| {
        let millis = i64::try_from(50 * request).unwrap() + i64::try_from(step).unwrap();
        let at = start + jiff::SignedDuration::from_millis(millis);
        format!("{at} {}", line(request, step))
    });
    let learned: Vec<String> = learned.collect();
    let (log, model) = (place.path("shop.log"), place.path("shop.safetensors"));
    write_lines(&log, learned.iter().map(String::as_str));
    let [log, model] = [&log, &model].map(|path| path.to_str().unwrap());
    let trained = knothole(&["train", log, "-o", model, "--idle-timeout", "1s"])
        .output()
        .unwrap();
    assert!(trained.status.success(), "{trained:?}");
    let services: Vec<String> = (0..50).map(|nth| format!("service-{nth}")).collect();
    let bundles = services
        .iter()
        .map(|it| format!("{{ service: {it}, path: {model} }}"));
    let bundles = bundles.collect::<Vec<String>>().join(", ");
    let settings = EAGER.replace("settle: 200ms", "settle: 3s");
    let knothole = place.serve(&format!("{settings}model: {{ bundles: [{bundles}] }}\n"));
    let mut client = Client::connect(knothole.grpc);
    for (service, number) in services.iter().zip(0..) {
        let broken = [0, 1, 5].map(|step| record(&line(number, step)));
        let sent = request(&[("service.name", service)], broken.into());
        client.export(sent).unwrap();
    }
    let found = until(SOON, "all fifty", || {
        let found = incidents(&knothole, "");
        let named = found
            .iter()
            .flat_map(|it| it["services"].as_array().unwrap());
        (named.count() >= services.len()).then_some(found)
    });
    assert!(found.len() <= 3, "{found:#?}");
    let told = knothole.all_events();
    let opened = told
        .iter()
        .filter(|it| it["type"] == "knothole.incident.opened");
    assert!((1..=3).contains(&opened.count()), "{told:#?}");
}
