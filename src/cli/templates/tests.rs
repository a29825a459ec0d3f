use std::io::Cursor;

use super::report::wildcards;
use super::*;

fn census(text: &str) -> Census {
    let mut census = Census::new(&Arc::default());
    let mut lines = Lines::over(Cursor::new(text.to_owned()), "test", None).unwrap();
    census.read(&mut lines).unwrap();
    census
}

fn table(text: &str) -> String {
    let mut shown = Vec::new();
    census(text).report("x").write_table(&mut shown).unwrap();
    String::from_utf8(shown).unwrap()
}

fn page(text: &str, name: &str) -> String {
    let mut shown = Vec::new();
    page::write(&census(text).report(name), &mut shown).unwrap();
    String::from_utf8(shown).unwrap()
}

const LOG: &str = "2026-11-21 07:00:00 lamp lit\n2026-11-21 07:00:01 took 5 ms at 10.0.0.7\n\n\
                   2026-11-21 07:00:09 took 17 ms at 10.0.0.9\n";

#[test]
fn the_table_tells_count_share_values_and_the_first_line() {
    let shown = table(LOG);
    let expected = "           2   66.7 %  took <*> ms at <*>\n                       \
                    latency  number 5, 17  ip 10.0.0.7, 10.0.0.9\n                 e.g.  \
                    2026-11-21 07:00:01 took 5 ms at 10.0.0.7\n";
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.ends_with(
        "\nfrom 2026-11-21T07:00:00Z to 2026-11-21T07:00:09Z\n3 records, 2 templates, chance that \
         the next record is of a new kind 33.33 %\n"
    ));
}

#[test]
fn what_is_odd_about_a_log_is_said() {
    let same = "all the same\n".repeat(200);
    assert!(
        table(&same).contains("odd  all lines have one template\n"),
        "{}",
        table(&same)
    );
    assert!(!table(LOG).contains("odd"), "a few lines say nothing");
}

#[test]
fn hostile_lines_cannot_drive_the_terminal() {
    let shown = table("red \u{1b}[31malert\u{1b}[0m \u{202e}txt.exe \u{200f} bell \u{7}\n");
    assert!(shown.contains("alert"), "{shown}");
    let is_harmless = |c: char| c == '\n' || !c.is_control();
    assert!(shown.chars().all(is_harmless), "{shown:?}");
    assert!(!shown.contains(['\u{202e}', '\u{200f}']), "{shown:?}");
}

#[test]
fn json_names_are_those_of_the_manual() {
    let mut json = Vec::new();
    census(LOG).report("x").write_json(&mut json).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let names = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let template = &document["templates"][0];
    for name in [names(&document), names(template), names(&document["signs"])].concat() {
        assert!(EXAMPLES.contains(&name), "{name} is not in the manual");
    }
    assert_eq!(template["id"].as_str().unwrap().len(), 16);
    assert_eq!(template["params"][1]["kind"], "ip");
    assert_eq!(
        template["params"][1]["values"],
        serde_json::json!(["10.0.0.7", "10.0.0.9"])
    );
    assert_eq!(template["first_seen"], "2026-11-21T07:00:01Z");
    assert_eq!(template["series"].as_array().unwrap().len(), 10);
}

#[test]
fn rows_are_chosen_by_count_class_and_order() {
    let log = "a lamp lit\nb failed\nb failed\n2026-11-21 07:00:00 c new\n";
    let texts = |args: &[&str]| -> Vec<String> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            list: ListArgs,
        }
        let args = [&["templates"], args].concat();
        let line = <Line as clap::Parser>::try_parse_from(args).unwrap();
        let report = chosen(census(log).report("x"), &line.list);
        report.rows.into_iter().map(|row| row.text).collect()
    };
    assert_eq!(texts(&[]), ["b failed", "a lamp lit", "c new"]);
    assert_eq!(texts(&["--sort", "rare", "--top", "1"]), ["c new"]);
    assert_eq!(texts(&["--min-count", "2"]), ["b failed"]);
    assert_eq!(texts(&["--class", "error"]), ["b failed"]);
    assert_eq!(texts(&["--sort", "first"])[0], "c new");
    assert_eq!(texts(&["--limit", "2"]).len(), 2, "the old name works");
}

/// What is hostile about each of these must not come through.
const HOSTILE: &str = "<script>alert(1)</script> came\n\
    </details></li></ol><h1>fake</h1> came\n\
    x\" onmouseover=\"alert(2)\" y came\n\
    x' onload='alert(3) came\n\
    <!-- comment &amp; ]]> came\n\
    \u{1b}[31mred\u{1b}[0m \u{202e}exe.txt \u{200f}mark\u{2028}line came\n\
    user <img src=x onerror=alert(4)> came\n\
    user <img src=z onerror=alert(5)> came\n";

#[test]
fn hostile_lines_stay_text_on_the_page() {
    let page = page(HOSTILE, "<b>evil</b>.log");
    let tags = tags_of(&page);
    let count = |name: &str| {
        tags.iter()
            .filter(|tag| tag.split(' ').next() == Some(name))
            .count()
    };
    assert_eq!((count("script"), count("style"), count("h1")), (1, 1, 1));
    assert_eq!((count("img"), count("/h1")), (0, 1));
    for tag in &tags {
        assert!(
            !tag.contains("onmouseover") && !tag.contains("onload"),
            "{tag}"
        );
    }
    assert!(page.contains("&lt;script&gt;alert("), "it is shown, though");
    let bad = ['\u{1b}', '\u{202e}', '\u{200f}', '\u{2028}'];
    assert!(!page.contains(bad), "control characters came through");
}

#[test]
fn the_page_is_well_formed_and_every_template_is_on_it() {
    let page = page(&format!("{HOSTILE}{LOG}"), "app.log");
    let mut open: Vec<String> = Vec::new();
    for tag in tags_of(&page) {
        let name = tag.split([' ', '\n']).next().unwrap_or_default().to_owned();
        let is_void = ["!doctype", "meta", "input"].contains(&name.as_str());
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed), "in {open:?}"),
            None if is_void => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<String>::new());
    let rows = page.matches("<li data-count=").count();
    assert_eq!(rows, census(&format!("{HOSTILE}{LOG}")).report("x").found);
    assert!(
        page.contains("<span class=\"w ip\">10.0.0.7</span>"),
        "values are marked in lines"
    );
    assert!(page.contains("<svg class=\"spark\""));
}

#[test]
fn the_page_asks_for_nothing_and_runs_only_its_own_script() {
    let page = page(HOSTILE, "x");
    for word in [
        "src=", "href=", "url(", "@import", "fetch(", "http://", "https://",
    ] {
        let own = page.matches(word).count() - page.matches(&format!("img {word}")).count();
        assert_eq!(own, 0, "{word}");
    }
    let policy = page
        .split("content=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
    for element in ["script", "style"] {
        let (_, rest) = page.split_once(&format!("<{element}>")).unwrap();
        let (text, _) = rest.split_once(&format!("</{element}>")).unwrap();
        let hash = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
        let hash = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, hash);
        assert!(
            policy.contains(&format!("{element}-src 'sha256-{hash}'")),
            "{policy}"
        );
    }
    assert!(!page.contains(" style="), "the policy would drop it");
}

/// Everything between `<` and `>`, script and style left out.
fn tags_of(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').expect("a tag that ends");
        tags.push(tag.to_owned());
        let raw = ["script", "style"].into_iter().find(|name| *name == tag);
        rest = match raw {
            Some(name) => &after[after.find(&format!("</{name}>")).unwrap()..],
            None => after,
        };
    }
    tags
}

#[test]
fn wildcards_of_both_kinds_are_counted() {
    assert_eq!(wildcards("a <*> b <**>"), 2);
    assert_eq!(wildcards("none"), 0);
}
