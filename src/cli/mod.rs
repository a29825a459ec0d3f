//! The commands.

mod actions;
mod args;
mod audit;
mod check_config;
mod client;
mod demo;
mod detect;
mod eval;
mod explain;
mod failure;
mod incidents;
mod lines;
mod model_show;
mod offline;
mod otlp_check;
mod outbox;
mod progress;
mod rbac;
mod replay;
mod rules;
mod scratch;
mod sender;
mod serve;
mod silence;
mod simulate;
mod story;
mod switch;
mod templates;
mod terminal;
mod screen;
mod top;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use actions::ActionsArgs;
use args::{DemoArgs, DetectArgs, ServeArgs, TrainArgs};
use audit::AuditArgs;
use check_config::CheckConfigArgs;
use eval::EvalArgs;
use explain::ExplainArgs;
use failure::{Failure, Outcome};
use incidents::IncidentsArgs;
use model_show::ModelArgs;
use otlp_check::OtlpCheckArgs;
use outbox::OutboxArgs;
use rbac::RbacArgs;
use replay::ReplayArgs;
use rules::RulesArgs;
use silence::SilenceArgs;
use simulate::SimulateArgs;
use switch::SwitchArgs;
use templates::TemplatesArgs;
use top::TopArgs;

use crate::daemon::config::{Settings, load_without_secrets};

/// Learns what normal logs look like, tells an on-call engineer what broke and why, and proposes
/// what to do.
#[derive(Parser, Debug)]
#[command(name = "knothole", version, after_help = FIRST_STEPS, max_term_width = 100)]
struct Cli {
    /// What knothole itself logs on standard error: error, warn, info, debug, trace, or directives
    /// such as info,knothole::edge=debug
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  knothole demo                                          see it find injected faults in real logs
  knothole serve                                         start the daemon, no settings needed
  knothole replay app.log --to http://127.0.0.1:4317     send it a file
  knothole templates app.log                             see what a log is made of

`knothole help COMMAND` explains each and has examples. Data go to standard output, talk to
standard error. Exit codes: 0 done, 1 found what was asked about, 2 wrong use or settings,
3 environment (port taken, disk full).";

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the daemon: take logs over OTLP, learn, judge, tell
    Serve(ServeArgs),
    /// List incidents of a running daemon, take them on, end them
    Incidents(IncidentsArgs),
    /// Tell what broke, why probably, and what would help
    Explain(ExplainArgs),
    /// List what rules ask for, see why, approve it or say no
    Actions(ActionsArgs),
    /// See whether actions are stopped; stop them all, or allow them again
    Switch(SwitchArgs),
    /// Watch services and incidents of a running daemon
    Top(TopArgs),
    /// See the whole thing work on bundled real logs
    Demo(DemoArgs),
    /// Find anomalies in log files
    Detect(DetectArgs),
    /// Train a model on log files
    Train(TrainArgs),
    /// List the kinds of lines in log files
    Templates(TemplatesArgs),
    /// Send a log file as OTLP
    Replay(ReplayArgs),
    /// Measure the detectors on labelled sequences, beside simple ones
    Eval(EvalArgs),
    /// Look at models
    Model(ModelArgs),
    /// Try silences and maintenance windows
    Silence(SilenceArgs),
    /// Try rules on cases of your own
    Rules(RulesArgs),
    /// Replay the past through the rules: what would have been done, and what held back
    Simulate(SimulateArgs),
    /// Print the rights that the enabled actions take in a cluster
    Rbac(RbacArgs),
    /// See what waits for a sink and what no sink would take, and send it again
    Outbox(OutboxArgs),
    /// See who did what, and whether the record of it was changed
    Audit(AuditArgs),
    /// Check a settings file
    CheckConfig(CheckConfigArgs),
    /// See how well any OTLP receiver keeps to the specification
    OtlpCheck(OtlpCheckArgs),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed standard output is no reason to fail `--help`.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let (code, complaint) = failure::verdict(dispatch(&cli));
    if let Some(complaint) = complaint {
        terminal::say(&format!("knothole: {complaint}"));
    }
    code
}

fn dispatch(cli: &Cli) -> Result<Outcome, Failure> {
    match &cli.command {
        Command::Serve(args) => serve::run(args, cli.log_level.as_deref()),
        Command::Incidents(args) => incidents::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Actions(args) => actions::run(args),
        Command::Switch(args) => switch::run(args),
        Command::Top(args) => top::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Detect(args) => detect::run(args),
        Command::Train(args) => train::run(args),
        Command::Templates(args) => templates::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Model(args) => model_show::run(args),
        Command::Silence(args) => silence::run(args),
        Command::Rules(args) => rules::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Rbac(args) => rbac::run(args),
        Command::Outbox(args) => outbox::run(args),
        Command::Audit(args) => audit::run(args),
        Command::CheckConfig(args) => check_config::run(args),
        Command::OtlpCheck(args) => otlp_check::run(args),
    }
}

/// The settings of commands that work on files: those of `file`, if one is named. Whoever runs them need not have
/// the tokens and certificates of the daemon.
fn config_of(file: Option<&std::path::Path>) -> Result<Settings, Failure> {
    load_without_secrets(file).map_err(serve::config_failure)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_acts_can_be_read_by_machines_and_settings_are_named_alike() {
        use clap::Parser as _;
        for line in [
            "actions approve 7c417c --plan d41d --json",
            "actions deny 7c417c --note x --json",
            "switch stop --why x --json",
            "switch release --why x --json",
            "audit show -c knothole.yaml",
            "audit verify -c knothole.yaml",
        ] {
            let words = std::iter::once("knothole").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
        for name in ["actions", "switch", "audit", "rbac"] {
            let mut cli = Cli::command();
            let command = cli.find_subcommand_mut(name).unwrap();
            let help = command.render_long_help().to_string();
            assert!(help.contains("Exit codes"), "{name}");
        }
    }

    #[test]
    fn commands_that_work_on_files_take_settings_whose_secrets_are_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("knothole.yaml");
        let text = "state_dir: /var/lib/k\napi: { tokens: [{ name: ana, role: approver, token_file: /gone }] }\n\
            catalog: { url: 'https://b', token_file: /gone }\n\
            receive: { tls: { cert: /gone, key: /gone }, tenants: [{ name: shop, token_file: /gone }] }\n";
        std::fs::write(&file, text).unwrap();
        let settings = config_of(Some(&file)).unwrap();
        assert_eq!(settings.state_dir, std::path::Path::new("/var/lib/k"));
        let refused = crate::daemon::config::load(Some(&file), &[]).unwrap_err();
        let refused = refused.to_string();
        for path in ["api.tokens", "catalog", "receive.tls", "receive.tenants"] {
            assert!(
                refused.contains(&format!("  {path}: ")),
                "{path}: {refused}"
            );
        }
        std::fs::write(&file, "api: { tokens: [{ name: ana, role: approver }] }\n").unwrap();
        assert!(matches!(config_of(Some(&file)), Err(Failure::Told)));
    }

    #[test]
    fn every_command_teaches_with_examples() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli
            .get_subcommands_mut()
            .filter(|command| !command.has_subcommands())
        {
            if command.get_name() == "help" {
                continue;
            }
            let help = command.render_long_help().to_string();
            let name = format!("knothole {}", command.get_name());
            assert!(
                help.matches(&name).count() >= 2,
                "{name} shows no example:\n{help}"
            );
            assert!(
                command.get_about().is_some(),
                "{name} says nothing about itself"
            );
        }
    }
}
