//! What is told of incidents once silences, teams and budgets are asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Deed, Desk, DeskSettings, Told};
use crate::core::event::{Class, IncidentState, Mark, Sign, Source, Stage};
use crate::core::incident::SavedPart;
use crate::core::record::{ChangeKind, Resource, Severity, StreamKey, Timestamp};
use crate::core::silence::{Day, Matcher, Silence, Silences, Teams};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);

/// A desk, its clock, what it told, and what is on the disk.
struct Office {
    desk: Desk,
    settings: DeskSettings,
    now: Timestamp,
    told: Vec<Told>,
    disk: BTreeMap<Box<str>, SavedPart>,
    made: u64,
}

impl Office {
    fn new(settings: DeskSettings) -> Self {
        Self {
            desk: Desk::new(settings.clone()),
            settings,
            now: START,
            told: Vec::new(),
            disk: BTreeMap::new(),
            made: 0,
        }
    }

    /// A sign at a service, now.
    fn see(&mut self, service: &str) {
        self.made += 1;
        let sign = sign(service, self.made, self.now);
        self.desk.sign(Arc::new(sign), self.now);
        self.turn();
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now.plus(time);
        while self.now < end {
            self.now = self.now.plus(Duration::from_secs(5)).min(end);
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.desk.advance(self.now);
        self.told.extend(self.desk.take(self.now));
        for part in self.desk.saved().unwrap() {
            self.disk.insert(part.name.clone(), part);
        }
        self.disk.retain(|_, part| part.body.is_some());
        self.desk.is_saved();
    }

    fn restart(&mut self) {
        let parts: Vec<SavedPart> = self.disk.values().cloned().collect();
        self.desk = Desk::restored(self.settings.clone(), &parts).unwrap();
    }

    fn deed(&mut self, deed: impl Fn(Mark) -> Deed) {
        let id = self.desk.live().next().unwrap().id;
        let mark = Mark {
            at: self.now,
            by: "ada".into(),
            note: None,
        };
        self.desk.deed(&id, deed(mark)).unwrap();
        self.turn();
    }

    /// What went out of incidents: what became of them, and whether it pages.
    fn sent(&self) -> Vec<(Stage, bool)> {
        let told = self.told.iter().filter_map(|told| match told {
            Told::Incident {
                event,
                is_sent: true,
            } => Some((event.stage, event.incident.route.pages)),
            _ => None,
        });
        told.collect()
    }

    fn stages(&self) -> Vec<Stage> {
        self.sent().into_iter().map(|(stage, _)| stage).collect()
    }
}

fn sign(service: &str, number: u64, at: Timestamp) -> Sign {
    Sign {
        id: format!("{number:032x}").into(),
        fingerprint: service.into(),
        source: Source::Log,
        kind: "sequence".into(),
        class: Class::Error,
        severity: Severity::Error,
        score: 0.999,
        first_seen: at,
        last_seen: at,
        count: 1,
        stream: StreamKey::named(service),
        resource: Arc::default(),
        trace: None,
        says: "a step is missing".into(),
        template: None,
        lines: Vec::new(),
        expected: None,
        stack: None,
    }
}

/// A silence for a service, for so long.
fn silenced(service: &str, lasts: Duration) -> DeskSettings {
    let matchers = Matcher::parse_all(&format!("service=\"{service}\"")).unwrap();
    let silence = Silence::new(matchers, "ana", "INC-12", START, START.plus(lasts)).unwrap();
    DeskSettings {
        silences: Silences::new([silence], vec![]),
        ..DeskSettings::default()
    }
}

/// So many pages a day.
fn budget(pages_max: u64) -> DeskSettings {
    let day = Day {
        pages_max,
        ..Day::default()
    };
    DeskSettings {
        teams: Teams::new(vec![], day),
        ..DeskSettings::default()
    }
}

#[test]
fn what_is_muted_is_told_as_new_when_the_silence_ends_and_it_is_still_there() {
    let mut office = Office::new(silenced("cart", 10 * MINUTE));
    office.see("cart");
    office.wait(9 * MINUTE);
    assert_eq!((office.stages(), office.told.len()), (vec![], 1));
    office.wait(2 * MINUTE);
    assert_eq!(office.sent(), [(Stage::Opened, true)]);
    office.wait(30 * MINUTE);
    assert_eq!(office.stages(), [Stage::Opened, Stage::Resolved]);
}

#[test]
fn what_is_over_before_the_silence_is_never_told() {
    let mut office = Office::new(silenced("cart", 60 * MINUTE));
    office.see("cart");
    office.wait(120 * MINUTE);
    assert_eq!((office.stages(), office.told.len()), (vec![], 2));
}

#[test]
fn what_somebody_took_on_while_it_was_muted_is_told_as_new_afterwards() {
    let mut office = Office::new(silenced("cart", 10 * MINUTE));
    office.see("cart");
    office.wait(9 * MINUTE);
    // The silence ends before it is looked at again, and right then somebody takes it on.
    office.now = START.plus(10 * MINUTE);
    office.deed(Deed::Acknowledge);
    assert_eq!(office.stages().first(), Some(&Stage::Opened));
    let Some(Told::Incident { event, .. }) = office.told.last() else {
        panic!("an incident");
    };
    assert_eq!(event.incident.state, IncidentState::Acknowledged);
}

#[test]
fn a_silence_that_is_lifted_tells_at_once() {
    let mut office = Office::new(silenced("cart", 60 * MINUTE));
    office.see("cart");
    office.wait(MINUTE);
    office.desk.reconfigure(DeskSettings::default());
    office.turn();
    assert_eq!(office.stages(), [Stage::Opened]);
}

#[test]
fn a_silence_that_mutes_what_goes_on_is_of_use() {
    let mut office = Office::new(silenced("cart", 30 * 24 * 60 * MINUTE));
    office.see("cart");
    for _ in 0..9 * 24 * 4 {
        office.now = office.now.plus(14 * MINUTE);
        let number = u64::MAX;
        let mut lasting = sign("cart", number, START);
        lasting.last_seen = office.now;
        office.desk.sign(Arc::new(lasting), office.now);
        office.turn();
        office.desk.look_for_stale(office.now, |_| true);
    }
    office.turn();
    let stale = office.told.iter().filter(|it| matches!(it, Told::Stale(_)));
    assert_eq!(stale.count(), 0);
}

#[test]
fn what_paged_and_was_muted_to_its_end_is_charged_when_it_comes_back() {
    let mut office = Office::new(budget(1));
    office.see("cart");
    office.wait(MINUTE);
    assert_eq!(office.sent(), [(Stage::Opened, true)]);
    let muted = silenced("cart", 16 * MINUTE);
    office.desk.reconfigure(DeskSettings {
        silences: muted.silences,
        ..budget(1)
    });
    office.wait(16 * MINUTE);
    assert_eq!(office.stages(), [Stage::Opened, Stage::Resolved]);
    office.see("cart");
    assert_eq!(office.sent()[2..], [(Stage::Opened, false)]);
}

#[test]
fn an_alert_of_another_system_alone_wakes_nobody_and_with_our_own_sign_it_does() {
    let mut office = Office::new(DeskSettings::default());
    let mut alert = sign("cart", 1, START);
    alert.source = Source::Alert;
    office.desk.sign(Arc::new(alert), START);
    office.wait(MINUTE);
    assert_eq!(office.sent(), [(Stage::Opened, false)]);
    let live = office.desk.live().next().unwrap();
    assert_eq!(&*live.route.why, "another system told of it already");
}

#[test]
fn a_restart_forgets_no_page_of_the_day() {
    let mut office = Office::new(budget(1));
    office.see("cart");
    office.wait(MINUTE);
    office.restart();
    office.see("mail");
    office.wait(MINUTE);
    assert_eq!(
        office.sent(),
        [(Stage::Opened, true), (Stage::Opened, false)]
    );
}

#[test]
fn whoever_was_told_that_it_began_is_told_after_a_restart_that_it_is_over() {
    let mut office = Office::new(DeskSettings::default());
    office.see("cart");
    office.wait(MINUTE);
    office.restart();
    office.wait(30 * MINUTE);
    assert_eq!(office.stages(), [Stage::Opened, Stage::Resolved]);
}

#[test]
fn what_was_muted_before_a_restart_is_told_when_it_is_not_any_more() {
    let mut office = Office::new(silenced("cart", 10 * MINUTE));
    office.see("cart");
    office.wait(MINUTE);
    office.restart();
    office.wait(10 * MINUTE);
    assert_eq!(office.stages(), [Stage::Opened]);
}

#[test]
fn a_restart_does_not_tell_again_of_a_silence_that_is_over() {
    let mut office = Office::new(silenced("cart", MINUTE));
    for _ in 0..3 {
        office.wait(10 * MINUTE);
        office.desk.look_for_stale(office.now, |_| true);
        office.turn();
        office.restart();
    }
    let stale = office.told.iter().filter(|it| matches!(it, Told::Stale(_)));
    assert_eq!(stale.count(), 1);
}

#[test]
fn a_part_of_another_version_or_a_torn_one_is_refused_by_name() {
    let mut office = Office::new(DeskSettings::default());
    office.see("cart");
    office.wait(MINUTE);
    for wrong in ["incidents", "case-0", "desk"] {
        let mut parts: Vec<SavedPart> = office.disk.values().cloned().collect();
        let part = parts.iter_mut().find(|part| &*part.name == wrong).unwrap();
        let body = part.body.as_mut().unwrap();
        body.truncate(body.len() / 2);
        let refused = Desk::restored(DeskSettings::default(), &parts).unwrap_err();
        assert!(refused.to_string().contains(wrong), "{refused}");
    }
    let refused = Desk::restored(DeskSettings::default(), &[]).unwrap_err();
    assert!(refused.to_string().contains("missing"), "{refused}");
}

#[test]
fn one_lost_incident_is_forgotten_and_its_service_is_heard_again() {
    let mut office = Office::new(DeskSettings::default());
    office.see("cart");
    office.wait(MINUTE);
    office.disk.remove("case-0").unwrap();
    office.restart();
    office.see("cart");
    office.wait(MINUTE);
    assert_eq!(office.stages(), [Stage::Opened, Stage::Opened]);
}

#[test]
fn only_what_changed_is_written_again() {
    let mut office = Office::new(DeskSettings::default());
    for service in 0..300 {
        office.see(&format!("s{service}"));
        office.wait(2 * MINUTE);
    }
    let live = office.desk.live().count();
    assert!(live > 5, "{live} incidents");
    office.made += 1;
    let more = sign("s299", office.made, office.now);
    office.desk.sign(Arc::new(more), office.now);
    let changed = office.desk.saved().unwrap();
    let cases = changed.iter().filter(|it| it.name.starts_with("case-"));
    assert_eq!(cases.count(), 1);
}

#[test]
fn a_rollout_counts_from_now_where_the_clock_of_its_first_pod_is_wrong() {
    let mut desk = Desk::new(DeskSettings::default());
    let cart = StreamKey::named("cart");
    let version = |version: &str| Resource::new(vec![("service.version".into(), version.into())]);
    let year = Duration::from_secs(400 * 86_400);
    for wrong in [START, START.plus(year), START.minus(year)] {
        desk.seen((&cart, &version("1")), 5, wrong, START);
    }
    let rolled_out = START.plus(20 * MINUTE);
    desk.seen((&cart, &version("2")), 5, rolled_out.plus(year), rolled_out);
    let rolled_back = START.plus(60 * MINUTE);
    desk.seen(
        (&cart, &version("1")),
        5,
        rolled_back.minus(MINUTE),
        rolled_back,
    );
    let changes = desk.take_changes();
    let told: Vec<_> = changes
        .iter()
        .map(|it| (it.kind, it.to.as_deref(), it.at))
        .collect();
    let kind = ChangeKind::Version;
    assert_eq!(
        told,
        [
            (kind, Some("2"), rolled_out),
            (kind, Some("1"), rolled_back.minus(MINUTE))
        ]
    );
}
