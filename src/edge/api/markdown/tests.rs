use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::*;
use crate::edge::api::sample;

#[test]
fn the_page_reads_like_the_first_of_a_post_mortem() {
    insta::assert_snapshot!(markdown(&sample::incident(), &[]));
}

#[test]
fn what_is_not_known_is_said() {
    insta::assert_snapshot!(markdown(&sample::quiet(), &[]));
}

#[test]
fn actions_that_are_open_are_told_and_no_more_than_a_few() {
    let page = |count| markdown(&sample::incident(), &vec![sample::action().into(); count]);
    let few = page(5);
    assert_eq!(
        few.matches("knothole actions show 7c417c41").count(),
        5,
        "{few}"
    );
    assert!(!few.contains("more of them"), "{few}");
    let many = page(6);
    assert_eq!(many.matches("knothole actions show 7c417c41").count(), 5);
    assert!(
        many.contains("knothole actions --incident 9f3c9f3c: more of them"),
        "{many}"
    );
}

/// What a reader of Markdown sees: the kinds of elements in order, and the texts outside of code.
fn seen(page: &str) -> (Vec<String>, String) {
    let (mut elements, mut text, mut in_block) = (Vec::new(), String::new(), false);
    for event in Parser::new_ext(page, Options::all()) {
        match event {
            Event::Start(tag) => {
                in_block |= matches!(tag, Tag::CodeBlock(_));
                elements.push(format!("{tag:?}"));
                text.push('\n');
            }
            Event::End(_) => {
                in_block = false;
                text.push('\n');
            }
            Event::Text(words) if !in_block => text.push_str(&words),
            Event::Code(_) | Event::SoftBreak => text.push(' '),
            Event::Text(_) => {}
            other => elements.push(format!("{other:?}")),
        }
    }
    (elements, text)
}

/// Whether `text` changes nothing about a page but its texts.
fn check(text: &str) -> Result<(), TestCaseError> {
    let page = markdown(&sample::told_by(text), &[]);
    let (elements, outside) = seen(&page);
    let (expected, _) = seen(&markdown(&sample::told_by("a calm text"), &[]));
    prop_assert_eq!(elements, expected, "{}", page);
    for link in ["://", "www.", "@", "<", "#", "`"] {
        prop_assert!(
            !outside.contains(link),
            "{} outside of code: {}",
            link,
            outside
        );
    }
    // Every line of the block holds the text, whole.
    let quoted = format!("  {}", inert(text));
    prop_assert!(page.contains(&quoted), "{}", page);
    Ok(())
}

#[test]
fn what_was_logged_is_text_and_nothing_else() {
    for text in [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://evil.example/p.png)",
        "[click](javascript:alert(1))",
        "see https://evil.example or www.evil.example or a@evil.example",
        "```\n# heading\n```",
        "````` `` ` ``` many ticks ``````",
        "`",
        "\\` escaped \\",
        "a\n\n# heading\n\n- [ ] task",
        "1. one",
        "- dash",
        "---",
        "***bold*** __under__ ~~gone~~ ^up^ $x$ {{ macro }} {: .attr }",
        "| a | b |\n|---|---|",
        "[^1]: note",
        "&lt;b&gt; &amp; &#60;",
        "@channel @here @everyone #1",
        "\u{202e}gnirts\u{200b} \u{1b}]8;;http://x\u{7}link",
        "> quote",
        "!!! danger",
        ": definition",
        "",
        "   ",
    ] {
        check(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    }
}

proptest! {
    #[test]
    fn whatever_was_logged_it_stays_text(
        text in "\\PC{0,60}|([`~#*_<>!\\[\\]()|\\\\:/@&;.0-9a-z -]|\n|\r|\t|://|www[.]|```|<!--|-->){0,30}"
    ) {
        check(&text)?;
    }
}
