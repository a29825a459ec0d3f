//! Evidence in words that an operator uses.

use std::time::Duration;

use super::explain::template_ref;
use super::judge::{Judge, View};
use super::values::{label_of, text_of};
use crate::core::detect::{Surprise, Why};
use crate::core::event::Expected;
use crate::core::model::Key;
use crate::core::parse::Miner;
use crate::core::record::TemplateId;
use crate::core::sequence::{Journal, Line};

/// Characters of a template that a sentence quotes.
const QUOTE_LEN_MAX: usize = 72;
/// An expectation so sure is told as "every time".
const EVERY_TIME: f64 = 0.995;
/// Of what comes so often it is said alone that it usually comes.
const THE_RULE: f64 = 0.5;
/// Less probable ones are not worth a mention.
const MENTIONED: f64 = 0.005;

/// What sentences about one sequence are made of.
pub(super) struct Words<'a> {
    pub(super) judge: &'a Judge,
    pub(super) view: &'a View,
    pub(super) known: (&'a Miner, &'a Journal),
    /// What was expected where the anomaly is.
    pub(super) expected: &'a [Expected],
    /// Records of the sequence so far.
    pub(super) len: u32,
}

impl Words<'_> {
    /// One sentence.
    pub(super) fn say(&self, surprise: &Surprise) -> String {
        self.why(&surprise.why, surprise.position)
    }

    fn why(&self, why: &Why, place: usize) -> String {
        let sequences = thousands(self.judge.bundle().manifest().trained_on.sequences as f64);
        match why {
            Why::Part { named_at, why } => match self.name_at(*named_at) {
                Some(name) => format!("for {name}, {}", self.why(why, place)),
                // Its lines were forgotten; that it is about one thing alone is still worth saying.
                None => format!("for one of the things it names, {}", self.why(why, place)),
            },
            Why::AtRest { quiet, why, .. } => {
                let said = self.why(why, place);
                match is_of_record(why) {
                    // It would be as odd without the pause.
                    true => said,
                    false => format!("before a pause of {}, {said}", lasting(*quiet)),
                }
            }
            Why::Unseen => format!(
                "this kind of record never came in the {sequences} sequences learned from{}",
                self.instead(place),
            ),
            Why::Rare { key, sequences, of } => format!(
                "{} came, which only {} of {} sequences have",
                self.quoted(*key),
                thousands(f64::from(*sequences)),
                thousands(f64::from(*of)),
            ),
            Why::Next {
                came, probability, ..
            } => self.next(*came, f64::from(*probability), place),
            Why::Count { .. } | Why::Relation { .. } | Why::Length { .. } => self.count(why),
            Why::NotBefore { key, missing, held } => format!(
                "{} came without {} before it, unlike in all {} cases learned from",
                self.quoted(*key),
                self.quoted(*missing),
                thousands(f64::from(*held)),
            ),
            Why::NotAfter { key, missing, held } => format!(
                "{} was not followed by {}, unlike in all {} cases learned from",
                self.quoted(*key),
                self.quoted(*missing),
                thousands(f64::from(*held)),
            ),
            Why::Pace {
                from,
                to,
                took,
                usual,
            } => format!(
                "{} came {} after {}; that usually takes {}",
                self.quoted(*to),
                lasting(*took),
                self.quoted(*from),
                range(lasting(usual.0), &lasting(usual.1)),
            ),
            Why::Value { .. } => self.value(why, place),
        }
    }

    /// Of how often something came.
    fn count(&self, why: &Why) -> String {
        match why {
            Why::Count {
                key,
                came: 0,
                usual,
            } => format!(
                "{} did not come; it usually comes {}",
                self.quoted(*key),
                times_between(*usual)
            ),
            Why::Count { key, came, usual } => format!(
                "{} came {}; it usually comes {}",
                self.quoted(*key),
                times(*came),
                times_between(*usual)
            ),
            Why::Relation {
                left,
                right,
                came,
                held,
            } => format!(
                "{} came {} but {} {}; in all {} cases learned from they came equally often",
                self.all(left),
                together(left, times(came.0)),
                self.all(right),
                together(right, times(came.1)),
                thousands(f64::from(*held)),
            ),
            Why::Length { came, usual } => format!(
                "{} records came; such sequences usually have {}",
                thousands(f64::from(*came)),
                range(
                    thousands(f64::from(usual.0)),
                    &thousands(f64::from(usual.1))
                ),
            ),
            _ => String::new(),
        }
    }

    fn next(&self, came: Key, probability: f64, place: usize) -> String {
        let usual = self.usual(place);
        let so = expected_so(probability);
        if came == Key::END {
            let len = thousands(f64::from(self.len));
            let usual = usual.map_or_else(String::new, |usual| {
                format!(", where usually comes {usual}")
            });
            return format!("nothing came after {len} records{usual}; to end here is {so}");
        }
        let came = self.quoted(came);
        let after = self.after(place);
        match usual {
            Some(usual) => format!("{after} usually comes {usual}, but {came} came, which is {so}"),
            None => format!("{came} came {after}, which is {so}"),
        }
    }

    fn value(&self, why: &Why, place: usize) -> String {
        let Why::Value {
            key,
            place: value,
            number,
            usual,
            names,
        } = why
        else {
            return String::new();
        };
        let of = self.quoted(*key);
        let index = self.index_of(place);
        let what = index.and_then(|index| self.label_at((index, *value)));
        let what = what.unwrap_or_else(|| format!("the {} value", ordinal(value + 1)));
        if let Some((number, usual)) = number.zip(*usual) {
            let usual = range(measure(usual.0), &measure(usual.1));
            let number = measure(number);
            return format!("{what} of {of} is {number}; it is usually {usual}");
        }
        let name = index.and_then(|index| self.name_at((index, *value)));
        format!(
            "{what} of {of} is {}, which is none of the {} seen there",
            name.unwrap_or_else(|| "another".to_owned()),
            thousands(f64::from(*names))
        )
    }

    /// "; after <what came before> usually comes <what was expected>", where anything was.
    fn instead(&self, place: usize) -> String {
        let usual = self.usual(place);
        usual.map_or_else(String::new, |usual| {
            format!("; {} usually comes {usual}", self.after(place))
        })
    }

    /// Where in the sequence `place` is.
    fn after(&self, place: usize) -> String {
        match self.before(place) {
            Some(before) => format!("after {}", self.quoted(before)),
            None => "first".to_owned(),
        }
    }

    /// What is expected, such as `"A" (98 %)`, or two where neither is the rule.
    fn usual(&self, place: usize) -> Option<String> {
        let came = self.came(place);
        let mut others = self.expected.iter().filter(|one| {
            let id = one.template.as_ref().map(|template| template.id);
            one.probability >= MENTIONED && (id.is_none() || id != came)
        });
        let told = |one: &Expected| {
            let what = match &one.template {
                Some(template) => quote(&template.text),
                None => "nothing more".to_owned(),
            };
            match one.probability {
                p if p >= EVERY_TIME => format!("{what} (every time)"),
                p => format!("{what} ({:.0} %)", p * 100.0),
            }
        };
        let first = others.next()?;
        let second = others.next().filter(|_| first.probability < THE_RULE);
        Some(match second {
            Some(second) => format!("{} or {}", told(first), told(second)),
            None => told(first),
        })
    }

    /// The template of the record at `place`, as it is today.
    fn came(&self, place: usize) -> Option<TemplateId> {
        let event = self.view.events.get(place)?;
        Some(template_ref(self.known.0, event.template).id)
    }

    /// The latest known record before `place`.
    fn before(&self, place: usize) -> Option<Key> {
        let heard = &self.view.heard;
        let known = heard.positions.partition_point(|at| (*at as usize) < place);
        heard.keys.get(known.checked_sub(1)?).copied()
    }

    fn index_of(&self, place: usize) -> Option<u32> {
        let positions = &self.view.heard.positions;
        let index = positions.iter().position(|at| *at as usize == place)?;
        u32::try_from(index).ok()
    }

    /// The text of a value of a known record. Where its line was forgotten, a later record that is
    /// still known may have the same value.
    fn name_at(&self, (index, value): (u32, u32)) -> Option<String> {
        let values = &self.view.heard.values;
        let named = *values.row(index as usize).get(value as usize)?;
        let same = (0..values.len()).filter(|at| {
            let mut row = values.row(*at).iter();
            row.any(|value| value.hash == named.hash)
        });
        std::iter::once(index as usize)
            .chain(same)
            .find_map(|at| text_of(&self.line_of(at)?.text, named))
            .map(quote_plain)
    }

    /// What a line calls a value: `bytes` in `bytes: 12`.
    fn label_at(&self, (index, value): (u32, u32)) -> Option<String> {
        let row = self.view.heard.values.row(index as usize);
        let line = &self.line_of(index as usize)?.text;
        let text = text_of(line, *row.get(value as usize)?)?;
        label_of(line, text).map(quote_plain)
    }

    /// The line of a known record.
    fn line_of(&self, index: usize) -> Option<&Line> {
        let place = *self.view.heard.positions.get(index)?;
        let event = self.view.events.get(place as usize)?;
        self.known.1.line(event.number)
    }

    fn all(&self, keys: &[Key]) -> String {
        let quoted: Vec<String> = keys.iter().map(|key| self.quoted(*key)).collect();
        quoted.join(" and ")
    }

    fn quoted(&self, key: Key) -> String {
        match self.judge.bundle().vocabulary().template(key) {
            Some(template) => quote(&template_ref(self.known.0, template.id).text),
            None if key == Key::END => "the end".to_owned(),
            None => "the beginning".to_owned(),
        }
    }
}

/// Whether something is odd about a record as it came, whatever comes later.
fn is_of_record(why: &Why) -> bool {
    match why {
        Why::Part { why, .. } => is_of_record(why),
        why => matches!(why, Why::NotBefore { .. }),
    }
}

pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", quote_plain(text))
}

fn quote_plain(text: &str) -> String {
    match text.char_indices().nth(QUOTE_LEN_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// How often several came in all.
fn together(keys: &[Key], times: String) -> String {
    match keys {
        [_] => times,
        _ => format!("together {times}"),
    }
}

fn times(count: u32) -> String {
    match count {
        0 => "not at all".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{} times", thousands(f64::from(count))),
    }
}

fn times_between((least, most): (u32, u32)) -> String {
    match least == most {
        true => times(least),
        false => format!("{least} to {most} times"),
    }
}

fn range(least: String, most: &str) -> String {
    match least == most {
        true => least,
        false => format!("{least} to {most}"),
    }
}

fn ordinal(number: u32) -> String {
    const WORDS: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "sixth"];
    let word = number.checked_sub(1).and_then(|at| WORDS.get(at as usize));
    word.map_or_else(|| format!("{number}th"), |word| (*word).to_owned())
}

/// How often something was to be expected.
fn expected_so(probability: f64) -> String {
    match probability {
        p if p >= 0.01 => format!("expected {:.0} times in 100", p * 100.0),
        p if p <= 1e-6 => "practically never expected".to_owned(),
        p => {
            let one_in = 1.0 / p;
            // Two leading digits are all that such an estimate is worth.
            let unit = 10f64.powf(one_in.log10().floor() - 1.0).max(1.0);
            format!(
                "expected once in {}",
                thousands((one_in / unit).round() * unit)
            )
        }
    }
}

/// A duration as people say it.
pub(super) fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (size, unit) = match seconds {
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s if s < 120.0 => (s, "s"),
        s if s < 7_200.0 => (s / 60.0, "min"),
        s => (s / 3_600.0, "h"),
    };
    match size {
        size if size < 9.95 && size.fract() > 0.05 => format!("{size:.1} {unit}"),
        size => format!("{size:.0} {unit}"),
    }
}

fn measure(number: f32) -> String {
    match f64::from(number) {
        n if n.abs() >= 100.0 || n.fract() == 0.0 => {
            let sign = if n < 0.0 { "-" } else { "" };
            format!("{sign}{}", thousands(n.abs()))
        }
        n => format!("{n:.3}").trim_end_matches('0').to_owned(),
    }
}

pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_are_told_with_two_digits_that_mean_something() {
        assert_eq!(expected_so(0.05), "expected 5 times in 100");
        assert_eq!(expected_so(0.000_025), "expected once in 40,000");
        assert_eq!(expected_so(0.000_812), "expected once in 1,200");
        assert_eq!(expected_so(0.0), "practically never expected");
    }

    #[test]
    fn durations_and_measures_read_as_people_say_them() {
        let told = [12, 2_400_000, 35_000_000, 61_000_000_000, 600_000_000_000]
            .map(|nanos| lasting(Duration::from_nanos(nanos)));
        assert_eq!(told, ["0 µs", "2.4 ms", "35 ms", "61 s", "10 min"]);
        let told = [67_108_864.0, 0.125, -3.0, 1_536.5].map(measure);
        assert_eq!(told, ["67,108,864", "0.125", "-3", "1,536"]);
    }

    #[test]
    fn counts_and_ranges_are_words() {
        assert_eq!((times(0), times(2)), ("not at all".into(), "twice".into()));
        assert_eq!(times_between((1, 1)), "once");
        assert_eq!(times_between((1, 1_000)), "1 to 1000 times");
        assert_eq!(range(lasting(Duration::ZERO), "0 µs"), "0 µs");
        assert_eq!((ordinal(2), ordinal(11)), ("second".into(), "11th".into()));
    }
}
