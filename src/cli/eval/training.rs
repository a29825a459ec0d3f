//! Trains a model with a bar for a person who waits.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};

use crate::core::model::Bundle;
use crate::core::train::{Corpus, Progress, TrainError, TrainSettings};

/// One of the ways to train.
pub(super) type Train = fn(
    &Corpus,
    &TrainSettings,
    &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Bundle, TrainError>;

/// On a terminal a bar shows how far the training of `name` is; elsewhere nothing is printed.
///
/// # Errors
/// When the corpus is too small or has too many templates, or when training diverges.
pub(super) fn train_with_bar(
    train: Train,
    corpus: &Corpus,
    settings: &TrainSettings,
    name: &str,
) -> anyhow::Result<Bundle> {
    let bar = if std::io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("training {prefix} {wide_bar} {pos}/{len} {msg}")?;
        ProgressBar::new(settings.epochs_max as u64)
            .with_style(style)
            .with_prefix(name.trim().to_owned())
    } else {
        ProgressBar::hidden()
    };
    let show = &mut |progress: Progress| {
        bar.set_length(progress.epochs_max as u64);
        bar.set_position(progress.epoch as u64);
        bar.set_message(format!("loss {:.3}", progress.validation_loss));
        ControlFlow::Continue(())
    };
    let bundle = train(corpus, settings, show)?;
    bar.finish_and_clear();
    Ok(bundle)
}
