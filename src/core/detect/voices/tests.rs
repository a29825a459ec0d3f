//! What holds for all voices together.

use super::*;
use crate::core::model::Key;

/// The first key of a template.
const A: u16 = Key::MARKER_COUNT as u16;

/// A whole sequence of the templates `letters`, `a` being the first.
pub(super) fn heard(letters: &str) -> Heard {
    let keys: Vec<Key> = letters
        .bytes()
        .map(|letter| Key(u16::from(letter - b'a') + A))
        .collect();
    Heard {
        positions: (0..keys.len() as u32).collect(),
        len: keys.len(),
        keys,
        begins: true,
        ends: true,
        ..Heard::default()
    }
}

pub(super) fn key(letter: char) -> Key {
    Key(u16::from(letter as u8 - b'a') + A)
}

/// Each of the sequences so often, in turn.
pub(super) fn corpus(sequences: &[&str], times: usize) -> Vec<Heard> {
    let turn = sequences.iter().map(|letters| heard(letters));
    std::iter::repeat_n(turn, times).flatten().collect()
}

pub(super) const KEY_COUNT: usize = 28;

/// The larger of what a voice says to a record and to the whole.
pub(super) fn score(voice: &dyn Voice, heard: &Heard) -> f32 {
    (0..heard.keys.len())
        .filter_map(|index| voice.at(heard, index))
        .chain(voice.whole(heard))
        .map(|surprise| surprise.score)
        .fold(0.0, f32::max)
}

/// Opened, then one to three rounds of request and answer, then closed; two may overlap.
fn jobs() -> Vec<Heard> {
    corpus(
        &[
            "obcz", "obcbcz", "obbccz", "obcbcbcz", "obbcbccz", "obcbbccz",
        ],
        50,
    )
}

fn says(letters: &str) -> Vec<(&'static str, f32)> {
    let voices = KeyVoices::learn(&jobs(), KEY_COUNT);
    let heard = heard(letters);
    voices
        .iter()
        .map(|voice| (voice.name(), score(voice, &heard)))
        .collect()
}

/// The voices that find `odd` at least a thousand times less probable than `usual`.
fn raised(usual: &str, odd: &str) -> Vec<&'static str> {
    says(usual)
        .into_iter()
        .zip(says(odd))
        .filter(|((_, usual), (_, odd))| odd - usual > 2.3)
        .map(|((name, _), _)| name)
        .collect()
}

#[test]
fn a_wrong_order_is_heard_by_the_voices_of_order_alone() {
    assert_eq!(raised("obcbcz", "ocbbcz"), ["ngram", "precedence"]);
}

#[test]
fn voices_of_counts_say_the_same_whatever_the_order() {
    let voices = KeyVoices::learn(&jobs(), KEY_COUNT);
    let blind: [&dyn Voice; 4] = [
        &voices.unseen,
        &voices.rare,
        &voices.counts,
        &voices.relations,
    ];
    for voice in blind {
        for (one, other) in [("obcbcz", "zcbcbo"), ("obcbz", "bbzoc"), ("obqz", "qzbo")] {
            assert_eq!(
                score(voice, &heard(one)),
                score(voice, &heard(other)),
                "{} on {one}",
                voice.name()
            );
        }
    }
}

#[test]
fn an_answer_that_never_came_is_heard_by_counts_and_by_order() {
    let raised = raised("obcbcz", "obcbz");
    for name in ["relations", "ngram", "precedence"] {
        assert!(raised.contains(&name), "{name} not in {raised:?}");
    }
    assert!(!raised.contains(&"unseen") && !raised.contains(&"rare"));
}

#[test]
fn a_sequence_that_stopped_is_heard_as_too_short() {
    assert!(raised("obcbcz", "ob").contains(&"length"));
}

#[test]
fn what_came_in_training_is_odd_to_no_voice() {
    for (name, score) in says("obbccz") {
        // Two of six go on like this at one place or another.
        assert!(score < 3.0, "{name} {score}");
    }
}

#[test]
fn what_is_said_of_a_record_depends_on_nothing_after_it() {
    let voices = KeyVoices::learn(&jobs(), KEY_COUNT);
    let (one, other) = (heard("obzcqbcz"), heard("obzcqzzzbo"));
    for voice in voices.iter() {
        for index in 0..5 {
            assert_eq!(voice.at(&one, index), voice.at(&other, index));
        }
    }
}

#[test]
fn voices_come_back_as_they_were_stored() {
    let voices = KeyVoices::learn(&jobs(), KEY_COUNT);
    assert_eq!(voices, KeyVoices::learn(&jobs(), KEY_COUNT));
    let bytes = postcard::to_stdvec(&voices).unwrap();
    assert_eq!(postcard::from_bytes::<KeyVoices>(&bytes).unwrap(), voices);
}

#[test]
fn no_voice_fails_on_nothing_or_on_keys_it_was_not_made_for() {
    let stranger = Heard {
        unseen: vec![0],
        ..heard("obcz")
    };
    for voices in [
        KeyVoices::default(),
        KeyVoices::learn(&[], KEY_COUNT),
        KeyVoices::learn(&[Heard::default()], 0),
        KeyVoices::learn(&jobs(), Key::MARKER_COUNT),
        KeyVoices::learn(&jobs(), KEY_COUNT),
    ] {
        for heard in [&Heard::default(), &heard("z"), &stranger] {
            for voice in voices.iter() {
                let score = score(voice, heard);
                assert!(score.is_finite() && score >= 0.0, "{}", voice.name());
            }
        }
    }
}

#[test]
fn a_sequence_joined_midway_is_not_judged_as_a_whole() {
    let voices = KeyVoices::learn(&jobs(), KEY_COUNT);
    let midway = Heard {
        begins: false,
        ..heard("ccz")
    };
    for voice in voices.iter() {
        assert!(score(voice, &midway) < 1.0, "{}", voice.name());
    }
}
