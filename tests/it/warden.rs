//! Ends what a test started, also where the test is killed or what it started is shared until the process ends.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

use crate::process::Process;

/// Reads numbers of processes until nobody is left who could write more.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
all=
while read -r id; do all="$all $id"; done
[ -z "$all" ] || kill -KILL $all
rm -rf "$1"
"#;

/// A shell that waits for the end of this process: a parent-death signal would come when the thread that
/// started a process ends, and each test is a thread.
pub(crate) struct Warden {
    shell: Child,
    input: Mutex<ChildStdin>,
}

impl Warden {
    /// One who also takes `folder` away.
    pub(crate) fn of(folder: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "warden"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = Mutex::new(shell.stdin.take().unwrap());
        Self { shell, input }
    }

    /// `process`, watched from now on.
    pub(crate) fn watch(&self, process: Process) -> Process {
        writeln!(self.input.lock().unwrap(), "{}", process.id()).unwrap();
        process
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        // Whoever drops it has ended the processes, and their numbers may belong to others by now.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
