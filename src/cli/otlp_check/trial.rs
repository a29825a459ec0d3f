//! Gathers what came back for the requests of one row.

use super::client::Told;
use super::report::Finding;

/// What was sent, and everything in the answers that is not as it should be.
pub(super) struct Trial {
    sent: String,
    asked: usize,
    wrong: Vec<String>,
}

/// Most faults that one `why` tells.
const TOLD_MAX: usize = 4;

impl Trial {
    /// `sent` is what was sent, as the beginning of a sentence.
    pub(super) fn of(sent: impl Into<String>) -> Self {
        Self {
            sent: sent.into(),
            asked: 0,
            wrong: Vec::new(),
        }
    }

    /// Holds an answer against what it should be. `None` is a transport that is not there.
    pub(super) fn see(&mut self, what: &str, told: Option<Told>, is_right: impl Fn(&Told) -> bool) {
        let Some(told) = told else { return };
        let shown = match what {
            "" => told.to_string(),
            what => format!("{what}, {told}"),
        };
        self.check(is_right(&told), shown);
    }

    /// The request was taken as a whole.
    pub(super) fn whole(&mut self, what: &str, told: Option<Told>) {
        self.see(what, told, Told::is_whole);
    }

    /// `wrong` tells what is not right, if anything.
    pub(super) fn check(&mut self, is_right: bool, wrong: String) {
        self.asked += 1;
        if !is_right {
            self.wrong.push(wrong);
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.wrong.is_empty()
    }

    /// `came` is what came back if all was right.
    pub(super) fn end(self, came: &str) -> Finding {
        self.judged(Finding::pass, came)
    }

    /// As [`Trial::end`] for a row of which only the taking can be seen.
    pub(super) fn end_unseen(self, came: &str) -> Finding {
        self.judged(Finding::unseen, came)
    }

    fn judged(mut self, good: fn(String) -> Finding, came: &str) -> Finding {
        if self.asked == 0 {
            return Finding::unseen(
                "nothing was seen: this transport was not found, or nothing was refused",
            );
        }
        if self.wrong.is_empty() {
            return good(format!("{}: {came}", self.sent));
        }
        let more = self.wrong.len().saturating_sub(TOLD_MAX);
        self.wrong.truncate(TOLD_MAX);
        let mut wrong = self.wrong.join("; ");
        if more > 0 {
            wrong += &format!("; and {more} more");
        }
        Finding::fail(format!("{}: {wrong}", self.sent))
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::Way;
    use super::*;

    #[test]
    fn one_wrong_answer_among_many_fails_the_row_and_is_named() {
        let mut trial = Trial::of("a record was sent");
        trial.check(true, "never told".to_owned());
        let silent = Told::silent(Way::Grpc, "no answer within 5s".to_owned());
        trial.whole("gzip", Some(silent));
        let finding = trial.end("it was taken");
        assert_eq!(finding.pass, Some(false));
        assert_eq!(
            finding.why,
            "a record was sent: gzip, gRPC: no answer within 5s"
        );
    }

    #[test]
    fn without_a_single_answer_nothing_is_claimed() {
        let mut trial = Trial::of("a record was sent");
        trial.whole("gzip", None);
        assert_eq!(trial.end("it was taken").pass, None);
    }
}
