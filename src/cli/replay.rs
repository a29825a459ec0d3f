//! `knothole replay`: any log file as OTLP, as if a Collector were tailing it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::failure::{Failure, OrFailure as _, Outcome};
use super::lines::Lines;
use super::sender::{SendError, Sender, Source};
use super::terminal::{grouped, out, printable, say};

/// `knothole replay`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// Log file (plain, .gz, .zst or .xz); - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// OTLP/gRPC endpoint to send to
    #[arg(long, value_name = "ENDPOINT")]
    to: String,
    /// Records per second [default: as fast as they are taken]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// service.name of the resource; without it the stream is named after the file
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// A further attribute of the resource; may be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    attribute: Vec<(String, String)>,
    /// Most records in one request (a Collector sends 8192)
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Print the count as one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Each line is sent as one log record the way an OpenTelemetry Collector's file_log receiver sends it:
the line is the body, the observed time is now, and neither time nor severity is set. A receiver
that says it is full gets the batch again later, for up to five minutes.

Examples:
  knothole replay app.log --to http://127.0.0.1:4317
  knothole replay app.log.gz --to http://127.0.0.1:4317 --service checkout --rate 500
  knothole replay - --to 127.0.0.1:4317 --attribute k8s.pod.name=checkout-7d9f < app.log

Exit codes: 0 all were taken, 1 some were rejected, 2 wrong use, 3 nobody answers there.";

/// Most bytes of lines in one request: many receivers take 4 MiB only.
const BATCH_BYTES_MAX: usize = 3 << 20;
/// With a rate, requests are sent this often, so that records flow evenly.
const REQUESTS_PER_SECOND: u32 = 10;

pub(crate) fn run(args: &ReplayArgs) -> Result<Outcome, Failure> {
    let mut lines = Lines::open(&args.file).or_use()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.or_environment()?;
    runtime.block_on(async {
        let mut sender = Sender::connect(&args.to).await.map_err(blame)?;
        let started = Instant::now();
        let ended = replay(args, &mut lines, &mut sender).await;
        // What was taken before an error is worth telling too.
        tell(args, &lines, &sender, started.elapsed())?;
        ended?;
        Ok(if sender.sent().rejected > 0 {
            Outcome::Found
        } else {
            Outcome::Done
        })
    })
}

async fn replay(args: &ReplayArgs, lines: &mut Lines, sender: &mut Sender) -> Result<(), Failure> {
    let source = source(args);
    let pace = Pace::new(args.rate, args.batch as usize);
    let mut batches = 0;
    loop {
        let batch = next_batch(lines, pace.batch_len)?;
        if batch.is_empty() {
            return Ok(());
        }
        sleep_until(pace.due(batches)).await;
        sender.send(&source, batch).await.map_err(blame)?;
        lines.show_progress();
        batches += 1;
    }
}

fn next_batch(lines: &mut Lines, len: usize) -> Result<Vec<String>, Failure> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.len() < len && bytes < BATCH_BYTES_MAX {
        let Some(line) = lines.next_line().or_use()? else {
            break;
        };
        // file_log skips empty lines as well.
        if !line.is_empty() {
            bytes += line.len();
            batch.push(line.to_owned());
        }
    }
    Ok(batch)
}

/// When which batch is due.
struct Pace {
    started: Instant,
    batch_len: usize,
    between: Duration,
}

impl Pace {
    fn new(rate: Option<u32>, batch_len_max: usize) -> Self {
        let started = Instant::now();
        let Some(rate) = rate else {
            return Self {
                started,
                batch_len: batch_len_max,
                between: Duration::ZERO,
            };
        };
        let batch_len = (rate.div_ceil(REQUESTS_PER_SECOND) as usize).clamp(1, batch_len_max);
        let between = Duration::from_secs_f64(batch_len as f64 / f64::from(rate));
        Self {
            started,
            batch_len,
            between,
        }
    }

    fn due(&self, batch: u32) -> Instant {
        self.started + self.between * batch
    }
}

fn source(args: &ReplayArgs) -> Source {
    let mut resource = args.attribute.clone();
    resource.extend(
        args.service
            .iter()
            .map(|name| ("service.name".to_owned(), name.clone())),
    );
    let from_file = args.file != Path::new("-");
    let name = args.file.file_name().filter(|_| from_file);
    Source {
        resource,
        file_name: name.map(|name| name.to_string_lossy().into_owned()),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE, such as k8s.pod.name=checkout-7d9f".to_owned()),
    }
}

fn blame(error: SendError) -> Failure {
    match error {
        SendError::Endpoint(_) => Failure::Use(error.into()),
        SendError::Connect { .. } | SendError::Refused { .. } | SendError::GivenUp { .. } => {
            Failure::Environment(error.into())
        }
    }
}

fn tell(args: &ReplayArgs, lines: &Lines, sender: &Sender, took: Duration) -> Result<(), Failure> {
    use std::io::Write as _;
    let sent = sender.sent();
    let records = sent.accepted + sent.rejected;
    let per_second = (records as f64 / took.as_secs_f64().max(1e-9)) as u64;
    if lines.cut() > 0 {
        say(&format!(
            "{} lines were longer than 1 MiB and were cut",
            grouped(lines.cut())
        ));
    }
    let mut out = out();
    if args.json {
        let count = json!({
            "lines": lines.number(), "accepted": sent.accepted, "rejected": sent.rejected,
            "retries": sent.retries, "cut": lines.cut(), "seconds": took.as_secs_f64(),
        });
        writeln!(out, "{count}")?;
    } else {
        writeln!(
            out,
            "{} records sent to {} in {:.1} s ({}/s): {} accepted, {} rejected, {} batches sent again",
            grouped(records),
            printable(&args.to, 200),
            took.as_secs_f64(),
            grouped(per_second),
            grouped(sent.accepted),
            grouped(sent.rejected),
            grouped(sent.retries),
        )?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_in_even_requests() {
        for (rate, batch, len, between_ms) in [
            (500, 8192, 50, 100),
            (3, 8192, 1, 333),
            (1_000_000, 8192, 8192, 8),
            (100, 1, 1, 10),
        ] {
            let pace = Pace::new(Some(rate), batch);
            assert_eq!(
                (pace.batch_len, pace.between.as_millis()),
                (len, between_ms),
                "{rate}"
            );
        }
        let free = Pace::new(None, 8192);
        assert_eq!((free.batch_len, free.due(1_000)), (8192, free.started));
    }

    #[test]
    fn batches_are_bounded_by_bytes_and_skip_empty_lines() {
        let line = "x".repeat(1 << 20);
        let text = format!("{line}\n\n{line}\n{line}\nlast\n");
        let mut lines = Lines::over(std::io::Cursor::new(text), "test", None).unwrap();
        let first = next_batch(&mut lines, 8192).unwrap();
        assert_eq!(first.len(), 3);
        assert_eq!(next_batch(&mut lines, 8192).unwrap(), ["last"]);
        assert!(next_batch(&mut lines, 8192).unwrap().is_empty());
    }
}
