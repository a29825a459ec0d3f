//! A service that writes three lines for each request, and what of that changes.

use std::time::Duration;

use super::{Flow, FlowBreak, FlowSettings, Heard};
use crate::core::record::{TemplateId, Timestamp, TraceId};

const TAKE: TemplateId = TemplateId(1);
const CHECK: TemplateId = TemplateId(2);
const GIVE: TemplateId = TemplateId(3);
const FAIL: TemplateId = TemplateId(4);
const GRAB: TemplateId = TemplateId(5);

struct Play {
    flow: Flow,
    now: Timestamp,
    requests: u64,
    /// When each break was told, in seconds since the start.
    told: Vec<(u64, FlowBreak)>,
}

impl Play {
    fn new() -> Self {
        Self {
            flow: Flow::default(),
            now: Timestamp::from_millis(1_800_000_000_000),
            requests: 0,
            told: Vec::new(),
        }
    }

    /// A request a second, of these lines.
    fn live(&mut self, seconds: u64, lines: &[TemplateId]) {
        for _ in 0..seconds {
            self.now = self.now.plus(Duration::from_secs(1));
            self.requests += 1;
            for (nth, template) in lines.iter().enumerate() {
                let time = self.now.plus(Duration::from_millis(nth as u64));
                self.flow.hear(heard(self.requests, *template, time));
            }
            let start = Timestamp::from_millis(1_800_000_000_000);
            let second = self.now.since(start).as_secs();
            let broken = self.flow.advance(self.now);
            self.told.extend(broken.into_iter().map(|it| (second, it)));
        }
    }

    fn habits(&self) -> Vec<(Option<TemplateId>, Option<TemplateId>)> {
        let told = self.told.iter();
        let mut habits: Vec<_> = told.map(|(_, it)| (it.after, it.then)).collect();
        habits.sort_unstable();
        habits.dedup();
        habits
    }
}

fn heard(trace: u64, template: TemplateId, time: Timestamp) -> Heard {
    let bytes = [trace.to_be_bytes(), [1; 8]].concat();
    Heard {
        trace: TraceId::from_bytes(&bytes).unwrap(),
        template,
        time,
        place: 7,
    }
}

#[test]
fn a_habit_that_is_broken_is_told_soon_and_once_a_minute_while_that_lasts() {
    let mut play = Play::new();
    play.live(600, &[TAKE, CHECK, GIVE]);
    assert!(play.told.is_empty(), "all was well");
    play.live(300, &[TAKE, CHECK, FAIL]);
    let after_check: Vec<_> = play
        .told
        .iter()
        .filter(|(_, it)| it.after == Some(CHECK))
        .collect();
    let at: Vec<u64> = after_check
        .iter()
        .map(|(second, _)| *second - 600)
        .collect();
    assert!((20..60).contains(&at[0]), "{at:?}");
    assert!(at.windows(2).all(|two| two[1] - two[0] >= 60), "{at:?}");
    assert!((4..=5).contains(&at.len()), "{at:?}");
    let (_, first) = after_check[0];
    assert_eq!((first.then, first.instead), (Some(GIVE), Some(FAIL)));
    assert!(first.is_missing());
    let (times, of) = first.before;
    assert!(of >= 600 && of - times <= 1, "{times} of {of}");
    assert_eq!(first.now.0, 0);
    let since = first
        .first_seen
        .since(play.now.minus(Duration::from_secs(300)));
    assert!(since <= Duration::from_secs(3), "{since:?}");
    play.told.clear();
    play.live(300, &[TAKE, CHECK, GIVE]);
    let late = play.told.iter().filter(|(second, _)| *second > 900 + 130);
    assert_eq!(late.count(), 0, "it is over");
}

#[test]
fn what_is_broken_is_not_learned_and_what_comes_while_all_is_learned_is() {
    for (learns, is_told) in [(false, true), (true, false)] {
        let mut play = Play::new();
        play.live(600, &[TAKE, CHECK, GIVE]);
        play.flow.learn_all(learns);
        play.live(1_300, &[TAKE, FAIL]);
        play.flow.learn_all(false);
        play.told.clear();
        play.live(240, &[TAKE, FAIL]);
        assert_eq!(!play.told.is_empty(), is_told, "learns all: {learns}");
    }
}

#[test]
fn a_rest_forgets_what_goes_on_and_keeps_what_was_learned() {
    let mut play = Play::new();
    play.live(600, &[TAKE, CHECK, GIVE]);
    play.live(25, &[TAKE, CHECK, FAIL]);
    play.flow.rest();
    play.told.clear();
    play.live(240, &[TAKE, CHECK, GIVE]);
    assert_eq!(
        play.habits(),
        [],
        "what was broken before the rest is no news"
    );
    play.live(120, &[TAKE, CHECK, FAIL]);
    assert!(play.habits().contains(&(Some(CHECK), Some(GIVE))));
}

#[test]
fn a_template_that_becomes_another_breaks_no_habit_and_keeps_it() {
    for follows in [true, false] {
        let mut play = Play::new();
        play.live(600, &[TAKE, CHECK, GIVE]);
        if follows {
            play.flow.follow(TAKE, GRAB);
        }
        play.live(240, &[GRAB, CHECK, GIVE]);
        assert_eq!(play.habits().is_empty(), follows);
    }
    let mut play = Play::new();
    play.live(600, &[TAKE, CHECK, GIVE]);
    play.flow.follow(TAKE, GRAB);
    play.flow.follow(GIVE, FAIL);
    play.live(10, &[GRAB, CHECK, FAIL]);
    // What was known of it is known of its successor: this is noticed before anything could be learned.
    play.live(60, &[GRAB, FAIL]);
    assert!(play.habits().contains(&(Some(GRAB), Some(CHECK))));
}

#[test]
fn a_trace_that_stops_half_way_is_told_when_it_has_been_quiet() {
    let mut play = Play::new();
    play.live(600, &[TAKE, CHECK, GIVE]);
    play.live(120, &[TAKE, CHECK]);
    let broken = &play.told.iter().find(|(_, it)| it.after == Some(CHECK));
    let (_, broken) = broken.unwrap();
    assert_eq!((broken.then, broken.instead), (Some(GIVE), None));
    let (stream, resource) = (Default::default(), Default::default());
    let sign = broken.sign(&stream, &resource, |id| format!("line {}", id.0).into());
    assert!(
        sign.says.contains("after “line 2” came “line 3”"),
        "{}",
        sign.says
    );
    assert_eq!(sign.trace, Some(broken.trace));
}

#[test]
fn clocks_that_jump_break_no_habit() {
    let mut play = Play::new();
    play.live(600, &[TAKE, CHECK, GIVE]);
    let days = Duration::from_hours(400 * 24);
    for now in [
        play.now.plus(days),
        play.now,
        play.now.minus(days),
        play.now,
    ] {
        play.now = now;
        play.live(130, &[TAKE, CHECK, GIVE]);
    }
    assert_eq!(play.habits(), []);
}

#[test]
fn traces_and_templates_without_end_fill_no_memory() {
    let settings = FlowSettings::default();
    let mut flow = Flow::new(settings.clone());
    for n in 0..200_000_u64 {
        let time = Timestamp::from_nanos(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        flow.hear(heard(n % 150_000, TemplateId(n), time));
        if n % 1_000 == 0 {
            let broken = flow.advance(Timestamp::from_millis(n * 11));
            assert_eq!(broken, []);
        }
        assert!(flow.open.len() <= settings.traces_max);
    }
    assert!(flow.habits.len() <= settings.templates_max);
    let bytes = postcard::to_allocvec(&flow).unwrap();
    assert!(bytes.len() < 2 << 20, "{} bytes", bytes.len());
}
