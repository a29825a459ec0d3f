//! How a command ends, and the exit code that tells a script.

use std::io;
use std::process::ExitCode;

/// A command that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Done,
    /// It found what it was asked about. Exit code 1.
    Found,
}

/// A command that could not.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line, a file or the settings are wrong. Exit code 2.
    Use(anyhow::Error),
    /// The same, and the person has been told already.
    Told,
    /// A port is taken, the disk is full, nobody answers. Exit code 3.
    Environment(anyhow::Error),
    /// Standard output cannot be written.
    Output(io::Error),
}

/// Says whose fault an error is.
pub(crate) trait OrFailure<T> {
    /// The user's: exit code 2.
    fn or_use(self) -> Result<T, Failure>;
    /// The environment's: exit code 3.
    fn or_environment(self) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrFailure<T> for Result<T, E> {
    fn or_use(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Use(error.into()))
    }

    fn or_environment(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Environment(error.into()))
    }
}

/// Lets `writeln!(out, …)?` stand in a command; other input and output says `or_use` or
/// `or_environment`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The exit code, and what is to be said on standard error.
pub(crate) fn verdict(ended: Result<Outcome, Failure>) -> (ExitCode, Option<String>) {
    match ended {
        Ok(Outcome::Done) => (ExitCode::SUCCESS, None),
        Ok(Outcome::Found) => (ExitCode::from(1), None),
        Err(Failure::Use(error)) => (ExitCode::from(2), Some(with_causes(&error))),
        Err(Failure::Told) => (ExitCode::from(2), None),
        Err(Failure::Environment(error)) => (ExitCode::from(3), Some(with_causes(&error))),
        // `knothole templates app.log | head`: the reader has all it wants.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            (ExitCode::SUCCESS, None)
        }
        Err(Failure::Output(error)) => (
            ExitCode::from(3),
            Some(format!("cannot write to standard output: {error}")),
        ),
    }
}

/// The error and what caused it, each said once: many errors quote their cause themselves.
pub(super) fn with_causes(error: &anyhow::Error) -> String {
    error
        .chain()
        .skip(1)
        .fold(error.to_string(), |text, cause| match cause.to_string() {
            cause if text.contains(&cause) => text,
            cause => format!("{text}: {cause}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let quoting = anyhow::anyhow!("disk full").context("cannot write x: disk full");
        let silent = anyhow::anyhow!("disk full").context("cannot write x");
        for error in [quoting, silent] {
            assert_eq!(with_causes(&error), "cannot write x: disk full");
        }
    }

    #[test]
    fn exit_codes_are_those_of_the_manual() {
        let code = |ended| format!("{:?}", verdict(ended).0);
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(Ok(Outcome::Done)), expected(0));
        assert_eq!(code(Ok(Outcome::Found)), expected(1));
        assert_eq!(code(Err(Failure::Use(anyhow::anyhow!("x")))), expected(2));
        assert_eq!(code(Err(Failure::Told)), expected(2));
        assert_eq!(
            code(Err(Failure::Environment(anyhow::anyhow!("x")))),
            expected(3)
        );
        let output = |kind: io::ErrorKind| Err(Failure::Output(kind.into()));
        assert_eq!(code(output(io::ErrorKind::BrokenPipe)), expected(0));
        assert_eq!(code(output(io::ErrorKind::StorageFull)), expected(3));
    }
}
