//! Stack traces: which modules the calls went through, and what was thrown.
//!
//! A trace may be one record of many lines, or many records of one line each, every one with the
//! envelope of its logger in front; both are read alike. Read are Python, the JVM, .NET, Node, Go,
//! Rust and Ruby. What is kept runs from the outermost call to the innermost, whichever way the
//! language writes it, and ends with the cause of all others.

mod frame;

use self::frame::{Frame, Order, frame};
use super::trace::{cause, panic, thrown_at, type_name};
use crate::core::event::Stack;

/// Records that are read for one trace.
pub const STACK_RECORDS_MAX: usize = 128;
/// Records of others that may come before a trace begins, or in between.
const OTHERS_MAX: usize = 8;
/// Lines of a trace that are read.
const LINES_MAX: usize = 2_000;
/// Traces within a trace: causes of causes.
const SECTIONS_MAX: usize = 16;

/// The stack trace in a record, or in those that follow it. `texts` begins with the record; what
/// comes after are the next records of its service, which may be of others as well. At most
/// [`STACK_RECORDS_MAX`] are read.
pub fn stack_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Stack> {
    let mut reader = Reader::default();
    let mut others = 0;
    for (nth, text) in texts.into_iter().take(STACK_RECORDS_MAX).enumerate() {
        let is_of_trace = reader.goes_on_with(text) && reader.read_record(text);
        if nth > 0 && !is_of_trace {
            others += 1;
        }
        if others > OTHERS_MAX {
            break;
        }
    }
    reader.finish()
}

/// Whether a record of one line is part of a stack trace that is written line by line.
pub fn is_stack_line(text: &str) -> bool {
    text.contains(TRACEBACK) || frame(text, None).is_some()
}

/// How Python begins a stack trace.
const TRACEBACK: &str = "Traceback (most recent call last)";
/// How Python says that what follows came of what was before.
const CHAINED: [&str; 2] = [
    "During handling of the above exception",
    "The above exception was the direct cause",
];

fn is_chained(line: &str) -> bool {
    CHAINED.iter().any(|words| line.contains(words))
}

/// A stack and what it ended with.
#[derive(Default)]
struct Section {
    thrown: Option<Box<str>>,
    modules: Vec<Box<str>>,
    order: Option<Order>,
    /// It is quoted in a message: another process sent it along.
    is_quoted: bool,
}

/// Reads a trace line by line.
#[derive(Default)]
struct Reader {
    /// The outermost first.
    sections: Vec<Section>,
    /// Which of them is read.
    current: usize,
    lines: usize,
    /// What stands before each line of a trace that is written line by line.
    prefix: Box<str>,
    /// Within Python's traceback, whose last line says what was thrown.
    in_traceback: bool,
    /// The next traceback came of the one before.
    is_chained: bool,
    /// The line is quoted, with its ends written out.
    is_quoted: bool,
    /// Only more of it would go on.
    is_over: bool,
    /// What may have been thrown, if frames follow.
    candidate: Option<Box<str>>,
    /// The line before: Go names the call in a line of its own.
    before: Box<str>,
}

impl Reader {
    /// Whether a record may be more of the trace: one that has ended goes on with what came of it.
    fn goes_on_with(&self, text: &str) -> bool {
        !self.is_over || self.is_chained || is_chained(text)
    }

    /// Whether the record was part of the trace.
    fn read_record(&mut self, text: &str) -> bool {
        let mut is_of_trace = false;
        // In JSON, and where the trace of another process is quoted, line ends are written out.
        let quoted = |line: &'_ str| line.contains("\\n");
        let lines = text
            .split('\n')
            .flat_map(|line| line.split("\\n").map(move |part| (part, quoted(line))));
        for (line, is_quoted) in lines {
            self.is_quoted = is_quoted;
            self.lines += 1;
            if self.lines > LINES_MAX {
                break;
            }
            is_of_trace |= self.read(line.trim_end());
            if line.len() <= BEFORE_LEN_MAX {
                self.before = line.into();
            }
        }
        is_of_trace
    }

    /// Whether the line was part of the trace.
    fn read(&mut self, line: &str) -> bool {
        let trimmed = line.trim_start();
        if is_chained(line) {
            self.is_chained = true;
            return true;
        }
        if let Some(at) = line.find(TRACEBACK) {
            let is_around = std::mem::take(&mut self.is_chained);
            self.begin(is_around);
            self.prefix = line.get(..at).unwrap_or_default().trim_end().into();
            self.in_traceback = true;
            return true;
        }
        if let Some(found) = frame(line, Some(&self.before)) {
            self.add(found);
            return true;
        }
        if self.in_traceback {
            return self.end_traceback(line);
        }
        if let Some(cause) = cause(trimmed) {
            self.begin(false);
            self.thrown(type_name(cause));
            return true;
        }
        if let Some(panic) = panic(trimmed) {
            self.begin(false);
            self.thrown(Some(panic));
            return true;
        }
        self.candidate = thrown_at(trimmed).map(Into::into);
        // What was thrown after the calls of one trace begins another.
        self.is_over |= self.candidate.is_some() && !self.sections.is_empty();
        false
    }

    /// A line of code, or the last line of Python's traceback.
    fn end_traceback(&mut self, line: &str) -> bool {
        let Some(rest) = line.strip_prefix(&*self.prefix) else {
            return false;
        };
        let rest = match self.prefix.is_empty() {
            true => rest,
            false => rest.strip_prefix(' ').unwrap_or(rest),
        };
        if rest.trim().is_empty() || rest.starts_with([' ', '\t']) {
            return true;
        }
        self.in_traceback = false;
        self.is_over = true;
        self.thrown(type_name(rest));
        true
    }

    /// A new section, within the others or around them.
    fn begin(&mut self, is_around: bool) {
        self.candidate = None;
        if self.sections.len() >= SECTIONS_MAX {
            return;
        }
        self.current = match is_around {
            true => 0,
            false => self.sections.len(),
        };
        let section = Section {
            is_quoted: self.is_quoted,
            ..Section::default()
        };
        self.sections.insert(self.current, section);
    }

    fn add(&mut self, frame: Frame) {
        let candidate = self.candidate.take();
        if self.sections.is_empty() {
            self.begin(false);
        }
        let Some(section) = self.sections.get_mut(self.current) else {
            return;
        };
        if section.thrown.is_none() {
            section.thrown = candidate;
        }
        section.order = section.order.or(Some(frame.order));
        // The innermost are kept: they come first, or last.
        let Some(module) = frame
            .module
            .filter(|name| section.modules.last() != Some(name))
        else {
            return;
        };
        if section.modules.len() >= Stack::MODULES_MAX {
            match frame.order {
                Order::InnermostFirst => return,
                Order::OutermostFirst => drop(section.modules.remove(0)),
            }
        }
        section.modules.push(module);
    }

    fn thrown(&mut self, name: Option<&str>) {
        if let Some(section) = self.sections.get_mut(self.current) {
            section.thrown = name.map(Into::into);
        }
    }

    fn finish(mut self) -> Option<Stack> {
        let mut stack = Stack::default();
        // What another process sent along is what began it, also where it is quoted before the calls.
        self.sections.sort_by_key(|section| section.is_quoted);
        for section in self.sections {
            let mut modules = section.modules;
            if section.order == Some(Order::InnermostFirst) {
                modules.reverse();
            }
            stack.modules.extend(modules);
            stack.thrown = section.thrown.unwrap_or(stack.thrown);
        }
        stack.modules.dedup();
        let beyond = stack.modules.len().saturating_sub(Stack::MODULES_MAX);
        stack.modules.drain(..beyond);
        (!stack.modules.is_empty()).then_some(stack)
    }
}

/// Lines that are longer name no call of Go.
const BEFORE_LEN_MAX: usize = 512;

#[cfg(test)]
mod tests;
