//! What is told of what processes say, which belongs to no request and never ends.

use super::*;
use crate::core::engine::Alarms;

/// What a worker says in its short life, from that second on.
fn worker(number: u64, edit: impl Fn(&mut Vec<String>)) -> Batch {
    let round = |round: u64| {
        let depth = 10 + (number * 7 + round * 3) % 5;
        [
            "INFO looks for work".to_owned(),
            format!("INFO found {depth} jobs in the queue"),
            "INFO took one and did it".to_owned(),
        ]
    };
    let mut lines: Vec<String> = (0..20).flat_map(round).collect();
    edit(&mut lines);
    let second = |line: usize| Timestamp::from_millis((1_000 + 80 * number + line as u64) * SECOND);
    let records = lines.into_iter().enumerate().map(|(line, text)| Record {
        time: Some(second(line)),
        body: text.leak(),
        ..Record::default()
    });
    let pod = ("k8s.pod.name".into(), format!("worker-{number}").into());
    let mut batch = Batch::new(stream(), Arc::new(Resource::new(vec![pod])));
    batch.extend(records);
    batch
}

fn settings() -> Settings {
    Settings {
        pace: Pace::Replay,
        idle_timeout: Duration::from_secs(10),
        alarms: Alarms::Rate(Some(0.01)),
        ..super::settings()
    }
}

#[test]
fn what_a_process_said_in_a_short_life_is_judged_by_all_detectors() {
    let mut shard = Shard::new(settings());
    (0..80).for_each(|number| shard.push(worker(number, |_| {}), Timestamp::ZERO));
    shard.finish(Timestamp::ZERO);
    let model = model_of(&shard);
    let mut shard = Shard::new(settings());
    shard.install(&stream(), model, Timestamp::ZERO);
    for number in 100..110 {
        let odd = |lines: &mut Vec<String>| lines[31] = "INFO found 90000 jobs in the queue".into();
        let batch = match number {
            105 => worker(number, odd),
            _ => worker(number, |_| {}),
        };
        shard.push(batch, Timestamp::ZERO);
    }
    shard.finish(Timestamp::ZERO);
    let told = anomalies(shard.take_outputs());
    let reasons: Vec<&str> = told.iter().map(|one| &*one.explanation.reason).collect();
    assert_eq!(told.len(), 1, "{reasons:?}");
    assert_eq!(told[0].kind, AnomalyKind::Value, "{reasons:?}");
    assert_eq!(told[0].resource.get("k8s.pod.name"), Some("worker-105"));
}
