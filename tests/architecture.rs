//! Which room imports which: the table of ARCHITECTURE.md, held against the source.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "outside #[test] functions a failed test may panic too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Room → what it may use. Whoever is not named here is a stranger.
const MAY_USE: &[(&str, &[&str])] = &[
    ("core::record", &[]),
    ("core::event", &["core::record"]),
    ("core::redact", &["core::record"]),
    ("core::parse", VOCABULARY),
    ("core::sequence", VOCABULARY),
    ("core::model", VOCABULARY),
    ("core::remedy", VOCABULARY),
    ("core::changes", VOCABULARY),
    ("core::traffic", VOCABULARY),
    ("core::topology", VOCABULARY),
    (
        "core::incident",
        &["core::record", "core::event", "core::topology"],
    ),
    ("core::budget", VOCABULARY),
    ("core::silence", VOCABULARY),
    (
        "core::detect",
        &["core::record", "core::event", "core::model"],
    ),
    (
        "core::train",
        &["core::record", "core::event", "core::model", "core::detect"],
    ),
    (
        "core::witness",
        &["core::record", "core::event", "core::topology"],
    ),
    (
        "core::cause",
        &[
            "core::record",
            "core::event",
            "core::topology",
            "core::witness",
        ],
    ),
    (
        "core::desk",
        &[
            "core::record",
            "core::event",
            "core::changes",
            "core::traffic",
            "core::topology",
            "core::witness",
            "core::cause",
            "core::incident",
            "core::budget",
            "core::silence",
        ],
    ),
    ("core::engine", &["core"]),
    ("edge::receive", &["core"]),
    ("edge::journal", &["core"]),
    ("edge::store", &["core"]),
    ("edge::outgoing", &["core"]),
    ("edge::notify", &["core", "edge::outgoing"]),
    ("edge::api", &["core"]),
    ("edge::catalog", &["core"]),
    ("edge::kube", &["core"]),
    ("edge::policy", &["core", "edge::outgoing"]),
    ("edge::argo", &["core", "edge::outgoing"]),
    ("edge::ci", &["core", "edge::outgoing"]),
    ("edge::telemetry", &["core"]),
    ("daemon", &["core", "edge"]),
    ("cli", &["core", "edge", "daemon"]),
];
const VOCABULARY: &[&str] = &["core::record", "core::event"];

/// What the core must never touch.
const OUTSIDE_WORLD: &[&str] = &[
    "tokio",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

#[test]
fn rooms_use_only_what_the_table_allows() {
    let wrong: Vec<String> = uses().iter().filter_map(|used| used.complaint()).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_room_uses_itself_by_way_of_another() {
    let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let uses = uses();
    for used in &uses {
        let targets = left.entry(used.room).or_default();
        targets.extend(room_of(&used.path).filter(|room| *room != used.room));
    }
    // Rooms that use no room that is left can go; what never can go is in a cycle.
    while let Some(free) = left
        .iter()
        .find(|(_, targets)| !targets.iter().any(|target| left.contains_key(target)))
        .map(|(room, _)| *room)
    {
        left.remove(free);
    }
    assert!(left.is_empty(), "rooms in a cycle: {left:?}");
}

#[test]
fn every_source_file_lies_in_a_room() {
    let known: BTreeSet<PathBuf> = rooms().flat_map(files_of).collect();
    let doors = ["lib.rs", "main.rs", "core/mod.rs", "edge/mod.rs"].map(|door| source().join(door));
    let strangers: Vec<PathBuf> = files_below(&source())
        .into_iter()
        .filter(|file| !known.contains(file) && !doors.contains(file))
        .collect();
    assert!(strangers.is_empty(), "add these to a room: {strangers:?}");
    for door in doors.iter().filter(|door| !door.ends_with("main.rs")) {
        let only_modules = parsed(door)
            .items
            .iter()
            .all(|item| matches!(item, syn::Item::Mod(_)));
        assert!(only_modules, "{} is to hold modules only", door.display());
    }
}

#[test]
fn a_bad_import_is_seen_however_it_is_written() {
    for (room, code) in [
        (
            "core::parse",
            "use crate::core::{record::Body, sequence::Hold};",
        ),
        ("core::parse", "fn f() { crate::core::sequence::key(); }"),
        (
            "core::parse",
            "mod inner { use super::super::sequence::Hold; }",
        ),
        (
            "core::parse",
            "fn f() { println!(\"{}\", crate::core::engine::X); }",
        ),
        ("core::parse", "type T = super::super::edge::store::Store;"),
        ("core::model", "use std::time::{Duration, Instant};"),
        (
            "core::model",
            "use std::{collections::BTreeMap, fs as files};",
        ),
        ("core::model", "use std::time;"),
        ("core::record", "use crate::core;"),
        ("core::parse", "use crate::core::*;"),
        ("core::engine", "use crate::edge::store::Store;"),
        ("edge::api", "use crate::edge::store;"),
        ("edge::outgoing", "use crate::edge::notify::Dispatcher;"),
        ("edge::api", "use crate::edge::{api::View, store::Store};"),
        ("edge::store", "use crate::daemon::Daemon;"),
        ("daemon", "fn f() { crate::cli::run(); }"),
    ] {
        let uses = uses_in(room, &module_of(room), &syn::parse_str(code).unwrap());
        let seen = uses.iter().filter_map(Use::complaint).count();
        assert_eq!(seen, 1, "{room}: {code}: {uses:?}");
    }
}

/// A path that code of a room mentions.
#[derive(Debug)]
struct Use {
    room: &'static str,
    place: String,
    path: Vec<String>,
}

impl Use {
    fn complaint(&self) -> Option<String> {
        let path = self.path.join("::");
        let allowed = match path.strip_prefix("crate::") {
            Some(ours) => may_use(self.room).any(|named| is_in(ours, named)),
            None if self.room.starts_with("core") => !OUTSIDE_WORLD
                .iter()
                // `use std::time` would let `time::Instant` in by the back door.
                .any(|outside| is_in(&path, outside) || is_in(outside, &path)),
            None => true,
        };
        (!allowed).then(|| format!("{}: {} must not use {path}", self.place, self.room))
    }
}

/// The room itself and what the table gives it.
fn may_use(room: &'static str) -> impl Iterator<Item = &'static str> {
    let row = MAY_USE.iter().find(|(name, _)| *name == room);
    let named = row.into_iter().flat_map(|(_, named)| *named);
    named.copied().chain([room])
}

/// Whether `path` is `prefix` or something in it.
fn is_in(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn rooms() -> impl Iterator<Item = &'static str> {
    MAY_USE.iter().map(|(room, _)| *room)
}

/// The room that an absolute path leads to.
fn room_of(path: &[String]) -> Option<&'static str> {
    let path = path.join("::");
    let ours = path.strip_prefix("crate::")?;
    rooms().find(|room| is_in(ours, room))
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn module_of(room: &str) -> Vec<String> {
    let names = std::iter::once("crate").chain(room.split("::"));
    names.map(str::to_owned).collect()
}

fn files_of(room: &str) -> Vec<PathBuf> {
    let folder = source().join(room.replace("::", "/"));
    let mut files: Vec<PathBuf> = [folder.with_extension("rs")]
        .into_iter()
        .filter(|file| file.exists())
        .collect();
    if folder.exists() {
        files.extend(files_below(&folder));
    }
    assert!(!files.is_empty(), "there is no room {room}");
    files
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn parsed(file: &Path) -> syn::File {
    let text = fs::read_to_string(file).unwrap();
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Everything that the rooms mention.
fn uses() -> Vec<Use> {
    let mut all = Vec::new();
    for room in rooms() {
        for file in files_of(room) {
            let mut found = uses_in(room, &module_of_file(&file), &parsed(&file));
            for used in &mut found {
                used.place = file.strip_prefix(source()).unwrap().display().to_string();
            }
            all.append(&mut found);
        }
    }
    assert!(
        all.len() > 500,
        "the walk sees hardly anything: {}",
        all.len()
    );
    all
}

fn module_of_file(file: &Path) -> Vec<String> {
    let inner = file.strip_prefix(source()).unwrap().with_extension("");
    let names = inner.iter().map(|name| name.to_str().unwrap().to_owned());
    let mut module: Vec<String> = std::iter::once("crate".to_owned()).chain(names).collect();
    module.pop_if(|last| last == "mod");
    module
}

fn uses_in(room: &'static str, module: &[String], file: &syn::File) -> Vec<Use> {
    let mut walk = Walk {
        module: module.to_vec(),
        paths: Vec::new(),
    };
    walk.visit_file(file);
    let paths = walk.paths.into_iter();
    paths
        .map(|path| Use {
            room,
            place: String::new(),
            path,
        })
        .collect()
}

/// Collects paths, absolute where they begin with `crate`, `self` or `super`.
struct Walk {
    module: Vec<String>,
    paths: Vec<Vec<String>>,
}

impl Walk {
    fn note(&mut self, mut path: Vec<String>) {
        let mut at = match path.first().map(String::as_str) {
            Some("self" | "super") => self.module.clone(),
            _ => Vec::new(),
        };
        while let Some("self" | "super") = path.first().map(String::as_str) {
            if path.remove(0) == "super" {
                at.pop();
            }
        }
        at.append(&mut path);
        self.paths.push(at);
    }

    fn note_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|item| self.note_tree(before, item));
            }
            syn::UseTree::Name(name) if name.ident == "self" => self.note(before.to_vec()),
            syn::UseTree::Rename(rename) if rename.ident == "self" => self.note(before.to_vec()),
            syn::UseTree::Name(name) => self.note(with(&name.ident)),
            syn::UseTree::Rename(rename) => self.note(with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(before.to_vec()),
        }
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&[], &item.tree);
    }

    /// `pub(in crate::core)` uses nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        // A name on its own was imported or is local.
        if path.segments.len() > 1 {
            let names = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            self.note(names.collect());
        }
        visit::visit_path(self, path);
    }

    /// What stands in a macro is not parsed, so its words are looked at.
    fn visit_macro(&mut self, invoked: &'ast syn::Macro) {
        let text = invoked.tokens.to_string().replace(" :: ", "::");
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        for word in words.filter(|word| word.contains("::")) {
            self.note(word.split("::").map(str::to_owned).collect());
        }
        visit::visit_macro(self, invoked);
    }
}
