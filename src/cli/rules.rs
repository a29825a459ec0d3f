//! `knothole rules test`: what the rules come to in cases of the owner's, before anybody relies on them.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::{Failure, Outcome};
use super::serve::config_failure;
use super::terminal::{out, printable};
use crate::core::event::Checked;
use crate::core::remedy::simulate::{Ended, Outcome as End};
use crate::daemon::config::{Expected, RuleCase, RuleTests, load_rule_tests};

/// `knothole rules`
#[derive(Args, Clone, Debug)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum RulesCommand {
    /// Try the rules on files of cases
    Test(TestArgs),
}

#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
struct TestArgs {
    /// Files of cases to try
    #[arg(required = true, value_name = "CASES")]
    cases: Vec<PathBuf>,
    /// The settings file with the rules, in place of the one that the cases name
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Tell of every case what each rule comes to, and why
    #[arg(long)]
    explain: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
A case is an anomaly, how things stand, and what each rule comes to in that moment. The rules go through
the ledger and the checks of `serve`; the cluster is what the case says, and nothing is sent. Leave out
what does not matter: then nothing speaks against an action, and nothing but records speaks for it.
  config: knothole.yaml           # the settings with the rules, from the folder of this file on
  rule_tests:
    - name: a pod that is not Ready is restarted
      anomaly:
        kind: sequence
        service: shop/cart
        score: 0.97
        lasted: 2m
        resource: { k8s.namespace.name: shop, k8s.deployment.name: cart, k8s.pod.name: cart-1, k8s.pod.uid: u1 }
      cluster: { pod: { ready: false, age: 2h }, workload: { replicas: 5 } }
      expect:
        - { rule: restart-pod, outcome: done }
        - { rule: restart-workload, outcome: proposed }

outcome is done, proposed, observed, blocked or nothing (it does not even ask). by: [budget] names the
checks that decide, all of them; without by any may. A rule that is not named may not do or propose
anything. docs/remediation.md lists all that a case can say.

Examples:
  knothole rules test examples/rules_test.yaml
  knothole rules test --config new-rules.yaml examples/rules_test.yaml
  knothole rules test --explain cases.yaml
  knothole rules test --json *_test.yaml | jq '.cases[] | select(.passed | not)'

Exit codes: 0 all is as expected, 1 a case is not, 2 the settings or the cases are wrong.";

/// Longest text that is shown, in characters.
const SHOWN_LEN_MAX: usize = 300;

pub(crate) fn run(args: &RulesArgs) -> Result<Outcome, Failure> {
    let RulesCommand::Test(args) = &args.command;
    let mut tried = Vec::new();
    for file in &args.cases {
        let tests = load_rule_tests(file, args.config.as_deref()).map_err(config_failure)?;
        tried.extend(try_all(&tests));
    }
    let mut out = out();
    match args.json {
        true => writeln!(out, "{}", view(&tried))?,
        false => show(&tried, args.explain, &mut out)?,
    }
    out.flush()?;
    Ok(match tried.iter().all(Tried::passed) {
        true => Outcome::Done,
        false => Outcome::Found,
    })
}

/// A case, and what it came to.
struct Tried {
    name: String,
    ended: Vec<Ended>,
    wrong: Vec<Difference>,
}

/// In what one rule is not what is expected of it.
struct Difference {
    says: String,
    /// Why it came to what it did.
    because: Vec<String>,
}

impl Tried {
    fn of(case: &RuleCase, ended: Vec<Ended>) -> Self {
        let differs = |it: &Ended| {
            let expected = case
                .expected
                .iter()
                .find(|expected| *expected.rule == *it.rule);
            let says = difference(expected, it)?;
            Some(Difference {
                says,
                because: because(it),
            })
        };
        Self {
            name: case.name.clone(),
            wrong: ended.iter().filter_map(differs).collect(),
            ended,
        }
    }

    fn passed(&self) -> bool {
        self.wrong.is_empty()
    }
}

fn try_all(tests: &RuleTests) -> Vec<Tried> {
    let cases = tests.cases.iter();
    cases
        .map(|case| Tried::of(case, case.play(&tests.settings)))
        .collect()
}

/// In what `ended` is not what is expected of its rule.
fn difference(expected: Option<&Expected>, ended: &Ended) -> Option<String> {
    let (rule, came) = (&ended.rule, ended.outcome.name());
    let Some(expected) = expected else {
        let acts = matches!(ended.outcome, End::Done | End::Proposed);
        return acts.then(|| format!("{rule}: nothing is expected of it, but it is {came}"));
    };
    let mut wanted: Vec<&str> = expected.by.iter().map(String::as_str).collect();
    let mut found: Vec<&str> = ended.checks.iter().map(|it| &*it.check).collect();
    wanted.sort_unstable();
    wanted.dedup();
    found.sort_unstable();
    if expected.outcome != ended.outcome {
        let wanted = expected.outcome.name();
        Some(format!("{rule}: expected {wanted}, but it is {came}"))
    } else if !wanted.is_empty() && wanted != found {
        let (wanted, found) = (wanted.join(", "), found.join(", "));
        Some(format!(
            "{rule}: expected {came} by {wanted}, but it is by {found}"
        ))
    } else {
        None
    }
}

/// The reason of each check that decided, or else of the whole.
fn because(ended: &Ended) -> Vec<String> {
    if ended.checks.is_empty() {
        return vec![ended.why.clone()];
    }
    let said = |it: &Checked| format!("{} ({}): {}", it.check, it.verdict.name(), it.why);
    ended.checks.iter().map(said).collect()
}

fn show(tried: &[Tried], explain: bool, out: &mut impl Write) -> std::io::Result<()> {
    let failed = tried.iter().filter(|it| !it.passed()).count();
    for it in tried {
        let state = if it.passed() { "ok" } else { "FAILED" };
        writeln!(out, "{state:<10} {}", printable(&it.name, SHOWN_LEN_MAX))?;
        for difference in &it.wrong {
            lines(&difference.says, &difference.because, out)?;
        }
        // What is wrong has been told.
        for ended in it.ended.iter().filter(|_| explain && it.passed()) {
            let says = format!("{}: {}", ended.rule, ended.outcome.name());
            lines(&says, &because(ended), out)?;
        }
    }
    let plural = if tried.len() == 1 { "case" } else { "cases" };
    writeln!(out, "{} {plural}, {failed} failed", tried.len())
}

fn lines(says: &str, because: &[String], out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "           {}", printable(says, SHOWN_LEN_MAX))?;
    because
        .iter()
        .try_for_each(|why| writeln!(out, "             {}", printable(why, SHOWN_LEN_MAX)))
}

fn view(tried: &[Tried]) -> Value {
    let check =
        |it: &Checked| json!({ "check": it.check, "verdict": it.verdict.name(), "why": it.why });
    let rule = |it: &Ended| {
        json!({
            "rule": it.rule,
            "outcome": it.outcome.name(),
            "why": it.why,
            "checks": it.checks.iter().map(check).collect::<Vec<_>>(),
        })
    };
    let case = |it: &Tried| {
        json!({
            "name": it.name,
            "passed": it.passed(),
            "differences": it.wrong.iter().map(|wrong| &wrong.says).collect::<Vec<_>>(),
            "rules": it.ended.iter().map(rule).collect::<Vec<_>>(),
        })
    };
    let failed = tried.iter().filter(|it| !it.passed()).count();
    json!({
        "cases": tried.iter().map(case).collect::<Vec<_>>(),
        "passed": tried.len() - failed,
        "failed": failed,
    })
}
