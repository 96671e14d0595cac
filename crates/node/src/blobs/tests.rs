use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;
use tenzik_store::SqliteDatabase;

use super::*;

const BYTES: &[u8] = b"{\"name\":\"Ada\"}";

fn records(directory: &Path) -> Records {
    let database = SqliteDatabase::open(&directory.join("node.db")).expect("a database");
    Records::new(Arc::new(database)).expect("a table")
}

fn open_with(directory: &Path, config: BlobsConfig) -> Blobs {
    Blobs::open(directory.join("blobs"), records(directory), config).expect("blobs")
}

fn open(directory: &Path) -> Blobs {
    open_with(directory, BlobsConfig::default())
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000 + seconds).expect("a time")
}

fn wanted<'a>(owner: &'a str, bytes: &[u8]) -> Wanted<'a> {
    Wanted {
        digest: Blake3::of(bytes),
        owner,
        class: Class::Input,
        peers: false,
        keep_s: 100,
    }
}

fn named(name: &str) -> Reader<'_> {
    Reader {
        name: Some(name),
        ..Reader::default()
    }
}

fn reads(blobs: &Blobs, reader: &Reader<'_>, now: Timestamp) -> bool {
    let digest = Blake3::of(BYTES);
    let read = blobs.read(&digest, reader, None, now).expect("a disk");
    assert!(read.as_deref().is_none_or(|bytes| bytes == BYTES));
    read.is_some()
}

fn is_file(directory: &Path, bytes: &[u8]) -> bool {
    let name = name(&Blake3::of(bytes));
    directory.join("blobs").join(name).exists()
}

#[test]
fn no_number_of_owners_tells_of_the_others() {
    let directory = TempDir::new().expect("a directory");
    let blobs = open(directory.path());
    for number in 0..200 {
        let owner = format!("owner-{number}");
        assert!(
            blobs
                .put(&wanted(&owner, BYTES), BYTES, at(0))
                .expect("room")
        );
    }
    drop(blobs);
    let blobs = open(directory.path());
    assert!(reads(&blobs, &named("owner-7"), at(1)));
    assert!(!reads(&blobs, &named("owner-200"), at(1)));
    let digest = Blake3::of(BYTES);
    for number in 0..200 {
        assert!(is_file(directory.path(), BYTES));
        let owner = format!("owner-{number}");
        assert!(blobs.erase(&digest, &named(&owner), at(1)).expect("a disk"));
    }
    assert!(
        !is_file(directory.path(), BYTES),
        "the last one takes it along"
    );
}

#[test]
fn a_record_of_all_owners_is_taken_apart() {
    let directory = TempDir::new().expect("a directory");
    let blobs = open(directory.path());
    for owner in ["ada", "bob"] {
        blobs
            .put(&wanted(owner, BYTES), BYTES, at(0))
            .expect("room");
    }
    let digest = Blake3::of(BYTES);
    let rows = blobs.records_of(&name(&digest)).expect("a disk");
    let grants = rows.iter().flat_map(|(_, record)| record.grants.clone());
    let old = Record {
        grants: grants.collect(),
        ..rows[0].1
    };
    for (key, _) in &rows {
        blobs.records.delete(Record::KIND, key).expect("a disk");
    }
    old.store(&blobs.records, &name(&digest)).expect("a disk");
    drop(blobs);
    let blobs = open(directory.path());
    assert!(reads(&blobs, &named("ada"), at(1)) && reads(&blobs, &named("bob"), at(1)));
    assert!(!reads(&blobs, &named("eve"), at(1)));
}

#[test]
fn only_who_is_named_reads() {
    let directory = TempDir::new().expect("a directory");
    let blobs = open(directory.path());
    let put = wanted("ada", BYTES);
    assert!(blobs.put(&put, BYTES, at(0)).expect("room"));
    let peer = Reader {
        name: Some("beta"),
        peer: true,
        admin: false,
    };
    let admin = Reader {
        admin: true,
        ..named("root")
    };
    let everyone = |owner, other, nobody, as_peer, as_admin| {
        for (reader, may) in [
            (named("ada"), owner),
            (named("bob"), other),
            (Reader::default(), nobody),
            (peer, as_peer),
            (admin, as_admin),
        ] {
            assert_eq!(reads(&blobs, &reader, at(1)), may, "{reader:?}");
        }
    };
    everyone(true, false, false, false, false);
    let set = |owner: &str, readers: &[&str], peers| {
        let readers = readers.iter().map(|&name| name.to_owned()).collect();
        blobs.set_readers(&put.digest, owner, readers, peers, at(1))
    };
    assert!(!set("bob", &["bob"], true).expect("a disk"), "not his");
    everyone(true, false, false, false, false);
    assert!(set("ada", &["bob"], false).expect("a disk"));
    everyone(true, true, false, false, false);
    assert!(set("ada", &[], true).expect("a disk"));
    everyone(true, false, false, true, false);
    assert!(matches!(
        set("ada", &["a\nb"], true),
        Err(BlobError::Readers)
    ));
    let many: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(set("ada", &many, true), Err(BlobError::Readers)));
}

#[test]
fn each_owner_has_a_grant_and_the_file_goes_with_the_last() {
    let directory = TempDir::new().expect("a directory");
    let blobs = open(directory.path());
    assert!(
        blobs
            .put(&wanted("ada", BYTES), BYTES, at(0))
            .expect("room")
    );
    assert!(
        blobs
            .put(&wanted("bob", BYTES), BYTES, at(0))
            .expect("room")
    );
    assert!(
        !blobs
            .put(&wanted("bob", BYTES), BYTES, at(0))
            .expect("room")
    );
    let digest = Blake3::of(BYTES);
    let erase = |who: &Reader<'_>| blobs.erase(&digest, who, at(1)).expect("a disk");
    assert!(!erase(&named("eve")));
    assert!(!erase(&Reader::default()));
    assert!(erase(&named("ada")));
    assert!(!erase(&named("ada")), "once");
    assert!(!reads(&blobs, &named("ada"), at(1)));
    assert!(reads(&blobs, &named("bob"), at(1)));
    assert!(is_file(directory.path(), BYTES));
    let admin = Reader {
        admin: true,
        ..named("root")
    };
    assert!(erase(&admin));
    assert!(!reads(&blobs, &named("bob"), at(1)));
    assert!(!is_file(directory.path(), BYTES));
    let stored = records(directory.path())
        .get("blob", &key(&name(&digest), "bob"))
        .expect("a disk");
    let text = String::from_utf8(stored.expect("that it was erased")).expect("text");
    assert_eq!(text, "{\"bytes\":0,\"erased_at\":1700000001,\"grants\":[]}");
}

#[test]
fn what_is_over_is_not_read_and_is_swept() {
    let directory = TempDir::new().expect("a directory");
    let blobs = open(directory.path());
    blobs
        .put(&wanted("ada", BYTES), BYTES, at(0))
        .expect("room");
    let longer = Wanted {
        keep_s: 200,
        ..wanted("bob", BYTES)
    };
    blobs.put(&longer, BYTES, at(0)).expect("room");
    assert!(reads(&blobs, &named("ada"), at(99)));
    assert!(!reads(&blobs, &named("ada"), at(100)), "before any sweep");
    let readers = BTreeSet::new();
    let set = blobs.set_readers(&longer.digest, "ada", readers, true, at(100));
    assert!(!set.expect("a disk"), "what is over is not changed");
    assert_eq!(blobs.sweep(at(100)).expect("a disk"), 1);
    assert_eq!(blobs.sweep(at(100)).expect("a disk"), 0);
    assert!(reads(&blobs, &named("bob"), at(199)));
    assert_eq!(blobs.sweep(at(200)).expect("a disk"), 1);
    assert!(!is_file(directory.path(), BYTES));
    let listed = || {
        records(directory.path())
            .list("blob", "", 10)
            .expect("a disk")
            .len()
    };
    assert_eq!(listed(), 2);
    blobs.sweep(at(200 + ERASED_KEPT_S)).expect("a disk");
    assert_eq!(listed(), 0, "in time even that is forgotten");
}

#[test]
fn wrong_bytes_are_neither_taken_nor_served() {
    let directory = TempDir::new().expect("a directory");
    let blobs = open(directory.path());
    let refused = blobs.put(&wanted("ada", BYTES), b"others", at(0));
    assert!(matches!(refused, Err(BlobError::Content { .. })));
    assert!(!is_file(directory.path(), BYTES));
    blobs
        .put(&wanted("ada", BYTES), BYTES, at(0))
        .expect("room");
    let path = directory
        .path()
        .join("blobs")
        .join(name(&Blake3::of(BYTES)));
    for spoilt in [&b"{\"name\":\"Eve\"}"[..], b"", &[0; 1_000]] {
        fs::write(&path, spoilt).expect("a disk");
        assert!(!reads(&blobs, &named("ada"), at(1)));
    }
    fs::remove_file(&path).expect("a disk");
    assert!(!reads(&blobs, &named("ada"), at(1)));
    // Left again, it is whole again.
    blobs
        .put(&wanted("ada", BYTES), BYTES, at(0))
        .expect("room");
    assert!(reads(&blobs, &named("ada"), at(1)));
}

#[test]
fn every_bound_holds_after_a_start_too() {
    let directory = TempDir::new().expect("a directory");
    let config = BlobsConfig {
        blob_bytes_max: 10,
        owner_bytes_max: 15,
        bytes_max: 25,
        grants_max: 3,
        keep_s_max: 100,
    };
    let put = |blobs: &Blobs, owner: &str, bytes: &[u8], keep_s| {
        let wanted = Wanted {
            keep_s,
            ..wanted(owner, bytes)
        };
        blobs
            .put(&wanted, bytes, at(0))
            .map_err(|error| error.to_string())
    };
    let refused = |owner: &str, bytes: &[u8], keep_s, words: &str| {
        let blobs = open_with(directory.path(), config);
        let message = put(&blobs, owner, bytes, keep_s).expect_err(words);
        assert!(message.contains(words), "{message}");
    };
    refused("ada", &[1; 11], 1, "11 bytes, 10 are allowed");
    refused("ada", b"x", 0, "0 seconds, 1 to 100");
    refused("ada", b"x", 101, "101 seconds, 1 to 100");
    let taken = |owner, bytes: &[u8]| put(&open_with(directory.path(), config), owner, bytes, 1);
    assert_eq!(taken("ada", &[1; 10]), Ok(true));
    refused("ada", &[2; 6], 1, "the owner has 10 of 15");
    assert_eq!(taken("ada", &[1; 10]), Ok(false), "it is there already");
    assert_eq!(taken("bob", &[1; 10]), Ok(true), "each counts for itself");
    refused("eve", &[3; 6], 1, "the node has 20 of 25");
    assert_eq!(taken("eve", &[]), Ok(true));
    refused("eve", &[4], 1, "the node has 3 of 3");
    let blobs = open_with(directory.path(), config);
    assert_eq!(blobs.sweep(at(1)).expect("a disk"), 3);
    assert_eq!(put(&blobs, "eve", &[4; 10], 1), Ok(true));
}

#[test]
fn what_a_crash_left_is_removed() {
    let directory = TempDir::new().expect("a directory");
    drop(open(directory.path()));
    let folder = directory.path().join("blobs");
    let orphan = folder.join(name(&Blake3::of(b"no record")));
    fs::write(&orphan, b"no record").expect("a disk");
    fs::write(folder.join("7.new"), b"half").expect("a disk");
    let blobs = open(directory.path());
    assert!(!orphan.exists() && !folder.join("7.new").exists());
    blobs
        .put(&wanted("ada", BYTES), BYTES, at(0))
        .expect("room");
    drop(blobs);
    assert!(reads(&open(directory.path()), &named("ada"), at(1)));
}

#[test]
fn a_damaged_record_is_an_error_and_no_grant() {
    let directory = TempDir::new().expect("a directory");
    let blobs = open(directory.path());
    blobs
        .put(&wanted("ada", BYTES), BYTES, at(0))
        .expect("room");
    let digest = Blake3::of(BYTES);
    for document in [
        &b"{}"[..],
        b"",
        b"{\"bytes\":14,\"erased_at\":null,\"grants\":[],\"more\":1}",
        b"{ \"bytes\":14,\"erased_at\":null,\"grants\":[]}",
    ] {
        let records = records(directory.path());
        records
            .put("blob", &key(&name(&digest), "ada"), document)
            .expect("a disk");
        let read = blobs.read(&digest, &named("ada"), None, at(1));
        assert!(matches!(read, Err(BlobError::Document(_))));
    }
}

fn grant() -> impl Strategy<Value = Grant> {
    let class = prop_oneof![
        Just(Class::Capsule),
        Just(Class::Input),
        Just(Class::Transcript)
    ];
    let readers = prop::collection::btree_set("[a-d]", 0..4);
    (class, 0..200_u64, "[a-d]", any::<bool>(), readers).prop_map(
        |(class, keep, owner, peers, readers)| Grant {
            class,
            keep_until: 1_700_000_000 + keep,
            owner,
            peers,
            readers,
        },
    )
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(
        grants in prop::collection::vec(grant(), 0..4), bytes: u64, erased_at: Option<u64>,
    ) {
        let record = Record { bytes, erased_at, grants };
        let written = record.to_bytes().expect("it is small");
        prop_assert_eq!(Record::from_bytes("k", &written).expect("its one form"), record);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        prop_assert!(Record::from_bytes("k", &bytes).is_err());
    }

    #[test]
    fn nobody_reads_whom_no_grant_names(
        grants in prop::collection::vec(grant(), 0..4), name in "[a-e]", peer: bool, admin: bool, time in 0..200_u64,
    ) {
        let record = Record { bytes: 1, erased_at: None, grants };
        let reader = Reader { name: Some(&name), peer, admin };
        let granted = record.grants.iter().any(|grant| {
            grant.keep_until > 1_700_000_000 + time
                && (grant.owner == name || grant.readers.contains(&name) || (peer && grant.peers))
        });
        prop_assert_eq!(record.lets(&reader, None, at(time)), granted);
        let nobody = Reader { name: None, peer: false, admin };
        prop_assert!(!record.lets(&nobody, None, at(time)));
    }
}
