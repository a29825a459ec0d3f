//! `knothole otlp-check`: how well an OTLP receiver keeps to the specification.
//!
//! ```text
//! find ─► Peer ◄─ own (--self)         rows: one probe for each row of the checklist
//!           │                              │ Trial: what was sent, what came back
//!           └── client: raw gRPC and HTTP ─┴─► Finding ─► report
//! ```

mod bytes;
mod client;
mod find;
mod own;
mod payload;
mod report;
mod rows;
mod trial;

use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::Args;
use http::{HeaderName, HeaderValue};

use super::failure::{Failure, OrFailure as _, Outcome};
use super::terminal::{out, say};
use crate::daemon::config::{ByteSize, Period};
use client::Peer;
use find::Wanted;
use own::Own;
use report::{Finding, Report};

/// `knothole otlp-check`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct OtlpCheckArgs {
    /// The receiver: a host, HOST:PORT or URL; of a host alone the ports 4317 and 4318 are looked
    /// at, of a port its neighbours too
    #[arg(required_unless_present_any = ["grpc", "http", "own"], value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// Where OTLP/gRPC is
    #[arg(long, value_name = "ADDRESS")]
    grpc: Option<String>,
    /// Where OTLP/HTTP is
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// Start a `serve` of its own and look at that
    #[arg(long = "self", conflicts_with_all = ["endpoint", "grpc", "http"])]
    own: bool,
    /// Send this along with every request, such as 'authorization: Bearer TOKEN'; can be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Longest wait for one answer; large requests may take three times as long
    #[arg(long, value_name = "TIME", default_value = "5s")]
    timeout: Period,
    /// Size of a request that is to be too large [default: just above the 64 MiB that OTLP
    /// recommends as the limit]
    #[arg(long, value_name = "SIZE")]
    large_bytes: Option<ByteSize>,
    /// Print all as one JSON object
    #[arg(long)]
    json: bool,
    /// Say what was sent and what came back for the rows that passed, too
    #[arg(long, short)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Sends a few hundred requests, right ones and wrong ones, and says for each row of a checklist made
from the OTLP specification whether the receiver did what it asks for: `pass`, `FAIL`, or `-` where
it cannot be seen from outside or is optional and off. Takes some seconds, 60 at most. All records
are of the service \"otlp-check\". At most 250 MB are sent, most of it meant to be refused.

Examples:
  knothole otlp-check localhost
  knothole otlp-check collector.internal:4317 --json | jq '.rows[] | select(.pass == false)'
  knothole otlp-check --grpc 10.0.0.7:4317 --header 'authorization: Bearer TOKEN'
  knothole otlp-check --self

What each row means and what well-known receivers get wrong: docs/otlp-check.md.

Exit codes: 0 no row failed, 1 one did, 2 wrong use or nothing speaks OTLP there.";

/// OTLP recommends 64 MiB as the limit of a request.
const LARGE_BYTES: usize = (64 << 20) + 1;
/// Largest request that is sent, in bytes.
const LARGE_BYTES_MAX: u64 = 1 << 30;
/// Longest time for all rows together; what comes later is not tried.
const TIME_MAX: Duration = Duration::from_secs(60);
/// Longest time for one row, in waits for one answer.
const ROW_PATIENCE: u32 = 6;
/// How long threads that are still busy may take to end.
const RUNTIME_GRACE: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &OtlpCheckArgs) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.or_environment()?;
    let report = runtime.block_on(check(args));
    runtime.shutdown_timeout(RUNTIME_GRACE);
    let report = report?;
    let mut out = out();
    match args.json {
        true => writeln!(out, "{}", report.to_json())?,
        false => report.tell(&mut out, args.verbose)?,
    }
    out.flush()?;
    Ok(match report.count(Some(false)) {
        0 => Outcome::Done,
        _ => Outcome::Found,
    })
}

async fn check(args: &OtlpCheckArgs) -> Result<Report, Failure> {
    let wanted = wanted(args)?;
    if args.own {
        let (own, peer) = Own::start(&wanted).await?;
        let report = ask(&peer, "knothole serve".to_owned()).await;
        own.stop().await?;
        return Ok(report);
    }
    let peer = find::find(&wanted).await.map_err(anyhow::Error::msg);
    let peer = peer.or_use()?;
    say(&format!("looking at {}", peer.endpoint()));
    let endpoint = peer.endpoint();
    Ok(ask(&peer, endpoint).await)
}

fn wanted(args: &OtlpCheckArgs) -> Result<Wanted, Failure> {
    let large = args
        .large_bytes
        .map_or(LARGE_BYTES as u64, ByteSize::as_bytes);
    if large > LARGE_BYTES_MAX {
        let text = "--large-bytes is at most 1GiB: the length of a gRPC message has 32 bits";
        return Err(Failure::Use(anyhow::anyhow!(text)));
    }
    Ok(Wanted {
        endpoint: args.endpoint.clone(),
        grpc: args.grpc.clone(),
        http: args.http.clone(),
        headers: args.headers.clone(),
        timeout: args.timeout.get(),
        large_bytes: usize::try_from(large).unwrap_or(LARGE_BYTES),
    })
}

/// Decides all rows, one after the other.
async fn ask(peer: &Peer, endpoint: String) -> Report {
    let began = Instant::now();
    let mut rows = Vec::new();
    for row in rows::all() {
        let left = TIME_MAX.saturating_sub(began.elapsed());
        let limit = left.min(peer.timeout * ROW_PATIENCE);
        let finding = match tokio::time::timeout(limit, (row.probe)(peer)).await {
            Ok(finding) => finding,
            Err(_) if left < peer.timeout => {
                Finding::unseen("not tried: the rows before it took all the time there is")
            }
            Err(_) => Finding::fail(format!("its requests were not answered within {limit:?}")),
        };
        rows.push((row, finding));
    }
    Report { endpoint, rows }
}

/// `NAME: VALUE` or `NAME=VALUE`.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text
        .split_once([':', '='])
        .ok_or("write it as 'NAME: VALUE'")?;
    let name = name.trim().parse();
    let name: HeaderName = name.map_err(|_| "this is no name of a header")?;
    let mut value: HeaderValue = value
        .trim()
        .parse()
        .map_err(|_| "this is no value of a header")?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let (name, value) = header("Authorization: Bearer a=b:c").unwrap();
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("authorization", &b"Bearer a=b:c"[..])
        );
        let (name, value) = header("x-tenant=shop").unwrap();
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("x-tenant", &b"shop"[..])
        );
        assert!(header("nothing").is_err());
        assert!(header("bad name: x").is_err());
    }
}
