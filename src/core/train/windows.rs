//! DeepLog as published: a rival, on the same tensors.

use std::ops::ControlFlow;

use super::{Corpus, Progress, TrainError, TrainSettings, calibrate, fit, manifest};
use crate::core::model::{Bundle, Manifest};

/// Trains the order model alone, on windows of the last ten keys, as DeepLog was published: what
/// `knothole eval` compares with. Nothing but that uses it.
///
/// `progress` is called after every pass; when it returns `Break`, training is cancelled.
///
/// # Errors
/// When the corpus is too small or has too many templates, when `progress` cancels, or when the
/// loss is no number any more.
pub fn train_windows(
    corpus: &Corpus,
    settings: &TrainSettings,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Bundle, TrainError> {
    let vocabulary = corpus.vocabulary()?;
    let split = corpus.split(&vocabulary, settings)?;
    let fitted = fit::fit(&split, vocabulary.key_count(), settings, progress)?;
    let manifest = manifest(corpus, settings);
    let (calibration, scores) = calibrate::calibrate(&fitted, &split.held_out, settings)?;
    let manifest = Manifest {
        calibration,
        scores,
        ..manifest
    };
    Ok(Bundle::new(manifest, &fitted.network, &[])?)
}
