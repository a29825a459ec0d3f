use super::*;

fn form_of(message: &[u8]) -> Vec<u8> {
    form::seen(message).0
}
use crate::core::parse::param::Place;

fn template(text: &str) -> TemplateSpec {
    TemplateSpec {
        text: text.to_owned(),
        ..TemplateSpec::default()
    }
}

fn hand(texts: &[&str]) -> Hand {
    let templates = texts.iter().map(|text| template(text)).collect();
    Hand::parse(&HandSpec {
        templates,
        ..HandSpec::default()
    })
    .unwrap()
}

fn masks(masks: &[(&str, ParamKind)]) -> Result<Hand, Vec<HandProblem>> {
    let masks = masks.iter().map(|(pattern, kind)| MaskSpec {
        pattern: (*pattern).to_owned(),
        kind: *kind,
    });
    Hand::parse(&HandSpec {
        masks: masks.collect(),
        ..HandSpec::default()
    })
}

/// The problems of templates, as `path: message`.
fn wrong(templates: Vec<TemplateSpec>) -> Vec<String> {
    let spec = HandSpec {
        templates,
        ..HandSpec::default()
    };
    let problems = Hand::parse(&spec).unwrap_err();
    let told = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.path, problem.message));
    told.collect()
}

/// The bytes of `message` between two places of its form.
fn value<'a>(message: &'a str, form: &[u8], from: Place, to: Place) -> &'a str {
    // The variables of a message are its runs of digits here, which is all these tests use.
    let mut ends = vec![0];
    let bytes = message.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let next_is_digit = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if byte.is_ascii_digit() && !next_is_digit {
            ends.push(at + 1);
        }
    }
    let placeholders = form.iter().filter(|byte| **byte < 5).count();
    assert_eq!(ends.len(), placeholders + 1, "{message}");
    let position = |place: Place| ends[usize::from(place.after)] + usize::from(place.delta);
    &message[position(from)..position(to)]
}

/// The template that takes a message, and its values with their kinds.
fn placed<'a>(hand: &Hand, message: &'a str) -> Option<(String, Vec<(ParamKind, &'a str)>)> {
    let form = form_of(message.as_bytes());
    let placed = hand.place(&form)?;
    let values = placed
        .params
        .iter()
        .map(|param| (param.kind, value(message, &form, param.start, param.end)));
    Some((placed.template.text.to_string(), values.collect()))
}

#[test]
fn a_template_takes_its_lines_and_gives_their_values() {
    let hand = hand(&["user <*> logged in from <*>", "rotor <*> broke: <**>"]);
    let (text, values) = placed(&hand, "user ann17 logged in from 10.0.0.7:80").unwrap();
    assert_eq!(text, "user <*> logged in from <*>");
    assert_eq!(
        values,
        [
            (ParamKind::Identifier, "ann17"),
            (ParamKind::Ip, "10.0.0.7:80")
        ]
    );
    let (_, values) = placed(&hand, "rotor 5 broke: blade off, 2 left").unwrap();
    assert_eq!(
        values,
        [
            (ParamKind::Number, "5"),
            (ParamKind::Identifier, "blade off, 2 left")
        ]
    );
    assert_eq!(
        placed(&hand, "rotor 12 broke: ")
            .or(placed(&hand, "rotor 12 broke:"))
            .map(|found| found.1),
        None,
        "a blank before <**> has to be there"
    );
    for other in [
        "user ann logged in",
        "user ann of x logged in from y",
        "a user ann logged in from y",
        "user  logged in from y",
        "",
    ] {
        assert_eq!(placed(&hand, other), None, "{other}");
    }
}

#[test]
fn blanks_and_tabs_of_any_number_are_one() {
    let hand = hand(&["door  <*> is\topen"]);
    for line in [
        "door a is open",
        "  door   a  is open  ",
        "door\ta is\r\nopen\n",
    ] {
        assert_eq!(placed(&hand, line).unwrap().1.len(), 1, "{line:?}");
    }
    assert_eq!(hand.templates()[0].text.as_ref(), "door <*> is open");
}

#[test]
fn a_wildcard_inside_a_word_and_many_in_one_line_find_their_ends() {
    let hand = hand(&["k=<*>;v=<*>!", "<**>begin <*>end <**>stop"]);
    assert_eq!(
        placed(&hand, "k=a;v=b;v=c!").unwrap().1,
        [(ParamKind::Word, "a"), (ParamKind::Word, "b;v=c")]
    );
    assert_eq!(
        placed(&hand, "x begin y begin zend u stop stop").unwrap().1,
        [
            (ParamKind::Word, "x begin y "),
            (ParamKind::Word, "z"),
            (ParamKind::Word, "u stop ")
        ]
    );
    assert_eq!(placed(&hand, "k=a;v=!"), None);
}

#[test]
fn the_first_template_in_the_file_takes_the_line() {
    let hand = hand(&["get /health <*>", "get <*> <*>"]);
    assert_eq!(
        placed(&hand, "get /health ok").unwrap().0,
        "get /health <*>"
    );
    assert_eq!(placed(&hand, "get /other ok").unwrap().0, "get <*> <*>");
    let told = wrong(vec![template("get <*> <*>"), template("get /health <*>")]);
    assert_eq!(
        told,
        ["templates[1].text: templates[0] takes all its lines before; put this one above it"]
    );
}

#[test]
fn every_line_of_a_form_has_one_template() {
    let hand = hand(&["took <*>ms", "sent <*> to <*>", "<*> left"]);
    for (one, other) in [
        ("took 5ms", "took 12345ms"),
        ("sent a1b2z to 7", "sent zz9yy8 to 123"),
        ("17 left", "3 left"),
    ] {
        assert_eq!(form_of(one.as_bytes()), form_of(other.as_bytes()));
        let text = |line: &str| {
            let form = form_of(line.as_bytes());
            hand.place(&form).map(|placed| placed.template.text.clone())
        };
        assert_eq!(text(one), text(other));
    }
}

#[test]
fn a_text_that_could_take_no_line_or_any_is_refused_with_the_way_out() {
    let split = |at, values: &[&str]| {
        Some(SplitSpec {
            at,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        })
    };
    for (spec, expected) in [
        (
            template("took 30ms on node7"),
            "write \"took <*>ms on node<*>\"",
        ),
        (template("<*> <*>"), "name at least one word"),
        (template("a <*><*>"), "write one"),
        (template(" \t"), "it is empty"),
        (
            TemplateSpec {
                split: split(3, &["a"]),
                ..template("a <*> b <*>")
            },
            "templates[0].split.at: the text has 2 wildcards; write 1 to 2",
        ),
        (
            TemplateSpec {
                split: split(1, &["a", "a"]),
                ..template("b <*>")
            },
            "\"a\" is named twice",
        ),
        (
            TemplateSpec {
                split: split(1, &["a b"]),
                ..template("b <*>")
            },
            "\"a b\" is not one word",
        ),
        (
            TemplateSpec {
                split: split(1, &["a"]),
                ..template("b <**>")
            },
            "only a <*> can be split",
        ),
    ] {
        let told = wrong(vec![spec]);
        assert!(
            told.len() == 1 && told[0].contains(expected),
            "{expected}: {told:?}"
        );
    }
}

#[test]
fn a_split_gives_its_values_a_template_of_their_own() {
    let spec = TemplateSpec {
        split: Some(SplitSpec {
            at: 2,
            values: vec!["404".into(), "500".into()],
        }),
        ..template("<*> answered <*>")
    };
    let hand = Hand::parse(&HandSpec {
        templates: vec![spec],
        ..HandSpec::default()
    })
    .unwrap();
    let form = form_of(b"peer answered 404");
    let split = hand.place(&form).unwrap().template.split.clone().unwrap();
    assert_eq!(split.at, 1);
    assert_eq!(split.choose(b"404"), Some("<*> answered 404"));
    assert_eq!(split.choose(b"405"), None);
    assert!(hand.named("<*> answered 500").is_some());
}

#[test]
fn a_class_of_the_file_beats_the_words() {
    let mut spec = template("error page <*> shown");
    assert_eq!(
        hand(&["error page <*> shown"]).class_of("error page <*> shown"),
        Class::Error
    );
    spec.class = Some(Class::Info);
    let hand = Hand::parse(&HandSpec {
        templates: vec![spec],
        ..HandSpec::default()
    })
    .unwrap();
    assert_eq!(hand.class_of("error page <*> shown"), Class::Info);
    assert_eq!(hand.class_of("out of memory"), Class::Saturation);
}

fn masked(hand: &Hand, message: &str) -> Option<String> {
    let form = hand.mask(&form_of(message.as_bytes()))?.form;
    Some(
        form.iter()
            .map(|byte| if *byte < 5 { '#' } else { char::from(*byte) })
            .collect(),
    )
}

#[test]
fn a_mask_takes_out_whole_words_and_sees_every_number_alike() {
    let hand = masks(&[
        (r"\d+-[a-z]+", ParamKind::Identifier),
        ("user (\\w+)", ParamKind::Word),
    ])
    .unwrap();
    assert_eq!(masked(&hand, "job 17-red done").unwrap(), "job # done");
    assert_eq!(masked(&hand, "job 4-blue done").unwrap(), "job # done");
    assert_eq!(masked(&hand, "user ann left").unwrap(), "user # left");
    assert_eq!(
        masked(&hand, "job 4-blues2 done"),
        None,
        "half a word stays"
    );
    assert_eq!(masked(&hand, "nothing here"), None);
}

#[test]
fn what_a_mask_took_out_is_found_in_the_message_with_its_kind() {
    let hand = masks(&[("lane [a-z]+ [a-z]+", ParamKind::Path)]).unwrap();
    let message = "car 12 on lane red west at 7 mph";
    let form = form_of(message.as_bytes());
    let masked = hand.mask(&form).unwrap();
    let at = masked
        .form
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte < 5);
    let found: Vec<_> = at
        .map(|(at, _)| {
            let param = form::anchored(&masked.form, at..at + 1, ParamKind::Number);
            let param = masked.param(param);
            (param.kind, value(message, &form, param.start, param.end))
        })
        .collect();
    assert_eq!(
        found,
        [
            (ParamKind::Number, "12"),
            (ParamKind::Path, "lane red west"),
            (ParamKind::Number, "7")
        ]
    );
}

#[test]
fn a_mask_that_tells_digits_apart_or_counts_them_is_refused() {
    for pattern in ["404", r"\d{3}", "[0-4]+", r"\w{8}", "id=(7|8)"] {
        let told = masks(&[(pattern, ParamKind::Word)]).unwrap_err();
        assert!(
            told[0].message.contains("write \\d+"),
            "{pattern}: {told:?}"
        );
    }
    for pattern in [r"\d+", "[a-f0-9]+", r"[^ ]+@[^ ]+", "[a-z]{3}", r"v\d?x"] {
        assert!(masks(&[(pattern, ParamKind::Word)]).is_ok(), "{pattern}");
    }
    let told = masks(&[("a(", ParamKind::Word), ("x*", ParamKind::Word)]).unwrap_err();
    assert_eq!(told[0].path, "masks[0].pattern");
    assert!(told[0].message.contains("unclosed group"), "{told:?}");
    assert!(told[1].message.contains("empty text"), "{told:?}");
}

#[test]
fn a_template_by_hand_goes_before_a_mask() {
    let spec = HandSpec {
        templates: vec![template("gate red is open")],
        masks: vec![MaskSpec {
            pattern: "gate [a-z]+".into(),
            kind: ParamKind::Word,
        }],
        ..HandSpec::default()
    };
    let hand = Hand::parse(&spec).unwrap();
    let form = form_of(b"gate red is open");
    assert!(
        hand.place(&form).is_some(),
        "templates see the form before any mask"
    );
    assert!(hand.mask(&form).is_some());
}

#[test]
fn seeds_are_checked_like_templates() {
    let seeds = |seeds: &[&str]| {
        Hand::parse(&HandSpec {
            seeds: seeds.iter().map(|seed| (*seed).to_owned()).collect(),
            ..HandSpec::default()
        })
    };
    assert_eq!(seeds(&["a  <*> b"]).unwrap().seeds()[0].as_ref(), "a <*> b");
    let told = seeds(&["a 12 b", "c <**>"]).unwrap_err();
    assert!(told[0].message.contains("write \"a <*> b\""), "{told:?}");
    assert_eq!(told[1].path, "seeds[1]");
}
