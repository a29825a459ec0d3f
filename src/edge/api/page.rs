//! Text for people at a terminal: labels, and beside them what somebody wrote, made harmless.

use crate::core::record::inert;

/// Columns of a line.
pub(super) const WIDTH: usize = 80;
/// Columns before a text, of which its label has all but one.
const INDENT: usize = 11;

/// Lines of at most 80 characters with labels; a label is written once for all lines that have it one after
/// another. No text acts on a terminal.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    label: &'static str,
}

impl Page {
    /// What is on it.
    pub fn text(self) -> String {
        self.text
    }

    /// A text over the whole width.
    pub fn plain(&mut self, text: &str) {
        for line in wrapped(&inert(text), WIDTH) {
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }

    /// A text beside its label, in as many lines as it takes.
    pub fn line(&mut self, label: &'static str, text: &str) {
        for line in wrapped(&inert(text.trim()), WIDTH - INDENT) {
            self.write(label, &line);
        }
    }

    /// A text beside its label of which each character counts: it is broken only where a line is full.
    pub fn exact(&mut self, label: &'static str, text: &str) {
        let chars: Vec<char> = inert(text).chars().collect();
        for line in chars.chunks(WIDTH - INDENT) {
            self.write(label, &line.iter().collect::<String>());
        }
    }

    /// A text beside its label, cut to one line.
    pub fn quoted(&mut self, label: &'static str, text: &str, mark: &str) {
        let room = WIDTH - INDENT - mark.chars().count();
        let text = inert(text);
        let mut line: String = text.chars().take(room).collect();
        if text.chars().nth(room).is_some() {
            line.pop();
            line.push('…');
        }
        self.write(label, &format!("{line}{mark}"));
    }

    fn write(&mut self, label: &'static str, line: &str) {
        let shown = if label == self.label { "" } else { label };
        self.label = label;
        let written = format!("{shown:<width$}{line}", width = INDENT);
        self.text.push_str(written.trim_end());
        self.text.push('\n');
    }
}

/// `text` in lines of at most `width` characters, broken between words where that is possible.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut len = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if len > 0 && len + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
            len = 0;
        } else if len > 0 {
            line.push(' ');
            len += 1;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        len += word.len();
        line.extend(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_broken_and_none_is_lost() {
        let lines = wrapped("aaa bb cccccccccc d", 4);
        assert_eq!(lines, ["aaa", "bb", "cccc", "cccc", "cc d"]);
        assert_eq!(wrapped("", 4), [""]);
    }

    #[test]
    fn what_is_exact_loses_no_character_where_it_is_broken() {
        let mut page = Page::default();
        let text = format!("{{\"a\":  \"{}\"}}\u{1b}", "b ".repeat(60));
        page.exact("request", &text);
        let shown = page.text();
        let joined: String = shown
            .lines()
            .map(|line| format!("{:<69}", line.chars().skip(INDENT).collect::<String>()))
            .collect();
        assert_eq!(joined.trim_end(), inert(&text));
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH));
    }
}
