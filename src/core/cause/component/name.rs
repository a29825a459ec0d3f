//! Names of modules, packages and classes, as their segments.

/// A name and where its segments end.
#[derive(Clone, Debug)]
pub(super) struct Name<'a> {
    text: &'a str,
    ends: Vec<usize>,
}

/// What names of organisations begin with.
const DOMAINS: [&str; 14] = [
    "com", "org", "net", "io", "dev", "edu", "gov", "de", "eu", "uk", "fr", "ch", "cn", "jp",
];

/// What parts are called that others use for everything.
const HELPERS: [&str; 11] = [
    "rpc",
    "util",
    "helper",
    "common",
    "exception",
    "error",
    "hook",
    "wrapper",
    "decorator",
    "logging",
    "tracing",
];

/// Well-known code that is nobody's own, by the beginnings of its names.
const LIBRARIES: [&str; 40] = [
    "java",
    "javax",
    "jakarta",
    "jdk",
    "sun",
    "com.sun",
    "kotlin",
    "kotlinx",
    "scala",
    "groovy",
    "org.springframework",
    "org.apache",
    "org.hibernate",
    "org.eclipse",
    "io.netty",
    "io.grpc",
    "reactor",
    "com.google",
    "com.fasterxml",
    "okhttp3",
    "System",
    "Microsoft",
    "node",
    "internal",
    "express",
    "std",
    "core",
    "alloc",
    "tokio",
    "hyper",
    "runtime",
    "net/http",
    "google.golang.org",
    "python3",
    "threading",
    "concurrent",
    "asyncio",
    "django",
    "flask",
    "werkzeug",
];

impl<'a> Name<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let is_path = text.contains('/');
        let is_end = |c: char| match is_path {
            true => c == '/',
            false => c == '.' || c == ':',
        };
        let mut ends: Vec<usize> = text
            .char_indices()
            .filter(|(_, c)| is_end(*c))
            .map(|(at, _)| at)
            .collect();
        // Of the two colons of Rust the first ends a segment.
        ends.dedup_by(|later, end| *later == *end + 1);
        ends.push(text.len());
        Self { text, ends }
    }

    /// The first `count` segments; all where there are fewer.
    fn first(&self, count: usize) -> &'a str {
        let end = self.ends.get(count.saturating_sub(1)).or(self.ends.last());
        self.text
            .get(..end.copied().unwrap_or_default())
            .unwrap_or_default()
    }

    fn segment(&self, nth: usize) -> &'a str {
        let text = self.first(nth + 1);
        text.rsplit(['/', '.', ':']).next().unwrap_or(text)
    }

    /// Segments that only say whose it is: `com`, `github.com`.
    fn domain_len(&self) -> usize {
        let first = self.first(1);
        usize::from(DOMAINS.contains(&first) || (self.text.contains('/') && first.contains('.')))
    }

    /// What all code of its owner begins with: `shop`, `com.shop`, `github.com/shop`.
    pub(super) fn top(&self) -> &'a str {
        self.first(self.domain_len() + 1)
    }

    /// Its beginning up to the segment that is one of `words`, where it is called so.
    pub(super) fn named_after(&self, words: &[String]) -> Option<&'a str> {
        let domain = self.domain_len();
        let last = domain + usize::from(domain > 0);
        (domain..=last)
            .filter(|nth| *nth < self.ends.len())
            .find(|nth| words.contains(&self.segment(*nth).to_lowercase()))
            .map(|nth| self.first(nth + 1))
    }

    /// Whether it begins with the segments of `root`.
    pub(super) fn is_within(&self, root: &str) -> bool {
        self.text.starts_with(root) && self.ends.contains(&root.len())
    }

    /// One segment more than the root that is `root_len` bytes long; the second of its owner's where
    /// none is known.
    pub(super) fn part_after(&self, root_len: Option<usize>) -> &'a str {
        let root = root_len.and_then(|len| self.ends.iter().position(|end| *end == len));
        let count = root.map_or(self.domain_len() + 1, |nth| nth + 1);
        self.first(count + 1)
    }

    /// Whether it is called as parts are that others use for everything.
    pub(super) fn is_helper(&self) -> bool {
        let last = self
            .segment(self.ends.len().saturating_sub(1))
            .to_lowercase();
        HELPERS.iter().any(|helper| last.contains(helper))
    }
}

/// Whether a module is of a well-known library.
pub(super) fn is_library(name: &str) -> bool {
    let name = Name::of(name);
    LIBRARIES.iter().any(|library| name.is_within(library))
}

/// Words of a line that may come before its logger.
const WORDS_BEFORE_MAX: usize = 8;
/// Words of a line among which a name is its logger's, whatever comes before.
const FIRST_WORDS: usize = 2;
/// Levels that loggers write in front of their name.
const LEVELS: [&str; 10] = [
    "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL", "SEVERE",
];

/// The module that logs a line, where the line says so: `INFO shop.cart.lock [-] released`,
/// `[main] com.shop.cart.Keeper - released`. Untrusted.
pub(in crate::core::cause) fn logger_in(line: &str) -> Option<&str> {
    let mut after_level = false;
    for (nth, word) in line
        .split_ascii_whitespace()
        .take(WORDS_BEFORE_MAX)
        .enumerate()
    {
        let name = word.trim_matches(['[', ']', '(', ')', ':', ',', '-']);
        if LEVELS.contains(&name.to_ascii_uppercase().as_str()) {
            after_level = true;
        } else if (after_level || nth < FIRST_WORDS) && is_dotted(name) {
            return Some(name);
        } else if after_level && !word.starts_with(['[', '<', '-']) {
            return None;
        }
    }
    None
}

/// What a line says after its logger, and after what that puts in brackets; all of it where it names none.
pub(in crate::core::cause) fn said_in(line: &str) -> &str {
    let rest = logger_in(line)
        .and_then(|logger| line.get(line.find(logger)? + logger.len()..))
        .map_or(line, |rest| {
            rest.trim_start_matches([']', ')', ':', ' ', '-'])
        });
    let said = match rest
        .starts_with('[')
        .then(|| rest.split_once(']'))
        .flatten()
    {
        Some((_, said)) => said,
        None => rest,
    };
    match said.trim() {
        "" => line,
        said => said,
    }
}

/// At least two names with a dot or two colons between them.
fn is_dotted(name: &str) -> bool {
    let is_segment = |segment: &str| {
        let mut letters = segment.chars();
        letters
            .next()
            .is_some_and(|c| c.is_alphabetic() || c == '_')
            && letters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
    };
    let dotted = name.replace("::", ".");
    dotted.contains('.') && dotted.split('.').all(is_segment)
}
