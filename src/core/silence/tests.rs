use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::core::event::{
    Cause, Class, Gravity, Incident, IncidentState, Part, Relation, Route, Sign, Source,
    TemplateRef,
};
use crate::core::record::{Resource, Severity, StreamKey, TemplateId};

fn at(text: &str) -> Timestamp {
    Zone::UTC.moment(text).unwrap()
}

fn matchers(text: &str) -> Vec<Matcher> {
    Matcher::parse_all(text).unwrap()
}

fn silence(text: &str, expires: &str) -> Silence {
    let created = at("2026-11-20");
    Silence::new(matchers(text), "ana", "INC-12", created, at(expires)).unwrap()
}

fn window(text: &str, schedule: Schedule, mode: Mode) -> Window {
    Window::new("backup", matchers(text), schedule, mode).unwrap()
}

fn berlin() -> Zone {
    Zone::named("Europe/Berlin").unwrap()
}

fn weekly(text: &str) -> Schedule {
    Schedule::weekly(text, berlin()).unwrap()
}

fn muted(silences: &Silences, labels: &[(&str, &str)], now: &str) -> bool {
    let subject = Subject::from(Labels::of(labels.iter().copied()));
    silences.verdict(&subject, at(now)).muted_by.is_some()
}

fn sign(service: &str, template: &str) -> Sign {
    let resource = [("service.name", service), ("k8s.pod.name", "p-1")];
    let resource = resource.map(|(name, value)| (name.into(), value.into()));
    Sign {
        id: "0".repeat(32).into(),
        fingerprint: format!("{service:0>16}").into(),
        source: Source::Log,
        kind: "new_template".into(),
        class: Class::Error,
        severity: Severity::Warn,
        score: 1.0,
        first_seen: at("2026-11-22"),
        last_seen: at("2026-11-22"),
        count: 1,
        stream: StreamKey::named(service),
        resource: Arc::new(Resource::new(resource.into())),
        trace: None,
        says: "".into(),
        template: Some(TemplateRef {
            id: TemplateId(7),
            text: template.into(),
        }),
        lines: vec![],
        expected: None,
        stack: None,
    }
}

fn incident(signs: Vec<Sign>, parts: &[&str]) -> Incident {
    let part = |name: &&str| Part {
        stream: StreamKey::named(name),
        resource: Arc::default(),
        relation: Relation::First,
        first_seen: at("2026-11-22"),
        signs: 1,
    };
    Incident {
        id: "0".repeat(32).into(),
        fingerprint: "feedfeedfeedfeed".into(),
        revision: 1,
        state: IncidentState::Open,
        severity: Gravity::Critical,
        class: Class::Error,
        title: "".into(),
        began: at("2026-11-22"),
        detected: at("2026-11-22"),
        last_seen: at("2026-11-22"),
        acknowledged: None,
        ended: None,
        parts: parts.iter().map(part).collect(),
        sign_count: signs.len() as u64,
        signs: signs.into_iter().map(Arc::new).collect(),
        cause: Cause::default(),
        before: None,
        route: Route {
            team: Some("shop".into()),
            ..Route::default()
        },
    }
}

#[test]
fn a_silence_mutes_what_all_its_matchers_fit_until_it_expires() {
    let one = silence(r#"service="cart",template!~"payment.*""#, "2026-12-01");
    let all = Silences::new([one], vec![]);
    let cart = [("service", "cart"), ("template", "lock kept")];
    assert!(muted(&all, &cart, "2026-11-22"));
    assert!(muted(&all, &cart, "2026-11-30T23:59:59"));
    assert!(!muted(&all, &cart, "2026-12-01"));
    assert!(!muted(&all, &[("service", "carts")], "2026-11-22"));
    let payment = [("service", "cart"), ("template", "payment retry <num>")];
    assert!(!muted(&all, &payment, "2026-11-22"));
    let by = all
        .verdict(&Subject::from(Labels::of(cart)), at("2026-11-22"))
        .muted_by
        .unwrap();
    assert_eq!(by.until, at("2026-12-01"));
    assert!(by.to_string().ends_with(" of ana (INC-12)"), "{by}");
}

#[test]
fn the_labels_of_a_sign_are_those_that_the_manual_names() {
    let mut sign = sign("cart", "lock <num> kept");
    let resource = [
        ("service.name", "cart"),
        ("service.version", "2.9.7"),
        ("k8s.pod.name", "cart-1"),
        ("host.name", "n-3"),
        ("cloud.zone", "b"),
    ];
    let resource = resource.map(|(name, value)| (name.into(), value.into()));
    sign.resource = Arc::new(Resource::new(resource.into()));
    sign.stream.namespace = "shop".into();
    sign.stream.environment = "prod".into();
    for holds in [
        r#"service="cart",namespace="shop",environment="prod",team="web""#,
        r#"kind="new_template",class="error",severity="warning""#,
        r#"template="0000000000000007",template="lock <num> kept""#,
        r#"pod="cart-1",node="n-3",version="2.9.7",fingerprint="000000000000cart""#,
        r#"cloud.zone="b",service.version=~"2\..*""#,
    ] {
        let all = Silences::new([silence(holds, "2026-12-01")], vec![]);
        let subject = Subject::of_sign(&sign, Some("web"));
        let verdict = all.verdict(&subject, at("2026-11-22"));
        assert!(verdict.muted_by.is_some(), "{holds}");
    }
    let named: BTreeSet<&str> = LABELS.into_iter().collect();
    assert_eq!(named.len(), 12);
}

#[test]
fn a_silence_for_one_service_does_not_hide_what_an_incident_does_to_another() {
    let cart = Silences::new([silence(r#"service="cart""#, "2026-12-01")], vec![]);
    let now = at("2026-11-22");
    let verdict = |incident: &Incident| cart.verdict(&Subject::of_incident(incident), now);
    let alone = incident(vec![sign("cart", "a"), sign("cart", "b")], &["cart"]);
    assert!(verdict(&alone).muted_by.is_some());
    let both = incident(
        vec![sign("cart", "a"), sign("payments", "b")],
        &["cart", "payments"],
    );
    let told = verdict(&both);
    assert_eq!(told.muted_by, None);
    assert_eq!(told.matched.len(), 1, "the silence was of use all the same");
    let unkept = incident(vec![sign("cart", "a")], &["cart", "payments"]);
    assert_eq!(
        verdict(&unkept).muted_by,
        None,
        "a service none of whose signs was kept counts too"
    );
}

#[test]
fn parts_that_are_muted_by_different_silences_are_muted_until_the_first_ends() {
    let all = Silences::new(
        [
            silence(r#"service="cart""#, "2026-12-05"),
            silence(r#"service="payments""#, "2026-12-01"),
            silence(r#"service=~"cart|x""#, "2026-12-02"),
        ],
        vec![],
    );
    let both = incident(
        vec![sign("cart", "a"), sign("payments", "b")],
        &["cart", "payments"],
    );
    let verdict = all.verdict(&Subject::of_incident(&both), at("2026-11-22"));
    assert_eq!(verdict.muted_by.unwrap().until, at("2026-12-01"));
    assert_eq!(verdict.matched.len(), 3);
}

#[test]
fn severity_and_fingerprint_of_an_incident_are_its_own() {
    let one = incident(vec![sign("cart", "a")], &["cart"]);
    let is_muted = |text: &str| {
        let all = Silences::new([silence(text, "2026-12-01")], vec![]);
        let verdict = all.verdict(&Subject::of_incident(&one), at("2026-11-22"));
        verdict.muted_by.is_some()
    };
    assert!(!is_muted(r#"service="cart",severity=~"warning|info""#));
    assert!(is_muted(r#"service="cart",severity="critical""#));
    assert!(is_muted(r#"fingerprint="feedfeedfeedfeed""#));
    assert!(is_muted(r#"team="shop",service="cart""#));
}

#[test]
fn nothing_to_look_at_is_not_muted() {
    let all = Silences::new([silence(r#"service=~".+""#, "2026-12-01")], vec![]);
    let empty = incident(vec![], &[]);
    let verdict = all.verdict(&Subject::of_incident(&empty), at("2026-11-22"));
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn a_window_mutes_or_stops_learning_or_both() {
    for (mode, mutes, stops) in [
        (Mode::Mute, true, false),
        (Mode::NoLearn, false, true),
        (Mode::Both, true, true),
    ] {
        let open = window(r#"service="cart""#, weekly("Sat 22:00-02:00"), mode);
        let all = Silences::new([], vec![open]);
        let cart = Subject::from(Labels::of([("service", "cart")]));
        // Berlin is an hour ahead of UTC in November.
        let verdict = all.verdict(&cart, at("2026-11-21T21:30"));
        assert_eq!(
            (verdict.muted_by.is_some(), verdict.no_learn),
            (mutes, stops)
        );
        let before = all.verdict(&cart, at("2026-11-21T20:59:59"));
        assert_eq!(before, Verdict::default());
        let (stream, resource) = (StreamKey::named("cart"), Resource::default());
        let service = Subject::of_stream(&stream, &resource, None);
        assert_eq!(
            all.verdict(&service, at("2026-11-22T00:59")).no_learn,
            stops
        );
        assert!(!all.verdict(&service, at("2026-11-22T01:00")).no_learn);
    }
}

#[test]
fn the_next_change_is_when_a_silence_ends_or_a_window_opens_or_closes() {
    let open = window(
        r#"service="cart""#,
        weekly("Sat 22:00-02:00"),
        Mode::default(),
    );
    let all = Silences::new([silence(r#"service="a""#, "2026-11-22")], vec![open]);
    let next = |now: &str| all.next_change(at(now)).unwrap();
    assert_eq!(next("2026-11-21"), at("2026-11-21T21:00"));
    assert_eq!(next("2026-11-21T21:00"), at("2026-11-22"));
    assert_eq!(next("2026-11-22"), at("2026-11-22T01:00"));
    assert_eq!(next("2026-11-22T01:00"), at("2026-11-28T21:00"));
    assert_eq!(Silences::default().next_change(at("2026-11-22")), None);
}

#[test]
fn verdicts_change_only_when_a_change_was_announced() {
    let windows = [
        weekly("Sat,Sun 01:30-02:30"),
        weekly("daily 02:15-02:45"),
        Schedule::cron("30 2 * * *", Duration::from_secs(3_600), berlin()).unwrap(),
        Schedule::cron("*/20 * * * *", Duration::from_secs(600), berlin()).unwrap(),
    ];
    for schedule in windows {
        let open = window(r#"service="a""#, schedule, Mode::Mute);
        let all = Silences::new([], vec![open]);
        for day in ["2026-03-28T12:00", "2026-10-24T12:00"] {
            let mut next = all.next_change(at(day)).unwrap();
            let mut was = muted(&all, &[("service", "a")], day);
            for minute in 1..(24 * 60) {
                let now = at(day).plus(Duration::from_secs(minute * 60));
                let subject = Subject::from(Labels::of([("service", "a")]));
                let is = all.verdict(&subject, now).muted_by.is_some();
                if now >= next {
                    next = all.next_change(now).unwrap();
                } else {
                    assert_eq!(is, was, "{now:?} {all:?}");
                }
                was = is;
            }
        }
    }
}

/// The stretches of a day and the next, as `HH:MM-HH:MM` in UTC.
fn stretches(schedule: &Schedule, from: &str, until: &str) -> Vec<String> {
    let clock = |moment: Timestamp| Zone::UTC.local(moment).strftime("%H:%M").to_string();
    let mut told = Vec::new();
    let mut now = at(from);
    while let Some(stretch) = schedule.stretch(now).filter(|one| one.from < at(until)) {
        told.push(format!("{}-{}", clock(stretch.from), clock(stretch.until)));
        now = stretch.until;
    }
    told
}

#[test]
fn where_clocks_are_put_forward_a_window_covers_all_that_it_may_mean() {
    // On 29 March 2026, 02:00 to 03:00 does not come in Berlin; UTC 01:00 is when clocks jump.
    let sunday = |text: &str| stretches(&weekly(text), "2026-03-28T12:00", "2026-03-29T12:00");
    assert_eq!(sunday("Sun 01:00-04:00"), ["00:00-02:00"]);
    assert_eq!(sunday("Sun 02:30-04:00"), ["01:00-02:00"]);
    assert_eq!(sunday("Sun 01:00-02:30"), ["00:00-01:30"]);
    assert_eq!(sunday("Sun 02:10-02:50"), ["01:00-01:50"]);
    assert_eq!(sunday("Sat 22:00-02:00"), ["21:00-01:00"]);
    let hour = Duration::from_secs(3_600);
    let nightly = Schedule::cron("30 2 * * *", hour, berlin()).unwrap();
    let told = stretches(&nightly, "2026-03-28T12:00", "2026-03-29T12:00");
    assert_eq!(
        told,
        ["01:00-02:00"],
        "as cron would, as soon as clocks jump"
    );
}

#[test]
fn where_clocks_are_put_back_a_window_covers_both() {
    // On 25 October 2026, 02:00 to 03:00 comes twice in Berlin, from UTC 00:00 and from 01:00 on.
    let sunday = |text: &str| stretches(&weekly(text), "2026-10-24T12:00", "2026-10-25T12:00");
    assert_eq!(sunday("Sun 01:00-04:00"), ["23:00-03:00"]);
    assert_eq!(sunday("Sun 02:30-04:00"), ["00:30-03:00"]);
    assert_eq!(sunday("Sun 01:00-02:30"), ["23:00-01:30"]);
    assert_eq!(sunday("Sun 02:10-02:50"), ["00:10-01:50"]);
    assert_eq!(sunday("Sat 22:00-02:00"), ["20:00-01:00"]);
    let minutes = Duration::from_secs(600);
    let between = ["2026-10-25T00:00", "2026-10-25T02:00"];
    let of = |text: &str| {
        stretches(
            &Schedule::cron(text, minutes, berlin()).unwrap(),
            between[0],
            between[1],
        )
    };
    assert_eq!(
        of("30 2 * * *"),
        ["00:30-00:40"],
        "a named hour counts once"
    );
    assert_eq!(
        of("30 * * * *"),
        ["00:30-00:40", "01:30-01:40"],
        "every hour does not"
    );
}

#[test]
fn hours_of_the_wall_are_those_of_the_zone_all_year() {
    let noon = weekly("daily 12:00-13:00");
    assert_eq!(
        stretches(&noon, "2026-01-15", "2026-01-16"),
        ["11:00-12:00"]
    );
    assert_eq!(
        stretches(&noon, "2026-07-15", "2026-07-16"),
        ["10:00-11:00"]
    );
    let kathmandu = Zone::named("Asia/Kathmandu").unwrap();
    let noon = Schedule::weekly("daily 12:00-13:00", kathmandu).unwrap();
    assert_eq!(
        stretches(&noon, "2026-07-15", "2026-07-16"),
        ["06:15-07:15"]
    );
}

#[test]
fn days_are_those_on_which_a_window_begins() {
    let of = |text: &str| {
        let utc = Schedule::weekly(text, Zone::UTC).unwrap();
        let days = (22..29).filter(|day| utc.is_open(at(&format!("2026-11-{day}T23:30"))));
        days.collect::<Vec<_>>()
    };
    // 2026-11-22 is a Sunday.
    assert_eq!(of("Sun 23:00-01:00"), [22]);
    assert_eq!(of("Mon-Wed 23:00-01:00"), [23, 24, 25]);
    assert_eq!(of("fri-mon 23:00-24:00"), [22, 23, 27, 28]);
    assert_eq!(of("Tue,thu 23:00-23:31"), [24, 26]);
    assert_eq!(of("daily 23:00-23:45").len(), 7);
}

#[test]
fn stretches_that_touch_are_one() {
    let utc = |text: &str| Schedule::weekly(text, Zone::UTC).unwrap();
    let weekend = utc("Sat,Sun 00:00-24:00")
        .stretch(at("2026-11-20"))
        .unwrap();
    assert_eq!(
        (weekend.from, weekend.until),
        (at("2026-11-21"), at("2026-11-23"))
    );
    let quarter = Duration::from_secs(15 * 60);
    let often = Schedule::cron("*/10 8-9 * * *", quarter, Zone::UTC).unwrap();
    let morning = often.stretch(at("2026-11-20")).unwrap();
    assert_eq!(
        (morning.from, morning.until),
        (at("2026-11-20T08:00"), at("2026-11-20T10:05"))
    );
}

#[test]
fn a_window_that_never_closes_is_refused() {
    let day = Duration::from_secs(86_400);
    for (name, refused) in [
        ("weekly", Schedule::weekly("daily 09:00-09:00", Zone::UTC)),
        ("zoned", Schedule::weekly("daily 00:00-24:00", berlin())),
        ("cron", Schedule::cron("0 0 * * *", day, Zone::UTC)),
        (
            "often",
            Schedule::cron("* * * * *", Duration::from_secs(60), Zone::UTC),
        ),
        (
            "long",
            Schedule::cron("0 0 1 1 *", OPEN_MAX + day, Zone::UTC),
        ),
        ("once", Schedule::once(at("2026-01-01"), at("2026-05-01"))),
    ] {
        assert!(
            matches!(refused, Err(ScheduleError::TooLong(_))),
            "{name}: {refused:?}"
        );
    }
    assert_eq!(
        Schedule::once(at("2026-01-02"), at("2026-01-01")),
        Err(ScheduleError::Empty)
    );
}

#[test]
fn what_is_no_weekly_window_says_where_it_goes_wrong() {
    for (text, reason) in [
        ("22:00-02:00", "no day and time"),
        ("Sat 22:00", "no two times"),
        ("Caturday 22:00-02:00", "its day is none"),
        ("Sat 25:00-02:00", "its first time is none"),
        ("Sat 22:00-2:00", "its second time is none"),
    ] {
        let refused = Schedule::weekly(text, Zone::UTC).unwrap_err().to_string();
        assert!(refused.contains(reason), "{text}: {refused}");
    }
}

#[test]
fn no_clock_is_too_early_or_too_late() {
    let utc = |text: &str| Schedule::weekly(text, Zone::UTC).unwrap();
    let cron = Schedule::cron("0 0 29 feb *", Duration::from_secs(60), berlin()).unwrap();
    let once = Schedule::once(at("2026-01-01"), at("2026-01-02")).unwrap();
    let all = [utc("daily 22:00-02:00"), cron, once];
    for nanos in [0, 1, u64::MAX - 1, u64::MAX] {
        let now = Timestamp::from_nanos(nanos);
        for schedule in &all {
            let windows = vec![window(r#"service="a""#, schedule.clone(), Mode::Both)];
            let silences = Silences::new([silence(r#"service="b""#, "2026-12-01")], windows);
            let subject = Subject::from(Labels::of([("service", "a")]));
            let verdict = silences.verdict(&subject, now);
            let next = silences.next_change(now);
            assert!(next.is_none_or(|next| next > now), "{verdict:?} {next:?}");
        }
    }
}

#[test]
fn a_silence_for_everything_or_without_owner_reason_or_end_is_refused() {
    let created = at("2026-11-20");
    let make = |text: &str, owner: &str, reason: &str, expires: &str| {
        Silence::new(matchers(text), owner, reason, created, at(expires)).unwrap_err()
    };
    let soon = "2026-12-01";
    assert_eq!(make("", "ana", "x", soon), SilenceError::MatcherCount(0));
    for everything in [
        r#"service=~".*""#,
        r#"template!~"payment.*""#,
        r#"service="""#,
    ] {
        assert_eq!(
            make(everything, "ana", "x", soon),
            SilenceError::Everything,
            "{everything}"
        );
    }
    assert_eq!(
        make(r#"service="a""#, " ", "x", soon),
        SilenceError::NoOwner
    );
    assert_eq!(
        make(r#"service="a""#, "ana", "", soon),
        SilenceError::NoReason
    );
    assert_eq!(
        make(r#"service="a""#, "ana", "x", "2027-11-20"),
        SilenceError::TooLong
    );
    let nights = || weekly("Sat 22:00-02:00");
    // Who learns knows whole services: of a pod or a team it would not notice the window.
    for label in [
        "class",
        "template",
        "team",
        "pod",
        "node",
        "version",
        "cloud.zone",
    ] {
        for mode in [Mode::NoLearn, Mode::Both] {
            let text = format!("service=\"a\",{label}=\"b\"");
            let refused = Window::new("w", matchers(&text), nights(), mode);
            assert!(
                matches!(refused, Err(WindowError::NotOfServices(_))),
                "{label}"
            );
        }
    }
    let of_services = r#"service="a",namespace="b",environment="c""#;
    assert!(Window::new("w", matchers(of_services), nights(), Mode::Both).is_ok());
    assert!(Window::new("w", matchers(r#"class="error""#), nights(), Mode::Mute).is_ok());
}

#[test]
fn the_same_silence_has_the_same_id_and_is_kept_once() {
    let one = silence(r#"service="a""#, "2026-12-01");
    let later = Silence::new(
        one.matchers.clone(),
        "ana",
        "INC-12",
        at("2026-11-21"),
        one.expires,
    );
    let later = later.unwrap();
    assert_eq!((one.id.len(), &one.id), (32, &later.id));
    assert_ne!(one.id, silence(r#"service="b""#, "2026-12-01").id);
    assert_eq!(
        Silences::new([one.clone(), later], vec![]).silences().len(),
        1
    );
    let written = serde_json::to_string(&one).unwrap();
    assert!(
        written.contains(r#""matchers":["service=\"a\""]"#),
        "{written}"
    );
    assert_eq!(serde_json::from_str::<Silence>(&written).unwrap(), one);
}

#[test]
fn the_first_team_whose_matchers_fit_has_it() {
    let team = |name: &str, text: &str, pages_max| Team {
        name: name.into(),
        matchers: matchers(text),
        day: Day {
            pages_max,
            ..Day::default()
        },
    };
    let both = vec![
        team("payments", r#"service=~"pay.*""#, 5),
        team("shop", r#"namespace="shop""#, 7),
    ];
    let teams = Teams::new(both, Day::default());
    assert_eq!(teams.day(Some("shop")).pages_max, 7);
    assert_eq!(teams.day(None).pages_max, 10);
    let of = |labels: &[(&str, &str)]| {
        let labels = Labels::of(labels.iter().copied());
        teams.team_of(&labels).map(str::to_owned)
    };
    assert_eq!(
        of(&[("service", "payd"), ("namespace", "shop")]).as_deref(),
        Some("payments")
    );
    assert_eq!(
        of(&[("service", "cart"), ("namespace", "shop")]).as_deref(),
        Some("shop")
    );
    assert_eq!(of(&[("service", "cart")]), None);
}

#[test]
fn the_day_of_a_team_begins_once_a_day_whatever_is_done_to_its_clocks() {
    for (begins, first, change) in [
        ("02:30", "2026-10-23T00:00", "2026-10-25T00:30"),
        ("02:30", "2026-03-27T00:00", "2026-03-29T01:00"),
        ("09:00", "2026-03-27T00:00", "2026-03-29T07:00"),
    ] {
        let day = Day {
            zone: berlin(),
            begins: clock(begins).unwrap(),
            ..Day::default()
        };
        let minutes = |count: u64| at(first).plus(Duration::from_secs(60 * count));
        let numbers: Vec<i64> = (0..5 * 24 * 60).map(|n| day.number(minutes(n))).collect();
        assert!(numbers.is_sorted(), "{begins}");
        assert!(numbers.windows(2).all(|two| two[1] - two[0] <= 1));
        assert_eq!(numbers.last().unwrap() - numbers.first().unwrap(), 5);
        let before = at(change).minus(Duration::from_secs(1));
        assert_eq!(day.number(at(change)) - day.number(before), 1, "{begins}");
    }
    assert_eq!(Day::default().number(Timestamp::ZERO), -1);
    assert_eq!(Day::default().number(at("1970-01-02T09:00")), 1);
}

mod stale {
    use super::*;

    const STALE: StaleAfter = StaleAfter {
        unused: Duration::from_secs(7 * 86_400),
        ends_soon: Duration::from_secs(86_400),
    };

    fn hours(n: u64) -> Duration {
        Duration::from_secs(n * 3_600)
    }

    /// What is told when looked at every hour over `days`, by day.
    fn told(watch: &mut Watch, all: &Silences, from: Timestamp, days: u64) -> Vec<(u64, Why)> {
        let looks = (0..days * 24).flat_map(|turn| {
            let now = from.plus(hours(turn));
            let warnings = watch.look(all, now, STALE, |owner| owner == "ana");
            warnings
                .into_iter()
                .map(move |warning| (turn / 24, warning.why))
        });
        looks.collect()
    }

    #[test]
    fn a_silence_that_muted_nothing_for_a_week_is_told_once_a_day_until_it_is_of_use() {
        let all = Silences::new([silence(r#"service="a""#, "2027-01-01")], vec![]);
        let (mut watch, from) = (Watch::default(), at("2026-11-20"));
        let unused = |days: &[u64]| {
            days.iter()
                .map(|day| (*day, Why::Unused))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&mut watch, &all, from, 10), unused(&[7, 8, 9]));
        let used = from.plus(hours(24 * 10));
        watch.look(&all, used, STALE, |_| true);
        let subject = Subject::from(Labels::of([("service", "a")]));
        watch.note(&all.verdict(&subject, used));
        assert_eq!(told(&mut watch, &all, used, 9), unused(&[7, 8]));
        let other = Subject::from(Labels::of([("service", "b")]));
        watch.note(&all.verdict(&other, used.plus(hours(216))));
        let again = told(&mut watch, &all, used.plus(hours(24 * 9)), 1);
        assert_eq!(again, unused(&[0]), "what it does not mute is no use of it");
    }

    #[test]
    fn one_that_ends_is_told_a_day_before_and_once_after() {
        let all = Silences::new([silence(r#"service="a""#, "2026-11-23")], vec![]);
        let mut watch = Watch::default();
        assert_eq!(
            told(&mut watch, &all, at("2026-11-20"), 12),
            [(2, Why::EndsSoon), (3, Why::Over)]
        );
        let kept: Watch = serde_json::from_str(&serde_json::to_string(&watch).unwrap()).unwrap();
        assert_eq!(
            told(&mut kept.clone(), &all, at("2026-12-02"), 3),
            [],
            "a restart tells nothing again"
        );
    }

    #[test]
    fn one_whose_owner_is_gone_is_told() {
        let mut orphan = silence(r#"service="a""#, "2027-01-01");
        orphan.owner = "bob".into();
        let all = Silences::new([orphan], vec![]);
        let warnings = Watch::default().look(&all, at("2026-11-20"), STALE, |owner| owner == "ana");
        assert_eq!(warnings[0].why, Why::OwnerGone);
        assert!(
            warnings[0].says.contains("whom nobody knows"),
            "{}",
            warnings[0].says
        );
    }

    #[test]
    fn a_clock_that_jumps_ahead_and_back_tells_no_more_than_once_each() {
        let all = Silences::new([silence(r#"service="a""#, "2026-12-20")], vec![]);
        let (mut watch, from) = (Watch::default(), at("2026-11-20"));
        let ahead = from.plus(hours(24 * 400));
        watch.look(&all, from, STALE, |_| true);
        assert_eq!(told(&mut watch, &all, ahead, 1), [(0, Why::Over)]);
        assert_eq!(told(&mut watch, &all, from, 2), []);
        let behind = from.minus(hours(24 * 400));
        assert_eq!(told(&mut watch, &all, behind, 2), []);
        assert_eq!(told(&mut watch, &all, from, 2), []);
    }

    #[test]
    fn what_is_taken_out_of_the_file_is_forgotten() {
        let all = Silences::new([silence(r#"service="a""#, "2027-01-01")], vec![]);
        let mut watch = Watch::default();
        watch.look(&all, at("2026-11-20"), STALE, |_| true);
        watch.look(&Silences::default(), at("2026-11-20"), STALE, |_| true);
        assert_eq!(watch.look(&all, at("2026-12-20"), STALE, |_| true), []);
    }
}
