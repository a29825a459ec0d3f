//! A strategy: voices that follow from a seed, and the rules they speak against.

use std::time::Duration;

use knothole::core::event::{Mode, Remedy};
use knothole::core::record::Timestamp;
use knothole::core::remedy::rule::Rule;
use knothole::edge::receive::Sent;

use crate::dice::Dice;
use crate::faces::Face;
use crate::town::Town;
use crate::traffic::{STEPS, ids};
use crate::wire::{Line, logs};
use crate::words::Words;
use crate::world::START;

/// How many rule sets there are.
pub(crate) const RULES: u64 = 7;

/// What an attacker does, against which rules.
#[derive(Clone, Debug)]
pub(crate) struct Strategy {
    pub(crate) seed: u64,
    /// Which rule set.
    pub(crate) rules: u64,
    /// Whether senders have to show a token. The attacker has one.
    pub(crate) is_authenticated: bool,
    /// Whether a person approves all they are told in the first half, and the rules are automatic in the second.
    pub(crate) is_trusted: bool,
    pub(crate) voices: Vec<Voice>,
    pub(crate) lasts: Duration,
    /// How much time passes in one step.
    pub(crate) step: Duration,
    /// How often each service handles a request.
    pub(crate) request_every: Duration,
}

/// One thing that an attacker keeps doing.
#[derive(Clone, Debug)]
pub(crate) struct Voice {
    pub(crate) face: Face,
    pub(crate) words: Words,
    frame: Frame,
    clock: Clock,
    beat: Beat,
    severity: i32,
    from: Duration,
    until: Duration,
}

/// What a line is part of.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// Nothing.
    Alone,
    /// A trace of its own that begins as requests do.
    Torn,
    /// A request that really was handled, and its span.
    Woven,
    /// One trace for all services.
    Shared,
}

/// When lines claim to be written.
#[derive(Clone, Copy, Debug)]
enum Clock {
    Now,
    Never,
    /// So many seconds from now.
    Off(i64),
}

/// How often it speaks.
#[derive(Clone, Copy, Debug)]
enum Beat {
    /// Every so many seconds.
    Every(u64),
    /// So many at once, once a minute.
    Burst(u64),
}

impl Strategy {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(0x5eed_0000 + seed);
        let is_slow = seed % 50 == 24;
        let lasts = if is_slow { 3 * 3_600 } else { 400 };
        let is_flood = seed % 50 == 12;
        let mut voices: Vec<Voice> = (0..1 + dice.below(3))
            .map(|_| Voice::any(lasts, &mut dice))
            .collect();
        // Each face and each kind of words comes first in some.
        let first = &mut voices[0];
        first.face = Face::ALL[usize::try_from(seed).unwrap() % Face::ALL.len()];
        first.words = Words::ALL[usize::try_from(seed / 3).unwrap() % Words::ALL.len()];
        (first.from, first.until) = (Duration::ZERO, Duration::from_secs(lasts));
        if is_flood {
            first.beat = Beat::Burst(60);
        }
        Self {
            seed,
            rules: seed % RULES,
            is_authenticated: dice.percent(60),
            is_trusted: dice.percent(15),
            voices,
            lasts: Duration::from_secs(lasts),
            step: Duration::from_secs(if is_slow { 30 } else { 5 }),
            request_every: Duration::from_secs(match (is_slow, seed % 10) {
                (true, _) => 120,
                (false, 3) => 4,
                (false, _) => 40,
            }),
        }
    }
}

impl Voice {
    fn any(lasts: u64, dice: &mut Dice) -> Self {
        let frames = [
            Frame::Alone,
            Frame::Torn,
            Frame::Torn,
            Frame::Woven,
            Frame::Shared,
        ];
        let clocks = [
            Clock::Now,
            Clock::Now,
            Clock::Now,
            Clock::Never,
            Clock::Off(-3_600),
            Clock::Off(-400_000_000),
            Clock::Off(90),
            Clock::Off(400_000_000),
        ];
        let beats = [
            Beat::Every(lasts / 90),
            Beat::Every(lasts / 30),
            Beat::Every(lasts / 12),
            Beat::Burst(8),
        ];
        let late = dice.percent(20);
        let ends = dice.percent(30);
        let half = Duration::from_secs(lasts / 2);
        Self {
            face: Face::ALL[dice.index(Face::ALL.len())],
            words: Words::ALL[dice.index(Words::ALL.len())],
            frame: frames[dice.index(frames.len())],
            clock: clocks[dice.index(clocks.len())],
            beat: beats[dice.index(beats.len())],
            severity: [0, 1, 9, 17, 21, 24, 255, -7][dice.index(8)],
            from: if late { half } else { Duration::ZERO },
            until: if ends { half * 3 / 2 } else { half * 2 },
        }
    }

    /// One that shouts errors in the name of `face` as loudly as it can.
    pub(crate) fn loud(face: Face) -> Self {
        Self {
            face,
            words: Words::Errors,
            frame: Frame::Torn,
            clock: Clock::Now,
            beat: Beat::Every(8),
            severity: 21,
            from: Duration::ZERO,
            until: Duration::MAX,
        }
    }

    /// The same within requests that are really handled.
    pub(crate) fn woven(face: Face) -> Self {
        Self {
            frame: Frame::Woven,
            beat: Beat::Every(4),
            ..Self::loud(face)
        }
    }

    /// The same, many times over.
    pub(crate) fn flood(face: Face) -> Self {
        Self {
            beat: Beat::Burst(150),
            ..Self::loud(face)
        }
    }

    /// What it sends in the step that ends `now`. `real` is the latest request that was really handled.
    pub(crate) fn speak(
        &self,
        (now, step): (Timestamp, Duration),
        town: &Town,
        real: &(Vec<u8>, Vec<u8>),
        dice: &mut Dice,
    ) -> Vec<Sent> {
        let at = now.since(START);
        if at < self.from || at >= self.until {
            return Vec::new();
        }
        let (at, step) = (at.as_secs(), step.as_secs());
        let (turn, times) = match self.beat {
            Beat::Every(seconds) => {
                let seconds = seconds.max(1);
                (at / seconds, u64::from(at % seconds < step))
            }
            Beat::Burst(times) => (at, if at % 60 < step { times } else { 0 }),
        };
        (0..times)
            .map(|nth| {
                let turn = turn + nth;
                let claims = self.face.claims(town, turn, dice);
                logs(&claims, self.lines(now, turn, real, dice))
            })
            .collect()
    }

    fn lines(
        &self,
        now: Timestamp,
        turn: u64,
        real: &(Vec<u8>, Vec<u8>),
        dice: &mut Dice,
    ) -> Vec<Line> {
        let mut bodies = self.words.lines("cart-00000001", dice);
        let (trace, span) = match self.frame {
            Frame::Alone => (Vec::new(), Vec::new()),
            Frame::Torn => {
                let begun = STEPS[..2].iter().map(|it| it.replace('%', "7"));
                bodies.splice(0..0, begun);
                (ids(16, dice), ids(8, dice))
            }
            Frame::Woven => real.clone(),
            Frame::Shared => (vec![7; 16], turn.to_be_bytes().into()),
        };
        let line = |(nth, body): (usize, String)| Line {
            body,
            severity: self.severity,
            time: self.clock.at(now, nth as u64),
            trace: trace.clone(),
            span: span.clone(),
            attributes: vec![
                ("k8s.pod.name".into(), "pay-00000005".into()),
                ("knothole.action".into(), "restart_pod".into()),
            ],
        };
        bodies.into_iter().enumerate().map(line).collect()
    }
}

impl Clock {
    fn at(self, now: Timestamp, nth: u64) -> Option<u64> {
        let at = now.as_nanos() + nth * 5_000_000;
        match self {
            Self::Now => Some(at),
            Self::Never => None,
            Self::Off(seconds) => at.checked_add_signed(seconds * 1_000_000_000),
        }
    }
}

/// The rules of a set; `mode` where the set does not say otherwise.
pub(crate) fn rules(set: u64, mode: Mode) -> Vec<Rule> {
    let rule = |remedy: Remedy| Rule {
        name: remedy.kind().name().into(),
        mode,
        remedy,
        kinds: vec![],
        services: vec![],
        score_min: 0.8,
        ttl: Rule::TTL_DEFAULT,
        persist: Rule::PERSIST_DEFAULT,
        pod_age_min: Rule::POD_AGE_DEFAULT,
        stabilise: Duration::from_secs(60),
        after: vec![],
        stateful: false,
    };
    let scale = Remedy::Scale { by: 1, max: 30 };
    let all = [
        Remedy::RestartPod,
        Remedy::RestartWorkload,
        scale.clone(),
        Remedy::RollBack,
    ];
    match set {
        0 => vec![rule(Remedy::RestartPod)],
        1 => vec![rule(Remedy::RestartWorkload)],
        2 => vec![rule(scale)],
        3 => vec![rule(Remedy::RollBack)],
        4 => all.map(rule).into(),
        5 => vec![
            Rule {
                stateful: true,
                persist: Duration::ZERO,
                ..rule(Remedy::RestartPod)
            },
            Rule {
                stateful: true,
                persist: Duration::ZERO,
                after: vec!["restart_pod".into()],
                ..rule(Remedy::RestartWorkload)
            },
        ],
        _ => vec![
            Rule {
                services: vec!["shop/cart".into(), "kube-system/dns".into()],
                ..rule(Remedy::RestartPod)
            },
            rule(Remedy::Webhook),
        ],
    }
}
