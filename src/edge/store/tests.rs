use std::os::unix::fs::PermissionsExt as _;

use super::*;

const ROOMY: Limits = limits(1 << 20, 10);

const fn limits(bytes_max: u64, streams: usize) -> Limits {
    match NonZeroUsize::new(streams) {
        Some(streams_max) => Limits {
            bytes_max,
            streams_max,
        },
        None => panic!("a test wants at least one stream"),
    }
}

fn names(streams: &[StoredStream]) -> Vec<String> {
    streams
        .iter()
        .map(|stream| stream.key.to_string())
        .collect()
}

/// Makes a stream look as if it was last written `seconds` after the epoch.
fn age(store: &Store, key: &StreamKey, seconds: u64) {
    let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    store
        .index()
        .by_folder
        .get_mut(&folder_name(key))
        .unwrap()
        .written = written;
}

#[test]
fn what_was_put_is_there_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let cart = StreamKey {
        environment: "prod".into(),
        namespace: "shop".into(),
        name: "cart".into(),
    };
    let store = Store::open(root.path(), ROOMY).unwrap();
    let id = store.instance_id().to_owned();
    assert!(is_uuid(&id), "{id}");
    assert_eq!(store.put(&cart, Part::Snapshot, b"one").unwrap(), []);
    store.put(&cart, Part::Snapshot, b"two").unwrap();
    store.put(&cart, Part::Model, b"weights").unwrap();
    store
        .put(&StreamKey::named("a"), Part::Snapshot, b"")
        .unwrap();
    drop(store);

    let store = Store::open(root.path(), ROOMY).unwrap();
    assert_eq!(store.instance_id(), id);
    let streams = store.streams();
    assert_eq!(names(&streams), ["a", "prod/shop/cart"]);
    assert_eq!(streams[1].snapshot.as_deref(), Some(&b"two"[..]));
    assert_eq!(streams[1].model.as_deref(), Some(&b"weights"[..]));
    assert_eq!(
        (streams[0].snapshot.as_deref(), &streams[0].model),
        (Some(&b""[..]), &None)
    );
    store.remove(&cart).unwrap();
    store.remove(&cart).unwrap();
    assert_eq!(names(&store.streams()), ["a"]);
}

#[test]
fn keys_that_would_run_together_are_kept_apart() {
    let key = |environment: &str, name: &str| StreamKey {
        environment: environment.into(),
        namespace: "".into(),
        name: name.into(),
    };
    assert_ne!(folder_name(&key("ab", "c")), folder_name(&key("a", "bc")));
}

#[test]
fn two_daemons_do_not_share_a_folder() {
    let root = tempfile::tempdir().unwrap();
    let first = Store::open(root.path(), ROOMY).unwrap();
    let refused = Store::open(root.path(), ROOMY).unwrap_err();
    assert!(matches!(refused, StoreError::InUse { .. }));
    assert!(
        refused
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
    drop(first);
    Store::open(root.path(), ROOMY).unwrap();
}

#[test]
fn a_broken_file_is_set_aside_and_the_rest_is_read() {
    let root = tempfile::tempdir().unwrap();
    let (good, bad, lost) = (
        StreamKey::named("good"),
        StreamKey::named("bad"),
        StreamKey::named("lost"),
    );
    let store = Store::open(root.path(), ROOMY).unwrap();
    for key in [&good, &bad, &lost] {
        store.put(key, Part::Snapshot, b"templates").unwrap();
    }
    store.put(&bad, Part::Model, b"weights").unwrap();
    drop(store);
    let folder = |key| root.path().join("streams").join(folder_name(key));
    let snapshot = folder(&bad).join("snapshot");
    let mut bytes = fs::read(&snapshot).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&snapshot, bytes).unwrap();
    fs::write(folder(&lost).join("key.json"), b"{").unwrap();
    fs::write(root.path().join("instance-id"), b"???").unwrap();

    let store = Store::open(root.path(), ROOMY).unwrap();
    assert!(is_uuid(store.instance_id()));
    let streams = store.streams();
    assert_eq!(names(&streams), ["bad", "good"]);
    assert_eq!(
        (&streams[0].snapshot, streams[0].model.as_deref()),
        (&None, Some(&b"weights"[..]))
    );
    assert!(folder(&bad).join("snapshot.broken").is_file() && !snapshot.exists());
    store.put(&bad, Part::Snapshot, b"again").unwrap();
    assert_eq!(store.streams()[0].snapshot.as_deref(), Some(&b"again"[..]));
}

#[test]
fn a_stream_whose_name_was_lost_is_named_again_by_its_next_snapshot() {
    let root = tempfile::tempdir().unwrap();
    let key = StreamKey::named("cart");
    let store = Store::open(root.path(), ROOMY).unwrap();
    store.put(&key, Part::Snapshot, b"1").unwrap();
    fs::remove_file(
        root.path()
            .join("streams")
            .join(folder_name(&key))
            .join("key.json"),
    )
    .unwrap();
    assert_eq!(names(&store.streams()), Vec::<String>::new());
    store.put(&key, Part::Snapshot, b"2").unwrap();
    assert_eq!(names(&store.streams()), ["cart"]);
}

#[test]
fn the_stream_unused_for_longest_makes_room() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path(), limits(1 << 20, 2)).unwrap();
    let [a, b, c] = ["a", "b", "c"].map(StreamKey::named);
    store.put(&a, Part::Snapshot, b"x").unwrap();
    store.put(&b, Part::Snapshot, b"x").unwrap();
    age(&store, &a, 2);
    age(&store, &b, 1);
    assert_eq!(store.put(&c, Part::Snapshot, b"x").unwrap(), [b]);
    assert_eq!(names(&store.streams()), ["a", "c"]);
}

#[test]
fn the_stream_just_written_stays_also_when_the_clock_went_back() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path(), limits(1 << 20, 1)).unwrap();
    let [a, b] = ["a", "b"].map(StreamKey::named);
    store.put(&a, Part::Snapshot, b"x").unwrap();
    age(&store, &a, 100_000_000_000);
    assert_eq!(store.put(&b, Part::Snapshot, b"x").unwrap(), [a]);
    assert_eq!(names(&store.streams()), ["b"]);
}

#[test]
fn the_folder_stays_within_its_bytes() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path(), limits(4_000, 10)).unwrap();
    for index in 0..10 {
        let key = StreamKey::named(&format!("service-{index}"));
        store.put(&key, Part::Model, &[0; 1_500]).unwrap();
        age(&store, &key, index);
        assert!(
            store.bytes() <= 4_000,
            "{} bytes after stream {index}",
            store.bytes()
        );
    }
    assert_eq!(names(&store.streams()), ["service-8", "service-9"]);
    let large = store
        .put(&StreamKey::named("large"), Part::Model, &[0; 5_000])
        .unwrap_err();
    assert!(large.to_string().contains("state_bytes_max"), "{large}");
    let half = StreamKey::named("service-9");
    let both = store.put(&half, Part::Snapshot, &[0; 3_000]).unwrap_err();
    assert!(
        matches!(both, StoreError::TooLarge { .. }),
        "with its model it is too large: {both}"
    );
    assert_eq!(store.streams().len(), 2, "a refused write removes nothing");
}

#[test]
fn a_write_that_fails_is_an_error_and_the_old_bytes_stay() {
    let root = tempfile::tempdir().unwrap();
    let key = StreamKey::named("cart");
    let store = Store::open(root.path(), ROOMY).unwrap();
    store.put(&key, Part::Snapshot, b"old").unwrap();
    // A folder in the place of the temporary file fails any write, also for root.
    let folder = root.path().join("streams").join(folder_name(&key));
    fs::create_dir(folder.join("snapshot.tmp")).unwrap();
    let failed = store.put(&key, Part::Snapshot, b"new").unwrap_err();
    assert!(failed.to_string().starts_with("cannot write "), "{failed}");
    assert_eq!(store.streams()[0].snapshot.as_deref(), Some(&b"old"[..]));
}

#[test]
fn only_the_owner_can_read_the_folder_and_leftovers_are_removed() {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("deep/state");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("instance-id.tmp"), b"half").unwrap();
    let store = Store::open(&state, ROOMY).unwrap();
    drop(store.control(ControlSettings::default()).unwrap());
    for name in ["instance-id", "control.db", "lock"] {
        let mode = fs::metadata(state.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert!(!state.join("instance-id.tmp").exists());
}

#[test]
fn templates_grow_and_lose_only_what_is_damaged() {
    let root = tempfile::tempdir().unwrap();
    let [cart, other] = ["cart", "other"].map(StreamKey::named);
    let store = Store::open(root.path(), ROOMY).unwrap();
    assert!(
        store.append(&cart, b"changes").is_err(),
        "there is nothing that they change"
    );
    for key in [&cart, &other] {
        store.put(key, Part::Templates, b"whole").unwrap();
        for piece in [b"one", b"two"] {
            let appended = store.append(key, piece).unwrap();
            assert_eq!((appended.is_full, appended.removed), (false, vec![]));
        }
    }
    let path = root
        .path()
        .join("streams")
        .join(folder_name(&cart))
        .join("templates");
    let there = Index::read(&root.path().join("streams")).unwrap();
    assert_eq!(store.bytes(), there.bytes());
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    bytes.pop();
    fs::write(&path, bytes).unwrap();

    let store = Store::open(root.path(), ROOMY).unwrap();
    let streams = store.streams();
    assert_eq!(streams[0].templates, [&b"whole"[..], b"one"]);
    assert_eq!(streams[1].templates, [&b"whole"[..], b"one", b"two"]);
    store.put(&cart, Part::Templates, b"anew").unwrap();
    store.append(&cart, b"more").unwrap();
    assert_eq!(store.streams()[0].templates, [b"anew", b"more"]);
}

#[test]
fn what_is_appended_counts_for_the_bounds() {
    let root = tempfile::tempdir().unwrap();
    let [old, busy] = ["old", "busy"].map(StreamKey::named);
    let store = Store::open(root.path(), limits(6_000, 10)).unwrap();
    store.put(&old, Part::Templates, &[0; 2_000]).unwrap();
    store.put(&busy, Part::Templates, &[0; 2_000]).unwrap();
    age(&store, &old, 1);
    assert_eq!(store.append(&busy, &[0; 1_000]).unwrap().removed, []);
    assert_eq!(store.append(&busy, &[0; 1_000]).unwrap().removed, [old]);
    let refused = store.append(&busy, &[0; 3_000]).unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { .. }), "{refused}");
    assert_eq!(store.streams()[0].templates.len(), 3);
}
