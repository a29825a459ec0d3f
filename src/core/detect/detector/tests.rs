//! What a detector promises, with voices learned from made-up sequences and an untrained network.

use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use std::time::Duration;

use super::*;
use crate::core::detect::judging::scores_of_all;
use crate::core::detect::{FAMILIES, TAIL_LEN};
use crate::core::event::TemplateRef;
use crate::core::model::network_tests::weights;
use crate::core::model::{Calibration, Manifest, Network, Stepper, device};
use crate::core::record::{TemplateId, Timestamp};

/// Templates that the model knows, 0 to 8.
const TEMPLATES: u64 = 9;
const KEY_COUNT: usize = TEMPLATES as usize + Key::MARKER_COUNT;
/// Of a job: opened, parts asked for, parts delivered, flushed, closed.
const OPEN: u64 = 0;
const ASK: u64 = 1;
const DELIVER: u64 = 2;
const FLUSH: u64 = 3;
const CLOSE: u64 = 4;
/// Of what a process says for ever.
const TICK: u64 = 5;
const TOCK: u64 = 6;
const SWEEP: u64 = 7;
/// A template that no model knows.
const NEW: u64 = 99;

/// Events and how long after the one before each came, in milliseconds.
type Timed = Vec<(u64, u64)>;

fn sequence(timed: &[(u64, u64)], start_ms: u64) -> EventSequence {
    let mut now = start_ms;
    let times = timed.iter().map(|(_, after)| {
        now += after;
        Timestamp::from_millis(now)
    });
    EventSequence {
        times: times.collect(),
        ..EventSequence::whole(timed.iter().map(|(id, _)| TemplateId(*id)).collect())
    }
}

fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    move |sides| rng.next_u64() % sides
}

/// One burst of work: all that is asked for is delivered, in whatever order, then flushed.
fn burst(dice: &mut dyn FnMut(u64) -> u64) -> Timed {
    let mut burst = vec![(ASK, 10_000 + dice(4_000))];
    let (mut open, mut left) = (1, dice(3));
    while open + left > 0 {
        let asks = left > 0 && (open == 0 || dice(2) == 0);
        burst.push((if asks { ASK } else { DELIVER }, 20 + dice(80)));
        if asks {
            (open, left) = (open + 1, left - 1);
        } else {
            open -= 1;
        }
    }
    burst.push((FLUSH, 20 + dice(80)));
    burst
}

/// A job of one to four bursts with a rest before each, known from its beginning.
fn job(dice: &mut dyn FnMut(u64) -> u64) -> Timed {
    let mut job = vec![(OPEN, 0)];
    for _ in 0..=dice(4) {
        job.extend(burst(dice));
    }
    job.push((CLOSE, 20 + dice(80)));
    job
}

fn jobs(count: u64, seed: u64) -> Vec<EventSequence> {
    let mut dice = dice(seed);
    (0..count)
        .map(|index| sequence(&job(&mut dice), index * 60_000))
        .collect()
}

/// A stretch of what a process says.
fn talk(rounds: u64, seed: u64) -> EventSequence {
    let mut dice = dice(seed);
    let mut timed = Vec::new();
    for _ in 0..rounds {
        timed.extend([(TICK, 1_000), (TOCK, 20 + dice(80))]);
        if dice(4) == 0 {
            timed.push((SWEEP, 20 + dice(80)));
        }
    }
    EventSequence {
        begins: false,
        ends: false,
        ..sequence(&timed, seed * 1_000_000)
    }
}

/// What `normal` teaches: the first half the voices, the second half where normal ends.
fn population(normal: &[EventSequence], bundle: &Bundle) -> Population {
    let hear = |sequence| Heard::new(sequence, bundle.vocabulary());
    let heard: Vec<Heard> = normal.iter().map(hear).collect();
    let (taught, held_out) = heard.split_at(heard.len() / 2);
    let mind = Mind::learn(taught, KEY_COUNT);
    let mut order = Order::with_nodes_max(Stepper::new(&weights(KEY_COUNT)), 0, 1_024);
    let rows = scores_of_all(&mind, &mut order, held_out);
    Population {
        ensemble: Ensemble::learn(&rows, &FAMILIES),
        mind,
    }
}

fn bundle(voices: &[u8]) -> Bundle {
    let template = |id| TemplateRef {
        id: TemplateId(id),
        text: format!("template {id}").into(),
    };
    let templates: Vec<TemplateRef> = (0..TEMPLATES).map(template).collect();
    let manifest = Manifest {
        calibration: Calibration {
            alarm_rate: 0.002,
            ..Calibration::default()
        },
        ..Manifest::of_templates(&templates)
    };
    let network = Network::new(weights(KEY_COUNT), &device()).unwrap();
    Bundle::new(manifest, &network, voices).unwrap()
}

/// A model of `count` normal sequences of each sort.
fn trained(count: u64) -> Arc<Bundle> {
    let blank = bundle(&[]);
    let stretches: Vec<EventSequence> = (0..count).map(|seed| talk(20, seed)).collect();
    let learned = Learned {
        begun: population(&jobs(count, 1), &blank),
        endless: population(&stretches, &blank),
    };
    Arc::new(bundle(&learned.to_bytes().unwrap()))
}

fn detector(count: u64) -> Detector {
    Detector::new(trained(count)).unwrap()
}

/// The latest `len` events of what a detector heard, as a stream that keeps no more has them.
fn latest(sequence: &EventSequence, until: usize, len: usize) -> EventSequence {
    let from = until.saturating_sub(len);
    EventSequence {
        events: sequence.events[from..until].to_vec(),
        times: sequence.times[from..until].to_vec(),
        begins: sequence.begins && from == 0,
        ..EventSequence::default()
    }
}

/// Judges record by record as a stream does, which forgets all it knew of the sequence after
/// `cut` records: where the alarm was raised in flight, and what was told at the end.
fn streamed(
    detector: &mut Detector,
    sequence: &EventSequence,
    cut: usize,
) -> (Option<usize>, Option<Alarm>) {
    let bundle = Arc::clone(detector.bundle());
    let mut state = detector.begin(sequence.begins);
    let mut first = None;
    for (position, event) in sequence.events.iter().enumerate() {
        if position == cut {
            let before = latest(sequence, position, usize::MAX);
            detector.release(state);
            state = detector.resume(&Heard::new(&before, bundle.vocabulary()));
        }
        let tail = latest(sequence, position + 1, TAIL_LEN);
        let step = Step {
            state: &mut state,
            heard: &Heard::new(&tail, bundle.vocabulary()),
            came: bundle.vocabulary().key_of(*event),
        };
        let alarm = detector.advance(&mut [step]).unwrap().remove(0);
        first = first.or(alarm.map(|_| position));
    }
    let heard = Heard::new(sequence, bundle.vocabulary());
    let at_end = detector.end(&state, &heard).unwrap();
    detector.release(state);
    (first, at_end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sequence_is_judged_alike_whole_and_record_by_record(
        start in 0u64..20,
        changed in prop::collection::vec((0usize..200, 0u64..10), 0..12),
        length in 1u64..6,
        begins: bool,
        ends: bool,
        cut in 0usize..100,
    ) {
        let mut whole = detector(40);
        let mut stream = detector(40);
        whole.set_alarm_rate(0.1);
        stream.set_alarm_rate(0.1);
        // The second one has the company of the first.
        for round in 0..2 {
            let mut dice = dice(start + round);
            let mut timed: Timed = (0..length).flat_map(|_| job(&mut dice)).collect();
            for (place, id) in &changed {
                let at = place % timed.len();
                timed[at].0 = if *id == 9 { NEW } else { *id };
            }
            let sequence = EventSequence { begins, ends, ..sequence(&timed, 0) };
            let judged = whole.judge(&sequence).unwrap();
            let (in_flight, at_end) = streamed(&mut stream, &sequence, cut);
            let len = sequence.events.len();
            prop_assert_eq!(judged.first_alarm, in_flight.or(at_end.as_ref().map(|_| len)));
            prop_assert_eq!(judged.is_alarm, at_end.is_some());
            prop_assert!(at_end.is_none_or(|alarm| alarm.p_value == judged.p_value));
        }
    }
}

#[test]
fn sequences_that_are_judged_together_are_judged_as_if_alone() {
    let mut detector = detector(40);
    detector.set_alarm_rate(0.2);
    let vocabulary = detector.bundle().vocabulary().clone();
    let mut dice = dice(7);
    let mut timed: Vec<Timed> = (0..30).map(|_| job(&mut dice)).collect();
    // Odd ones among them.
    timed
        .iter_mut()
        .step_by(3)
        .for_each(|timed| timed[2].0 = TICK);
    let sequences: Vec<_> = timed.iter().map(|timed| sequence(timed, 0)).collect();
    let alone: Vec<_> = sequences
        .iter()
        .map(|sequence| streamed(&mut detector, sequence, usize::MAX).0)
        .collect();
    let mut states: Vec<Listening> = sequences.iter().map(|_| detector.begin(true)).collect();
    let mut together = vec![None; sequences.len()];
    let longest = sequences.iter().map(|one| one.events.len()).max().unwrap();
    for position in 0..longest {
        let going = |one: &EventSequence| position < one.events.len();
        let heard: Vec<Option<Heard>> = sequences
            .iter()
            .map(|one| going(one).then(|| Heard::new(&latest(one, position + 1, 64), &vocabulary)))
            .collect();
        let (mut steps, mut indices) = (Vec::new(), Vec::new());
        for (index, (state, heard)) in states.iter_mut().zip(&heard).enumerate() {
            if let Some(heard) = heard {
                let came = vocabulary.key_of(sequences[index].events[position]);
                steps.push(Step { state, heard, came });
                indices.push(index);
            }
        }
        for (index, alarm) in indices.iter().zip(detector.advance(&mut steps).unwrap()) {
            let first: &mut Option<usize> = &mut together[*index];
            *first = first.or(alarm.map(|_| position));
        }
    }
    assert_eq!(alone, together);
    assert!(together.iter().flatten().count() >= 5, "{together:?}");
}

#[test]
fn what_a_process_says_and_what_a_job_does_are_judged_apart() {
    let mut detector = detector(200);
    let begun = |sequence| EventSequence {
        begins: true,
        ..sequence
    };
    let midway = |sequence| EventSequence {
        begins: false,
        ends: false,
        ..sequence
    };
    let mut is_alarm = |sequence| detector.judge(&sequence).unwrap().is_alarm;
    let a_job = || jobs(1, 5).remove(0);
    assert!(!is_alarm(talk(20, 900)) && !is_alarm(a_job()));
    assert!(is_alarm(begun(talk(20, 901))), "no job talks like that");
    assert!(is_alarm(midway(a_job())), "no process talks like that");
}

#[test]
fn a_job_so_long_that_it_is_judged_in_stretches_is_of_one_sort_whether_it_was_followed_or_taken_up()
{
    let mut detector = detector(200);
    let vocabulary = detector.bundle().vocabulary().clone();
    // It begins as no process does, and then goes on as processes do.
    let sequence = talk(40, 900);
    let (first, second) = (latest(&sequence, 20, 20), latest(&sequence, 40, 20));
    let (first, second) = [first, second]
        .map(|one| Heard::new(&one, &vocabulary))
        .into();
    let mut followed = detector.begin(true);
    assert!(
        detector.end(&followed, &first).unwrap().is_some(),
        "no job talks like that"
    );
    detector.begin_stretch(&mut followed);
    let taken_up = detector.resume(&second);
    for state in [&followed, &taken_up] {
        assert_eq!(detector.end(state, &second).unwrap(), None);
    }
}

#[test]
fn where_nothing_endless_was_learned_a_long_job_is_still_judged() {
    let blank = bundle(&[]);
    let learned = Learned {
        begun: population(&jobs(200, 1), &blank),
        endless: Population::default(),
    };
    let bundle = bundle(&learned.to_bytes().unwrap());
    let mut detector = Detector::new(Arc::new(bundle)).unwrap();
    let mut state = detector.begin(true);
    detector.begin_stretch(&mut state);
    let foreign = Heard::new(&talk(20, 900), detector.bundle().vocabulary());
    assert!(detector.end(&state, &foreign).unwrap().is_some());
}

/// What a process says that stalls for ten minutes.
fn late(seed: u64) -> EventSequence {
    let mut late = talk(20, seed);
    late.times.iter_mut().enumerate().for_each(|(index, time)| {
        let stall = if index < 21 { 0 } else { 600_000 };
        *time = Timestamp::from_millis(index as u64 * 500 + stall);
    });
    late
}

/// How late a stalled process seems.
fn pace(detector: &mut Detector) -> f32 {
    let judged = detector.judge(&late(3)).unwrap();
    judged.scores[VOICES.iter().position(|name| *name == "pace").unwrap()]
}

#[test]
fn late_jobs_do_not_excuse_a_late_process() {
    let mut detector = detector(200);
    // Late at the same time, in the same step, but not of the same sort.
    let alone = pace(&mut detector);
    assert!(alone > 1.0, "{alone}");
    let mut among_jobs = self::detector(200);
    for seed in 10..20 {
        let job = EventSequence {
            begins: true,
            ..late(seed)
        };
        among_jobs.judge(&job).unwrap();
    }
    assert_eq!(pace(&mut among_jobs), alone);
}

#[test]
fn after_a_restart_late_processes_still_excuse_a_late_one() {
    let mut before = detector(200);
    (10..20).for_each(|seed| drop(before.judge(&late(seed)).unwrap()));
    let restarted = |since_s: u64| {
        let recent = before.recent(Timestamp::from_millis(since_s * 1_000));
        let mut after = detector(200);
        after.take_up(recent);
        after
    };
    let mut unknown = detector(200);
    assert!(pace(&mut unknown) > 1.0, "alone it is late");
    assert!(pace(&mut restarted(0)) < 1.0, "all are");
    let old = restarted(1_000).recent(Timestamp::ZERO);
    assert_eq!(
        old.kept(),
        0,
        "what explains nothing any more is left behind"
    );
    let mut other = Detector::new(trained(100)).unwrap();
    other.take_up(before.recent(Timestamp::ZERO));
    assert_eq!(other.recent(Timestamp::ZERO).kept(), 0, "of another model");
}

#[test]
fn no_more_normal_sequences_are_alarmed_on_than_were_asked_for() {
    let mut detector = detector(4_000);
    let normal = jobs(4_000, 77);
    for (rate, most) in [(0.01, 73), (0.1, 498)] {
        detector.set_alarm_rate(rate);
        let all: Vec<&EventSequence> = normal.iter().collect();
        let judged = detector.judge_all(&all).unwrap();
        let alarms = judged.iter().filter(|one| one.is_alarm).count();
        // The bounds leave room for three standard deviations, of these and of the 2,000 held out.
        assert!((1..most).contains(&alarms), "{alarms} at {rate}");
    }
}

#[test]
fn a_job_that_stops_before_its_last_part_is_told_at_its_end_and_no_sooner() {
    let mut detector = detector(400);
    let mut whole = jobs(1, 5).remove(0);
    assert!(!detector.judge(&whole).unwrap().is_alarm);
    let records = whole.events.len() - 2;
    whole.events.truncate(records);
    whole.times.truncate(records);
    let open = EventSequence {
        ends: false,
        ..whole.clone()
    };
    assert!(!detector.judge(&open).unwrap().is_alarm, "it may go on");
    let judged = detector.judge(&whole).unwrap();
    assert_eq!(judged.first_alarm, Some(records));
    assert!(judged.is_alarm && judged.p_value <= 0.002);
    // One that is quiet for no longer than jobs rest has not ended.
    let resting = EventSequence {
        quiet: Some(Duration::from_secs(1)),
        ..whole
    };
    let judged = detector.judge(&resting).unwrap();
    assert!(!judged.is_alarm, "{judged:?}");
}

#[test]
fn a_job_at_rest_that_has_not_delivered_is_told_before_it_ends() {
    let mut detector = detector(400);
    let resting = |timed: &[(u64, u64)]| EventSequence {
        quiet: Some(Duration::from_secs(14)),
        ..sequence(timed, 0)
    };
    let settled = [
        (OPEN, 0),
        (ASK, 11_000),
        (DELIVER, 50),
        (FLUSH, 50),
        (ASK, 12_000),
        (ASK, 50),
        (DELIVER, 50),
        (DELIVER, 50),
        (FLUSH, 50),
    ];
    assert!(!detector.judge(&resting(&settled)).unwrap().is_alarm);
    let mut unsettled = settled.to_vec();
    unsettled.remove(7);
    let sequence = resting(&unsettled);
    let heard = Heard::new(&sequence, detector.bundle().vocabulary());
    assert!(!detector.begun.mind.has_ended(&heard), "jobs rest so long");
    let (_, alarm) = streamed(&mut detector, &sequence, usize::MAX);
    let opinions = alarm.expect("it is told").opinions;
    let says = |voice| opinions.iter().any(|opinion| opinion.voice == voice);
    assert!(says("rest_relations") && !says("relations"), "{opinions:?}");
    // While it is busy it may yet deliver.
    let busy = EventSequence {
        quiet: None,
        ends: false,
        ..sequence
    };
    assert!(!detector.judge(&busy).unwrap().is_alarm);
}

#[test]
fn a_bundle_that_would_not_judge_is_told_from_one_that_does() {
    let whole = trained(20);
    assert!(Learned::check(&whole).is_ok());
    let voices = whole.voices();
    let (longer, shorter) = ([voices, &[0]].concat(), &voices[..voices.len() - 1]);
    let changed = [&[255; 9], voices].concat();
    for voices in [&[], &longer[..], shorter, &changed] {
        assert!(Learned::check(&bundle(voices)).is_err());
    }
}

#[test]
fn a_bundle_without_voices_alarms_on_nothing() {
    let mut detector = Detector::new(Arc::new(bundle(&[]))).unwrap();
    for sequence in jobs(5, 3) {
        assert!(!detector.judge(&sequence).unwrap().is_alarm);
    }
}
