use super::*;
use crate::core::record::{Timestamp, Value};

/// A record: its key and the names in it.
type Said<'a> = (u16, &'a [u32]);

fn heard(records: &[Said<'_>]) -> Heard {
    let mut heard = Heard {
        begins: true,
        ends: true,
        len: records.len(),
        ..Heard::default()
    };
    for (position, (key, names)) in (0..).zip(records) {
        heard.keys.push(Key(*key));
        heard.positions.push(position);
        heard
            .times
            .push(Timestamp::from_millis(u64::from(position)));
        heard
            .values
            .push(names.iter().map(|name| Value::name(*name)));
    }
    heard
}

const PLACE: u16 = 2;
const WRITE: u16 = 3;
const STORED: u16 = 4;
const SCAN: u16 = 5;
const REMOVE: u16 = 6;
const DONE: u16 = 7;

/// An object on two of five workers. The workers are named by their address, but a scan names the
/// disk alone, and a removal the path alone. `own` is the object's id, in every record.
fn object(own: u32) -> Heard {
    let own = 10_000 + own;
    let (first, second) = (own % 5, (own + 1 + own / 5 % 4) % 5);
    let address = |worker| 100 + worker;
    let disk = |worker| 200 + worker;
    let path = |worker| own * 100 + worker;
    heard(&[
        (PLACE, &[own, address(first), address(second)]),
        (WRITE, &[own, address(second), disk(second), 7]),
        (WRITE, &[own, address(first), disk(first), 7]),
        (STORED, &[address(first), own]),
        (STORED, &[address(second), own]),
        (SCAN, &[own, disk(first), path(first)]),
        (SCAN, &[own, disk(second), path(second)]),
        (REMOVE, &[own, path(second)]),
        (REMOVE, &[own, path(first)]),
        (DONE, &[own]),
    ])
}

fn objects(from: u32, to: u32) -> Vec<Heard> {
    (from..to).map(object).collect()
}

#[test]
fn a_sequence_falls_into_the_things_it_concerns_however_they_are_named() {
    let links = Links::learn(&objects(0, 200));
    assert_eq!(links.len(), 1);
    let parts = links.parts(&object(1_000));
    let indices: Vec<&[usize]> = parts.iter().map(|part| &part.indices[..]).collect();
    assert_eq!(indices, [[0, 2, 3, 5, 8], [0, 1, 4, 6, 7]]);
    assert_eq!(parts[0].named_at, (0, 1));
    assert_ne!(parts[0].value, parts[1].value);
}

#[test]
fn things_that_were_never_seen_are_told_apart_by_the_same_places() {
    let links = Links::learn(&objects(0, 200));
    let moved = |name: u32| if name < 1_000 { name + 500 } else { name };
    let mut strange = object(1_000);
    let rows: Vec<Vec<Value>> = (0..strange.keys.len())
        .map(|index| {
            let row = strange.values.row(index).iter();
            row.map(|value| Value::name(moved(value.hash))).collect()
        })
        .collect();
    strange.values = Default::default();
    rows.into_iter().for_each(|row| strange.values.push(row));
    let parts = links.parts(&strange);
    let indices: Vec<&[usize]> = parts.iter().map(|part| &part.indices[..]).collect();
    assert_eq!(indices, [[0, 2, 3, 5, 8], [0, 1, 4, 6, 7]]);
}

#[test]
fn an_alias_that_is_explained_nowhere_in_the_sequence_is_known_from_training() {
    let links = Links::learn(&objects(0, 200));
    let parts = links.parts(&heard(&[(SCAN, &[9_999, 203, 5]), (REMOVE, &[9_999, 5])]));
    assert_eq!(parts.len(), 1);
    assert_eq!((parts[0].value, &parts[0].indices[..]), (103, &[0, 1][..]));
}

#[test]
fn the_own_id_constants_and_numbers_link_nothing() {
    let alone = |own: u32| {
        let mut heard = heard(&[(PLACE, &[own, 1]), (WRITE, &[own, 1]), (STORED, &[own, 1])]);
        heard.values = Default::default();
        for _ in 0..3 {
            heard.values.push([
                Value::name(own),
                Value::name(1),
                Value {
                    hash: own % 3,
                    number: 1.0,
                },
            ]);
        }
        heard
    };
    let corpus: Vec<Heard> = (100..300).map(alone).collect();
    assert!(Links::learn(&corpus).is_empty());
    assert!(Links::learn(&[]).is_empty());
    assert!(Links::default().parts(&object(1)).is_empty());
}

#[test]
fn parts_are_bounded() {
    let links = Links::learn(&objects(0, 200));
    let names: Vec<[u32; 2]> = (0..1_000).map(|name| [5_000 + name, 1]).collect();
    let records: Vec<Said<'_>> = names.iter().map(|names| (STORED, &names[..])).collect();
    assert_eq!(links.parts(&heard(&records)).len(), PARTS_MAX);
}

#[test]
fn links_come_back_from_bytes_and_the_same_sequences_give_the_same_links() {
    let links = Links::learn(&objects(0, 200));
    let bytes = postcard::to_allocvec(&links).unwrap();
    assert_eq!(postcard::from_bytes::<Links>(&bytes).unwrap(), links);
    assert_eq!(Links::learn(&objects(0, 200)), links);
}

/// What one process says while it works at many objects at once: their records interleaved.
fn said_by_a_process(from: u32, to: u32) -> (Heard, Vec<u32>) {
    let mut records: Vec<(usize, u32, usize)> = (from..to)
        .flat_map(|own| (0..10).map(move |index| (own as usize * 4 + index * 9, own, index)))
        .collect();
    records.sort_unstable();
    let mut said = Heard::default();
    let mut owners = Vec::new();
    for (position, (_, own, index)) in (0..).zip(records) {
        let object = object(own);
        said.keys.push(object.keys[index]);
        said.positions.push(position);
        said.values.push(object.values.row(index).iter().copied());
        owners.push(own);
    }
    said.len = said.keys.len();
    (said, owners)
}

#[test]
fn interleaved_requests_of_one_stream_are_separated_without_a_key() {
    let (trained, _) = said_by_a_process(0, 300);
    let links = Links::learn(&[trained]);
    assert!(links.separates());
    let (said, owners) = said_by_a_process(1_000, 1_040);
    let requests = links.separate(&said);
    assert_eq!(requests.len(), 40);
    for request in requests {
        let own = owners[request.indices[0]];
        assert_eq!(request.indices.len(), 10);
        assert!(request.indices.iter().all(|index| owners[*index] == own));
    }
}

#[test]
fn whole_sequences_are_not_taken_for_streams_of_requests() {
    assert!(!Links::learn(&objects(0, 200)).separates());
}
