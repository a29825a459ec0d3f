//! A progress bar for a person who waits: on a terminal only, and only once it takes long.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What ends sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// Progress through a known or unknown number of bytes.
#[derive(Debug)]
pub(crate) struct Progress {
    /// `None` where nobody watches.
    bar: Option<ProgressBar>,
    started: Instant,
    shown: bool,
}

impl Progress {
    /// Begins; `total` is in bytes, `what` names the work (`app.log`).
    pub(crate) fn of_bytes(total: Option<u64>, what: &str) -> Self {
        let watched = io::stderr().is_terminal();
        let bar = watched.then(|| bar(total, what));
        Self {
            bar,
            started: Instant::now(),
            shown: false,
        }
    }

    /// `done` bytes are behind us.
    pub(crate) fn set(&mut self, done: u64) {
        let Some(bar) = &self.bar else { return };
        if !self.shown && self.started.elapsed() >= PATIENCE {
            self.shown = true;
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>, what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    let template = match total {
        Some(_) => "{msg}  [{bar:30}] {bytes} of {total_bytes}, {eta} left",
        None => "{msg}  {spinner} {bytes} in {elapsed}",
    };
    // The templates are constants; were one wrong, indicatif's own style would do.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_message(what.to_owned())
}
