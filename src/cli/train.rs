//! `knothole train`: log files of normal operation → a model.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::args::TrainArgs;
use super::failure::{Failure, OrFailure as _, Outcome};
use super::terminal::{grouped, out, say};
use super::{config_of, offline};
use crate::core::engine::{Learn, Settings};
use crate::core::model::Bundle;
use crate::core::train::{Corpus, Progress, TrainSettings, train};

/// Most template ids that a training from files keeps.
const CORPUS_EVENTS_MAX: usize = 5_000_000;
/// Most bytes that they and their values take.
const CORPUS_BYTES_MAX: usize = 1 << 30;

pub(crate) fn run(args: &TrainArgs) -> Result<Outcome, Failure> {
    let settings = config_of(args.config.as_deref())?;
    let mut engine = settings.engine().or_use()?;
    if let Some(idle_timeout) = args.idle_timeout {
        engine.idle_timeout = idle_timeout.get();
    }
    let defaults = settings.training();
    let training = TrainSettings {
        seed: args.seed.unwrap_or(defaults.seed),
        alarm_rate: args.alarm_rate.or(defaults.alarm_rate),
        ..defaults
    };
    let corpus = corpus(args, engine)?;
    let bundle = train_with_progress(&corpus, &training)?;
    let bytes = bundle.to_bytes().or_environment()?;
    replace(&args.output, &bytes)
        .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", args.output.display()))
        .or_environment()?;
    tell(args, &bundle)?;
    Ok(Outcome::Done)
}

/// Writes the file whole or not at all: a daemon may be about to read it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn corpus(args: &TrainArgs, engine: Settings) -> Result<Corpus, Failure> {
    let learn = Learn {
        // The files are what there is; nothing is asked for before their end.
        sequences_min: usize::MAX,
        corpus_events_max: CORPUS_EVENTS_MAX,
        corpus_bytes_max: CORPUS_BYTES_MAX,
        ..engine.learn.clone()
    };
    let mut shard = offline::shard(Settings { learn, ..engine });
    let records = offline::feed(&mut shard, &args.files, &mut |_, _| Ok(()))?;
    let corpus = shard.corpus(&offline::stream()).unwrap_or_default();
    say(&format!(
        "read     {} records, {} sequences, {} templates",
        grouped(records),
        grouped(corpus.sequences.len() as u64),
        grouped(corpus.templates.len() as u64),
    ));
    Ok(corpus)
}

/// Trains, with a bar for a person who waits.
pub(super) fn train_with_progress(
    corpus: &Corpus,
    settings: &TrainSettings,
) -> Result<Bundle, Failure> {
    let watched = io::stderr().is_terminal();
    let bar = watched.then(|| bar(settings.epochs_max as u64));
    let mut see = |progress: Progress| {
        if let Some(bar) = &bar {
            bar.set_position(progress.epoch as u64);
            bar.set_message(format!("held-out loss {:.3}", progress.validation_loss));
        }
        ControlFlow::Continue(())
    };
    let trained = train(corpus, settings, &mut see);
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    trained.or_use()
}

fn bar(epochs: u64) -> ProgressBar {
    let bar = ProgressBar::new(epochs);
    // The template is a constant; were it wrong, indicatif's own style would do.
    if let Ok(style) =
        ProgressStyle::with_template("training  [{bar:30}] at most {eta} left  {msg}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn tell(args: &TrainArgs, bundle: &Bundle) -> Result<(), Failure> {
    let manifest = bundle.manifest();
    let mut out = out();
    if args.json {
        let object = json!({
            "bundle": args.output,
            "version": bundle.version(),
            "sequences": manifest.trained_on.sequences,
            "records": manifest.trained_on.records,
            "ended": manifest.trained_on.ended,
            "templates": manifest.templates.len(),
            "alarm_rate": manifest.calibration.alarm_rate,
            "held_out_loss": manifest.scores.validation_loss,
            "held_out_alarm_rate": manifest.scores.alarm_rate,
        });
        writeln!(out, "{object}")?;
    } else {
        writeln!(
            out,
            "{}  {}  {} sequences, {} templates; {:.2} % of held-out normal sequences raise an alarm",
            args.output.display(),
            bundle.version(),
            grouped(manifest.trained_on.sequences),
            manifest.templates.len(),
            manifest.scores.alarm_rate * 100.0,
        )?;
    }
    out.flush()?;
    Ok(())
}
