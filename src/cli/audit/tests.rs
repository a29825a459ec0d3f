use clap::Parser as _;
use serde_json::{Value, json};

use super::*;
use crate::cli::{Cli, Command};
use crate::edge::store::{ControlSettings, Filing, Limits, Store};

/// A state folder with `count` entries, the last of which is a minute old.
fn folder(count: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let filings = (1..=count).map(|nth| {
        let body = json!({
            "by": "ana\u{1b}[2J", "role": "operator", "from": "10.0.0.1", "action": "acknowledge",
            "target": format!("9f3c{nth}"), "note": "mine\u{202e}", "outcome": "done",
            "details": { "rule": "r" },
        });
        let age = std::time::Duration::from_secs(60 * (count - nth + 1));
        Filing::Audit {
            at: clock::now().minus(age),
            body: body.to_string().into_bytes(),
        }
    });
    let filings: Vec<Filing> = filings.collect();
    daemon(folder.path()).tell(&[], &[], &filings).unwrap();
    folder
}

/// The database as a daemon has it.
fn daemon(folder: &Path) -> Control {
    let limits = Limits {
        bytes_max: 1 << 20,
        streams_max: std::num::NonZeroUsize::MIN,
    };
    let store = Store::open(folder, limits).unwrap();
    store.control(ControlSettings::default()).unwrap()
}

fn tamper(folder: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(folder.join("control.db")).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn parsed(words: &[&str]) -> Result<AuditArgs, clap::Error> {
    let all = ["knothole", "audit"].iter().chain(words);
    match Cli::try_parse_from(all)?.command {
        Command::Audit(args) => Ok(args),
        other => panic!("{other:?}"),
    }
}

/// How the command ends, by its exit code.
fn code(words: &[&str]) -> u8 {
    let Ok(args) = parsed(words) else {
        return 2;
    };
    match run(&args) {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Found) => 1,
        Err(Failure::Use(_) | Failure::Told) => 2,
        Err(Failure::Environment(_) | Failure::Output(_)) => 3,
    }
}

fn text(show_json: bool, folder: &Path, since: Timestamp) -> String {
    let control = Control::read_only(folder).unwrap();
    let mut out = Vec::new();
    show(&control, (since, show_json), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn told(folder: &Path, known: Option<AuditMark>) -> String {
    let control = Control::read_only(folder).unwrap();
    let mut out = Vec::new();
    let report = control.verify_audit(known).unwrap();
    let _ = verdict(&report, known, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn entries_come_oldest_first_and_can_do_nothing_to_a_terminal() {
    let folder = folder(2);
    let shown = text(false, folder.path(), Timestamp::ZERO);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    assert!(lines[0].starts_with("      1  20") && lines[2].starts_with("      2  20"));
    let end = "Z  ana\u{fffd}[2J       operator  acknowledge         9f3c1  done";
    assert!(lines[0].ends_with(end), "{shown}");
    assert_eq!(lines[1], "         mine\u{fffd}");
}

#[test]
fn scripts_get_all_of_an_entry_on_a_line() {
    let folder = folder(1_500);
    let shown = text(true, folder.path(), Timestamp::ZERO);
    assert!(!shown.contains(['\u{1b}', '\u{202e}']));
    let rows = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let rows: Vec<Value> = rows.collect();
    assert_eq!(rows.len(), 1_500, "more than are read at once");
    let row = rows[6].as_object().unwrap();
    assert_eq!(
        (&row["number"], &row["by"]),
        (&json!(7), &json!("ana\u{1b}[2J"))
    );
    assert_eq!(row["details"], json!({ "rule": "r" }));
    assert_eq!(row["hash"].as_str().unwrap().len(), 64);
    assert_eq!(row.len(), 11, "{row:?}");
    let ago = |minutes: u64| clock::now().minus(std::time::Duration::from_secs(60 * minutes));
    let late = text(true, folder.path(), ago(2));
    assert_eq!(late.lines().count(), 1, "{late}");
}

#[test]
fn exit_codes_tell_whether_it_is_whole() {
    let folder = folder(5);
    let dir = folder.path().to_str().unwrap();
    assert_eq!(code(&["verify", "--state-dir", dir]), 0);
    assert_eq!(code(&["show", "--state-dir", dir, "--since", "1h"]), 0);
    tamper(
        folder.path(),
        "UPDATE audit SET at = 7 WHERE number IN (2, 4)",
    );
    assert_eq!(code(&["verify", "--state-dir", dir]), 1);
    assert_eq!(
        told(folder.path(), None),
        "edited: entry 2 does not fit its hash\nedited: entry 4 does not fit its hash\n"
    );
    assert_eq!(code(&["show", "--state-dir", dir, "--since", "soon"]), 2);
    assert_eq!(code(&["verify", "--state-dir", dir, "--head", "5"]), 2);
    assert_eq!(
        code(&["verify", "--state-dir", dir, "--config", "x.yaml"]),
        2
    );
    assert_eq!(code(&["verify", "--state-dir", "no-such-folder"]), 3);
    std::fs::write(
        folder.path().join("control.db"),
        "no database but long enough",
    )
    .unwrap();
    assert_eq!(code(&["verify", "--state-dir", dir]), 3);
    assert_eq!(code(&["show", "--state-dir", dir]), 3);
}

#[test]
fn the_head_that_is_printed_finds_a_chain_written_anew_later() {
    let folder = folder(5);
    let before = told(folder.path(), None);
    let (whole, head) = before.split_once("head: ").unwrap();
    assert_eq!(whole, "whole: 5 entries\n");
    let head: AuditMark = head.trim().parse().unwrap();
    assert!(told(folder.path(), Some(head)).starts_with("whole"));
    // All of it made anew, from other deeds.
    tamper(
        folder.path(),
        "DELETE FROM audit; UPDATE audit_end SET number = 0, hash = zeroblob(32)",
    );
    let filings: Vec<Filing> = (0..5)
        .map(|nth| Filing::Audit {
            at: Timestamp::from_millis(nth),
            body: Vec::new(),
        })
        .collect();
    daemon(folder.path()).tell(&[], &[], &filings).unwrap();
    assert!(told(folder.path(), None).starts_with("whole"));
    let found = told(folder.path(), Some(head));
    assert!(found.starts_with("written anew: entry 5 "), "{found}");
}

#[test]
fn a_settings_file_says_where_the_state_is() {
    let folder = folder(1);
    let file = folder.path().join("knothole.yaml");
    std::fs::write(&file, format!("state_dir: {}\n", folder.path().display())).unwrap();
    assert_eq!(code(&["verify", "--config", file.to_str().unwrap()]), 0);
    std::fs::write(&file, "state_dirr: x\n").unwrap();
    assert_eq!(code(&["verify", "--config", file.to_str().unwrap()]), 2);
}

#[test]
fn a_head_that_was_let_go_is_wrong_use_and_no_break() {
    let folder = folder(3);
    let head = Control::read_only(folder.path()).unwrap();
    let head = head.verify_audit(None).unwrap().head.unwrap();
    let report = AuditReport {
        faults: vec![AuditFault::KnownGone { number: 1 }],
        ..AuditReport::default()
    };
    let refused = verdict(&report, Some(head), &mut Vec::new());
    assert!(matches!(refused, Err(Failure::Use(_))), "{refused:?}");
}
