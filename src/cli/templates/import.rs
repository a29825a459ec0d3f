//! `knothole templates import`: the templates of another tool as seeds of ours.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::super::failure::{Failure, OrFailure as _, Outcome};
use super::super::terminal::{out, printable, say};
use crate::core::parse::{HAND_TEMPLATES_MAX, Miner, TEXT_LEN_MAX, masked_text};
use crate::core::record::Timestamp;

/// `knothole templates import`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// What the file is of
    #[arg(long, value_name = "TOOL")]
    from: Tool,
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tool {
    /// Settings of an OpenTelemetry Collector with drain processors
    OtelDrain,
    /// A state that Drain3 saved, compressed or not
    Drain3,
}

const EXAMPLES: &str = "\
Writes a file of templates by hand to standard output, with the templates as seeds: known from the
start, after masking, and kept as they are. Numbers in them become <*>, as they do in all templates of knothole, and so do
the names of Drain3's masks (<IP>, <:NUM:>).

From the Collector: `seed_templates` as they are, `seed_logs` as the templates found in them. From
Drain3: its clusters, the most frequent first. Nothing of a state is executed.

Examples:
  knothole templates import --from otel-drain collector.yaml > mine.yaml
  knothole templates import --from drain3 drain3_state.bin > mine.yaml
  knothole templates test mine.yaml";

/// Largest file that is read, and largest state once decompressed, in bytes.
const FILE_LEN_MAX: u64 = 256 << 20;
/// How deep a file is searched.
const DEPTH_MAX: usize = 64;

pub(crate) fn run(args: &ImportArgs) -> Result<Outcome, Failure> {
    let name = printable(&args.file.display().to_string(), 200);
    let bytes = read(&args.file).map_err(|error| {
        Failure::Use(anyhow::Error::new(error).context(format!("cannot read {name}")))
    })?;
    let found = match args.from {
        Tool::OtelDrain => otel_drain(&bytes),
        Tool::Drain3 => drain3(&bytes),
    };
    let found = found
        .map_err(|reason| anyhow::anyhow!("cannot import {name}: {reason}"))
        .or_use()?;
    let seeds = Seeds::of(found);
    for note in seeds.notes() {
        say(&note);
    }
    let mut out = out();
    seeds.write(&name, &mut out)?;
    out.flush()?;
    Ok(Outcome::Done)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let input: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path)?),
    };
    bounded(input, &mut bytes)?;
    Ok(bytes)
}

fn bounded(input: impl Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    let read = input.take(FILE_LEN_MAX + 1).read_to_end(bytes)?;
    match read as u64 > FILE_LEN_MAX {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {FILE_LEN_MAX} bytes"),
        )),
        false => Ok(()),
    }
}

/// A template of another tool, and how many lines it took there.
type Found = (String, u64);

/// The seeds of every drain processor in the settings of a Collector, or of one processor alone.
fn otel_drain(bytes: &[u8]) -> Result<Vec<Found>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let settings: Value = serde_saphyr::from_str(text)
        .map_err(|error| format!("it is not YAML: {}", error.without_snippet()))?;
    let mut found = Vec::new();
    let mut logs = Vec::new();
    visit(&settings, 0, &mut |map| {
        found.extend(texts(map.get("seed_templates")).map(|text| (text, 0)));
        logs.extend(texts(map.get("seed_logs")));
    });
    let mut miner = Miner::default();
    for line in logs {
        miner.parse(&line, Timestamp::ZERO);
    }
    found.extend(
        miner
            .templates()
            .map(|template| (template.text.to_string(), template.count)),
    );
    match found.is_empty() {
        true => Err("no drain processor in it has seed_templates or seed_logs".to_owned()),
        false => Ok(found),
    }
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned))
}

/// The clusters of a Drain3 state: JSON, or base64 of zlib of JSON.
fn drain3(bytes: &[u8]) -> Result<Vec<Found>, String> {
    let bytes = bytes.trim_ascii();
    let state: Value = match bytes.first() {
        Some(b'{') => serde_json::from_slice(bytes),
        _ => {
            let packed = BASE64_STANDARD.decode(bytes);
            let packed = packed.map_err(|_| "it is neither JSON nor base64".to_owned())?;
            let mut json = Vec::new();
            bounded(flate2::read::ZlibDecoder::new(packed.as_slice()), &mut json)
                .map_err(|error| format!("it cannot be decompressed: {error}"))?;
            serde_json::from_slice(&json)
        }
    }
    .map_err(|error| format!("it is not JSON: {error}"))?;
    let mut found = Vec::new();
    visit(&state, 0, &mut |map| {
        let Some(tokens) = map.get("log_template_tokens") else {
            return;
        };
        // jsonpickle writes a tuple as a map of its own.
        let tokens = tokens.get("py/tuple").unwrap_or(tokens);
        let words: Vec<String> = texts(Some(tokens)).collect();
        let count = map.get("size").and_then(Value::as_u64).unwrap_or_default();
        if !words.is_empty() {
            found.push((words.join(" "), count));
        }
    });
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    match found.is_empty() {
        true => Err("it has no clusters; is it a Drain3 state?".to_owned()),
        false => Ok(found),
    }
}

/// Shows every map in `value` to `see`, the outer before the inner.
fn visit(value: &Value, depth: usize, see: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::Object(map) => {
            see(map);
            map.values().for_each(|inner| visit(inner, depth + 1, see));
        }
        Value::Array(items) => items.iter().for_each(|inner| visit(inner, depth + 1, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Templates as they can stand in a file, and what was left out.
#[derive(Default)]
struct Seeds {
    texts: Vec<Found>,
    equal: usize,
    unfit: usize,
    too_many: usize,
}

impl Seeds {
    fn of(found: Vec<Found>) -> Self {
        let mut seeds = Self::default();
        for (text, count) in found {
            let text = masked_text(&without_mask_names(&text));
            if text.is_empty() || text.len() > TEXT_LEN_MAX {
                seeds.unfit += 1;
            } else if let Some((_, counted)) =
                seeds.texts.iter_mut().find(|(known, _)| *known == text)
            {
                *counted += count;
                seeds.equal += 1;
            } else if seeds.texts.len() < HAND_TEMPLATES_MAX {
                seeds.texts.push((text, count));
            } else {
                seeds.too_many += 1;
            }
        }
        seeds
    }

    fn notes(&self) -> Vec<String> {
        let notes = [
            (
                self.equal,
                "templates are equal to others once numbers are masked".to_owned(),
            ),
            (
                self.unfit,
                format!("templates are empty or longer than {TEXT_LEN_MAX} bytes"),
            ),
            (
                self.too_many,
                format!("templates are beyond the {HAND_TEMPLATES_MAX} that a file takes"),
            ),
        ];
        let notes = notes.into_iter().filter(|(count, _)| *count > 0);
        notes
            .map(|(count, what)| format!("{count} {what}; left out"))
            .collect()
    }

    fn write(&self, source: &str, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "# Templates from {source}. Try them: knothole templates test THIS-FILE LINE"
        )?;
        writeln!(
            out,
            "# Seeds are known from the start and learned on; under `templates`, as"
        )?;
        writeln!(out, "# `- text: …`, they would stay exactly as they are.")?;
        writeln!(out, "seeds:")?;
        for (text, count) in &self.texts {
            // A JSON string is a YAML string.
            let text = Value::from(text.as_str());
            match count {
                0 => writeln!(out, "  - {text}")?,
                count => writeln!(out, "  - {text}   # {count} lines")?,
            }
        }
        Ok(())
    }
}

/// Drain3 writes `<IP>` or `<:IP:>` for what a mask took out.
fn without_mask_names(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let end = from.find('>').map_or(1, |end| end + 1);
        let (name, after) = from.split_at(end);
        plain.push_str(if is_mask_name(name) { "<*>" } else { name });
        rest = after;
    }
    plain + rest
}

fn is_mask_name(name: &str) -> bool {
    let inner = name
        .strip_prefix('<')
        .and_then(|name| name.strip_suffix('>'))
        .unwrap_or_default();
    let colons = inner
        .strip_prefix(':')
        .and_then(|inner| inner.strip_suffix(':'));
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '_' | '*');
    let name = colons.unwrap_or(inner);
    !name.is_empty() && name.chars().all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::config::hand_from_text;

    fn written(found: Vec<Found>) -> String {
        let mut text = Vec::new();
        Seeds::of(found).write("test", &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// States that Drain3 0.9.11 saved of lines made up for this test, with a mask for addresses.
    const STATES: [&[u8]; 2] = [
        include_bytes!("fixtures/drain3.json"),
        include_bytes!("fixtures/drain3.bin"),
    ];

    #[test]
    fn a_drain3_state_becomes_a_file_of_seeds_packed_or_not() {
        for state in STATES {
            let text = written(drain3(state).unwrap());
            let hand = hand_from_text("x", &text).unwrap();
            let seeds: Vec<&str> = hand.seeds().iter().map(|seed| &**seed).collect();
            assert_eq!(
                seeds,
                [
                    "order <*> taken from shelf <*> by <*>",
                    "lid of jar <*> does not close",
                    "reader <*> returned book to room north",
                    "peer <*> answered in <*> ms",
                    "oven is hot: do not touch",
                ]
            );
            assert!(
                text.contains("answered in <*> ms\"   # 9 lines\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_settings_of_a_collector_give_templates_and_those_of_its_lines() {
        let settings = "receivers: {otlp: {}}\nprocessors:\n  batch: {}\n  drain:\n    \
                        seed_templates:\n      - 'user <*> logged in'\n      - \"took 30 ms \\e[2J\"\n  \
                        drain/web:\n    seed_logs: [GET gave 200, GET gave 404]\n";
        let text = written(otel_drain(settings.as_bytes()).unwrap());
        let hand = hand_from_text("x", &text).unwrap();
        let seeds: Vec<&str> = hand.seeds().iter().map(|seed| &**seed).collect();
        assert_eq!(
            seeds,
            ["user <*> logged in", "took <*> ms [<*>J", "GET gave <*>"]
        );
        assert!(!text.contains('\u{1b}'));
        let refused = otel_drain(b"processors: {batch: {}}").unwrap_err();
        assert!(refused.contains("seed_templates"), "{refused}");
    }

    #[test]
    fn what_is_no_state_is_refused_in_words() {
        for (bytes, expected) in [
            (&b"{}"[..], "it has no clusters"),
            (b"{\"a\": ", "it is not JSON"),
            (b"hello world", "neither JSON nor base64"),
            (b"aGVsbG8=", "cannot be decompressed"),
        ] {
            let refused = drain3(bytes).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn templates_that_are_equal_once_masked_are_one_and_long_ones_are_left_out() {
        let found = |text: &str| (text.to_owned(), 2);
        let long = "x ".repeat(TEXT_LEN_MAX);
        let seeds = Seeds::of(vec![
            found("a 1"),
            found("a <:NUM:>"),
            found("a <b>"),
            found(&long),
        ]);
        assert_eq!(
            seeds.texts,
            [("a <*>".to_owned(), 4), ("a <b>".to_owned(), 2)]
        );
        assert_eq!((seeds.equal, seeds.unfit), (1, 1));
        assert_eq!(seeds.notes().len(), 2);
    }
}
