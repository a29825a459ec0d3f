//! What a turn makes of orders, and what is left of it for the next start.

use std::sync::mpsc::channel;

use serde_json::{Value, json};

use super::*;
use crate::core::event::Incident;
use crate::core::record::{Change, ChangeKind};
use crate::core::silence::{Day, Matcher, Team, Teams};
use crate::daemon::audit::Audit;
use crate::daemon::clerk::waiting::Answer;
use crate::edge::api::{
    Applied, AuditEntry, Feedback, FeedbackVerdict, Refusal, Subject, TokenSettings, TokenSource,
};
use crate::edge::catalog::{Entity, Listing, ServiceName};

const MINUTE: Duration = Duration::from_secs(60);

/// A state folder, and a clerk who can be sent home and followed by another.
struct Office {
    folder: tempfile::TempDir,
    settings: DeskSettings,
}

impl Office {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            settings: DeskSettings::default(),
        }
    }

    fn clerk(&self, now: Timestamp) -> Clerk {
        let limits = Limits {
            bytes_max: 1 << 20,
            streams_max: std::num::NonZeroUsize::MIN,
        };
        let store = Store::open(self.folder.path(), limits).unwrap();
        let control = Arc::new(store.control(ControlSettings::default()).unwrap());
        Clerk::new(self.settings.clone(), desktop(control), now)
    }

    /// Whoever can break the disk can also mend it.
    fn disk(&self, sql: &str) {
        let path = self.folder.path().join("control.db");
        rusqlite::Connection::open(path)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }
}

/// What becomes of each of `orders`, given in one turn.
fn order(clerk: &mut Clerk, orders: Vec<Order>, now: Timestamp) -> Vec<Answer> {
    let caller = Caller {
        name: "ana".into(),
        role: Role::Operator,
        address: None,
    };
    let (reply, answers) = channel();
    let notes = orders
        .into_iter()
        .map(|order| Note::Order(Box::new((order, caller.clone())), reply.clone()));
    clerk.work_off(notes.collect(), now);
    drop(reply);
    answers.iter().collect()
}

fn verdict(on: &str) -> Order {
    Order::Feedback(Feedback {
        subject: Subject::Incident(on.into()),
        verdict: FeedbackVerdict::Expected,
        note: None,
    })
}

fn audit(clerk: &Clerk) -> Vec<AuditEntry> {
    let found = clerk.control.audit_newest(None, 100).unwrap();
    found.iter().map(Audit::read).collect()
}

fn targets(clerk: &Clerk) -> Vec<(u64, Box<str>)> {
    let entries = audit(clerk).into_iter();
    entries.map(|entry| (entry.number, entry.target)).collect()
}

#[test]
fn the_audit_goes_on_counting_when_the_clock_was_put_back() {
    let office = Office::new();
    order(
        &mut office.clerk(START),
        vec![verdict("first"), verdict("second")],
        START,
    );
    let past = START.minus(Duration::from_secs(400 * 86_400));
    let mut clerk = office.clerk(past);
    order(&mut clerk, vec![verdict("third")], past);
    drop(clerk);
    let mut clerk = office.clerk(past);
    order(&mut clerk, vec![verdict("fourth")], past);
    let expected = [(4, "fourth"), (3, "third"), (2, "second"), (1, "first")];
    let expected: Vec<(u64, Box<str>)> = expected.map(|(at, it)| (at, it.into())).to_vec();
    assert_eq!(targets(&clerk), expected);
}

#[test]
fn what_the_disk_did_not_take_is_written_when_it_does_again() {
    let office = Office::new();
    let mut clerk = office.clerk(START);
    office.disk(
        "CREATE TRIGGER full BEFORE INSERT ON document BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    assert!(order(&mut clerk, vec![silence(json!({}))], START)[0].is_ok());
    assert_eq!(audit(&clerk), []);
    office.disk("DROP TRIGGER full");
    clerk.work_off(Vec::new(), START.plus(MINUTE));
    assert_eq!(audit(&clerk)[0].action.as_ref(), "silence");
    drop(clerk);
    assert_eq!(office.clerk(START.plus(MINUTE)).silences.len(), 1);
}

/// A silence of cart for an hour, with `other` fields.
fn silence(other: Value) -> Order {
    let expires = crate::edge::notify::rfc3339(START.plus(60 * MINUTE));
    let mut posted = json!({
        "matchers": ["service=\"cart\""], "owner": "ana", "reason": "INC-12", "expires": expires,
    });
    let fields = other.as_object().unwrap().clone();
    posted.as_object_mut().unwrap().extend(fields);
    Order::Silence(posted)
}

fn id_of(answer: &Answer) -> Box<str> {
    match answer {
        Ok(Applied::Silence(shown)) => shown["id"].as_str().unwrap().into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_silence_that_is_made_and_ended_at_once_does_not_come_back() {
    let office = Office::new();
    let mut clerk = office.clerk(START);
    let id = id_of(&order(&mut clerk, vec![silence(json!({}))], START)[0]);
    let end = || Order::EndSilence { id: id.clone() };
    let answers = order(&mut clerk, vec![silence(json!({})), end(), end()], START);
    assert!(answers[1].is_ok());
    assert_eq!(answers[2], Err(Refusal::Unknown("silence")));
    assert_eq!(clerk.road.board.silences(START), [Value::Null; 0]);
    drop(clerk);
    assert_eq!(office.clerk(START).silences, []);
}

#[test]
fn a_silence_is_shown_for_as_long_as_it_holds() {
    let office = Office::new();
    let mut clerk = office.clerk(START);
    order(&mut clerk, vec![silence(json!({}))], START);
    let shown = |now| clerk.road.board.silences(now).len();
    assert_eq!(shown(START.plus(59 * MINUTE)), 1);
    assert_eq!(shown(START.plus(60 * MINUTE)), 0);
}

#[test]
fn a_silence_that_would_do_more_or_less_than_it_says_is_refused() {
    let office = Office::new();
    let mut clerk = office.clerk(START);
    let told = |clerk: &mut Clerk, other| {
        let answer = order(clerk, vec![silence(other)], START).remove(0);
        answer.unwrap_err().to_string()
    };
    let ahead = |days: u64| {
        let at = START.plus(Duration::from_secs(days * 86_400));
        crate::edge::notify::rfc3339(at)
    };
    let long = json!({ "created": ahead(399), "expires": ahead(400) });
    assert!(told(&mut clerk, long).starts_with("expires: "));
    let novel = "because ".repeat(200);
    assert!(told(&mut clerk, json!({ "reason": novel })).starts_with("reason: "));
    // As many as there may be; each is another one by its reason.
    let many = (0..1_000).map(|number| silence(json!({ "reason": format!("INC-{number}") })));
    let answers = order(&mut clerk, many.collect(), START);
    assert!(answers.iter().all(Result::is_ok));
    let another = json!({ "reason": "one too many" });
    assert!(told(&mut clerk, another).contains("1000"));
    // One that is there already is none more, and those that are over make room.
    assert!(
        order(
            &mut clerk,
            vec![silence(json!({ "reason": "INC-7" }))],
            START
        )[0]
        .is_ok()
    );
    let after = START.plus(61 * MINUTE);
    let expires = crate::edge::notify::rfc3339(after.plus(MINUTE));
    let next = order(
        &mut clerk,
        vec![silence(json!({ "expires": expires }))],
        after,
    );
    assert!(next[0].is_ok(), "{next:?}");
}

/// An alert of another system.
fn alert(service: &str, says: &str, now: Timestamp) -> Alert {
    let mut sign = sign(0, 0, now);
    sign.id = crate::edge::notify::rfc3339(now).replace(':', "").into();
    sign.id = format!("{service}{}", sign.id).into();
    sign.fingerprint = service.into();
    sign.stream = StreamKey::named(service);
    sign.says = says.into();
    Alert {
        sign,
        is_over: false,
    }
}

/// The incidents that go on two minutes after `alerts` came.
fn incidents(clerk: &mut Clerk, alerts: Vec<Alert>) -> Vec<Arc<Incident>> {
    order(clerk, vec![Order::Alerts(alerts)], START);
    clerk.work_off(Vec::new(), START.plus(MINUTE));
    clerk.road.board.live("")
}

fn component(name: &str, depends_on: &[&str]) -> Entity {
    let reference = |name: &str| format!("component:default/{name}").into();
    Entity {
        reference: reference(name),
        services: vec![ServiceName {
            environment: None,
            namespace: None,
            name: name.into(),
        }],
        owner: Some("payments".into()),
        depends_on: depends_on.iter().map(|other| reference(other)).collect(),
        dependency_of: Vec::new(),
        people: vec!["payments".into(), "ana".into()],
    }
}

#[test]
fn a_catalog_says_whose_an_incident_is_and_joins_services_that_send_no_logs() {
    let office = Office::new();
    let broke = |now| {
        let alerts = ["checkout", "ledger"];
        alerts
            .map(|service| alert(service, "does not answer", now))
            .to_vec()
    };
    let apart = incidents(&mut office.clerk(START), broke(START));
    assert_eq!(apart.len(), 2, "nobody knows that they belong together");
    assert!(apart.iter().all(|incident| incident.route.team.is_none()));
    let office = Office::new();
    let mut clerk = office.clerk(START);
    let listing = Listing::new(vec![
        component("checkout", &["ledger"]),
        component("ledger", &[]),
    ]);
    clerk.work_off(vec![Note::Listed(Arc::new(listing))], START);
    let [incident] = &incidents(&mut clerk, broke(START))[..] else {
        panic!("one incident");
    };
    assert_eq!(incident.parts.len(), 2);
    assert_eq!(incident.route.team.as_deref(), Some("payments"));
}

#[test]
fn secrets_of_alerts_and_changes_of_others_do_not_go_on() {
    let office = Office::new();
    let mut clerk = office.clerk(START);
    let told = alert(
        "checkout",
        "login of bob@example.com with password=hunter22 failed",
        START,
    );
    let change = Order::Change(Change {
        id: "c1".into(),
        kind: ChangeKind::Posted,
        stream: StreamKey::named("checkout"),
        from: None,
        to: Some("2.9.7".into()),
        at: START,
        reference: Some("deployed by eve@example.com".into()),
        url: Some("https://ci.example.net/?token=s3cr3ts3cr3ts3cr3t".into()),
    });
    order(&mut clerk, vec![change], START);
    let [incident] = &incidents(&mut clerk, vec![told])[..] else {
        panic!("one incident");
    };
    let shown = format!("{incident:?}");
    assert!(
        shown.contains("login of") && shown.contains("2.9.7"),
        "{shown}"
    );
    for secret in ["bob@", "hunter22", "eve@", "s3cr3t"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn the_sinks_are_not_exchanged_from_when_messages_are_made_until_they_are_sent() {
    struct Watched(Arc<tokio::sync::Mutex<()>>, Arc<Mutex<Vec<&'static str>>>);
    impl Outlet for Watched {
        fn prepare(&self, _: &Event, _: Timestamp) -> Vec<Undelivered> {
            assert!(self.0.try_lock().is_err());
            self.1.lock().unwrap().push("made");
            Vec::new()
        }

        fn send(&self, _: Vec<Undelivered>, _: Timestamp) {
            assert!(self.0.try_lock().is_err());
            self.1.lock().unwrap().push("sent");
        }
    }
    let office = Office::new();
    let mut clerk = office.clerk(START);
    let seen = Arc::default();
    clerk.outlet = Box::new(Watched(Arc::clone(&clerk.sinks), Arc::clone(&seen)));
    incidents(&mut clerk, vec![alert("checkout", "broke", START)]);
    assert!(seen.lock().unwrap().contains(&"made") && seen.lock().unwrap().contains(&"sent"));
    assert!(clerk.sinks.try_lock().is_ok(), "and then they may be");
}

#[test]
fn who_owns_a_silence_is_known_by_teams_tokens_and_the_catalog() {
    let office = Office::new();
    let asked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut directory = Directory::new(gate(&office), Arc::clone(&asked));
    let team = Team {
        name: "shop".into(),
        matchers: vec!["namespace=shop".parse::<Matcher>().unwrap()],
        day: Day::default(),
    };
    let (none, teams) = (Teams::default(), Teams::new(vec![team], Day::default()));
    assert!(
        directory.is_known("anybody", &none),
        "nobody tells who there is"
    );
    let known = |directory: &Directory| -> Vec<&str> {
        let names = [
            "shop",
            "Shop ",
            "ci",
            "ana",
            "group:default/payments",
            "bob",
        ];
        let known = names
            .into_iter()
            .filter(|name| directory.is_known(name, &teams));
        known.collect()
    };
    assert_eq!(known(&directory), ["shop", "Shop ", "ci"]);
    asked.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(known(&directory).len(), 6, "the catalog may know them");
    directory.listed(Arc::new(Listing::new(vec![component("cart", &[])])));
    assert_eq!(
        known(&directory),
        ["shop", "Shop ", "ci", "ana", "group:default/payments"]
    );
    assert!(!directory.is_known("bob", &none));
}

/// One that lets ci in.
fn gate(office: &Office) -> Gate {
    let file = office.folder.path().join("token");
    std::fs::write(&file, "a-token-of-enough-length").unwrap();
    Gate::new(&[TokenSettings {
        name: "ci".to_owned(),
        role: Role::Operator,
        source: TokenSource::File(file),
    }])
    .unwrap()
}

#[test]
fn what_people_said_of_trouble_counts_also_after_a_restart_and_once_each() {
    let office = Office::new();
    let mut clerk = office.clerk(START);
    let found = incidents(&mut clerk, vec![alert("cart", "it broke", START)]);
    let (id, fingerprint) = (&found[0].id, &found[0].fingerprint);
    assert_eq!(clerk.remediation.opinions.of(fingerprint), (0, 0));
    let said = |verdict| {
        Order::Feedback(Feedback {
            subject: Subject::Incident(id.clone()),
            verdict,
            note: None,
        })
    };
    let later = START.plus(MINUTE);
    order(&mut clerk, vec![said(FeedbackVerdict::TruePositive)], later);
    assert_eq!(clerk.remediation.opinions.of(fingerprint), (1, 1));
    order(&mut clerk, vec![said(FeedbackVerdict::Expected)], later);
    assert_eq!(clerk.remediation.opinions.of(fingerprint), (0, 1));
    drop(clerk);
    let clerk = office.clerk(later);
    assert_eq!(clerk.remediation.opinions.of(fingerprint), (0, 1));
}

#[test]
fn without_rules_no_turn_looks_at_how_things_stand() {
    let storm_at = |settings: &str| {
        let office = Office::new();
        let mut clerk = office.clerk(START);
        let settings = crate::daemon::config::from_text("x", settings, &[]).unwrap();
        clerk.remediation.reconfigure(settings.remedies(), START);
        let services = ["cart", "stock", "pay"];
        let alerts = services.map(|it| alert(it, &format!("{it} broke"), START));
        assert!(!incidents(&mut clerk, alerts.into()).is_empty());
        let found = Arc::new(crate::daemon::remediation::tests::anomaly());
        clerk.work_off(vec![Note::Found(found)], START.plus(MINUTE));
        clerk.remediation.storm_at
    };
    assert_eq!(storm_at(""), None);
    let rules = "actions: [{ name: other, action: webhook, services: [none] }]";
    assert!(storm_at(rules).is_some());
}
