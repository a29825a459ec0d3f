//! A progress bar for a person who waits: on a terminal only, and only once it takes long. It says
//! how much is done, how fast, and how long it will take.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::grouped;

/// What ends sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// Progress through a known or unknown number of bytes, or through rounds.
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
        let template = match total {
            Some(_) => "{msg}  [{bar:30}] {bytes} of {total_bytes}, {eta} left",
            None => "{msg}  {spinner} {bytes} in {elapsed}",
        };
        Self::new(total, template, what)
    }

    /// Begins; there are `total` rounds, `what` says what is done with them (`playing faults`).
    pub(crate) fn of_rounds(total: usize, what: &str) -> Self {
        let template = "{msg}  [{bar:30}] {pos} of {len}, {eta} left";
        Self::new(Some(total as u64), template, what)
    }

    fn new(total: Option<u64>, template: &str, what: &str) -> Self {
        let watched = io::stderr().is_terminal();
        let bar = watched.then(|| bar(total, template, what));
        Self {
            bar,
            what: what.to_owned(),
            started: Instant::now(),
            shown: false,
        }
    }

    /// One more round is behind us.
    pub(crate) fn step(&mut self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        self.is_due();
    }

    /// `bytes` are behind us, with `lines` in them.
    pub(crate) fn set(&mut self, bytes: u64, lines: u64) {
        let is_due = self.is_due();
        let Some(bar) = &self.bar else { return };
        if is_due {
            let rate = lines as f64 / self.started.elapsed().as_secs_f64();
            bar.set_message(format!("{}  {} lines/s", self.what, grouped(rate as u64)));
        }
        bar.set_position(bytes);
    }

    /// Whether it takes long; then the bar is shown.
    fn is_due(&mut self) -> bool {
        let is_due = self.started.elapsed() >= PATIENCE;
        if let (true, false, Some(bar)) = (is_due, self.shown, &self.bar) {
            self.shown = true;
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        is_due
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>, template: &str, what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    // The templates are constants; were one wrong, indicatif's own style would do.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_message(what.to_owned())
}
