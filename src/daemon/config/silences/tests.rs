use super::*;
use crate::core::silence::{Labels, Subject};
use crate::daemon::config::from_text;

const NOW: &str = "2026-11-22T12:00";

fn at(text: &str) -> Timestamp {
    Zone::UTC.moment(text).unwrap()
}

/// What is wrong with `text`, each as `line:column path: message`.
fn findings(text: &str) -> Vec<String> {
    let told = from_text("k.yaml", text, &[]).unwrap_err().to_string();
    let lines = told.lines().filter_map(|line| line.strip_prefix("k.yaml:"));
    lines.map(str::to_owned).collect()
}

#[test]
fn silences_windows_and_teams_are_read() {
    let text = r#"
silences:
  - matchers: ['service="cart"', 'template!~"payment.*"']
    owner: ana
    reason: INC-12, fixed in 2.9.8
    created: 2026-11-20
    expires: 2026-12-01
windows:
  - { name: backup, matchers: [service=~"db-.*"], every: Sat 22:00-02:00, time_zone: Europe/Berlin, mode: both }
  - { name: batch, matchers: [service=batch], cron: 0 3 * * *, lasts: 2h, mode: no_learn }
  - { name: move, matchers: [namespace=shop], from: 2026-12-01T22:00, until: 2026-12-02T02:00 }
teams:
  - { name: payments, matchers: [service=~"pay.*"], pages_per_day: 5, time_zone: Europe/Berlin, digest_at: 08:30 }
  - { name: shop, matchers: [namespace=shop] }
budget: { pages_per_day: 7, digest_at: 10:00 }
"#;
    let settings = from_text("x", text, &[]).unwrap();
    let silences = settings.silences(at(NOW));
    let verdict = |labels: [(&'static str, &'static str); 1], now| {
        silences.verdict(&Subject::from(Labels::of(labels)), at(now))
    };
    assert_eq!(silences.silences()[0].created, at("2026-11-20"));
    assert!(verdict([("service", "cart")], NOW).muted_by.is_some());
    let backup = verdict([("service", "db-1")], "2026-11-21T23:00");
    assert_eq!(backup.muted_by.unwrap().until, at("2026-11-22T01:00"));
    assert!(backup.no_learn);
    let batch = verdict([("service", "batch")], "2026-11-22T04:59");
    assert_eq!((batch.muted_by, batch.no_learn), (None, true));
    let moved = verdict([("namespace", "shop")], "2026-12-02T01:59");
    assert_eq!((moved.muted_by.is_some(), moved.no_learn), (true, false));
    let teams = settings.teams();
    let payd = Labels::of([("service", "payd")]);
    assert_eq!(teams.team_of(&payd), Some("payments"));
    assert_eq!(teams.day(Some("payments")).pages_max, 5);
    assert_eq!(teams.day(Some("payments")).begins, clock("08:30").unwrap());
    for like_the_rest in [Some("shop"), None] {
        assert_eq!(teams.day(like_the_rest).pages_max, 7);
        assert_eq!(teams.day(like_the_rest).begins, clock("10:00").unwrap());
    }
}

#[test]
fn all_that_is_wrong_is_told_with_its_place_and_a_way_out() {
    let text = r#"silences:
  - matchers: ['sevice="cart"', 'cart', 'service=~"("']
    owner: ana
    reason: x
    expires: someday
  - { matchers: ['service=~".*"'], owner: ana, reason: x, expires: 2026-12-01 }
  - { matchers: [service=a], owner: '', reason: x, expires: 2026-12-01 }
  - { matchers: [service=a], owner: ana, reason: ' ', expires: 2026-12-01 }
  - { matchers: [service=a], owner: ana, reason: x, created: 2027-11-01, expires: 2027-12-01 }
  - { matchers: [service=a], owner: ana, reason: x }
windows:
  - { name: w, matchers: [service=a], every: Sat 22-02, time_zone: UTC }
  - { name: w, matchers: [service=a], every: Sat 22:00-02:00, time_zone: Berlin }
  - { name: v, matchers: [service=a], cron: 0 22 * *, lasts: 1h }
  - { name: u, matchers: [service=a], cron: 0 22 * * * }
  - { name: t, matchers: [class=error], every: Sat 22:00-02:00, mode: both }
  - { name: s, matchers: [service=a], every: Sat 22:00-02:00, mode: quiet }
  - { name: r, matchers: [service=a], from: 2026-12-02, until: 2026-12-01 }
teams:
  - { name: a, matchers: [], digest_at: 9 am }
budget: { pages_per_day: many, time_zone: Mars }
"#;
    let told = findings(text);
    for expected in [
        r#"2:16  silences[0].matchers[0]: there is no label "sevice"; did you mean "service"?"#,
        r#"2:33  silences[0].matchers[1]: "cart" is no matcher (there is no =, !=, =~ or !~ after"#,
        r#"2:41  silences[0].matchers[2]: "(" is no regular expression: unclosed group"#,
        r#"5:14  silences[0].expires: "someday" is no time; write 2026-12-01"#,
        "6:17  silences[1].matchers: it would be for everything; at least one",
        "7:37  silences[2].owner: nobody owns it; write who is to be asked",
        "8:50  silences[3].reason: it has no reason; write why",
        "9:83  silences[4].expires: it would last for more than 90 days; renew it",
        r#"10:5  silences[5]: "expires" is missing"#,
        r#"12:46  windows[0].every: "Sat 22-02" is no weekly window (its first time is none)"#,
        r#"13:13  windows[1].name: "w" does not tell it from others"#,
        r#"13:74  windows[1].time_zone: "Berlin" is no time zone; write one of the IANA"#,
        r#"14:45  windows[2].cron: "0 22 * *" is no cron expression: it has 4 fields and not five"#,
        "15:5  windows[3]: say once when it is: every: Sat 22:00-02:00, or cron",
        "16:26  windows[4].matchers: learning stops for whole services",
        r#"17:69  windows[5].mode: unknown value "quiet"; known here: mute, no_learn, both"#,
        "18:64  windows[6].until: the window would end before it begins",
        r#"20:41  teams[0].digest_at: "9 am" is no time of a day; write "09:00""#,
        "20:26  teams[0].matchers: 0 matchers; write between 1 and 32",
        "21:26  budget.pages_per_day: expected a whole number from 0 on",
        r#"21:43  budget.time_zone: "Mars" is no time zone"#,
    ] {
        let is_told = told.iter().any(|line| line.contains(expected));
        assert!(is_told, "{expected}\n--- not in ---\n{}", told.join("\n"));
    }
    assert_eq!(told.len(), 21, "{}", told.join("\n"));
}

#[test]
fn a_silence_that_is_over_is_no_mistake() {
    let text =
        "silences:\n- { matchers: [service=a], owner: ana, reason: x, expires: 2001-01-01 }\n";
    let settings = from_text("x", text, &[]).unwrap();
    assert_eq!(settings.silences(at(NOW)).silences().len(), 1);
}

#[test]
fn a_silence_without_a_beginning_lasts_no_longer_than_from_now() {
    let entry = |expires: &str| {
        format!(
            "silences: [{{ matchers: [service=a], owner: ana, reason: x, expires: {expires} }}]"
        )
    };
    let findings = |expires: &str| {
        let mut settings = from_text("x", &entry("2001-01-01"), &[]).unwrap();
        settings.silences[0].expires = expires.to_owned();
        check(&settings, at(NOW)).len()
    };
    assert_eq!(findings("2027-02-20"), 0);
    assert_eq!(findings("2027-02-21"), 1);
}

#[test]
fn the_same_silence_twice_is_told() {
    let one = "{ matchers: [service=a], owner: ana, reason: x, expires: 2001-01-01 }";
    let told = findings(&format!("silences:\n- {one}\n- {one}\n"));
    assert!(
        told[0].starts_with("3:3  silences[1]: an earlier silence is the same"),
        "{told:?}"
    );
}
