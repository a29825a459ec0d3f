//! The one thread that trains models, at the lowest priority.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::Instant;

use super::router::Router;
use super::shard_thread::Command;
use crate::core::model::Bundle;
use crate::core::record::StreamKey;
use crate::core::train::{Corpus, TrainError, TrainSettings, train};
use crate::edge::store::{Part, Store};

/// Most trainings that wait; a stream that finds no place asks again later.
pub(super) const WAITING_MAX: usize = 64;

/// A stream that wants a model.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) stream: StreamKey,
    pub(super) corpus: Corpus,
}

/// The way to the trainer.
#[derive(Clone, Debug)]
pub(super) struct TrainerHandle {
    jobs: SyncSender<Job>,
}

impl TrainerHandle {
    /// Asks for a training.
    ///
    /// # Errors
    /// Gives the stream back when too many trainings wait.
    pub(super) fn ask(&self, job: Job) -> Result<(), StreamKey> {
        self.jobs.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job.stream,
        })
    }
}

/// What the trainer works with.
pub(super) struct Tools {
    pub(super) router: Arc<Router>,
    pub(super) store: Arc<Store>,
    pub(super) settings: TrainSettings,
    pub(super) stop: Arc<AtomicBool>,
}

/// The queue of trainings, made before those who fill it and those who empty it.
pub(super) fn queue() -> (TrainerHandle, Receiver<Job>) {
    let (jobs, inbox) = mpsc::sync_channel(WAITING_MAX);
    (TrainerHandle { jobs }, inbox)
}

/// Starts the trainer.
///
/// # Errors
/// If the system gives no thread.
pub(super) fn spawn(inbox: Receiver<Job>, tools: Tools) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name("trainer".to_owned());
    thread.spawn(move || {
        step_back();
        while let Ok(job) = inbox.recv() {
            if tools.stop.load(Ordering::Relaxed) {
                return;
            }
            tools.work(job);
        }
    })?;
    Ok(())
}

/// Gives this thread the lowest priority: judging comes first. Where the system refuses, training
/// merely competes.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::setpriority_process(Some(rustix::thread::gettid()), LOWEST_PRIORITY)
    {
        tracing::debug!(%error, "The trainer keeps its priority.");
    }
}

#[cfg(target_os = "linux")]
const LOWEST_PRIORITY: i32 = 19;

impl Tools {
    fn work(&self, job: Job) {
        let Job { stream, corpus } = job;
        let began = Instant::now();
        let sequences = corpus.sequences.len();
        tracing::debug!(%stream, sequences, "Training begins.");
        let command = match self.train(&stream, &corpus) {
            Ok(bundle) => {
                let seconds = began.elapsed().as_secs_f64();
                tracing::info!(%stream, sequences, seconds, model = bundle.version(), "A model is trained.");
                Command::Install {
                    stream: stream.clone(),
                    bundle: Arc::new(bundle),
                }
            }
            Err(TrainError::Cancelled) => return,
            Err(error) => {
                tracing::warn!(%stream, sequences, %error, "A training came to nothing.");
                Command::TrainingFailed {
                    stream: stream.clone(),
                }
            }
        };
        if let Some(shard) = self.router.shard_of(&stream) {
            shard.send(command);
        }
    }

    fn train(&self, stream: &StreamKey, corpus: &Corpus) -> Result<Bundle, TrainError> {
        let stop = Arc::clone(&self.stop);
        let bundle = train(corpus, &self.settings, &mut |_| {
            if stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        // A model that cannot be stored still judges until the next restart.
        match bundle.to_bytes() {
            Ok(bytes) => {
                if let Err(error) = self.store.put(stream, Part::Model, &bytes) {
                    tracing::warn!(%stream, %error, "A model could not be stored.");
                }
            }
            Err(error) => tracing::warn!(%stream, %error, "A model could not be written."),
        }
        Ok(bundle)
    }
}
