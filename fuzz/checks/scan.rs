//! Any bytes, as two messages: every path of the scan gives the form and the variables that the
//! definition gives, and two messages have one key just where they have one form.

use knothole::core::parse::{Scan, form_of};

pub(crate) fn check(input: &[u8]) {
    let Some((&share, messages)) = input.split_first() else {
        return;
    };
    let (one, other) = messages.split_at(messages.len() * usize::from(share) / 255);
    let (mut form, mut variables) = (Vec::new(), Vec::new());
    form_of(other, &mut form, &mut variables);
    let other_form = form.clone();
    form_of(one, &mut form, &mut variables);
    let mut keys = Vec::new();
    for mut scan in Scan::all(1) {
        let other_key = scan.scan(other);
        let key = scan.scan(one);
        assert_eq!(scan.form(), form);
        assert_eq!(scan.variables(), variables);
        assert_eq!(key == other_key, form == other_form);
        keys.push((key, other_key));
    }
    assert!(keys.iter().all(|pair| *pair == keys[0]));
}
