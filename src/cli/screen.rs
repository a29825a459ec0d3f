//! A terminal that is drawn on: its other screen, without a cursor, and keys as they are pressed.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::thread;

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, error::TrySendError};

/// To the other screen, without a cursor, and lines that are cut and not broken; and back.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l";
const LEAVE: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";
/// To the upper left; what is left of a line; what is left of the screen.
const HOME: &str = "\u{1b}[H";
const CLEAR_LINE: &str = "\u{1b}[K\r\n";
const CLEAR_REST: &str = "\u{1b}[J";
/// Columns and lines where the terminal does not say.
pub(super) const SIZE: (usize, usize) = (80, 24);
/// Keys that wait to be heard; more are let go.
const KEYS_MAX: usize = 64;
/// What Ctrl-C and Ctrl-L send where the terminal makes no signal of them.
const CTRL_C: u8 = 3;
const CTRL_L: u8 = 12;

/// The terminal, as long as it is drawn on; it is as it was when this is dropped.
pub(super) struct Screen {
    /// How it takes keys otherwise; `None` where they come from elsewhere.
    before: Option<Termios>,
}

impl Screen {
    /// Takes the terminal. To be called after [`Wishes::listen`]: a signal must not end the process
    /// while it is taken.
    pub(super) fn take() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = match stdin.is_terminal() {
            true => Some(termios::tcgetattr(&stdin)?),
            false => None,
        };
        if let Some(before) = &before {
            let mut modes = before.clone();
            let cooked = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            modes.local_modes.remove(cooked);
            termios::tcsetattr(&stdin, OptionalActions::Now, &modes)?;
        }
        let screen = Self { before };
        print(ENTER)?;
        Ok(screen)
    }

    /// Draws `lines`, as many as there is room for.
    pub(super) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut frame = HOME.to_owned();
        for line in lines.iter().take(size().1.saturating_sub(1)) {
            frame.push_str(line);
            frame.push_str(CLEAR_LINE);
        }
        frame.push_str(CLEAR_REST);
        print(&frame)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no cursor.
        let _ = print(LEAVE);
        if let Some(before) = &self.before {
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Columns and lines.
pub(super) fn size() -> (usize, usize) {
    let size = console::Term::stdout().size_checked();
    size.map_or(SIZE, |(lines, columns)| (columns.into(), lines.into()))
}

/// What whoever looks wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To see no more.
    End,
    /// To see it anew: the terminal has another size now.
    Draw,
}

/// Hears what is wanted, by keys and by signals.
pub(super) struct Wishes {
    keys: mpsc::Receiver<u8>,
    ends: [Signal; 3],
    resized: Signal,
}

impl Wishes {
    /// Listens from now on, so that no signal ends the process by itself; within a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            keys: keys()?,
            ends: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ],
            resized: signal(SignalKind::window_change())?,
        })
    }

    /// The next wish. What was wished while nobody waited is not forgotten.
    pub(super) async fn next(&mut self) -> Wish {
        let [interrupt, terminate, hangup] = &mut self.ends;
        loop {
            tokio::select! {
                Some(key) = self.keys.recv() => {
                    if let Some(wish) = meaning(key) {
                        return wish;
                    }
                }
                _ = interrupt.recv() => return Wish::End,
                _ = terminate.recv() => return Wish::End,
                _ = hangup.recv() => return Wish::End,
                _ = self.resized.recv() => return Wish::Draw,
            }
        }
    }
}

const fn meaning(key: u8) -> Option<Wish> {
    match key {
        b'q' | b'Q' | CTRL_C => Some(Wish::End),
        CTRL_L => Some(Wish::Draw),
        _ => None,
    }
}

/// The keys that are pressed, one byte after the other; none where no terminal sends them.
fn keys() -> io::Result<mpsc::Receiver<u8>> {
    let (sender, keys) = mpsc::channel(KEYS_MAX);
    if io::stdin().is_terminal() {
        // It ends with the process: nothing ends a read of a terminal.
        thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || {
                let mut pressed = [0; 16];
                while let Ok(len @ 1..) = io::stdin().read(&mut pressed) {
                    for key in pressed.iter().take(len) {
                        if let Err(TrySendError::Closed(_)) = sender.try_send(*key) {
                            return;
                        }
                    }
                }
            })?;
    }
    Ok(keys)
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
