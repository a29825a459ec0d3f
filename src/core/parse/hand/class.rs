//! What a template is about, guessed from its words.

use crate::core::event::Class;

/// Guesses from the words of a template. The special goes before the general: "failed: disk full"
/// is about saturation, "error: timed out" about latency.
pub fn classify(text: &str) -> Class {
    let words = words(text);
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    let said: Vec<&str> = words.iter().map(String::as_str).collect();
    let pairs: Vec<String> = pairs.collect();
    let says = |list: &[&str]| {
        let plain = said.iter().any(|word| list.contains(word));
        plain || pairs.iter().any(|pair| list.contains(&pair.as_str()))
    };
    if says(SATURATION) {
        Class::Saturation
    } else if says(LATENCY) {
        Class::Latency
    } else if says(AVAILABILITY) {
        Class::Availability
    } else if says_unless_denied(&said, ERROR) {
        Class::Error
    } else if says(DURATION) {
        Class::Latency
    } else {
        Class::Info
    }
}

const SATURATION: &[&str] = &[
    "backpressure",
    "exhausted",
    "limit exceeded",
    "max connections",
    "no space",
    "oom",
    "out of",
    "overflow",
    "overload",
    "overloaded",
    "queue full",
    "quota",
    "rate limit",
    "rate limited",
    "saturated",
    "throttled",
    "throttling",
    "too many",
    "is full",
    "disk full",
];
const LATENCY: &[&str] = &[
    "deadline exceeded",
    "lagging",
    "slow",
    "slowly",
    "stalled",
    "timed out",
    "timeout",
    "timeouts",
    "too long",
];
const AVAILABILITY: &[&str] = &[
    "broken pipe",
    "connection closed",
    "connection lost",
    "connection refused",
    "connection reset",
    "disconnected",
    "down",
    "evicted",
    "failover",
    "killed",
    "not ready",
    "offline",
    "restarted",
    "restarting",
    "shutdown",
    "shutting down",
    "stopped",
    "stopping",
    "terminated",
    "terminating",
    "unavailable",
    "unhealthy",
    "unreachable",
];
const ERROR: &[&str] = &[
    "abort",
    "aborted",
    "assertion",
    "bad",
    "cannot",
    "corrupt",
    "corrupted",
    "crash",
    "crashed",
    "crit",
    "critical",
    "denied",
    "err",
    "error",
    "errors",
    "exception",
    "fail",
    "failed",
    "failing",
    "fails",
    "failure",
    "failures",
    "fatal",
    "forbidden",
    "illegal",
    "invalid",
    "mismatch",
    "panic",
    "panicked",
    "refused",
    "rejected",
    "segfault",
    "severe",
    "traceback",
    "unable",
    "unauthorized",
    "unexpected",
    "violation",
];
const DURATION: &[&str] = &["duration", "elapsed", "latency", "took"];
/// Before a word of trouble, these say that there is none.
const DENIALS: &[&str] = &["no", "without", "zero"];

fn says_unless_denied(words: &[&str], list: &[&str]) -> bool {
    let mut before = "";
    words.iter().any(|word| {
        let denied = DENIALS.contains(&std::mem::replace(&mut before, word));
        list.contains(word) && !denied
    })
}

/// Most words that are looked at.
const WORDS_MAX: usize = 256;

/// The words in lower case; `NullPointerException` is three.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut lower = false;
    for c in text.chars().chain([' ']) {
        let begins = !c.is_alphabetic() || (lower && c.is_uppercase());
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if words.len() >= WORDS_MAX {
            break;
        }
        if c.is_alphabetic() {
            word.extend(c.to_lowercase());
        }
        lower = c.is_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_the_class_and_the_special_goes_before_the_general() {
        for (text, class) in [
            ("user <*> logged in", Class::Info),
            ("could not open <*>: permission denied", Class::Error),
            ("java.lang.NullPointerException at <*>", Class::Error),
            ("error: request to <*> timed out", Class::Latency),
            ("request took <*>ms", Class::Latency),
            ("request failed, took <*>ms", Class::Error),
            ("write failed: disk full", Class::Saturation),
            ("too many open files", Class::Saturation),
            ("connection refused by <*>", Class::Availability),
            ("server <*> is down", Class::Availability),
            ("finished without errors", Class::Info),
            ("no error found, but one failure", Class::Error),
            ("", Class::Info),
        ] {
            assert_eq!(classify(text), class, "{text}");
        }
    }

    #[test]
    fn a_part_of_a_word_says_nothing() {
        assert_eq!(classify("terrorist download oomph badge"), Class::Info);
    }

    #[test]
    fn every_class_is_found_by_its_name() {
        for class in Class::ALL {
            assert_eq!(Class::from_name(class.name()), Some(class));
        }
        assert_eq!(Class::from_name("Error"), None);
    }
}
