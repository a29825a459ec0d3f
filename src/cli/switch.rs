//! `knothole switch`: whether anything may be done to any cluster.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, ClientArgs};
use super::failure::{Failure, Outcome, with_causes};
use super::terminal::{out, printable, say};
use crate::daemon::{STOP_ENVIRONMENT, STOP_FILE};

/// Characters of a reason that are shown.
const WHY_LEN: usize = 500;
/// Characters of a path that are shown.
const PATH_LEN: usize = 400;

/// `knothole switch`
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
pub(crate) struct SwitchArgs {
    #[command(flatten)]
    show: ShowArgs,
    #[command(subcommand)]
    command: Option<SwitchCommand>,
}

#[derive(Args, Clone, Debug)]
struct ShowArgs {
    /// Print what the API answers, one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Subcommand, Clone, Debug)]
enum SwitchCommand {
    /// Stop all actions at once, until somebody allows them again
    Stop(ThrowArgs),
    /// Allow actions again
    Release(ThrowArgs),
}

#[derive(Args, Clone, Debug)]
struct ThrowArgs {
    /// Why
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    client: ClientArgs,
}

const EXAMPLES: &str = "\
While all actions are stopped knothole changes nothing in any cluster; it goes on to look and to tell.
What is being sent when the switch is thrown is not called back. It stays thrown over restarts. An
operator may stop; to release takes a token of the role approver.

Examples:
  knothole switch                                      how it stands
  knothole switch stop --why 'it restarts the wrong pods'
  knothole switch release --why 'the rule is fixed'

Without the API, on the daemon's host, the file is the switch:
  touch ./knothole-data/actions.stopped                in state_dir, unless remediation.stop_file names another
  rm ./knothole-data/actions.stopped                   allows them again
SIGUSR1 writes that file; a daemon that is started with KNOTHOLE_STOP_ACTIONS=1 stays stopped.

Exit codes: 0 done, 2 no right to do it, 3 no daemon answers.";

pub(crate) fn run(args: &SwitchArgs) -> Result<Outcome, Failure> {
    match &args.command {
        None => show(&args.show),
        Some(SwitchCommand::Stop(args)) => throw(args, true).map_err(by_hand),
        Some(SwitchCommand::Release(args)) => throw(args, false),
    }
}

fn show(args: &ShowArgs) -> Result<Outcome, Failure> {
    let client = Client::new(&args.client)?;
    let switch = client.json(&client.get("/v1/switch", &[])?)?;
    let mut out = out();
    match args.json {
        true => writeln!(out, "{switch:#}")?,
        false => tell(&switch, &mut out)?,
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// How the switch stands.
fn tell(switch: &Value, out: &mut impl Write) -> io::Result<()> {
    let text = |name: &str, len| printable(switch[name].as_str().unwrap_or_default(), len);
    if switch["stopped"] != true {
        return writeln!(out, "allowed    actions are not stopped");
    }
    writeln!(out, "stopped    {}", text("why", WHY_LEN))?;
    writeln!(out, "file       {}", text("file", PATH_LEN))
}

fn throw(args: &ThrowArgs, stopped: bool) -> Result<Outcome, Failure> {
    let client = Client::new(&args.client)?;
    let body = json!({ "stopped": stopped, "why": args.why });
    let switch = client.json(&client.post("/v1/switch", &body)?)?;
    say(&told(&switch, stopped));
    Ok(Outcome::Done)
}

/// What became of the switch that was to be thrown.
fn told(switch: &Value, stopped: bool) -> String {
    let why = printable(switch["why"].as_str().unwrap_or_default(), WHY_LEN);
    match (stopped, switch["stopped"] == true) {
        (true, _) => {
            "all actions are stopped; `knothole switch release --why TEXT` allows them again"
                .to_owned()
        }
        (false, false) => "actions are allowed again".to_owned(),
        (false, true) => format!("the switch was released, and yet actions stay stopped: {why}"),
    }
}

/// Whoever could not stop actions here is told how to do it otherwise.
fn by_hand(failure: Failure) -> Failure {
    let advised = |error: &anyhow::Error| {
        anyhow::anyhow!(
            "{}\nNothing was stopped. Without the API, on the daemon's host:\n  \
             touch STATE_DIR/{STOP_FILE}    STATE_DIR is ./knothole-data unless state_dir says otherwise;\n                                     \
             remediation.stop_file may name another file\n  \
             kill -USR1 PID                     PID is that of knothole serve\n\
             and a daemon that is started with {STOP_ENVIRONMENT}=1 stays stopped",
            with_causes(error)
        )
    };
    match failure {
        Failure::Use(error) => Failure::Use(advised(&error)),
        Failure::Environment(error) => Failure::Environment(advised(&error)),
        other @ (Failure::Told | Failure::Output(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(switch: &Value) -> String {
        let mut shown = Vec::new();
        tell(switch, &mut shown).unwrap();
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn the_switch_is_told_with_its_reason_which_drives_no_terminal() {
        let stopped = json!({
            "stopped": true, "why": "ana: too \u{1b}[2J much\n", "file": "/var/lib/k/actions.stopped",
        });
        assert_eq!(
            shown(&stopped),
            "stopped    ana: too \u{fffd}[2J much\u{fffd}\nfile       /var/lib/k/actions.stopped\n"
        );
        let allowed = json!({ "stopped": false, "why": null, "file": "/x" });
        assert_eq!(shown(&allowed), "allowed    actions are not stopped\n");
    }

    #[test]
    fn a_release_that_releases_nothing_is_not_told_as_one() {
        let still = json!({ "stopped": true, "why": "KNOTHOLE_STOP_ACTIONS is set" });
        let said = told(&still, false);
        assert!(
            said.contains("stay stopped: KNOTHOLE_STOP_ACTIONS is set"),
            "{said}"
        );
        let released = json!({ "stopped": false, "why": null });
        assert_eq!(told(&released, false), "actions are allowed again");
    }

    #[test]
    fn whoever_cannot_reach_the_api_or_has_no_right_is_told_how_to_stop_by_hand() {
        for failure in [
            Failure::Environment(anyhow::anyhow!("nobody answers at x")),
            Failure::Use(anyhow::anyhow!("this daemon asks for a token")),
        ] {
            let is_use = matches!(failure, Failure::Use(_));
            let (Failure::Use(told) | Failure::Environment(told)) = by_hand(failure) else {
                panic!("it cannot be stopped so");
            };
            let told = told.to_string();
            for way in [
                "touch STATE_DIR/actions.stopped",
                "kill -USR1",
                "KNOTHOLE_STOP_ACTIONS=1",
            ] {
                assert!(told.contains(way), "{told}");
            }
            assert_eq!(told.starts_with("this daemon asks"), is_use);
        }
    }

    #[test]
    fn the_help_names_the_file_and_the_variable_as_they_are() {
        assert!(EXAMPLES.contains(STOP_FILE) && EXAMPLES.contains(STOP_ENVIRONMENT));
    }
}
