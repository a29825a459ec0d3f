//! Where in a program a record was written, where its line says so.

use crate::core::record::TemplateId;

/// What a record is known by in a flow: the place in the program that wrote it, where its line names one
/// (`TravelServiceImpl#457`, `server.go:12]`), else its template. One place may have many templates, as
/// lists of different lengths make them, and two places one template, as masks hide the number of a line.
pub fn event_of(line: &str, template: TemplateId) -> TemplateId {
    site(line).map_or(template, |site| TemplateId(fnv(site)))
}

/// A place in a program is named among so many of the first words.
const WORDS_MAX: usize = 6;
/// A line's number has at most so many digits.
const DIGITS_MAX: usize = 6;
/// How files that are programs end.
const EXTENSIONS: [&str; 16] = [
    ".go", ".rs", ".py", ".java", ".kt", ".scala", ".c", ".cc", ".cpp", ".h", ".cs", ".js", ".ts",
    ".rb", ".php", ".swift",
];

/// The word that names a place in a program.
fn site(line: &str) -> Option<&str> {
    let words = line.split_ascii_whitespace().take(WORDS_MAX);
    words.map(bare).find(|word| is_site(word))
}

/// A word without the brackets around it and what follows it.
fn bare(word: &str) -> &str {
    let word = word.trim_end_matches([':', ']', ')', ',', '-']);
    // What is opened within is part of the name: `o.a.c.C.[Tomcat]#175`.
    if word.contains(['[', '(']) && !word.starts_with(['[', '(']) {
        return word;
    }
    word.trim_start_matches(['[', '('])
}

fn is_site(word: &str) -> bool {
    let Some(at) = word.rfind(['#', ':']) else {
        return false;
    };
    let (name, number) = word.split_at(at);
    let digits = number.get(1..).unwrap_or_default();
    let is_number = !digits.is_empty()
        && digits.len() <= DIGITS_MAX
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return false;
    }
    if number.starts_with(':') {
        return EXTENSIONS.iter().any(|extension| name.ends_with(extension));
    }
    // A class: names with dots between them, not the number of a ticket.
    name.contains('.') && name.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// FNV-1a: the same on every machine and in every run.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_in_the_program_is_found_in_the_head_of_a_line() {
        let found = [
            (
                "10:04:31.5 INFO a.b.CartService#57 took 3",
                "a.b.CartService#57",
            ),
            ("I1121 07:43:12.6       1 server.go:12] up", "server.go:12"),
            (
                "ERROR o.a.c.C.[.[.[Tomcat]#175 failed",
                "o.a.c.C.[.[.[Tomcat]#175",
            ),
            ("INFO [app/main.py:88] - ready", "app/main.py:88"),
        ];
        for (line, site) in found {
            assert_eq!(super::site(line), Some(site), "{line}");
        }
    }

    #[test]
    fn times_hosts_and_tickets_are_no_places() {
        for line in [
            "10:04:31 cart took 3",
            "connected to db.local:5432",
            "closes #12",
            "see issue#12",
            "a b c d e f server.go:12",
            "x.y#1234567",
            "",
            "é.y#é",
        ] {
            assert_eq!(site(line), None, "{line}");
        }
    }

    #[test]
    fn one_place_is_one_event_and_two_places_are_two() {
        let template = TemplateId(7);
        let event = |line| event_of(line, template);
        assert_eq!(
            event("INFO a.b.C#5 list [1, 2]"),
            event("INFO a.b.C#5 list [1]")
        );
        assert_ne!(event("INFO a.b.C#5 done"), event("INFO a.b.C#6 done"));
        assert_eq!(event("done"), template);
    }
}
