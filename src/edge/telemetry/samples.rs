//! Reads the OpenMetrics text that `/metrics` serves, so that OTLP metrics come from the same
//! counters. It reads what `prometheus-client` writes, not every exposition there is.

use opentelemetry::KeyValue;

/// A metric as its `# TYPE` line declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    name: String,
    kind: String,
}

/// What OTLP gets for (a part of) a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instrument {
    /// The name over OTLP: without `_total`, which belongs to the text format.
    pub(super) name: String,
    /// The name of its samples in the text.
    pub(super) sample: String,
    /// Whether it only grows.
    pub(super) is_counter: bool,
}

/// A line with a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) labels: Vec<KeyValue>,
    pub(super) value: f64,
}

impl Family {
    pub(super) fn all(exposition: &str) -> Vec<Self> {
        let lines = exposition
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        let split = lines.filter_map(|line| line.split_once(' '));
        split
            .map(|(name, kind)| Self {
                name: name.to_owned(),
                kind: kind.to_owned(),
            })
            .collect()
    }

    pub(super) fn instruments(&self) -> Vec<Instrument> {
        let name = &self.name;
        let of = |name: String, sample: String, is_counter| Instrument {
            name,
            sample,
            is_counter,
        };
        match self.kind.as_str() {
            "counter" => vec![of(name.clone(), format!("{name}_total"), true)],
            "gauge" => vec![of(name.clone(), name.clone(), false)],
            "info" => vec![of(format!("{name}_info"), format!("{name}_info"), false)],
            "histogram" => ["bucket", "sum", "count"]
                .map(|part| of(format!("{name}_{part}"), format!("{name}_{part}"), true))
                .to_vec(),
            _ => Vec::new(),
        }
    }
}

/// The samples of exactly this name. A line that cannot be read is left out.
pub(super) fn read(exposition: &str, name: &str) -> Vec<Sample> {
    let after_name = exposition
        .lines()
        .filter_map(|line| line.strip_prefix(name));
    after_name.filter_map(sample).collect()
}

fn sample(after_name: &str) -> Option<Sample> {
    let (labels, rest) = match after_name.strip_prefix('{') {
        Some(labels) => read_labels(labels)?,
        None => (Vec::new(), after_name),
    };
    // A longer name goes on here instead; after the value an exemplar may follow.
    let value = rest.strip_prefix(' ')?.split(' ').next()?;
    Some(Sample {
        labels,
        value: value.parse().ok()?,
    })
}

/// Reads `a="b",c="d"}` and gives what follows the brace.
fn read_labels(mut text: &str) -> Option<(Vec<KeyValue>, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (key, rest) = text.split_once("=\"")?;
        let (value, rest) = read_quoted(rest)?;
        labels.push(KeyValue::new(key.to_owned(), value));
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// Reads up to the closing quote, undoing the three escapes of the format.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}
