use std::borrow::Cow;
use std::sync::Arc;

use proptest::prelude::*;

use super::named::Meaning;
use super::*;
use crate::core::record::{Record, Resource, StreamKey};

mod canaries;

fn redacted(text: &str) -> String {
    Redactor::default().text(text).into_owned()
}

#[track_caller]
fn gives(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(redacted(text), *wanted, "{text}");
    }
}

#[test]
fn of_ten_thousand_planted_secrets_none_is_seen_again() {
    let redactor = Redactor::default();
    let mut missed = Vec::new();
    let mut kinds = std::collections::BTreeMap::new();
    for number in 0..10_000 {
        let canary = canaries::canary(number);
        *kinds.entry(canary.name).or_insert(0) += 1;
        let seen = redactor.text(&canary.line).into_owned();
        if canary.secrets.iter().any(|secret| seen.contains(secret)) {
            missed.push((canary.name, canary.line, seen));
        }
    }
    assert!(kinds.len() >= 30, "{}", kinds.len());
    assert!(kinds.values().all(|count| *count > 100), "{kinds:?}");
    // 99.5 % is promised; anything less than all is a canary to learn from.
    assert!(
        missed.is_empty(),
        "{} missed: {:#?}",
        missed.len(),
        missed.first()
    );
}

#[test]
fn lines_without_a_secret_stay_as_they_are() {
    let redactor = Redactor::default();
    for line in HARMLESS.lines() {
        assert!(
            matches!(redactor.text(line), Cow::Borrowed(_)),
            "{line}: {}",
            redactor.text(line)
        );
    }
}

/// What services, systems and databases say all day.
const HARMLESS: &str = r#"
2026-11-21 07:46:03.120 INFO [worker-3] shop.cart.Checkout: order ord_1000007 of customer c-31 reserved 3 items in 41 ms on 10.2.0.7:8080
Failed password for root from 203.0.113.7 port 51234 ssh2
Accepted publickey for deploy from 203.0.113.7 port 51234 ssh2: RSA SHA256:Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE
password check failed for user (ann)
Invalid password: too short
invalid token: expired
invalid token: not signed by us
Unexpected token < in JSON at position 0
unexpected token: } at line 5
tokens=512 max_tokens=100 token_count=7 prompt_tokens: 88 token=12
nextPageToken=CAUQAA continuation_token: 9981a
cache key=user:17:cart primary_key=id partition_key: 7 keys=3 keyspace=orders
secret "tls-cert" not found in namespace shop; secretName=tls-cert
bypass=true compass=off passed=12 failed=0 pass: 12
key: value
monkey=banana turkey: stuffed
authorization: denied for user 17
Authorization header is missing
Bearer token is missing; Basic authentication is off; basic usage: run it
cookie: not found
signature: invalid
password: ****** token=[REDACTED] secret=${DB_SECRET} api_key={{ key }} password=<password>
password=null token: none, secret="" api_key=undefined
Started Session 4 of User 1000 (user@1000.service), getty@tty1.service, backup@daily.timer
java.lang.Object@1f2e3d4c lock com.example.Foo@6d06d69c held by worker-1
fetch git@github.com:acme/shop.git, install left-pad@1.3.0 and @acme/ui@2.0.1
root@10.2.0.7: connection refused; rsync backup@nas:/volume
GET https://shop.example/cart/@ann?id=7 HTTP/1.1 200
blk_-1608999687919862906 blk_4608999687919862906 job_202611210743
span 00f067aa0ba902b7 trace 4bf92f3577b34da6a3ce929d0e0e4736 id 123e4567-e89b-12d3-a456-426614174000
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 commit da39a3ee5e6b4b0d3255bfef95601890afd80709
at 1795247160123 and 1795247160123456 and 1795247160123456789 ns, offset 4294967296, size 67108864
serial 4111 1111 1111 1112, 4111111111111112, 5500-0000-0000-0005, part 378282246310006
SpanID: 4111111111111111 order_id=4111111111111111 {"id":4111111111111111}
DE89 of 12, GB29 done, AT1234567890123456789, flight LH 4711, R02-M1-N0, ASIC JTAG Reset
task-runner-1234567890-abcdef disk-usage-of-the-whole-node-0123456789ABC
mobile view opened; phone: not given; mobile=true; phone_verified=1
10.251.73.220:50010 is added to 078-05-1120
[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok /etc/httpd/conf/workers2.properties
-----BEGIN CERTIFICATE----- and -----BEGIN PUBLIC KEY-----
eyJhbGciOiJIUzI1NiJ9 alone, SG. and SK and hf_ and ghp_ and xoxb- and AKIA
PWD=/srv/app OLDPWD=/ token_file=/run/secrets/token private_key=/etc/tls/server.key
"#;

#[test]
fn what_names_a_secret_stays_and_the_secret_goes() {
    gives(&[
        (
            "login password=hunter2 ok",
            "login password=<redacted:secret> ok",
        ),
        (
            r#"{"a":1,"password":"a\"b","b":2}"#,
            r#"{"a":1,"password":"<redacted:secret>","b":2}"#,
        ),
        (
            r#"{"log":"{\"token\":\"x1y2\",\"b\":2}"}"#,
            r#"{"log":"{\"token\":\"<redacted:secret>\",\"b\":2}"}"#,
        ),
        (
            "?token=abc&next=/home",
            "?token=<redacted:secret>&next=/home",
        ),
        (
            "run --password hunter2 --host db",
            "run --password <redacted:secret> --host db",
        ),
        (
            "DB_PASSWORD=p@ss,w0rd; X=1",
            "DB_PASSWORD=<redacted:secret>; X=1",
        ),
        (
            "user=a,password=b,host=c",
            "user=a,password=<redacted:secret>,host=c",
        ),
        (
            "<password>hunter2</password>",
            "<password><redacted:secret></password>",
        ),
        (
            r#"Config { password: Some("x1"), port: 1 }"#,
            r#"Config { password: Some("<redacted:secret>"), port: 1 }"#,
        ),
        ("API key: 7f3e2a used", "API key: <redacted:secret> used"),
        ("X-Api-Key: 7f3e2a", "X-Api-Key: <redacted:secret>"),
    ]);
}

#[test]
fn what_has_a_form_of_its_own_goes_without_a_name() {
    gives(&[
        (
            "Authorization: Bearer abc.def",
            "Authorization: Bearer <redacted:authorization>",
        ),
        (
            "map[Authorization:[Basic abcdef] Cookie:[a=1; b=2] Accept:[*/*]]",
            "map[Authorization:[Basic <redacted:authorization>] Cookie:[<redacted:cookie>] Accept:[*/*]]",
        ),
        (
            "Set-Cookie: sid=a; Path=/ done",
            "Set-Cookie: <redacted:cookie> done",
        ),
        (
            "postgres://bob:s3c@r@db:5432/app",
            "postgres://bob:<redacted:url-password>@db:5432/app",
        ),
        (
            "bob:s3cret@tcp(db:3306)/app",
            "bob:<redacted:url-password>@tcp(db:3306)/app",
        ),
        ("to ann.lee@post.example.org.", "to <redacted:email>."),
        (
            "card 4111 1111 1111 1111, done",
            "card <redacted:card>, done",
        ),
        (
            "to DE89 3704 0044 0532 0130 00 now",
            "to <redacted:iban> now",
        ),
        (
            "ssn=078-05-1120 phone: +49 151 2345-678, x",
            "ssn=<redacted:ssn> phone: <redacted:phone>, x",
        ),
    ]);
}

#[test]
fn a_number_in_json_becomes_a_string_so_that_it_is_json_still() {
    let clean = redacted(r#"{"password":12345,"token":123456789012,"tokens":7}"#);
    let read: serde_json::Value = serde_json::from_str(&clean).unwrap();
    assert_eq!(read["password"], "<redacted:secret>");
    assert_eq!(read["token"], "<redacted:secret>");
    assert_eq!(read["tokens"], 7);
}

#[test]
fn a_number_in_json_without_a_telling_name_becomes_a_string_too() {
    let customer = RedactSpec {
        patterns: vec![("customer".to_owned(), r"77\d{4}".to_owned())],
        ..RedactSpec::default()
    };
    let redactor = Redactor::new(&customer).unwrap();
    for text in [
        r#"{"pan":4111111111111111}"#,
        r#"{"pan": 4111111111111111 ,"b":2}"#,
        r#"{"pans":[1,4111111111111111, 5500000000000004]}"#,
        r#"[4111111111111111]"#,
        r#"{"customer":771234}"#,
        r#"{"password":-12345.5}"#,
    ] {
        let clean = redactor.text(text).into_owned();
        assert!(clean.contains("<redacted:"), "{clean}");
        let read: Result<serde_json::Value, _> = serde_json::from_str(&clean);
        assert!(read.is_ok(), "{clean}");
    }
    gives(&[
        (
            r#"{"log":"{\"pan\":4111111111111111}"}"#,
            r#"{"log":"{\"pan\":\"<redacted:card>\"}"}"#,
        ),
        ("pan: 4111111111111111, ok", "pan: <redacted:card>, ok"),
    ]);
}

#[test]
fn a_name_is_known_in_every_case_and_before_every_separator() {
    let mut missed = Vec::new();
    for (name, meaning) in named::ENDS.iter().chain(named::WORDS) {
        let value = match meaning {
            Meaning::Ssn => "078-05-1120",
            Meaning::Phone => "+491512345678",
            Meaning::Cookie => "sid=x9y8",
            _ => "v9xq",
        };
        let (first, rest) = name.split_at(1);
        let camel = format!("{}{rest}", first.to_uppercase());
        for name in [(*name).to_owned(), camel, name.to_uppercase()] {
            for line in [
                format!("{name}={value}"),
                format!("{name}: {value}"),
                format!("{name} = {value}"),
                format!("{{\"{name}\":\"{value}\"}}"),
                format!("{{'{name}': '{value}'}}"),
                format!("<{name}>{value}</{name}>"),
            ] {
                if redacted(&line).contains(value) {
                    missed.push(line);
                }
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    gives(&[
        ("X-API-KEY: v", "X-API-KEY: <redacted:secret>"),
        ("<apiKey>v</apiKey>", "<apiKey><redacted:secret></apiKey>"),
        ("HTTP_COOKIE=a=b", "HTTP_COOKIE=<redacted:cookie>"),
        ("MYSQL_PWD=/v9", "MYSQL_PWD=<redacted:secret>"),
        ("db_pass = v", "db_pass = <redacted:secret>"),
        (
            "passWord=v user_pass2=w",
            "passWord=<redacted:secret> user_pass2=<redacted:secret>",
        ),
        ("PWD=/srv/app", "PWD=/srv/app"),
    ]);
}

#[test]
fn a_placeholder_is_the_whole_value_and_a_password_is_no_sentence() {
    gives(&[
        ("password={noop}hunter2", "password=<redacted:secret>"),
        ("Password={x;y}", "Password=<redacted:secret>}"),
        (
            "password=${DB_PASS:-hunter2}",
            "password=<redacted:secret>}",
        ),
        (
            "password: hunter for user ann",
            "password: <redacted:secret> for user ann",
        ),
        ("token=<a>b", "token=<a>b"),
        ("password={password} pwd={0}", "password={password} pwd={0}"),
        (
            "wrong password: given by ann",
            "wrong password: given by ann",
        ),
        ("password: not set", "password: not set"),
    ]);
    let long = "*".repeat(200);
    assert_eq!(
        redacted(&format!("token={long}")),
        "token=<redacted:secret>"
    );
}

#[test]
fn a_secret_is_taken_out_to_its_end_however_long_it_is() {
    let long = "aB3".repeat(20_000);
    for (before, after) in [
        ("password=", " ok"),
        ("Bearer ", " ok"),
        ("at ghp_", " ok"),
        ("at xoxb-", "\" ok"),
        ("eyJhbGciOiJIUzI1NiJ9.", ".sig ok"),
    ] {
        let clean = redacted(&format!("{before}{long}{after}"));
        assert!(!clean.contains("aB3") && clean.ends_with(" ok"), "{before}");
    }
}

#[test]
fn what_is_read_in_vain_is_not_read_again() {
    let text = "-eyJh".repeat(1_000);
    assert_eq!(block::jwt(text.as_bytes(), 1), Err(text.len()));
    // What is not wanted is not read, and what is long is taken out.
    let text = format!("token={{{}", "token={".repeat(1_000));
    let found = named::find(text.as_bytes(), 0, Kinds::ALL).unwrap();
    assert_eq!(found.end, text.len());
    let rest = Kinds::ALL.without(Kind::Secret);
    assert_eq!(named::find(text.as_bytes(), 0, rest), None);
}

#[test]
fn a_key_is_taken_out_whole_and_one_without_its_end_to_the_end_of_the_text() {
    let key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\nqwerty\n-----END EC PRIVATE KEY-----";
    assert_eq!(
        redacted(&format!("read {key} from disk")),
        "read <redacted:private-key> from disk"
    );
    assert_eq!(redacted(&key[..50]), "<redacted:private-key>");
}

#[test]
fn only_what_is_asked_for_is_redacted() {
    let line = "ann@example.org password=hunter2 C-123456";
    let spec = RedactSpec {
        except: vec!["email".to_owned()],
        patterns: vec![("customer".to_owned(), r"C-\d{6}".to_owned())],
        ..RedactSpec::default()
    };
    let own = Redactor::new(&spec).unwrap();
    assert_eq!(
        own.text(line),
        "ann@example.org password=<redacted:secret> <redacted:customer>"
    );
    let alone = Redactor::new(&RedactSpec {
        defaults: false,
        ..spec
    })
    .unwrap();
    assert_eq!(
        alone.text(line),
        "ann@example.org password=hunter2 <redacted:customer>"
    );
}

#[test]
fn what_is_wrong_with_the_settings_is_told_with_its_place() {
    let pattern = |name: &str, regex: &str| (name.to_owned(), regex.to_owned());
    let spec = RedactSpec {
        defaults: true,
        except: vec!["emial".to_owned()],
        patterns: vec![
            pattern("email", "x"),
            pattern("a b", "("),
            pattern("c", "y*"),
        ],
    };
    let problems = Redactor::new(&spec).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        told[0].starts_with("except[0]: there is no kind \"emial\"; known are secret, "),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("patterns[0].name: \"email\" is a kind already"),
        "{told:?}"
    );
    assert!(
        told[2].starts_with("patterns[1].name: \"a b\" is no name"),
        "{told:?}"
    );
    assert!(
        told[3].starts_with("patterns[1].regex: \"(\" is no regular expression: unclosed"),
        "{told:?}"
    );
    assert!(
        told[4].starts_with("patterns[2].regex: the pattern matches an empty text"),
        "{told:?}"
    );
    assert_eq!(told.len(), 5);
    let many = (0..=PATTERNS_MAX).map(|_| pattern("x", "y")).collect();
    let spec = RedactSpec {
        patterns: many,
        ..RedactSpec::default()
    };
    assert!(
        Redactor::new(&spec)
            .unwrap_err()
            .iter()
            .any(|problem| problem.path == "patterns")
    );
}

#[test]
fn marks_do_not_make_a_text_much_longer() {
    let text = "pwd=a ".repeat(10_000);
    let clean = redacted(&text);
    assert!(!clean.contains("=a"));
    assert!(
        clean.len() <= text.len() + text.len() / 4 + GROWTH_MAX,
        "{}",
        clean.len()
    );
    assert!(redacted("pwd=a").len() <= 5 + 5 / 4 + GROWTH_MAX);
}

#[test]
fn every_part_of_a_record_is_redacted_and_counted() {
    let template: Arc<str> = "mail to ann@example.org".into();
    let resource = [
        ("service.name", "shop"),
        ("process.command_line", "run --password hunter2"),
        ("db.password", "hunter3"),
        ("owner", "bob@example.org"),
    ];
    let attributes = resource.map(|(key, value)| (key.into(), value.into()));
    let resource = Arc::new(Resource::new(attributes.into()));
    let mut batch = Batch::new(StreamKey::named("ann@example.org"), resource);
    batch.push(Record {
        body: "quiet",
        ..Record::default()
    });
    batch.push(Record {
        body: "password=hunter2",
        event_name: Some("mail ann@example.org"),
        sequence_attribute: Some("eve@example.org"),
        template: Some(&template),
        ..Record::default()
    });
    let redactor = Redactor::default();
    let mut redaction = Redaction::default();
    redactor.stream(&mut batch.stream);
    let suspects = redaction.batch(&redactor, &mut batch);
    assert_eq!(&*batch.stream.name, "<redacted:email>");
    assert_eq!(batch.resource.get("service.name"), Some("shop"));
    assert_eq!(
        batch.resource.get("process.command_line"),
        Some("run --password <redacted:secret>")
    );
    assert_eq!(batch.resource.get("db.password"), Some("<redacted:secret>"));
    assert_eq!(batch.resource.get("owner"), Some("<redacted:email>"));
    assert!(suspects.of(0).is_empty());
    let sent: Vec<Record<'_>> = batch.records().collect();
    let clean = redaction.record(&redactor, sent[1], suspects.of(1));
    assert_eq!(clean.body, "password=<redacted:secret>");
    assert_eq!(clean.event_name, Some("mail <redacted:email>"));
    assert_eq!(clean.sequence_attribute, None);
    assert_eq!(
        clean.template.map(|name| &**name),
        Some("mail to <redacted:email>")
    );
    let mut counts = redaction.take_counts();
    counts.sort();
    let counts: Vec<(&str, u64)> = counts
        .iter()
        .map(|(kind, count)| (&**kind, *count))
        .collect();
    assert_eq!(counts, [("email", 4), ("secret", 3)]);
}

/// Pieces of secrets and of what is around them.
fn soup() -> impl Strategy<Value = String> + Clone {
    let piece = prop_oneof![
        Just("password"),
        Just("token"),
        Just("="),
        Just(": "),
        Just("\""),
        Just("\\\""),
        Just(" "),
        Just("@"),
        Just("."),
        Just("example.org"),
        Just("://"),
        Just("é"),
        Just("\u{1f980}"),
        Just(","),
        Just("eyJhbGciOi"),
        Just("Bearer "),
        Just("Basic "),
        Just("Cookie: "),
        Just("--"),
        Just("<"),
        Just(">"),
        Just("4111"),
        Just("1111"),
        Just("-"),
        Just("DE89"),
        Just("-----BEGIN RSA PRIVATE KEY"),
        Just("-----END"),
        Just("AKIA"),
        Just("\n"),
        Just("phone"),
        Just("ssn="),
        Just("078-05-1120"),
        Just("SK"),
        Just("0123456789abcdef"),
        Just("Some("),
        Just("["),
        Just("]"),
        Just("key"),
        Just(":AAE"),
        Just("T3BlbkFJ"),
        Just("sk-"),
        Just("tcp("),
        Just("%3D"),
        Just("\\n"),
        Just("&"),
        Just("{"),
        Just("x")
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The texts of a record: whole secrets at their starts, and ends that would hide them.
fn parts() -> impl Strategy<Value = [String; 3]> {
    let whole = prop_oneof![
        Just("4111111111111111".to_owned()),
        Just("5500-0000-0000-0004".to_owned()),
        Just("DE89370400440532013000".to_owned()),
        Just(format!("hf_{}", "aBcDeFgHiJ".repeat(3))),
        Just(format!("SK{}", "0123456789abcdef".repeat(2))),
        Just(format!("SG.{}", "aBcDeFgHiJ".repeat(6))),
    ];
    let end = prop_oneof![Just("x"), Just("."), Just("7"), Just("ends in x"), Just("")];
    let whole = (whole, end).prop_map(|(whole, end)| match end {
        "" => whole,
        end => format!("{whole} {end}"),
    });
    let text = prop_oneof![whole, soup(), Just("x".to_owned()), Just(String::new())];
    [text.clone(), text.clone(), text]
}

proptest! {
    #[test]
    fn any_text_is_redacted_without_a_panic_and_a_second_time_nothing_is(text in soup()) {
        let redactor = Redactor::default();
        let once = redactor.text(&text).into_owned();
        prop_assert!(once.len() <= text.len() + text.len() / 4 + GROWTH_MAX);
        let found = redactor.find(&text, Passes::ALL);
        prop_assert!(found.windows(2).all(|two| two[0].end <= two[1].start));
        prop_assert!(found.iter().all(|found| found.start < found.end && found.end <= text.len()));
    }

    #[test]
    fn what_is_in_a_batch_is_found_as_if_it_stood_alone(texts in prop::collection::vec(parts(), 1..12)) {
        let redactor = Redactor::default();
        let mut batch = Batch::new(StreamKey::named("a"), Arc::default());
        batch.extend(texts.iter().map(|[body, name, attribute]| Record {
            body,
            event_name: Some(name),
            sequence_attribute: Some(attribute),
            ..Record::default()
        }));
        let suspects = redactor.suspects(&batch);
        let mut redaction = Redaction::default();
        for (index, record) in batch.records().enumerate() {
            let [body, name, attribute] = &texts[index];
            let clean = redaction.record(&redactor, record, suspects.of(index));
            prop_assert_eq!(clean.body, redactor.text(body));
            prop_assert_eq!(clean.event_name, Some(&*redactor.text(name)));
            let is_clean = matches!(redactor.text(attribute), Cow::Borrowed(_));
            prop_assert_eq!(clean.sequence_attribute, Some(&**attribute).filter(|_| is_clean));
        }
    }

    #[test]
    fn random_bytes_do_no_harm(text in ".{0,300}") {
        let _ = Redactor::default().text(&text);
    }
}
