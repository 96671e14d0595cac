//! Every storage does what `tenzik_log::Storage` promises.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Server, contract, grow, id, integrate, opened_again, tile_bytes};
use tenzik_log::checkpoint::{Checkpoint, Origin};
use tenzik_log::tile::{TileKind, TilePath, changed};
use tenzik_log::{Storage, StorageError};
use tenzik_receipt::{KeyUse, SecretKey, Sha256, Timestamp};
use tenzik_store::{DiskStorage, PostgresStorage};

#[test]
fn on_a_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    contract(&|| Ok(Box::new(DiskStorage::at(folder.path())?)));
}

#[test]
fn in_postgresql() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let config = server.schema("contract");
    let checkpoint = folder.path().join("checkpoint");
    contract(&|| Ok(Box::new(PostgresStorage::at(&config, &checkpoint)?)));
    one_that_is_about_to_be_given_up_is_waited_for(&server);
    two_schemas_are_two_storages(&server);
    a_restored_database_is_noticed(&server);
    an_old_file_beside_a_newer_table_is_noticed(&server);
    a_killed_server_stops_the_storage_and_loses_nothing(&server);
}

fn an_old_file_beside_a_newer_table_is_noticed(server: &Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, file) = (server.schema("files"), folder.path().join("checkpoint"));
    let checkpoint = |size| {
        let key = SecretKey::from_seed(&[3; 32], KeyUse::Checkpoint, Timestamp::EPOCH);
        let origin = Origin::new("node.example/log").expect("an origin");
        let checkpoint = Checkpoint::new(origin, size, Sha256::of(b"a root"));
        checkpoint.sign(&key).expect("a checkpoint key").to_bytes()
    };
    let published = || {
        let storage = PostgresStorage::at(&config, &file).expect("a storage");
        storage.open().expect("what it holds").published
    };
    let storage = PostgresStorage::at(&config, &file).expect("a storage");
    storage.publish(&checkpoint(9)).expect("published");
    drop(storage);
    for (in_file, larger) in [(5, 9), (9, 9), (12, 12)] {
        std::fs::write(&file, checkpoint(in_file)).expect("written");
        assert_eq!(published(), Some(checkpoint(larger)));
    }
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(published(), Some(checkpoint(9)));
}

/// The server sees the end of a connection a moment late: a node that was started again at once was refused its own schema.
fn one_that_is_about_to_be_given_up_is_waited_for(server: &Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, file) = (server.schema("again"), folder.path().join("checkpoint"));
    let first = PostgresStorage::at(&config, &file).expect("a storage");
    let ending = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop(first);
    });
    PostgresStorage::at(&config, &file).expect("the schema is free in time");
    ending.join().expect("no panic");
}

fn two_schemas_are_two_storages(server: &Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |name: &str| {
        let storage = PostgresStorage::at(&server.schema(name), folder.path().join(name));
        let storage = storage.expect("a storage");
        storage.open().expect("what it holds");
        storage
    };
    let (one, other) = (open("one"), open("other"));
    grow(&one, 0, 3);
    assert_eq!(one.find(&id(2)).expect("found"), Some(2));
    assert_eq!(other.find(&id(2)).expect("found none"), None);
}

fn a_restored_database_is_noticed(server: &Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoint = folder.path().join("checkpoint");
    let storage = PostgresStorage::at(&server.schema("lived"), &checkpoint).expect("a storage");
    storage.open().expect("what it holds");
    grow(&storage, 0, 3);
    drop(storage);
    // An empty schema stands for the backup from before the log began.
    let storage = PostgresStorage::at(&server.schema("restored"), &checkpoint).expect("a storage");
    let stored = storage.open().expect("what it holds");
    assert_eq!(stored.committed, None);
    assert_eq!(stored.published, Some(b"published 3".to_vec()));
}

fn a_killed_server_stops_the_storage_and_loses_nothing(server: &Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, checkpoint) = (server.schema("killed"), folder.path().join("checkpoint"));
    let storage = PostgresStorage::at(&config, &checkpoint).expect("a storage");
    storage.open().expect("what it holds");
    grow(&storage, 0, 300);
    storage
        .append(&common::entries(300..310))
        .expect("appended");
    server.kill();
    assert!(storage.find(&id(1)).is_err());
    server.start_again();
    assert_eq!(storage.find(&id(1)).expect("connected again"), Some(1));
    assert!(storage.append(&common::entries(310..311)).is_err());
    drop(storage);
    let storage = PostgresStorage::at(&config, &checkpoint).expect("a storage");
    let stored = storage.open().expect("what it holds");
    assert_eq!(stored.pending, common::entries(300..310));
    integrate(&storage, 300, 310);
}

/// What a server of static files would find.
#[test]
fn the_public_folder_has_the_paths_of_tlog_tiles() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = DiskStorage::at(folder.path()).expect("a storage");
    storage.open().expect("what it holds");
    grow(&storage, 0, 300);
    let public = storage.public_directory();
    let read = |path: &str| std::fs::read(public.join(path)).ok();
    assert_eq!(read("checkpoint"), Some(b"published 300".to_vec()));
    for path in changed(0, 300) {
        assert_eq!(read(&path.to_string()), Some(tile_bytes(path)));
    }
    let partial = TilePath::new(TileKind::Entries, 1, 44).expect("a tile");
    assert_eq!(partial.to_string(), "tile/entries/001.p/44");
    grow(&storage, 300, 600);
    assert_eq!(read("tile/entries/001.p/44"), None);
    assert_eq!(
        storage.tile(partial).expect("cut"),
        Some(tile_bytes(partial))
    );
    assert!(read("tile/entries/002.p/88").is_some());
}

/// A partial tile that the published checkpoint needs stays until the next one is published.
#[test]
fn a_partial_tile_stays_while_its_size_is_the_published_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = DiskStorage::at(folder.path()).expect("a storage");
    storage.open().expect("what it holds");
    grow(&storage, 0, 300);
    storage
        .append(&common::entries(300..600))
        .expect("appended");
    storage.put_tiles(&common::tiles(300, 600)).expect("kept");
    storage
        .commit(&common::commit(300, 600))
        .expect("committed");
    let partial = storage.public_directory().join("tile/0/001.p/44");
    assert!(partial.exists());
    storage.publish(b"published 600").expect("published");
    assert!(!partial.exists());
}

#[test]
fn a_tile_that_was_cut_is_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = DiskStorage::at(folder.path()).expect("a storage");
    storage.open().expect("what it holds");
    grow(&storage, 0, 300);
    for path in changed(0, 300) {
        let file = storage.public_directory().join(path.to_string());
        let bytes = std::fs::read(&file).expect("a tile");
        std::fs::write(&file, &bytes[..bytes.len() - 1]).expect("written");
        let refused = storage.tile(path);
        assert!(
            matches!(refused, Err(StorageError::Damaged { .. })),
            "{path}"
        );
    }
}

/// A write that failed may have taken place in part. That the folder is whole again does not make the storage so.
#[test]
fn after_a_write_that_failed_nothing_is_written() {
    type Write = fn(&DiskStorage) -> Result<(), StorageError>;
    let writes: [(&str, Write); 3] = [
        ("journal", |storage| {
            storage.append(&common::entries(300..301))
        }),
        ("temporary", |storage| {
            storage.put_tiles(&common::tiles(300, 301))
        }),
        ("temporary", |storage| storage.publish(b"published")),
    ];
    for (part, failing) in writes {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = DiskStorage::at(folder.path()).expect("a storage");
        storage.open().expect("what it holds");
        grow(&storage, 0, 300);
        drop(storage);
        let storage = opened_again(|| DiskStorage::at(folder.path())).expect("a storage");
        let before = storage.open().expect("what it holds");
        std::fs::remove_dir_all(folder.path().join(part)).expect("removed");
        assert!(matches!(failing(&storage), Err(StorageError::Io { .. })));
        std::fs::create_dir(folder.path().join(part)).expect("made");
        for (_, write) in writes {
            assert!(write(&storage).is_err());
        }
        assert!(storage.commit(&common::commit(300, 301)).is_err());
        drop(storage);
        let storage = opened_again(|| DiskStorage::at(folder.path())).expect("a storage");
        assert_eq!(storage.open().expect("what it holds"), before);
        grow(&storage, 300, 301);
    }
}

/// A search of the catalog may take long, and an append asks for a receipt's index.
#[test]
fn an_index_is_found_beside_a_long_search() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = DiskStorage::at(folder.path()).expect("a storage");
    storage.open().expect("what it holds");
    grow(&storage, 0, 3);
    // One search may be over before this thread has its turn again.
    let found = [5_000_000, 50_000_000]
        .into_iter()
        .any(|rows| is_found_beside(&storage, rows));
    assert!(found, "it waited");
}

/// Whether an index is found before the search of so many rows is over.
fn is_found_beside(storage: &DiskStorage, rows: u32) -> bool {
    let (database, searching) = (storage.database(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            searching.store(1, Ordering::SeqCst);
            let sql = format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
                 SELECT count(*) FROM n"
            );
            database.query(&sql, &[]).expect("counted");
            searching.store(2, Ordering::SeqCst);
        });
        while searching.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(storage.find(&id(2)).expect("found"), Some(2));
        searching.load(Ordering::SeqCst) == 1
    })
}

/// An integration of many tiles holds few of them open, and a process that has no descriptor left stops no log.
#[test]
fn many_tiles_need_few_descriptors_and_none_is_no_failure() {
    const FOLDER: &str = "TENZIK_STORE_DESCRIPTORS";
    let folder = tempfile::tempdir().expect("a folder");
    let program = std::env::current_exe().expect("this program");
    let limited = "ulimit -n 110 && exec \"$0\" --exact with_few_descriptors --ignored --nocapture";
    let output = std::process::Command::new("sh")
        .args(["-c", limited])
        .arg(program)
        .env(FOLDER, folder.path())
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

/// Not a test by itself: what the process with few descriptors does.
#[test]
#[ignore = "needs a limit"]
fn with_few_descriptors() {
    let folder = std::env::var_os("TENZIK_STORE_DESCRIPTORS").expect("a folder");
    let storage = DiskStorage::at(folder).expect("a storage");
    storage.open().expect("what it holds");
    let size = 256 * 100;
    storage.append(&common::entries(0..size)).expect("appended");
    let mut taken = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    for told in [
        storage.put_tiles(&common::tiles(0, size)),
        storage.publish(b"published"),
    ] {
        assert!(
            matches!(told, Err(StorageError::Unready { .. })),
            "{told:?}"
        );
    }
    drop(taken);
    integrate(&storage, 0, size);
    storage
        .find(&id(size - 1))
        .expect("found")
        .expect("committed");
}

/// Appends of one thread beside the integration of another lose nothing.
#[test]
fn appends_run_beside_the_other_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = DiskStorage::at(folder.path()).expect("a storage");
    storage.open().expect("what it holds");
    let appended = AtomicUsize::new(0);
    let (storage_ref, appended_ref) = (&storage, &appended);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for index in 0..400 {
                let entries = common::entries(index..index + 1);
                storage_ref.append(&entries).expect("appended");
                appended_ref.store(index as usize + 1, Ordering::SeqCst);
            }
        });
        let mut size = 0;
        while size < 400 {
            let to = appended.load(Ordering::SeqCst) as u64;
            integrate(&storage, size, to);
            size = to;
        }
    });
    drop(storage);
    let storage = opened_again(|| DiskStorage::at(folder.path())).expect("a storage");
    let stored = storage.open().expect("what it holds");
    assert_eq!(stored.pending, []);
    assert_eq!(stored.committed, Some(b"committed 400".to_vec()));
}
