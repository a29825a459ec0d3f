//! `knothole check-config`: everything wrong with a settings file, at once.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::failure::{Failure, OrFailure as _, Outcome};
use super::terminal::out;
use crate::daemon::config::{self, ConfigError, DEFAULT_FILE, HostMemory, Settings};
use crate::daemon::models::{self, OtherIdleTimeout};

/// `knothole check-config`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CheckConfigArgs {
    /// The settings file; - is standard input
    #[arg(required_unless_present = "print_default", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print a file that says the defaults, with a comment on each setting
    #[arg(long, conflicts_with_all = ["file", "json"])]
    print_default: bool,
    /// Print the problems as one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  knothole check-config --print-default > knothole.yaml
  knothole check-config knothole.yaml
  knothole check-config --json knothole.yaml | jq '.problems[].message'

Looks at the file alone: environment variables and flags that `serve` would put over it are left
out. Nothing is started and no port is opened.

Exit codes: 0 nothing is wrong, 2 something is, or the file cannot be read.";

/// Longest text that is read from standard input, in bytes.
const STDIN_LEN_MAX: u64 = 4 << 20;

pub(crate) fn run(args: &CheckConfigArgs) -> Result<Outcome, Failure> {
    let mut out = out();
    let Some(file) = &args.file else {
        out.write_all(DEFAULT_FILE.as_bytes())?;
        out.flush()?;
        return Ok(Outcome::Done);
    };
    let checked = match read(file) {
        Err(unreadable @ ConfigError::Unreadable { .. }) => return Err(unreadable).or_use(),
        checked => checked,
    };
    let ended = match (&checked, args.json) {
        (Ok(settings), true) => {
            writeln!(
                out,
                "{}",
                json!({
                    "file": file.display().to_string(),
                    "problems": [],
                    "warnings": warnings(settings),
                })
            )?;
            Ok(Outcome::Done)
        }
        (Ok(settings), false) => {
            writeln!(out, "{}: nothing wrong", file.display())?;
            writeln!(out, "{}", summary(settings))?;
            for warning in warnings(settings) {
                writeln!(out, "warning    {warning}")?;
            }
            Ok(Outcome::Done)
        }
        (Err(ConfigError::Problems(problems)), true) => {
            writeln!(out, "{}", problems.to_json())?;
            Err(Failure::Told)
        }
        (Err(error), _) => {
            writeln!(out, "{error}")?;
            Err(Failure::Told)
        }
    };
    out.flush()?;
    ended
}

fn read(file: &Path) -> Result<Settings, ConfigError> {
    if file != Path::new("-") {
        return config::load(Some(file), &[]);
    }
    let mut text = String::new();
    let read = std::io::stdin()
        .take(STDIN_LEN_MAX)
        .read_to_string(&mut text);
    read.map_err(|source| ConfigError::Unreadable {
        path: file.to_owned(),
        source,
    })?;
    config::from_text("-", &text, &[]).map_err(ConfigError::Problems)
}

/// What `serve` would take but warn of: models that do not fit the other settings.
fn warnings(settings: &Settings) -> Vec<String> {
    let set = settings.sequence.idle_timeout.get();
    let warning = |bundle: &config::ServiceBundle| {
        // What cannot be read is a problem, and was told as one.
        let model = models::read(&bundle.path).ok()?;
        let differs = OtherIdleTimeout::of(&model.manifest().trained_on, set)?;
        Some(format!("the model {} {differs}", bundle.path.display()))
    };
    settings.model.bundles.iter().filter_map(warning).collect()
}

/// What the settings come to on this host.
fn summary(settings: &Settings) -> String {
    let listen = &settings.listen;
    let memory = HostMemory::read().resolve(settings.memory_limit).as_bytes() >> 20;
    format!(
        "listens    OTLP gRPC {}, HTTP {}, API {}\nstate      {}, at most {}\nmemory     at most \
         {memory} MiB on this host ({})",
        listen.otlp_grpc,
        listen.otlp_http,
        listen.api,
        settings.state_dir.display(),
        settings.state_bytes_max,
        settings.memory_limit,
    )
}
