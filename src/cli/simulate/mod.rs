//! `knothole simulate`: what the rules would have done about the past, and what would have held them back.
//!
//! ```text
//! state folder ─▶ History ────────────┐
//!                                     ├─▶ core::remedy::simulate ─▶ Column ─▶ Report
//! labelled set ─▶ World, each second ─┘                   right or wrong by the labels
//! ```
//!
//! Nothing is sent: there is not even anything to send it with.

mod kept;
mod labelled;
mod marks;
mod nezha;
mod openstack;
mod report;
mod view;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use self::report::Report;
use super::config_of;
use super::failure::{Failure, OrFailure as _, Outcome};
use super::terminal::out;
use crate::core::event::{Action, Mode};
use crate::core::record::Timestamp;
use crate::core::remedy::rule::{Limits, Rule};
use crate::core::remedy::simulate::{Assumed, Simulation};
use crate::core::silence::{Silences, frozen};
use crate::core::train::TrainSettings;
use crate::daemon::config::Settings;

/// `knothole simulate`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct SimulateArgs {
    /// The settings file with the rules
    #[arg(long, short, value_name = "FILE", env = "KNOTHOLE_CONFIG")]
    config: PathBuf,
    /// The state folder whose past is played [default: state_dir of the settings]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// From when on, as 2026-11-22T03:00:00Z (UTC where no offset is given) or so long ago: 24h
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Whether a pod that logs trouble is Ready meanwhile, which the past does not tell [default: both]
    #[arg(long, value_name = "STATE")]
    assume: Option<Readiness>,
    /// As if every rule were in this mode
    #[arg(long, value_name = "MODE")]
    mode: Option<ModeArg>,
    /// List each action, a line each
    #[arg(long)]
    actions: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Play a labelled set in place of a state folder, and tell right from wrong
    #[arg(long, value_enum, requires = "test", conflicts_with_all = ["state_dir", "from", "to"])]
    layout: Option<SetLayout>,
    #[command(flatten)]
    set: SetArgs,
}

/// What a labelled set is played with.
#[derive(Args, Clone, Debug)]
struct SetArgs {
    /// The set to learn from
    #[arg(long, value_name = "DIR", requires = "layout")]
    train: Option<PathBuf>,
    /// The set to play; may be the same
    #[arg(long, value_name = "DIR", requires = "layout")]
    test: Option<PathBuf>,
    /// Most passes over the training rows of a service's model
    #[arg(long, value_name = "N", requires = "layout")]
    epochs: Option<usize>,
}

impl SetArgs {
    fn training(&self) -> TrainSettings {
        let usual = TrainSettings::default();
        TrainSettings {
            epochs_max: self.epochs.unwrap_or(usual.epochs_max),
            ..usual
        }
    }
}

/// How a labelled set is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SetLayout {
    /// Microservices with injected faults: logs.tsv.gz, spans.tsv.gz, metrics.csv.gz and faults.tsv
    Nezha,
    /// OpenStack under fault injection: NAME.tsv.gz for each campaign, rounds.tsv, split.tsv
    OpenstackFi,
}

/// Whether a pod is Ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Readiness {
    /// The cluster itself speaks for trouble
    NotReady,
    /// Only records speak for it
    Ready,
}

impl Readiness {
    const BOTH: [Self; 2] = [Self::NotReady, Self::Ready];

    const fn assumed(self) -> Assumed {
        Assumed {
            pod_is_ready: matches!(self, Self::Ready),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::NotReady => "not Ready",
            Self::Ready => "Ready",
        }
    }
}

/// A mode on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    Observe,
    Suggest,
    Approve,
    Auto,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Observe => Self::Observe,
            ModeArg::Suggest => Self::Suggest,
            ModeArg::Approve => Self::Approve,
            ModeArg::Auto => Self::Auto,
        }
    }
}

const EXAMPLES: &str = "\
Every anomaly of the past is shown to the rules, and what they ask for goes through the same ledger and
the same checks as in `serve`, at the times of the past. No cluster is read and nothing is sent; the
cluster's answers are assumed, and each assumption is told. What would have been done counts for rates,
cool-downs and breakers. It works beside a running daemon, and without one.

In the table `fits` are anomalies that a rule is for, `asked` the actions it asked for, `done` those that
would have been carried out, `proposed` those that would have waited for a person, `blocked` the rest.

With --layout a labelled set is learned from and played instead. An action is right where it is done to
what the fault was injected into. datasets/README.md says which files a set has.

Examples:
  knothole simulate -c knothole.yaml
  knothole simulate -c knothole.yaml --from 24h --actions
  knothole simulate -c knothole.yaml --mode auto --assume ready --json | jq .columns
  knothole simulate -c rules.yaml --layout nezha --train set/ --test set/

Exit codes: 0 done, 2 wrong use or settings, 3 the state folder cannot be read.";

pub(crate) fn run(args: &SimulateArgs) -> Result<Outcome, Failure> {
    let settings = config_of(Some(&args.config))?;
    let rules = Rules::of(&settings, args)?;
    let report = match args.layout {
        None => kept::simulate(args, &settings, &rules)?,
        Some(layout) => {
            let set = labelled::Set::of(&args.set).or_use()?;
            match layout {
                SetLayout::Nezha => nezha::simulate(&set, &rules).or_use()?,
                SetLayout::OpenstackFi => openstack::simulate(&set, &rules).or_use()?,
            }
        }
    };
    print(&report, args)
}

fn print(report: &Report, args: &SimulateArgs) -> Result<Outcome, Failure> {
    let mut out = out();
    if args.json {
        let object = view::object(report, args.actions);
        serde_json::to_writer_pretty(&mut out, &object).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        report.write(&mut out, args.actions)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// The rules, and what they are simulated with.
struct Rules {
    rules: Vec<Rule>,
    limits: Limits,
    freezes: Silences,
    is_authenticated: bool,
    columns: Vec<Readiness>,
}

impl Rules {
    fn of(settings: &Settings, args: &SimulateArgs) -> Result<Self, Failure> {
        let mut rules = settings.rules();
        if rules.is_empty() {
            let file = args.config.display();
            let none = anyhow::anyhow!("{file} has no rules: there is nothing under actions");
            return Err(Failure::Use(none));
        }
        if let Some(mode) = args.mode {
            for rule in &mut rules {
                rule.mode = mode.into();
            }
        }
        let columns = args.assume.map_or(Readiness::BOTH.to_vec(), |it| vec![it]);
        Ok(Self {
            rules,
            limits: settings.limits(),
            freezes: settings.freezes(),
            is_authenticated: settings.senders_are_known(),
            columns,
        })
    }

    /// The window in which nothing is done to the target of `action`.
    fn frozen(&self, action: &Action, now: Timestamp) -> Option<Box<str>> {
        frozen(&self.freezes, action, now)
    }
}

/// Has `simulation` begin for `rules` as if pods were `readiness`.
fn begun<'a>(
    rules: &'a Rules,
    frozen: crate::core::remedy::simulate::Frozen<'a>,
    readiness: Readiness,
) -> Simulation<'a> {
    Simulation::new(
        rules.rules.clone(),
        rules.limits.clone(),
        frozen,
        readiness.assumed(),
    )
}

/// `90 s`, `12 min`, `3 h`, `2 days`: rounded down, for people.
fn lasting(duration: Duration) -> String {
    match duration.as_secs() {
        secs @ 0..120 => format!("{secs} s"),
        secs @ 120..7_200 => format!("{} min", secs / 60),
        secs @ 7_200..172_800 => format!("{} h", secs / 3_600),
        secs => format!("{} days", secs / 86_400),
    }
}

#[cfg(test)]
mod tests;
