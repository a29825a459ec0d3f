//! `knothole detect`: log files → the anomalies in them.

use std::io::Write as _;
use std::sync::Arc;

use super::args::DetectArgs;
use super::failure::{Failure, OrFailure as _, Outcome};
use super::terminal::{grouped, out, printable, say};
use super::train::train_with_progress;
use super::{config_of, offline, story};
use crate::core::engine::{Output, Shard};
use crate::core::event::{Anomaly, Event};
use crate::core::record::Timestamp;
use crate::core::train::TrainSettings;
use crate::daemon::models::{self, OtherIdleTimeout};
use crate::edge::notify::json_line;

pub(crate) fn run(args: &DetectArgs) -> Result<Outcome, Failure> {
    let settings = config_of(args.config.as_deref())?;
    let mut engine = settings.engine().or_use()?;
    let model = args.model.as_deref();
    let bundle = model.map(models::read).transpose().or_use()?;
    if let Some((path, bundle)) = model.zip(bundle.as_ref()) {
        let trained_on = &bundle.manifest().trained_on;
        if args.config.is_none() {
            engine.idle_timeout = trained_on.idle_timeout().unwrap_or(engine.idle_timeout);
        }
        if let Some(differs) = OtherIdleTimeout::of(trained_on, engine.idle_timeout) {
            let name = printable(&path.display().to_string(), PATH_LEN_MAX);
            say(&format!("warning: the model {name} {differs}"));
        }
    }
    let mut shard = offline::shard(engine);
    let mut judged_from = None;
    if let Some(bundle) = bundle {
        shard.install(&offline::stream(), Arc::new(bundle), Timestamp::ZERO);
        judged_from = Some(0);
    }
    let training = settings.training();
    let mut found = 0u64;
    let records = offline::feed(&mut shard, &args.files, &mut |shard, outputs| {
        for output in outputs {
            match output {
                Output::Anomaly(anomaly) => {
                    found += 1;
                    print(&anomaly, args.json)?;
                }
                Output::TrainingDue { corpus, .. } if judged_from.is_none() => {
                    judged_from = Some(shard.ledger().learned);
                    learn(shard, &corpus, &training)?;
                }
                Output::Unjudged { reason, .. } => say(&format!("not judged: {reason}")),
                Output::TrainingDue { .. }
                | Output::State { .. }
                | Output::Sign(_)
                | Output::Trail(_) => {}
            }
        }
        Ok(())
    })?;
    tell(records, judged_from, found, &shard);
    match found > 0 && args.fail_on_anomaly {
        true => Ok(Outcome::Found),
        false => Ok(Outcome::Done),
    }
}

/// Characters of a path that are shown.
const PATH_LEN_MAX: usize = 200;

fn learn(
    shard: &mut Shard,
    corpus: &crate::core::train::Corpus,
    training: &TrainSettings,
) -> Result<(), Failure> {
    say("learned enough from the first part of the input; training");
    let bundle = train_with_progress(corpus, training)?;
    shard.install(&offline::stream(), Arc::new(bundle), Timestamp::ZERO);
    Ok(())
}

fn print(anomaly: &Arc<Anomaly>, json: bool) -> Result<(), Failure> {
    let mut out = out();
    if json {
        out.write_all(&json_line(&Event::Anomaly(Arc::clone(anomaly))))?;
        out.write_all(b"\n")?;
    } else {
        story::tell(anomaly, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

fn tell(records: u64, judged_from: Option<u64>, found: u64, shard: &Shard) {
    let Some(learned) = judged_from else {
        let chance = shard
            .status()
            .first()
            .map_or(1.0, |status| status.new_template_chance);
        return say(&format!(
            "nothing was judged: {} records are too few to learn from (the chance that the next \
             is of a new kind is {:.1} %); give a model with --model, or more input",
            grouped(records),
            chance * 100.0,
        ));
    };
    say(&format!(
        "{} of {} records judged, {} anomalies",
        grouped(records - learned.min(records)),
        grouped(records),
        grouped(found),
    ));
}
