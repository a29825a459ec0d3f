//! `knothole explain`: what broke, why probably, and what would help.

use std::io::{self, Write};

use clap::Args;
use serde_json::Value;

use super::client::{Client, ClientArgs};
use super::failure::{Failure, Outcome};
use super::incidents::segment;
use super::terminal::{grouped, out, printable};

/// Characters of a line that are shown.
const LINE_LEN: usize = 400;
/// Characters of a quoted log line that are shown beside its time.
const QUOTE_LEN: usize = 120;

/// `knothole explain`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// An incident or an anomaly: its id, of which the first six digits will do
    id: String,
    /// As the first page of a post-mortem, in Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print what the API answers, one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

const EXAMPLES: &str = "\
Facts first: what broke and since when; then what it probably comes from and on what evidence, what
was changed shortly before, where it spread, what helped the times before, and what is not known.

Examples:
  knothole explain 9f3c9f
  knothole explain inc_9f3c9f3c --markdown > post-mortem.md
  knothole explain 9f3c9f --json | jq .cause

Exit codes: 0 done, 2 no such incident or anomaly, 3 no daemon answers.";

pub(crate) fn run(args: &ExplainArgs) -> Result<Outcome, Failure> {
    let client = Client::new(&args.client)?;
    let id = segment(&args.id);
    let form = match (args.json, args.markdown) {
        (true, _) => "",
        (false, true) => "/markdown",
        (false, false) => "/explanation",
    };
    let reply = client.get(&format!("/v1/incidents/{id}{form}"), &[])?;
    let mut out = out();
    if reply.is_missing() && !args.markdown {
        let found = client.get(&format!("/v1/anomalies/{id}"), &[])?;
        if found.is_missing() {
            let hint = "`knothole incidents --state all` lists incidents";
            let error = anyhow::anyhow!("there is no incident and no anomaly with this id; {hint}");
            return Err(Failure::Use(error));
        }
        let anomaly = client.json(&found)?;
        match args.json {
            true => writeln!(out, "{anomaly:#}")?,
            false => tell(&anomaly, &mut out)?,
        }
    } else if args.json {
        writeln!(out, "{:#}", client.json(&reply)?)?;
    } else {
        for line in client.text(&reply)?.lines() {
            writeln!(out, "{}", printable(line, usize::MAX))?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// An anomaly: what came, what was expected and how surely, who agrees, and the lines around it.
fn tell(anomaly: &Value, out: &mut impl Write) -> io::Result<()> {
    let text = |value: &Value, len| printable(value.as_str().unwrap_or_default(), len);
    let explanation = &anomaly["explanation"];
    let seen = text(&anomaly["first_seen"], 24).replace('T', " ");
    writeln!(
        out,
        "{}  {}  {}  score {:.4}",
        seen.trim_end_matches('…'),
        text(&anomaly["service"], 60),
        text(&anomaly["kind"], 20).replace('_', " "),
        anomaly["score"].as_f64().unwrap_or_default(),
    )?;
    writeln!(out, "why        {}", text(&explanation["reason"], LINE_LEN))?;
    let came = match explanation["observed"].as_str() {
        Some(observed) => printable(observed, QUOTE_LEN),
        None => "nothing more: the sequence ended here".to_owned(),
    };
    writeln!(out, "came       {came}")?;
    for expected in listed(&explanation["expected"]) {
        let share = expected["probability"].as_f64().unwrap_or_default() * 100.0;
        let what = match expected["template"]["text"].as_str() {
            Some(template) => printable(template, QUOTE_LEN),
            None => "the end of the sequence".to_owned(),
        };
        writeln!(out, "expected   {share:>3.0} %  {what}")?;
    }
    for opinion in listed(&explanation["opinions"]) {
        let one_in = 1.0 / opinion["p_value"].as_f64().unwrap_or(1.0).max(1e-9);
        let (says, who) = (
            text(&opinion["says"], LINE_LEN),
            text(&opinion["detector"], 20),
        );
        writeln!(
            out,
            "says       {says} ({who}, 1 in {})",
            grouped(one_in.round() as u64)
        )?;
    }
    for line in listed(&explanation["context"]) {
        let time = text(&line["time"], 24);
        let clock = time.get(11..23).unwrap_or_default();
        writeln!(
            out,
            "around     {clock}  {}",
            text(&line["text"], QUOTE_LEN)
        )?;
    }
    Ok(())
}

fn listed(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_anomaly_is_told_in_lines_that_drive_no_terminal() {
        let anomaly = json!({
            "first_seen": "2026-08-01T02:51:07.412000000Z", "service": "prod/shop/cart",
            "kind": "new_template", "score": 0.9997,
            "explanation": {
                "reason": "a kind of line that never came before",
                "expected": [
                    { "template": { "id": "a1", "text": "lock <num> released" }, "probability": 0.93 },
                    { "template": null, "probability": 0.07 },
                ],
                "observed": "payment \u{1b}[31mretry",
                "opinions": [{ "detector": "order", "p_value": 0.0001, "says": "out of order" }],
                "context": [{ "time": "2026-08-01T02:51:06.412000000Z", "text": "sent\nforged" }],
            },
        });
        let mut told = Vec::new();
        tell(&anomaly, &mut told).unwrap();
        assert_eq!(
            String::from_utf8(told).unwrap(),
            "2026-08-01 02:51:07.412  prod/shop/cart  new template  score 0.9997\n\
             why        a kind of line that never came before\n\
             came       payment \u{fffd}[31mretry\n\
             expected    93 %  lock <num> released\n\
             expected     7 %  the end of the sequence\n\
             says       out of order (order, 1 in 10,000)\n\
             around     02:51:06.412  sent\u{fffd}forged\n"
        );
    }
}
