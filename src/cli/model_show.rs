//! `knothole model show`: what a bundle says about itself.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::{Failure, OrFailure as _, Outcome};
use super::terminal::{grouped, out, printable};
use crate::core::model::Manifest;
use crate::daemon::config::Period;
use crate::daemon::{ModelFileError, models};

/// `knothole model`
#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum ModelCommand {
    /// Show what a model was trained on, what it knows and how good it is
    Show(ShowArgs),
}

#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
struct ShowArgs {
    /// The bundle that `knothole train` wrote
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Print the manifest as one JSON object
    #[arg(long)]
    json: bool,
    /// Most templates to print
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

const EXAMPLES: &str = "\
The checksum is verified: what is shown is what was trained.

Examples:
  knothole model show app.safetensors
  knothole model show app.safetensors --json | jq .trained_on

A bundle is a safetensors file; its manifest is the metadata entry `knothole`.";

/// Longest part of a template's text that is shown, in characters.
const TEXT_LEN_MAX: usize = 160;

pub(crate) fn run(args: &ModelArgs) -> Result<Outcome, Failure> {
    let ModelCommand::Show(args) = &args.command;
    let name = printable(&args.bundle.display().to_string(), 200);
    let bundle = models::read(&args.bundle).map_err(|error| match error {
        ModelFileError::Unreadable { source, .. } => {
            anyhow::Error::new(source).context(format!("cannot read {name}"))
        }
        unusable => anyhow::Error::new(unusable).context(format!(
            "{name} is no model that can be used; `knothole train` writes one"
        )),
    });
    let bundle = bundle.or_use()?;
    let mut out = out();
    if args.json {
        serde_json::to_writer_pretty(&mut out, bundle.manifest()).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        show(&mut out, bundle.version(), bundle.manifest(), args.limit)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn show(
    out: &mut impl Write,
    version: &str,
    model: &Manifest,
    limit: usize,
) -> std::io::Result<()> {
    let hex = |text: &str| printable(text.get(..12).unwrap_or(text), 12);
    let (trained, calibration, scores) = (&model.trained_on, &model.calibration, &model.scores);
    writeln!(
        out,
        "model      {version}, format {}, made by knothole {}",
        model.format,
        printable(&model.knothole, 40)
    )?;
    writeln!(
        out,
        "trained    on {} sequences ({} seen to end), {} records (data {}), seed {}",
        grouped(trained.sequences),
        grouped(trained.ended),
        grouped(trained.records),
        hex(&model.data_sha256),
        model.seed
    )?;
    let cut = match trained.idle_timeout() {
        Some(quiet) => format!(
            "sequences end after {0} without a record; judge with sequence.idle_timeout: {0}",
            Period::from(quiet)
        ),
        None => "not known after how long without a record sequences end".to_owned(),
    };
    writeln!(out, "cut        {cut}")?;
    writeln!(
        out,
        "network    {} layers of {}, stepped once for each record",
        model.layers, model.hidden
    )?;
    writeln!(
        out,
        "asked for  at most {:.2} % of normal sequences alarmed",
        calibration.alarm_rate * 100.0
    )?;
    writeln!(
        out,
        "held out   {} sequences, {:.2} % of them alarmed, loss {:.4}",
        grouped(calibration.sequences),
        scores.alarm_rate * 100.0,
        scores.validation_loss
    )?;
    writeln!(out, "templates  {}", grouped(model.templates.len() as u64))?;
    for template in model.templates.iter().take(limit) {
        writeln!(
            out,
            "  {}  {}",
            printable(&template.id, 16),
            printable(&template.text, TEXT_LEN_MAX)
        )?;
    }
    let left_out = model.templates.len().saturating_sub(limit);
    if left_out > 0 {
        writeln!(out, "  … {left_out} more (--limit)")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::TemplateRef;
    use crate::core::record::TemplateId;

    #[test]
    fn a_hostile_template_is_shown_harmless_and_the_rest_is_counted() {
        let template = |id, text: &str| TemplateRef {
            id: TemplateId(id),
            text: text.into(),
        };
        let model = Manifest::of_templates(&[template(1, "a\u{1b}[31m"), template(2, "b")]);
        let mut shown = Vec::new();
        show(&mut shown, "sha256:0", &model, 1).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(
            shown.contains("  0000000000000001  a\u{fffd}[31m\n  … 1 more (--limit)\n"),
            "{shown}"
        );
    }
}
