//! `knothole top` on a pseudo-terminal, which Python opens.

use std::process::Command;

use crate::knothole::Place;
use crate::parts::{part, recipe};

#[test]
fn top_draws_follows_the_terminal_and_leaves_it_as_it_was_however_it_ends() {
    let Some(python) = part("KNOTHOLE_PYTHON") else {
        return;
    };
    let place = Place::new();
    let knothole = place.serve("");
    let looked = Command::new(&python)
        .arg("-B")
        .arg(recipe("python/top.py"))
        .arg(env!("CARGO_BIN_EXE_knothole"))
        .arg(knothole.api.to_string())
        .arg(knothole.process.id().to_string())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&looked.stderr);
    assert!(looked.status.success(), "{told}");
}
