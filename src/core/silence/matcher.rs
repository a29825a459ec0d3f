//! What a silence, a window or a team is for, in Alertmanager's syntax: `service="cart"`.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Longest name and longest value, in bytes.
const TEXT_LEN_MAX: usize = 1_024;
/// Largest compiled expression, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// What has to stand in quotes, as in Alertmanager's UTF-8 mode.
const RESERVED: [char; 10] = ['{', '}', '!', '=', '~', ',', '\\', '"', '\'', '`'];

/// One condition on a label. Reads and prints itself as `name="value"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Matcher {
    name: Box<str>,
    op: Op,
    value: Box<str>,
    /// Compiled, where `op` takes an expression.
    regex: Option<Regex>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// `=`: it is the value.
    Equal,
    /// `!=`: it is not.
    NotEqual,
    /// `=~`: all of it matches the regular expression.
    Matches,
    /// `!~`: it does not.
    NotMatches,
}

/// Why a text is no matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// It does not have the form.
    #[error(
        "{text:?} is no matcher ({reason}); write it as service=\"cart\", with =, !=, =~ or !~"
    )]
    Malformed {
        /// What was written.
        text: String,
        /// Where it goes wrong.
        reason: &'static str,
    },
    /// Its regular expression is none, or is too large.
    #[error("{value:?} is no regular expression: {reason}")]
    Regex {
        /// What was written.
        value: String,
        /// Why.
        reason: String,
    },
}

impl Op {
    /// As it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::NotMatches => "!~",
        }
    }

    const fn is_negative(self) -> bool {
        matches!(self, Self::NotEqual | Self::NotMatches)
    }
}

impl Matcher {
    /// The condition `name op value`. Expressions are anchored: they match all of a label or nothing.
    ///
    /// # Errors
    /// `value` is no regular expression where `op` takes one, or either text is empty or too long.
    pub fn new(name: &str, op: Op, value: &str) -> Result<Self, MatcherError> {
        let malformed = |reason| MatcherError::Malformed {
            text: format!("{name}{}{value}", op.sign())
                .chars()
                .take(100)
                .collect(),
            reason,
        };
        if name.is_empty() {
            return Err(malformed("the name is missing"));
        }
        if name.len() > TEXT_LEN_MAX || value.len() > TEXT_LEN_MAX {
            return Err(malformed("it is too long"));
        }
        let regex = match op {
            Op::Equal | Op::NotEqual => None,
            Op::Matches | Op::NotMatches => Some(anchored(value)?),
        };
        Ok(Self {
            name: name.into(),
            op,
            value: value.into(),
            regex,
        })
    }

    /// Reads `a="b",c!~"d"`, in braces or not, as Alertmanager and amtool write several at once.
    ///
    /// # Errors
    /// Any of them is wrong; the first of these.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, MatcherError> {
        let trimmed = text.trim();
        let inner = trimmed
            .strip_prefix('{')
            .map_or(Some(trimmed), |rest| rest.strip_suffix('}'))
            .ok_or_else(|| MatcherError::Malformed {
                text: text.to_owned(),
                reason: "a brace is not closed",
            })?;
        let mut reader = Reader { text, rest: inner };
        let mut matchers = Vec::new();
        while !reader.is_done() {
            matchers.push(reader.matcher()?);
            reader.comma()?;
        }
        Ok(matchers)
    }

    /// The label that it looks at.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub const fn op(&self) -> Op {
        self.op
    }

    /// What it compares with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it holds for a label that has these values. A label that is not there has the empty
    /// value, as in Alertmanager; of several values one must be equal or match, or none may.
    pub(super) fn holds<'v>(&self, values: impl Iterator<Item = &'v str>) -> bool {
        let mut values = values.peekable();
        let hit = if values.peek().is_none() {
            self.hits("")
        } else {
            values.any(|value| self.hits(value))
        };
        hit != self.op.is_negative()
    }

    /// Whether it holds where the label is not there.
    pub(super) fn holds_without(&self) -> bool {
        self.holds(std::iter::empty())
    }

    fn hits(&self, value: &str) -> bool {
        match &self.regex {
            Some(regex) => regex.is_match(value),
            None => *self.value == *value,
        }
    }
}

fn anchored(value: &str) -> Result<Regex, MatcherError> {
    let refused = |reason: String| MatcherError::Regex {
        value: value.to_owned(),
        reason: reason
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned(),
    };
    // On its own first: `a)|(b` would step out of the anchors.
    regex_syntax::parse(value).map_err(|error| refused(error.to_string()))?;
    RegexBuilder::new(&format!("^(?:{value})$"))
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| refused(error.to_string()))
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl FromStr for Matcher {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, MatcherError> {
        let mut reader = Reader { text, rest: text };
        let matcher = reader.matcher()?;
        match reader.is_done() {
            true => Ok(matcher),
            false => Err(reader.malformed("something follows the value; put the value in quotes")),
        }
    }
}

impl TryFrom<String> for Matcher {
    type Error = MatcherError;

    fn try_from(text: String) -> Result<Self, MatcherError> {
        text.parse()
    }
}

impl From<Matcher> for String {
    fn from(matcher: Matcher) -> Self {
        matcher.to_string()
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(is_reserved) {
            true => write_quoted(&self.name, f)?,
            false => f.write_str(&self.name)?,
        }
        f.write_str(self.op.sign())?;
        write_quoted(&self.value, f)
    }
}

fn is_reserved(c: char) -> bool {
    c.is_whitespace() || RESERVED.contains(&c)
}

fn write_quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '"' | '\\' => write!(f, "\\{c}")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// Reads matchers from the left.
struct Reader<'a> {
    /// All that was written.
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn matcher(&mut self) -> Result<Matcher, MatcherError> {
        let name = self.word("the name is missing")?;
        let op = self.op()?;
        let value = self.word("the value is missing; an empty one is written \"\"")?;
        Matcher::new(&name, op, &value)
    }

    fn op(&mut self) -> Result<Op, MatcherError> {
        self.skip_space();
        // The longer ones first, since `=` begins `=~`.
        for op in [Op::Matches, Op::NotMatches, Op::NotEqual, Op::Equal] {
            if let Some(rest) = self.rest.strip_prefix(op.sign()) {
                self.rest = rest;
                return Ok(op);
            }
        }
        Err(self.malformed("there is no =, !=, =~ or !~ after the name"))
    }

    fn word(&mut self, missing: &'static str) -> Result<String, MatcherError> {
        self.skip_space();
        if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            return self.quoted();
        }
        let end = self.rest.find(is_reserved).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word.is_empty() {
            true => Err(self.malformed(missing)),
            false => Ok(word.to_owned()),
        }
    }

    /// What stands before the next quote. `\n`, `\"` and `\\` are what they are in Alertmanager; any
    /// other backslash is itself, so that `\d` needs no second one.
    fn quoted(&mut self) -> Result<String, MatcherError> {
        let mut word = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    self.rest = chars.as_str();
                    return Ok(word);
                }
                '\\' => match chars.next() {
                    Some('n') => word.push('\n'),
                    Some(escaped @ ('"' | '\\')) => word.push(escaped),
                    Some(other) => word.extend(['\\', other]),
                    None => break,
                },
                c => word.push(c),
            }
        }
        Err(self.malformed("a quote is not closed"))
    }

    fn comma(&mut self) -> Result<(), MatcherError> {
        if self.is_done() {
            return Ok(());
        }
        match self.rest.strip_prefix(',') {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => {
                Err(self.malformed("there is no comma after the value; put the value in quotes"))
            }
        }
    }

    fn is_done(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn malformed(&self, reason: &'static str) -> MatcherError {
        MatcherError::Malformed {
            text: self.text.chars().take(100).collect(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(matcher: &str, value: &str) -> bool {
        let matcher: Matcher = matcher.parse().unwrap();
        matcher.holds(std::iter::once(value))
    }

    #[test]
    fn the_four_signs_compare_as_alertmanager_does() {
        assert!(holds("service=\"cart\"", "cart") && !holds("service=\"cart\"", "carts"));
        assert!(!holds("service!=\"cart\"", "cart") && holds("service!=\"cart\"", "carts"));
        assert!(holds("service=~\"car.*\"", "carts") && !holds("service=~\"car\"", "cart"));
        assert!(!holds("service!~\"car.*\"", "carts") && holds("service!~\"car\"", "cart"));
        assert!(!holds("template=~\".*\"", "a\nb"), "a dot is no line break");
    }

    #[test]
    fn an_expression_cannot_step_out_of_its_anchors() {
        assert!(holds("service=~\"a|b\"", "b") && !holds("service=~\"a|b\"", "xb"));
        assert!(holds("service=~\"(?i)CART\"", "cart"));
        for outside in ["a)|(b", "(", "(?x)a #"] {
            let written = format!("service=~\"{outside}\"");
            assert!(written.parse::<Matcher>().is_err(), "{outside}");
        }
    }

    #[test]
    fn a_huge_expression_is_refused() {
        let refused = "s=~\"(\\w{1000}){1000}\"".parse::<Matcher>().unwrap_err();
        assert!(refused.to_string().contains("size"), "{refused}");
        let long = format!("s=\"{}\"", "a".repeat(TEXT_LEN_MAX + 1));
        assert!(long.parse::<Matcher>().is_err());
    }

    #[test]
    fn a_label_that_is_not_there_is_empty_and_one_with_two_values_is_both() {
        let parsed = |text: &str| text.parse::<Matcher>().unwrap();
        assert!(parsed("team=\"\"").holds_without() && parsed("team!=\"a\"").holds_without());
        assert!(!parsed("team=\"a\"").holds_without() && !parsed("team=~\".+\"").holds_without());
        let template = || ["0011223344556677", "payment retry <num>"].into_iter();
        assert!(parsed("template=\"0011223344556677\"").holds(template()));
        assert!(parsed("template=~\"payment.*\"").holds(template()));
        assert!(!parsed("template!~\"payment.*\"").holds(template()));
        assert!(!parsed("template!=\"0011223344556677\"").holds(template()));
    }

    #[test]
    fn what_is_printed_reads_back_the_same() {
        for text in [
            r#"service="cart""#,
            r#"k8s.pod.name=~"cart-\\d+""#,
            r#""a name"!="say \"no\"\n""#,
        ] {
            let matcher: Matcher = text.parse().unwrap();
            assert_eq!(matcher.to_string(), text);
            assert_eq!(matcher.to_string().parse::<Matcher>().unwrap(), matcher);
        }
        let plain: Matcher = " severity =~ warning|info ".parse().unwrap();
        assert_eq!(plain.to_string(), r#"severity=~"warning|info""#);
        let digits: Matcher = r#"pod=~"a\d""#.parse().unwrap();
        assert_eq!(digits.value(), r"a\d");
    }

    #[test]
    fn several_are_read_at_once_as_amtool_writes_them() {
        let all = Matcher::parse_all(r#"{service="a,b", severity=~"x|y" ,team!=ops,}"#).unwrap();
        let shown: Vec<String> = all.iter().map(Matcher::to_string).collect();
        assert_eq!(
            shown,
            [r#"service="a,b""#, r#"severity=~"x|y""#, r#"team!="ops""#]
        );
        assert_eq!(Matcher::parse_all("").unwrap(), []);
    }

    #[test]
    fn what_is_no_matcher_says_where_it_goes_wrong() {
        for (text, reason) in [
            ("cart", "no =, !=, =~ or !~"),
            ("=cart", "the name is missing"),
            ("service=", "the value is missing"),
            ("service=\"cart", "a quote is not closed"),
            ("service=two words", "something follows the value"),
            ("service==cart", "the value is missing"),
        ] {
            let refused = text.parse::<Matcher>().unwrap_err().to_string();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
        assert!(Matcher::parse_all("{a=b").is_err() && Matcher::parse_all("a=b c=d").is_err());
    }
}
