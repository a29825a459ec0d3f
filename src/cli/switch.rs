//! `knothole switch`: whether anything may be done to any cluster.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, ClientArgs, Reply, is_unreached};
use super::failure::{Failure, Outcome, with_causes};
use super::terminal::{out, printable, say};
use crate::daemon::{STOP_ENVIRONMENT, STOP_FILE};

/// Nothing was asked, or whoever asked was not let in.
const NOT_STOPPED: &str = "Nothing was stopped.";
/// The daemon was asked, and may have done it.
const UNKNOWN: &str = "It is not known whether it was stopped; `knothole switch` shows it.";
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
    /// Print what the API answers, one JSON object
    #[arg(long)]
    json: bool,
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

Exit codes: 0 done, 2 wrong use or no right to do it, 3 no daemon answers or it could not do it.";

pub(crate) fn run(args: &SwitchArgs) -> Result<Outcome, Failure> {
    match &args.command {
        None => show(&args.show),
        Some(SwitchCommand::Stop(args)) => stop(args),
        Some(SwitchCommand::Release(args)) => release(args),
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

fn stop(args: &ThrowArgs) -> Result<Outcome, Failure> {
    let client = Client::new(&args.client).map_err(|failure| by_hand(failure, NOT_STOPPED))?;
    let reply = post(&client, args, true).map_err(|failure| {
        let sure = match &failure {
            Failure::Environment(error) if is_unreached(error) => NOT_STOPPED,
            _ => UNKNOWN,
        };
        by_hand(failure, sure)
    })?;
    let sure = match reply.is_refused() {
        true => NOT_STOPPED,
        false => UNKNOWN,
    };
    let switch = client.json(&reply);
    let switch = switch.and_then(|switch| match switch["stopped"] == true {
        true => Ok(switch),
        false => {
            let said = format!("{} does not say that actions are stopped", client.place());
            Err(Failure::Environment(anyhow::anyhow!(said)))
        }
    });
    tell_thrown(
        &switch.map_err(|failure| by_hand(failure, sure))?,
        args.json,
        true,
    )
}

fn release(args: &ThrowArgs) -> Result<Outcome, Failure> {
    let client = Client::new(&args.client)?;
    let switch = client.json(&post(&client, args, false)?)?;
    tell_thrown(&switch, args.json, false)
}

fn post(client: &Client, args: &ThrowArgs, stopped: bool) -> Result<Reply, Failure> {
    let body = json!({ "stopped": stopped, "why": args.why });
    client.post("/v1/switch", &body)
}

fn tell_thrown(switch: &Value, is_json: bool, stopped: bool) -> Result<Outcome, Failure> {
    if is_json {
        let mut out = out();
        writeln!(out, "{switch:#}")?;
        out.flush()?;
    } else {
        say(&told(switch, stopped));
    }
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
fn by_hand(failure: Failure, stands: &str) -> Failure {
    let advised = |error: &anyhow::Error| {
        anyhow::anyhow!(
            "{}\n{stands} Without the API, on the daemon's host:\n  \
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
            let (Failure::Use(told) | Failure::Environment(told)) = by_hand(failure, UNKNOWN)
            else {
                panic!("it cannot be stopped so");
            };
            let told = told.to_string();
            for way in [
                "touch STATE_DIR/actions.stopped",
                "kill -USR1",
                "KNOTHOLE_STOP_ACTIONS=1",
                UNKNOWN,
            ] {
                assert!(told.contains(way), "{told}");
            }
            assert_eq!(told.starts_with("this daemon asks"), is_use);
        }
    }

    /// What `switch stop` says where a server answers so; without an answer it closes the connection.
    fn stopping(answer: Option<&'static str>) -> String {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            // The request is short, and comes as a whole or in two pieces.
            while !String::from_utf8_lossy(&asked).contains("too much") {
                let from = asked.iter().position(|byte| *byte == 0).unwrap();
                assert!(peer.read(&mut asked[from..]).unwrap() > 0);
            }
            if let Some(answer) = answer {
                peer.write_all(answer.as_bytes()).unwrap();
            }
        });
        let said = stopped_at(url);
        server.join().unwrap();
        said
    }

    fn stopped_at(url: String) -> String {
        let client = ClientArgs::to(url);
        let why = "too much".to_owned();
        match stop(&ThrowArgs {
            why,
            json: false,
            client,
        }) {
            Err(Failure::Use(error) | Failure::Environment(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_was_stopped_is_said_only_where_it_is_sure() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", closed.local_addr().unwrap());
        drop(closed);
        let unreached = stopped_at(url);
        let (head, tail) = (
            "HTTP/1.1 ",
            "\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
        );
        let reply = |status: &str| -> &'static str { format!("{head}{status}{tail}").leak() };
        let unknown = stopping(Some(reply("401 Unauthorized")));
        let forbidden = stopping(Some(reply("403 Forbidden")));
        for said in [unreached, unknown, forbidden] {
            assert!(said.contains(NOT_STOPPED), "{said}");
        }
        for answer in [
            None,
            Some(reply("503 Service Unavailable")),
            Some(reply("502 Bad Gateway")),
            Some(reply("200 OK")),
        ] {
            let said = stopping(answer);
            assert!(said.contains(UNKNOWN), "{answer:?}: {said}");
            assert!(!said.contains(NOT_STOPPED), "{answer:?}: {said}");
        }
    }

    #[test]
    fn the_help_names_the_file_and_the_variable_as_they_are() {
        assert!(EXAMPLES.contains(STOP_FILE) && EXAMPLES.contains(STOP_ENVIRONMENT));
    }
}
