//! The stages of a record's road one by one, on the bundled HDFS log.
//!
//! `cargo bench --bench stages` runs all, `cargo bench --bench stages -- parse` one.

mod hdfs;

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use knothole::core::detect::NextEvent;
use knothole::core::parse::Miner;
use knothole::core::record::{TemplateId, Timestamp, TraceId};
use knothole::core::train::{Corpus, TrainSettings, train};
use knothole::core::witness::{Flow, Heard};
use knothole::edge::receive::{self, ConvertSettings, Encoding, Signal};

/// Templates born in one run of the miss path; below the miner's bound.
const SHAPES: usize = 8_192;
/// Traces that go on at a time, and records of each.
const TRACES: u64 = 1_000;
const STEPS: u64 = 12;
/// Questions asked at once, as the engine asks them.
const QUESTIONS_AT_ONCE: usize = 4_096;
/// Blocks of the log that the training bench learns from.
const TRAIN_BLOCKS: usize = 600;

fn main() -> Result<()> {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    let lines = hdfs::lines()?;
    decode(&mut criterion, &lines);
    parse(&mut criterion, &lines);
    flow(&mut criterion);
    let bundle = hdfs::bundle()?;
    let corpus = hdfs::corpus(&lines, &bundle)?;
    score(&mut criterion, &corpus)?;
    train_step(&mut criterion, corpus);
    criterion.final_summary();
    Ok(())
}

/// Bytes of an OTLP request → batches of records.
fn decode(criterion: &mut Criterion, lines: &[String]) {
    let settings = ConvertSettings::of_instance("bench");
    let mut group = criterion.benchmark_group("decode");
    for len in [1_000, hdfs::BATCH_LEN] {
        let requests = hdfs::requests(&lines[..len], len);
        group.throughput(Throughput::Elements(len as u64));
        group.bench_with_input(BenchmarkId::from_parameter(len), &requests, |bench, all| {
            bench.iter(|| receive::decode(Signal::Logs, Encoding::Protobuf, &all[0], &settings));
        });
    }
    group.finish();
}

/// Message → template id: known shapes through the cache, and lines that are all new templates.
fn parse(criterion: &mut Criterion, lines: &[String]) {
    let messages = hdfs::messages(lines);
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(messages.len() as u64));
    group.bench_function("known shapes", |bench| {
        let mut miner = Miner::default();
        mine(&mut miner, &messages);
        bench.iter(|| mine(&mut miner, &messages));
    });
    let distinct: Vec<String> = messages
        .iter()
        .take(SHAPES)
        .enumerate()
        .map(|(number, message)| format!("{} {message} {}", word(number), word(number * 7)))
        .collect();
    let distinct: Vec<&str> = distinct.iter().map(String::as_str).collect();
    group.throughput(Throughput::Elements(distinct.len() as u64));
    group.bench_function("new shapes", |bench| {
        let run = |mut miner: Miner| {
            mine(&mut miner, &distinct);
            miner
        };
        bench.iter_batched(Miner::default, run, BatchSize::LargeInput);
    });
    group.finish();
}

fn mine(miner: &mut Miner, messages: &[&str]) {
    for message in messages {
        black_box(miner.parse(message, Timestamp::ZERO));
    }
}

/// A word of its own for each number, without digits, which would be masked.
fn word(number: usize) -> String {
    number
        .to_string()
        .bytes()
        .map(|digit| char::from(digit - b'0' + b'k'))
        .collect()
}

/// A record within a trace → what follows what is counted.
fn flow(criterion: &mut Criterion) {
    let heard = |step: u64, trace: u64| {
        let id = u128::from(trace + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        TraceId::from_bytes(&id.to_be_bytes()).map(|trace| Heard {
            trace,
            template: TemplateId(step),
            time: Timestamp::from_millis(step),
            place: 0,
        })
    };
    let records = (0..STEPS).flat_map(|step| (0..TRACES).filter_map(move |it| heard(step, it)));
    let records: Vec<Heard> = records.collect();
    let mut group = criterion.benchmark_group("flow");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("hear", |bench| {
        let mut flow = Flow::default();
        bench.iter(|| records.iter().for_each(|heard| flow.hear(*heard)));
    });
    group.finish();
}

/// Windows → ranks: what the model was never asked, and what it was asked before.
fn score(criterion: &mut Criterion, corpus: &Corpus) -> Result<()> {
    let bundle = hdfs::bundle()?;
    let all = hdfs::questions(corpus, &bundle);
    let distinct = hdfs::distinct(&all);
    let mut group = criterion.benchmark_group("score");
    group.throughput(Throughput::Elements(distinct.len() as u64));
    group.bench_function("cold windows", |bench| {
        let fresh = || NextEvent::new(bundle.clone());
        let run = |mut scorer: NextEvent| {
            black_box(scorer.judge(&distinct).map(|judged| judged.len())).is_ok()
        };
        bench.iter_batched(fresh, run, BatchSize::LargeInput);
    });
    group.throughput(Throughput::Elements(all.len() as u64));
    let mut scorer = NextEvent::new(bundle);
    let mut ask_all = || {
        for asked in all.chunks(QUESTIONS_AT_ONCE) {
            black_box(scorer.judge(asked).map(|judged| judged.len())).ok();
        }
    };
    ask_all();
    group.bench_function("known windows", |bench| bench.iter(&mut ask_all));
    group.finish();
    Ok(())
}

/// One pass over the distinct rows of a small corpus, its split and calibration included.
fn train_step(criterion: &mut Criterion, mut corpus: Corpus) {
    corpus.sequences.truncate(TRAIN_BLOCKS);
    let settings = TrainSettings {
        epochs_max: 1,
        ..TrainSettings::default()
    };
    let mut rows = 0;
    let mut note = |progress: knothole::core::train::Progress| {
        rows = progress.rows;
        ControlFlow::Continue(())
    };
    let trained = train(&corpus, &settings, &mut note);
    black_box(trained).ok();
    let mut group = criterion.benchmark_group("train");
    group.sample_size(10);
    group.throughput(Throughput::Elements(rows as u64));
    group.bench_function("one pass", |bench| {
        bench.iter(|| train(&corpus, &settings, &mut |_| ControlFlow::Continue(())));
    });
    group.finish();
}
