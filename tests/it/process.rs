//! A program that is started, listened to, and gone when the test is.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take that should take a moment; two busy cores are slow, and training has the lowest priority.
pub(crate) const SOON: Duration = Duration::from_secs(120);
/// How long a poll waits before it looks again.
const POLL: Duration = Duration::from_millis(20);
/// Lines told about a program when its test fails.
const TOLD_MAX: usize = 60;

/// A child process whose output is read line by line.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: Arc<Lines>,
    stderr: Arc<Lines>,
}

#[derive(Default)]
struct Lines {
    read: Mutex<Read>,
    more: Condvar,
}

#[derive(Default)]
struct Read {
    lines: Vec<String>,
    ended: bool,
}

impl Process {
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            name: name.to_owned(),
            stdout: Lines::of(child.stdout.take().unwrap()),
            stderr: Lines::of(child.stderr.take().unwrap()),
            child,
        }
    }

    /// The first thing that `wanted` finds in a line of standard output.
    pub(crate) fn stdout_until<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> T {
        self.wait(&self.stdout, wanted)
    }

    /// The first thing that `wanted` finds in a line of standard error.
    pub(crate) fn stderr_until<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> T {
        self.wait(&self.stderr, wanted)
    }

    /// Waits for a line of standard error that has `part` in it.
    pub(crate) fn says(&self, part: &str) -> String {
        self.stderr_until(|line| line.contains(part).then(|| line.to_owned()))
    }

    pub(crate) fn stdout(&self) -> Vec<String> {
        self.stdout.lock().lines.clone()
    }

    pub(crate) fn stderr(&self) -> Vec<String> {
        self.stderr.lock().lines.clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Its number in the system.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end, at most `limit`.
    pub(crate) fn wait_at_most(&mut self, limit: Duration) -> ExitStatus {
        let name = self.name.clone();
        until(limit, &format!("the end of {name}"), || {
            self.child.try_wait().unwrap()
        })
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_at_most(SOON)
    }

    #[track_caller]
    fn wait<T>(&self, lines: &Lines, wanted: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + SOON;
        let mut read = lines.lock();
        let mut looked_at = 0;
        let complaint = loop {
            if let Some(found) = read.lines[looked_at..].iter().find_map(|line| wanted(line)) {
                return found;
            }
            looked_at = read.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if read.ended || left.is_zero() {
                break if read.ended {
                    "ended without it"
                } else {
                    "did not say it in time"
                };
            }
            read = lines.more.wait_timeout(read, left).unwrap().0;
        };
        drop(read);
        panic!("{} {complaint}", self.name);
    }
}

impl Lines {
    fn of(output: impl io::Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self::default());
        let filled = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                filled.lock().lines.push(line);
                filled.more.notify_all();
            }
            filled.lock().ended = true;
            filled.more.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.stderr();
            let told = said.len().saturating_sub(TOLD_MAX);
            eprintln!("-- what {} said:\n{}", self.name, said[told..].join("\n"));
        }
    }
}

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn until<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(POLL);
    }
}
