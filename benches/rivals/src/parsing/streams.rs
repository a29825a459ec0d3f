//! Streams of lines, drawn as they are asked for: seeded, without end, in bounded memory.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::bufread::MultiGzDecoder;

use super::draw::Draw;
use super::labelled;

/// The streams whose speed is measured, with their names.
pub(crate) const NAMES: [&str; 7] = [
    "hdfs_like",
    "bgl_like",
    "mixed",
    "random_words",
    "openstack_real",
    "explosion",
    "all_miss",
];
/// Templates of the stream of new forms.
const MISS_TEMPLATES: usize = 1_000;
/// Words of the longest hostile line.
const HOSTILE_WORDS: usize = 20_000;

/// Adds the next line to the text it is given.
type Next = dyn FnMut(&mut String) -> Result<()>;

/// A stream: puts its next line in place of the text it is given.
pub(crate) struct Stream(Box<Next>);

impl Stream {
    /// One of [`NAMES`].
    pub(crate) fn named(name: &str, shared: &Path) -> Result<Self> {
        Ok(match name {
            "hdfs_like" => Self::other_digits(contents(shared, &["HDFS"])?),
            "bgl_like" => Self::other_digits(contents(shared, &["BGL"])?),
            "mixed" => Self::other_digits(contents(shared, &[])?),
            "random_words" => Self::half_random(shared)?,
            "openstack_real" => Self::openstack(shared)?,
            "explosion" => Self::explosion(labelled::templates(shared)?),
            "all_miss" => Self::all_miss(),
            other => anyhow::bail!(
                "no stream is named {other}; there are: {}",
                NAMES.join(", ")
            ),
        })
    }

    /// Replaces `lines` by the next ones; their room is used again.
    pub(crate) fn fill(&mut self, lines: &mut [String]) -> Result<()> {
        for line in lines {
            line.clear();
            (self.0)(line)?;
        }
        Ok(())
    }

    fn of(mut next: impl FnMut(&mut String) + 'static) -> Self {
        Self(Box::new(move |line| {
            next(line);
            Ok(())
        }))
    }

    /// Lines at random, each of their digits replaced.
    fn other_digits(lines: Vec<String>) -> Self {
        let mut draw = Draw::new(1);
        Self::of(move |line| {
            let source = draw.below(lines.len());
            draw.other_digits(&lines[source], line);
        })
    }

    /// Labelled lines at random with new values: other digits in those that have digits; a word
    /// in place of every other one of the rest.
    fn half_random(shared: &Path) -> Result<Self> {
        let systems = labelled::all(shared)?;
        let lines: Vec<Vec<(String, String)>> = systems
            .into_values()
            .flatten()
            .map(|line| values(&line.template, &line.content))
            .collect();
        let mut draw = Draw::new(2);
        Ok(Self::of(move |line| {
            let source = draw.below(lines.len());
            for (constant, value) in &lines[source] {
                line.push_str(constant);
                if value.bytes().any(|byte| byte.is_ascii_digit()) || draw.once_in(2) {
                    draw.other_digits(value, line);
                } else if !value.is_empty() {
                    draw.word(line);
                }
            }
        }))
    }

    /// True templates at random, each parameter a random word.
    pub(crate) fn explosion(templates: Vec<String>) -> Self {
        let mut draw = Draw::new(1);
        Self::of(move |line| {
            let template = draw.below(templates.len());
            for (place, constant) in templates[template].split("<*>").enumerate() {
                if place > 0 {
                    draw.word(line);
                }
                line.push_str(constant);
            }
        })
    }

    /// True templates at random, with new values in an example line of each: a random word for a
    /// value without digits, other digits in the rest. With it the number of templates.
    pub(crate) fn word_explosion(shared: &Path) -> Result<(Self, usize)> {
        let systems = labelled::systems(shared, labelled::Labels::Corrected)?;
        let mut examples = std::collections::BTreeMap::new();
        for line in systems.into_values().flatten() {
            let values = values(&line.template, &line.content);
            examples.entry(line.template).or_insert(values);
        }
        let examples: Vec<_> = examples.into_values().collect();
        let count = examples.len();
        let mut draw = Draw::new(1);
        let stream = Self::of(move |line| {
            let template = draw.below(count);
            for (constant, value) in &examples[template] {
                line.push_str(constant);
                if value.bytes().any(|byte| byte.is_ascii_digit()) {
                    draw.other_digits(value, line);
                } else if !value.is_empty() {
                    draw.word(line);
                }
            }
        });
        Ok((stream, count))
    }

    /// Messages of real OpenStack services in their order, over and over: what stands behind the
    /// time, process, level, logger and request of a line.
    fn openstack(shared: &Path) -> Result<Self> {
        let path = shared.join("datasets/openstack_fi_dev/nova.tsv.gz");
        let mut lines = unpacked(&path)?;
        let mut row = Vec::new();
        Ok(Self(Box::new(move |line| {
            loop {
                row.clear();
                if lines.read_until(b'\n', &mut row)? == 0 {
                    lines = unpacked(&path)?;
                    continue;
                }
                let row = String::from_utf8_lossy(row.trim_ascii_end());
                if let Some(message) = row.splitn(5, '\t').nth(4).and_then(openstack_message) {
                    line.push_str(message);
                    return Ok(());
                }
            }
        })))
    }

    /// A new form each: templates of made-up words with two random words and a number in each.
    fn all_miss() -> Self {
        let mut draw = Draw::new(3);
        Self::of(move |line| {
            let template = draw.below(MISS_TEMPLATES) as u64;
            let mut constant = Draw::new(template);
            for _ in 0..4 {
                constant.word(line);
                line.push(' ');
            }
            draw.letters(9, line);
            line.push(' ');
            for _ in 0..3 {
                constant.word(line);
                line.push(' ');
            }
            draw.letters(9, line);
            line.push(' ');
            line.push_str(&draw.below(100_000).to_string());
        })
    }

    /// Lines of `count` made-up templates: each once in order, then at random.
    pub(crate) fn revisits(count: usize) -> Self {
        let mut draw = Draw::new(4);
        let mut seen = 0;
        Self::of(move |line| {
            let template = if seen < count {
                seen
            } else {
                draw.below(count)
            };
            seen += 1;
            let mut constant = Draw::new((template as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
            for place in 0..10 {
                constant.word(line);
                line.push(' ');
                if place == 4 {
                    line.push_str(&draw.below(1_000_000).to_string());
                    line.push(' ');
                }
            }
            line.push_str(&draw.below(1_000_000).to_string());
        })
    }

    /// What a broken or malicious sender may send: unique words, unique values, deep JSON,
    /// control characters, and one line in 10,000 with 20,000 words.
    pub(crate) fn hostile() -> Self {
        let mut draw = Draw::new(5);
        Self::of(move |line| {
            if draw.once_in(10_000) {
                words(&mut draw, HOSTILE_WORDS, line);
                return;
            }
            match draw.below(4) {
                0 => words(&mut draw, 8, line),
                1 => {
                    for _ in 0..6 {
                        let value = draw.next();
                        *line += &format!("{value:x}-");
                        draw.word(line);
                        line.push(' ');
                    }
                }
                2 => deep_json(&mut draw, line),
                _ => {
                    for _ in 0..40 {
                        line.push(char::from(draw.below(0x80) as u8));
                    }
                }
            }
        })
    }
}

fn words(draw: &mut Draw, count: usize, line: &mut String) {
    for _ in 0..count {
        draw.letters(8, line);
        line.push(' ');
    }
}

fn deep_json(draw: &mut Draw, line: &mut String) {
    let depth = 1 + draw.below(64);
    for _ in 0..depth {
        line.push_str("{\"");
        draw.word(line);
        line.push_str("\":");
    }
    line.push_str(&draw.below(1_000).to_string());
    line.extend(std::iter::repeat_n('}', depth));
}

/// The lines of `systems`, or of all when none is named.
fn contents(shared: &Path, systems: &[&str]) -> Result<Vec<String>> {
    let all = labelled::all(shared)?.into_iter();
    let some = all.filter(|(name, _)| systems.is_empty() || systems.contains(&name.as_str()));
    let lines = some.flat_map(|(_, lines)| lines);
    let lines: Vec<String> = lines.map(|line| line.content).collect();
    anyhow::ensure!(!lines.is_empty(), "no labelled lines of {systems:?}");
    Ok(lines)
}

/// Constants of the template, each with the value that follows it. A line that does not fit its
/// template is all constant.
fn values(template: &str, content: &str) -> Vec<(String, String)> {
    let constants: Vec<&str> = template.split("<*>").collect();
    let mut pairs = Vec::with_capacity(constants.len());
    let Some(mut rest) = content.strip_prefix(constants[0]) else {
        return vec![(content.to_owned(), String::new())];
    };
    for (place, constant) in constants.iter().enumerate().skip(1) {
        let last = place + 1 == constants.len();
        let end = match (last, constant.is_empty()) {
            (true, _) => rest.strip_suffix(constant).map(str::len),
            (false, true) => Some(0),
            (false, false) => rest.find(constant),
        };
        let Some(end) = end else {
            return vec![(content.to_owned(), String::new())];
        };
        pairs.push((constants[place - 1].to_owned(), rest[..end].to_owned()));
        rest = &rest[end + constant.len()..];
    }
    pairs.push((constants[constants.len() - 1].to_owned(), String::new()));
    pairs
}

fn unpacked(path: &PathBuf) -> Result<BufReader<MultiGzDecoder<BufReader<File>>>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut lines = BufReader::new(MultiGzDecoder::new(BufReader::new(file)));
    let mut head = String::new();
    lines.read_line(&mut head)?;
    Ok(lines)
}

/// `date time process LEVEL logger [request] message` → message.
fn openstack_message(line: &str) -> Option<&str> {
    let message = line.splitn(6, ' ').nth(5)?;
    match message.starts_with('[') {
        true => message.split_once("] ").map(|(_, rest)| rest),
        false => Some(message),
    }
}
