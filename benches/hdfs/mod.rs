//! The bundled HDFS log as each stage takes it in: lines, OTLP requests, sequences, questions.

mod log;

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use knothole::core::detect::{EventSequence, Question};
use knothole::core::event::TemplateRef;
use knothole::core::model::Bundle;
use knothole::core::parse::{MASKS_VERSION, Miner, read_head};
use knothole::core::record::Timestamp;
use knothole::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};
use knothole::core::train::Corpus;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

pub(crate) use self::log::*;

/// When the log had been written: 21 November 2026, 07:46 UTC.
pub(crate) const OBSERVED: Timestamp = Timestamp::from_nanos(1_795_247_160_000_000_000);

/// What follows the timestamp of each line: what a miner is given.
pub(crate) fn messages(lines: &[String]) -> Vec<&str> {
    let message = |line: &str| read_head(line, None).len;
    lines
        .iter()
        .map(|line| line.get(message(line)..).unwrap_or_default())
        .collect()
}

/// OTLP requests as a Collector's `filelog` receiver and OTLP exporter make them: the line is the
/// body, the file is an attribute, and only the observed time is set.
pub(crate) fn requests(lines: &[String], batch_len: usize) -> Vec<Vec<u8>> {
    let request = |lines: &[String]| request(lines).encode_to_vec();
    lines.chunks(batch_len).map(request).collect()
}

fn request(lines: &[String]) -> ExportLogsServiceRequest {
    let record = |line: &String| LogRecord {
        observed_time_unix_nano: OBSERVED.as_nanos(),
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(line.clone())),
        }),
        attributes: vec![attribute("log.file.name", "hdfs.log")],
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![attribute("service.name", SERVICE)],
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records: lines.iter().map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// One sequence for each block, in order of the blocks' first lines, by templates that `bundle`
/// knows where it knows them.
pub(crate) fn corpus(lines: &[String], bundle: &Bundle) -> Result<Corpus> {
    let mut miner = Miner::default();
    for template in bundle.vocabulary().templates() {
        miner.seed(&template.text);
    }
    let finder = KeyFinder::new(DEFAULT_BODY_IDS)?;
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut sequences: Vec<EventSequence> = Vec::new();
    for message in messages(lines) {
        let template = miner.parse(message, Timestamp::ZERO).id;
        for block in finder.body_ids(message) {
            let place = *places.entry(block).or_insert_with(|| {
                sequences.push(EventSequence::whole(Vec::new()));
                sequences.len() - 1
            });
            if let Some(sequence) = sequences.get_mut(place) {
                sequence.events.push(template);
            }
        }
    }
    let templates = miner.templates().map(|template| TemplateRef {
        id: template.id,
        text: template.text.clone(),
    });
    Ok(Corpus {
        masks_version: MASKS_VERSION,
        templates: templates.collect(),
        sequences,
        idle_timeout: None,
    })
}

/// Everything the model is asked about `corpus`, repetitions included.
pub(crate) fn questions(corpus: &Corpus, bundle: &Bundle) -> Vec<Question> {
    let asked = |sequence: &EventSequence| sequence.questions(bundle.vocabulary()).asked;
    let asked = corpus.sequences.iter().flat_map(asked);
    asked.map(|(_, question)| question).collect()
}

/// Each of `questions` once, in order of appearance.
pub(crate) fn distinct(questions: &[Question]) -> Vec<Question> {
    let mut seen = HashSet::new();
    let new = questions.iter().filter(|question| seen.insert(**question));
    new.copied().collect()
}
