//! Incidents from end to end: what other systems and the logs say becomes one incident, people work on
//! it through the API, and no kill loses or invents what is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::knothole::{Knothole, Place, metric};
use crate::parts::alone;
use crate::process::{SOON, until};

/// How often it is killed; `KNOTHOLE_KILLS` names another number.
const KILLS: u64 = 100;
const QUICK: &str = "incidents: { settle: 200ms, quiet_for: 2s, reopen_within: 1s }\n";

fn alert(service: &str, name: &str, nth: u64) -> Value {
    // Times of the last minutes: it is a story of today.
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(5);
    json!({
        "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing",
        "receiver": "knothole", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.net",
        "alerts": [{
            "status": "firing",
            "labels": { "alertname": name, "service": service, "severity": "critical" },
            "annotations": { "summary": format!("{name} at {service}, {nth}") },
            "startsAt": at.to_string(), "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "", "fingerprint": format!("{nth:016x}"),
        }],
    })
}

pub(crate) fn incidents(knothole: &Knothole, query: &str) -> Vec<Value> {
    let (status, body) = knothole.get(&format!("/v1/incidents{query}"));
    assert_eq!(status, 200, "{body}");
    let mut body: Value = serde_json::from_str(&body).unwrap();
    serde_json::from_value(body["incidents"].take()).unwrap()
}

#[test]
fn a_trouble_is_one_incident_that_people_work_on_and_that_outlives_a_restart() {
    let place = Place::new();
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let settings = format!(
        "{QUICK}silences: [{{ matchers: ['service=\"payments\"'], owner: ana, reason: INC-12, \
         expires: '{expires}' }}]\nsinks: [{{ type: stdout, name: out }}]\n"
    );
    let settings = settings.replace("quiet_for: 2s", "quiet_for: 1h");
    let first = place.serve(&settings);
    let change = json!({ "service": "checkout", "version": "2.9.7", "ref": "abc1" });
    assert_eq!(first.post("/v1/changes", &change).0, 200);
    for nth in 0..3 {
        let (status, answer) = first.post("/v1/alerts", &alert("checkout", "HighErrorRate", nth));
        assert_eq!(status, 200, "{answer}");
    }
    let incident = until(SOON, "the incident", || incidents(&first, "").pop());
    assert_eq!(incidents(&first, "").len(), 1);
    assert_eq!(incident["state"], "open");
    // Whoever sent the alert wakes people for it.
    assert_eq!(incident["pages"], false, "{incident}");
    let id = incident["id"].as_str().unwrap();
    let path = |rest: &str| format!("/v1/incidents/{id}{rest}");
    let note = json!({ "note": "on it" });
    let (status, answer) = first.post(&path("/acknowledge"), &note);
    assert_eq!((status, &answer["state"]), (200, &json!("acknowledged")));
    let (_, page) = first.get(&path("/markdown"));
    assert!(
        page.contains("checkout") && page.contains("2.9.7"),
        "{page}"
    );
    let (_, told) = first.get(&path("/explanation"));
    assert!(told.contains("HighErrorRate"), "{told}");
    until(SOON, "both events", || {
        (first.all_events().len() == 2).then_some(())
    });
    let stages: Vec<String> = first.all_events().iter().map(stage).collect();
    assert_eq!(
        stages,
        ["knothole.incident.opened", "knothole.incident.acknowledged"]
    );
    assert!(first.stop().0.success());

    let second = place.serve(&settings);
    let same = &incidents(&second, "?state=acknowledged")[0];
    assert_eq!(same["id"], incident["id"]);
    let (status, _) = second.post(&path("/resolve"), &json!({ "note": "rolled back" }));
    assert_eq!(status, 200);
    assert_eq!(incidents(&second, "?state=resolved").len(), 1);
    let (_, audit) = second.get("/v1/audit");
    let audit: Value = serde_json::from_str(&audit).unwrap();
    let done: Vec<&str> = audit["audit"].as_array().map_or_else(Vec::new, |entries| {
        entries
            .iter()
            .filter_map(|it| it["action"].as_str())
            .collect()
    });
    assert_eq!(done[0], "resolve", "{audit}");
    assert!(
        done.contains(&"acknowledge") && done.contains(&"change"),
        "{audit}"
    );
    let (_, dora) = second.get("/v1/dora?window=90d");
    let dora: Value = serde_json::from_str(&dora).unwrap();
    assert_eq!(dora["incidents"], 1, "{dora}");
    let metrics = second.get("/metrics").1;
    assert_eq!(metric(&metrics, "knothole_incidents_open"), 0);
}

fn stage(event: &Value) -> String {
    event["type"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_muted_is_tracked_and_told_when_the_silence_ends() {
    let place = Place::new();
    let settings = format!("{QUICK}sinks: [{{ type: stdout, name: out }}]\n");
    let settings = settings.replace("quiet_for: 2s", "quiet_for: 1h");
    let knothole = place.serve(&settings);
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(6);
    let silence = json!({
        "matchers": ["service=\"payments\""], "owner": "ana", "reason": "INC-12",
        "expires": ends.to_string(),
    });
    let (status, made) = knothole.post("/v1/silences", &silence);
    assert_eq!(status, 200, "{made}");
    knothole.post("/v1/alerts", &alert("payments", "Down", 1));
    let muted = until(SOON, "the incident", || incidents(&knothole, "").pop());
    assert!(muted["muted_by"].is_string(), "{muted:#}");
    assert_eq!(knothole.all_events().len(), 0, "nobody is told");
    let told = until(SOON, "the end of the silence", || {
        knothole.all_events().pop()
    });
    assert_eq!(told["type"], "knothole.incident.opened");
    assert!(jiff::Timestamp::now() >= ends);
}

#[test]
fn however_often_it_is_killed_each_event_of_an_incident_is_told_in_order() {
    let _alone = alone();
    let kills = std::env::var("KNOTHOLE_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let place = Place::new();
    let file = place.path("told.jsonl");
    let settings = format!(
        "{QUICK}sinks: [{{ type: file, name: told, path: {}, events: [incident], \
         limit: {{ per_minute: 0, fold: false }} }}]\n",
        file.display()
    );
    let mut taken = BTreeSet::new();
    for kill in 0..kills {
        let mut knothole = place.serve(&settings);
        for nth in 0..=kill % 4 {
            let service = format!("service-{}", (kill * 3 + nth) % 7);
            let sent = alert(&service, &format!("Alert{kill}"), kill * 10 + nth);
            let (status, _) = knothole.post("/v1/alerts", &sent);
            assert_eq!(status, 200);
            taken.insert(service);
        }
        // At another moment of its work each time.
        let looks = (kill * 7) % 13;
        for _ in 0..looks {
            knothole.get("/v1/incidents");
        }
        knothole.process.signal(rustix::process::Signal::KILL);
        knothole.process.wait_at_most(SOON);
    }
    let last = place.serve(&settings);
    until(SOON, "all incidents to be over and told", || {
        let metrics = last.get("/metrics").1;
        let is_over = metric(&metrics, "knothole_incidents_open") == 0;
        let all = incidents(&last, "?limit=500");
        let told = told(&file);
        let is_told = |it: &Value| {
            let events = told.get(it["id"].as_str().unwrap());
            events.is_some_and(|events| events.last() == it["revision"].as_u64().as_ref())
        };
        (is_over && !all.is_empty() && all.iter().all(is_told)).then_some(())
    });
    let all = incidents(&last, "?limit=500");
    let told = told(&file);
    for (id, revisions) in &told {
        assert!(all.iter().any(|it| it["id"] == **id), "{id} was invented");
        let expected: Vec<u64> = (1..=revisions.len() as u64).collect();
        assert_eq!(*revisions, expected, "in order, none left out");
    }
    let services: BTreeSet<String> = all.iter().flat_map(services).collect();
    assert_eq!(
        services, taken,
        "what was acknowledged is part of an incident"
    );
}

/// The revisions of each incident in the order in which they were told first.
fn told(file: &Path) -> BTreeMap<String, Vec<u64>> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut told: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    // A kill may leave half a line, which comes again.
    for event in text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let incident = &event["incident"];
        let revision = incident["revision"].as_u64().unwrap();
        let revisions = told
            .entry(incident["id"].as_str().unwrap().to_owned())
            .or_default();
        if !revisions.contains(&revision) {
            revisions.push(revision);
        }
    }
    told
}

fn services(incident: &Value) -> Vec<String> {
    let services = incident["services"].as_array().unwrap().iter();
    let names = services.map(|service| service.as_str().unwrap());
    names
        .map(|name| name.rsplit('/').next().unwrap().to_owned())
        .collect()
}
