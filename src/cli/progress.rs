//! A progress bar for a person who waits: on a terminal only, and only once it takes long. It says
//! how much is done, how fast, and how long it will take.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::grouped;

/// What ends sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// Progress through a known or unknown number of bytes.
#[derive(Debug)]
pub(crate) struct Progress {
    /// `None` where nobody watches.
    bar: Option<ProgressBar>,
    what: String,
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
            what: what.to_owned(),
            started: Instant::now(),
            shown: false,
        }
    }

    /// `bytes` are behind us, with `lines` in them.
    pub(crate) fn set(&mut self, bytes: u64, lines: u64) {
        let Some(bar) = &self.bar else { return };
        let elapsed = self.started.elapsed();
        if elapsed < PATIENCE {
            return bar.set_position(bytes);
        }
        if !self.shown {
            self.shown = true;
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let rate = lines as f64 / elapsed.as_secs_f64();
        bar.set_message(format!("{}  {} lines/s", self.what, grouped(rate as u64)));
        bar.set_position(bytes);
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
