//! A log over a storage that can fail at any call, before or after it took effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use tenzik_receipt::{KeyUse, LogPromise, Receipt, SecretKey, Sha256, SignedReceipt};

use super::*;
use crate::storage::Stored;
use crate::tile::TilePath;
use crate::tree::verify_consistency;

/// What survives a crash, and when the next one comes.
#[derive(Default)]
struct Medium {
    state: Mutex<State>,
    /// An append does not end while somebody holds this.
    slow: Mutex<()>,
    /// Whether look-ups fail.
    blind: std::sync::atomic::AtomicBool,
    calls: AtomicUsize,
    /// The writing call that fails, counted from 0, and whether it takes effect first.
    fault: Option<(usize, bool)>,
}

#[derive(Clone, Default)]
struct State {
    stored: Stored,
    tiles: BTreeMap<TilePath, Vec<u8>>,
    ids: BTreeMap<ReceiptId, u64>,
}

impl Medium {
    fn write(&self, change: impl FnOnce(&mut State)) -> Result<(), StorageError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let failed = || StorageError::Io {
            doing: "write".to_owned(),
            error: "the disk is gone".into(),
        };
        match self.fault {
            Some((at, _)) if call > at => return Err(failed()),
            Some((at, false)) if call == at => return Err(failed()),
            _ => change(&mut lock(&self.state)),
        }
        match self.fault {
            Some((at, true)) if call == at => Err(failed()),
            _ => Ok(()),
        }
    }

    /// The same medium after a restart.
    fn restarted(&self, fault: Option<(usize, bool)>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(lock(&self.state).clone()),
            fault,
            ..Self::default()
        })
    }
}

impl Storage for Medium {
    fn open(&self) -> Result<Stored, StorageError> {
        Ok(lock(&self.state).stored.clone())
    }

    fn append(&self, entries: &[Entry]) -> Result<(), StorageError> {
        let _waited_for = lock(&self.slow);
        self.write(|state| state.stored.pending.extend_from_slice(entries))
    }

    fn put_tiles(&self, tiles: &[(TilePath, Vec<u8>)]) -> Result<(), StorageError> {
        self.write(|state| {
            for (path, bytes) in tiles {
                let before = state.tiles.insert(*path, bytes.clone());
                assert!(
                    before.is_none_or(|before| before == *bytes),
                    "{path} was changed"
                );
            }
        })
    }

    fn commit(&self, commit: &Commit) -> Result<(), StorageError> {
        self.write(|state| {
            state.stored.committed = Some(commit.checkpoint.clone());
            state.stored.signed = Some(commit.checkpoint.clone());
            state.stored.merge_by = commit.merge_by;
            state
                .stored
                .pending
                .retain(|entry| entry.index >= commit.size);
            state.ids.extend(commit.entries.iter().copied());
        })
    }

    fn publish(&self, checkpoint: &[u8]) -> Result<(), StorageError> {
        self.write(|state| state.stored.published = Some(checkpoint.to_vec()))
    }

    fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(lock(&self.state).tiles.get(&path).cloned())
    }

    fn find(&self, id: &ReceiptId) -> Result<Option<u64>, StorageError> {
        if self.blind.load(Ordering::SeqCst) {
            return Err(StorageError::Io {
                doing: "read".to_owned(),
                error: "too many open files".into(),
            });
        }
        Ok(lock(&self.state).ids.get(id).copied())
    }
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[3; 32], KeyUse::Checkpoint, Timestamp::EPOCH)
}

fn origin() -> Origin {
    Origin::new("example.com/log").expect("an origin")
}

fn open(medium: &Arc<Medium>) -> Result<Log, OpenError> {
    Log::open(Arc::clone(medium) as Arc<dyn Storage>, key(), origin())
}

fn leaf(number: u32) -> Leaf {
    Leaf {
        id: ReceiptId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes()),
        bytes: format!("receipt {number}").into_bytes(),
        known: true,
        merge_by: Timestamp::from_unix_seconds(1_000 + u64::from(number)).ok(),
    }
}

fn leaves(numbers: std::ops::Range<u32>) -> Vec<Leaf> {
    numbers.map(leaf).collect()
}

/// What a log told the world before it crashed.
#[derive(Default)]
struct Told {
    /// Number and index of each answered append.
    answered: Vec<(u32, u64)>,
    /// Size and root of each checkpoint that left the log.
    checkpoints: BTreeSet<(u64, Sha256)>,
}

impl Told {
    /// Appends, integrates and publishes until something fails.
    fn work(&mut self, log: &Log, numbers: std::ops::Range<u32>) -> Result<(), LogError> {
        for number in numbers {
            let batch = leaves(number * 3..number * 3 + 3);
            let placed = log.append(batch)?;
            self.answered.extend(
                (number * 3..)
                    .zip(placed)
                    .map(|(number, placed)| (number, placed.index)),
            );
            if let Some(checkpoint) = log.integrate(usize::MAX)? {
                let head = checkpoint.checkpoint();
                self.checkpoints.insert((head.size(), head.root()));
                log.publish(&checkpoint)?;
            }
        }
        Ok(())
    }

    /// That the log has kept its word.
    fn check(&self, log: &Log) {
        while log.integrate(2).expect("the medium works now").is_some() {}
        let head = log.committed();
        let head = head.checkpoint();
        log.publish(&log.committed()).expect("the medium works now");
        for (number, index) in &self.answered {
            assert_eq!(
                log.entry(*index).expect("it was answered"),
                leaf(*number).bytes
            );
            let proof = log.proof(*index).expect("tiles").expect("published");
            assert_eq!(proof.index(), *index);
        }
        let mut sizes: Vec<u64> = self.checkpoints.iter().map(|(size, _)| *size).collect();
        sizes.dedup();
        assert_eq!(
            sizes.len(),
            self.checkpoints.len(),
            "two roots were signed for one size"
        );
        for (size, root) in &self.checkpoints {
            let proof = log.consistency(*size, head.size()).expect("tiles");
            verify_consistency((*size, root), (head.size(), &head.root()), &proof)
                .expect("one tree");
        }
    }
}

#[test]
fn wherever_the_storage_fails_nothing_answered_is_lost_and_no_size_has_two_roots() {
    let clean = Arc::new(Medium::default());
    Told::default()
        .work(&open(&clean).expect("a new log"), 0..4)
        .expect("no fault");
    let calls = clean.calls.load(Ordering::Relaxed);
    assert!(calls >= 17, "{calls}");
    for call in 0..calls {
        for took_effect in [false, true] {
            let medium = Arc::new(Medium {
                fault: Some((call, took_effect)),
                ..Medium::default()
            });
            let mut told = Told::default();
            if let Ok(log) = open(&medium) {
                let stopped = told.work(&log, 0..4);
                assert!(matches!(stopped, Err(LogError::Stopped { .. })), "{call}");
                assert!(
                    log.append(leaves(90..91)).is_err(),
                    "it goes on after {call}"
                );
                assert!(log.integrate(9).is_err() && log.publish(&log.committed()).is_err());
            }
            // A second crash during the first work after the restart, at each of its first calls.
            for second in 0..4 {
                let again = medium.restarted(Some((second, !took_effect)));
                let mut told_again = Told {
                    answered: told.answered.clone(),
                    checkpoints: told.checkpoints.clone(),
                };
                if let Ok(log) = open(&again) {
                    let _ = told_again.work(&log, 4..6);
                }
                let mended = again.restarted(None);
                told_again.check(&open(&mended).expect("it opens after any crash"));
            }
        }
    }
}

#[test]
fn a_receipt_has_one_place_however_often_it_comes() {
    let medium = Arc::new(Medium::default());
    let log = open(&medium).expect("a new log");
    let twice = vec![leaf(1), leaf(2), leaf(1)];
    let placed = log.append(twice.clone()).expect("no fault");
    assert_eq!(
        placed
            .iter()
            .map(|placed| (placed.index, placed.known))
            .collect::<Vec<_>>(),
        [(0, false), (1, false), (0, true)]
    );
    let pending = log.append(twice.clone()).expect("no fault");
    assert!(pending.iter().all(|placed| placed.known));
    assert_eq!(log.pending(), (2, Timestamp::from_unix_seconds(1_001).ok()));
    log.integrate(1)
        .expect("no fault")
        .expect("two are pending");
    assert_eq!(log.pending(), (1, Timestamp::from_unix_seconds(1_001).ok()));
    assert_eq!(
        log.find(&leaf(1).id).expect("no fault"),
        Some(Place::Committed(0))
    );
    assert_eq!(
        log.find(&leaf(2).id).expect("no fault"),
        Some(Place::Pending(1))
    );
    assert_eq!(log.find(&leaf(3).id).expect("no fault"), None);
    let committed = log.append(twice).expect("no fault");
    assert_eq!(
        committed
            .iter()
            .map(|placed| placed.index)
            .collect::<Vec<_>>(),
        [0, 1, 0]
    );
}

/// Witnesses that are away break promises as surely as a log that does not integrate.
#[test]
fn a_promise_is_kept_by_the_publication_and_by_nothing_before() {
    let medium = Arc::new(Medium::default());
    let log = open(&medium).expect("a new log");
    let due = |seconds| Timestamp::from_unix_seconds(seconds).ok();
    log.append(leaves(0..2)).expect("no fault");
    let first = log.integrate(9).expect("no fault").expect("two");
    assert_eq!(log.pending(), (0, due(1_000)));
    let log = open(&medium.restarted(None)).expect("a log");
    assert_eq!(log.pending(), (0, due(1_000)), "after a restart");
    log.publish(&first).expect("no fault");
    assert_eq!(log.pending(), (0, None));
    log.append(leaves(2..3)).expect("no fault");
    assert_eq!(log.pending(), (1, due(1_002)));
    let second = log.integrate(9).expect("no fault").expect("one");
    log.publish(&first).expect("once more");
    assert_eq!(log.pending(), (0, due(1_002)), "that one is not in it");
    log.publish(&second).expect("no fault");
    assert_eq!(log.pending(), (0, None));
}

/// A receipt whose promise is in it, with its signature.
fn promised_receipt() -> Vec<u8> {
    let vectors = include_str!("../../receipt/tests/vectors/receipts.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).expect("JSON");
    let text = vectors["receipts"][0]["receipt"].as_str().expect("a text");
    let receipt = SignedReceipt::from_bytes(text.as_bytes()).expect("a receipt");
    let promised = Receipt {
        log: Some(LogPromise {
            merge_by: receipt.receipt().issued_at.plus_seconds(60),
            origin: origin().label(),
        }),
        ..receipt.receipt().clone()
    };
    let node = SecretKey::from_seed(&[0x11; 32], KeyUse::Receipt, Timestamp::EPOCH);
    node.sign_receipt(promised).expect("its own").to_bytes()
}

/// Nobody makes a log late by handing in what is late already, not even across a restart.
#[test]
fn a_receipt_that_is_handed_in_makes_no_log_late() {
    for handed in [true, false] {
        let medium = Medium::default();
        lock(&medium.state).stored.pending = vec![Entry {
            index: 0,
            id: leaf(1).id,
            leaf: promised_receipt(),
            handed,
        }];
        let log = open(&Arc::new(medium)).expect("a log");
        let (pending, merge_by) = log.pending();
        assert_eq!((pending, merge_by.is_none()), (1, handed));
    }
}

/// A receipt's id does not cover its signature: a receipt that is signed anew would be answered with a place where other
/// bytes are, of which no proof holds.
#[test]
fn a_receipt_that_is_signed_anew_is_told_from_the_one_in_the_log() {
    let anew = |number| Leaf {
        bytes: b"signed anew".to_vec(),
        ..leaf(number)
    };
    let log = open(&Arc::new(Medium::default())).expect("a new log");
    let told = |leaves: Vec<Leaf>| match log.append(leaves) {
        Err(LogError::OtherSignature { places }) => places,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(vec![leaf(1), anew(1), leaf(2)]), [1], "in one list");
    assert_eq!(log.pending().0, 0, "nothing was taken");
    log.append(leaves(1..3)).expect("no fault");
    assert_eq!(told(vec![anew(2), leaf(3), anew(1)]), [0, 2], "pending");
    log.integrate(9).expect("no fault").expect("two");
    assert_eq!(told(vec![leaf(3), anew(2)]), [1], "committed");
    assert_eq!(log.stopped(), None);
    let placed = log.append(vec![leaf(2), leaf(3)]).expect("no fault");
    assert_eq!((placed[0].index, placed[0].known), (1, true));
    assert_eq!((placed[1].index, placed[1].known), (2, false));
}

#[test]
fn a_read_that_fails_does_not_stop_the_log() {
    let medium = Arc::new(Medium::default());
    let log = open(&medium).expect("a new log");
    medium.blind.store(true, Ordering::SeqCst);
    let told = log.append(leaves(0..2));
    assert!(matches!(told, Err(LogError::Tree(_))), "{told:?}");
    assert_eq!((log.stopped(), log.pending().0), (None, 0));
    // What was signed a moment ago is in no log, and need not be looked up.
    let sealed = Leaf {
        known: false,
        ..leaf(7)
    };
    log.append(vec![sealed]).expect("nothing is read");
    medium.blind.store(false, Ordering::SeqCst);
    assert_eq!(log.append(leaves(0..2)).expect("again")[1].index, 2);
}

/// Asynchronous code asks how much is pending. A disk that is slow, or hangs, must not hold it up.
#[test]
fn nobody_who_only_looks_waits_for_an_append() {
    let medium = Arc::new(Medium::default());
    let log = open(&medium).expect("a new log");
    log.append(leaves(0..1)).expect("no fault");
    let hanging = lock(&medium.slow);
    let placed = AtomicUsize::new(0);
    let (done, looked) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let appended = log.append(leaves(1..2)).expect("no fault");
            placed.fetch_add(appended.len(), Ordering::SeqCst);
        });
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let found = log.leaf(&leaf(0).id).expect("no fault").expect("taken");
            let integrated = log.integrate(9).expect("no fault").expect("one");
            let size = integrated.checkpoint().size();
            let _ = done.send((log.pending().0, found.0, size));
        });
        let looked = looked.recv_timeout(std::time::Duration::from_secs(20));
        assert_eq!(placed.load(Ordering::SeqCst), 0, "the append still waits");
        drop(hanging);
        assert_eq!(looked, Ok((0, Place::Pending(0), 1)));
    });
    assert_eq!(log.pending().0, 1);
    let entry = log.find(&leaf(1).id).expect("no fault");
    assert_eq!(entry, Some(Place::Pending(1)));
}

/// Whoever asks while an entry goes from the pending ones into the tree finds it in one of the two.
#[test]
fn a_leaf_that_was_taken_can_be_read_at_every_moment() {
    let log = open(&Arc::new(Medium::default())).expect("a new log");
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while last < 2_000 {
                    last = taken.load(Ordering::SeqCst) as u32;
                    for number in last.saturating_sub(1)..last {
                        let found = log.leaf(&leaf(number).id);
                        let found = found.unwrap_or_else(|error| panic!("{number}: {error}"));
                        assert_eq!(found.expect("it was taken").1, leaf(number).bytes);
                    }
                }
            });
        }
        for number in 0..2_000 {
            log.append(vec![leaf(number)]).expect("no fault");
            taken.store(number as usize + 1, Ordering::SeqCst);
            log.integrate(9).expect("no fault").expect("one");
        }
    });
}

#[test]
fn only_what_is_published_is_shown() {
    let medium = Arc::new(Medium::default());
    let log = open(&medium).expect("a new log");
    log.append(leaves(0..300)).expect("no fault");
    let checkpoint = log
        .integrate(usize::MAX)
        .expect("no fault")
        .expect("300 are pending");
    let tile: TilePath = "tile/0/000".parse().expect("a path");
    assert_eq!(log.tile(tile).expect("no fault"), None);
    assert!(log.proof(0).expect("tiles").is_none());
    log.publish(&checkpoint).expect("no fault");
    assert_eq!(
        log.tile(tile).expect("no fault").map(|tile| tile.len()),
        Some(8192)
    );
    let beyond: TilePath = "tile/0/001.p/45".parse().expect("a path");
    assert_eq!(log.tile(beyond).expect("no fault"), None);
    let across: Vec<_> = leaves(250..300)
        .into_iter()
        .map(|leaf| leaf.bytes)
        .collect();
    assert_eq!(log.entries(250, 300).expect("two bundles"), across);
    assert_eq!(log.entries(7, 7).expect("none"), Vec::<Vec<u8>>::new());
    assert!(matches!(log.entry(300), Err(TreeError::Range { .. })));
    assert!(matches!(log.entry(u64::MAX), Err(TreeError::Range { .. })));
    assert!(matches!(
        log.consistency(300, 301),
        Err(TreeError::Range { .. })
    ));
}

/// A node that was restored from a backup would sign other leaves into places that others have seen filled.
#[test]
fn records_older_than_the_published_checkpoint_are_refused() {
    let medium = Arc::new(Medium::default());
    let log = open(&medium).expect("a new log");
    Told::default().work(&log, 0..1).expect("no fault");
    let backup = lock(&medium.state).clone();
    Told::default().work(&log, 1..2).expect("no fault");
    lock(&medium.state).stored.committed = backup.stored.committed;
    let behind = open(&medium).map(|_| ());
    assert!(
        matches!(
            behind,
            Err(OpenError::Behind {
                committed: 3,
                published: 6
            })
        ),
        "{behind:?}"
    );
    lock(&medium.state).stored.committed = None;
    let behind = open(&medium).map(|_| ());
    assert!(
        matches!(
            behind,
            Err(OpenError::Behind {
                committed: 0,
                published: 6
            })
        ),
        "{behind:?}"
    );
}

/// A witness has the signature before everybody has the checkpoint.
#[test]
fn records_older_than_the_newest_signature_are_refused() {
    let medium = Arc::new(Medium::default());
    let log = open(&medium).expect("a new log");
    Told::default().work(&log, 0..1).expect("no fault");
    let backup = lock(&medium.state).clone();
    log.append(leaves(70..72)).expect("no fault");
    log.integrate(9).expect("no fault").expect("two");
    // All of the records and the published checkpoint are brought back; what was signed last is not.
    let mut state = backup;
    state.stored.signed = lock(&medium.state).stored.signed.clone();
    let medium = Arc::new(Medium {
        state: Mutex::new(state),
        ..Medium::default()
    });
    let behind = open(&medium).map(|_| ());
    assert!(
        matches!(
            behind,
            Err(OpenError::Behind {
                committed: 3,
                published: 5
            })
        ),
        "{behind:?}"
    );
}

#[test]
fn a_storage_that_is_not_this_logs_is_refused() {
    let medium = Arc::new(Medium::default());
    let log = open(&medium).expect("a new log");
    Told::default().work(&log, 0..2).expect("no fault");
    let state = lock(&medium.state).clone();
    let reopened = |change: &dyn Fn(&mut State)| {
        let mut state = state.clone();
        change(&mut state);
        let medium = Arc::new(Medium {
            state: Mutex::new(state),
            ..Medium::default()
        });
        open(&medium).map(|_| ()).expect_err("it is damaged")
    };
    let other = |seed: u8, size| {
        let key = SecretKey::from_seed(&[seed; 32], KeyUse::Checkpoint, Timestamp::EPOCH);
        let checkpoint = Checkpoint::new(origin(), size, Sha256::of(b"another root"));
        checkpoint.sign(&key).expect("a checkpoint key").to_bytes()
    };
    let told = reopened(&|state| state.stored.committed = Some(other(4, 6)));
    assert!(matches!(told, OpenError::Checkpoint(_)), "{told:?}");
    let told = reopened(&|state| state.stored.published = Some(other(3, 6)));
    assert!(matches!(told, OpenError::Diverged { size: 6 }), "{told:?}");
    let told = reopened(&|state| {
        state.stored.committed = Some(other(3, 6));
        (state.stored.published, state.stored.signed) = (None, None);
    });
    assert!(matches!(told, OpenError::Root { size: 6 }), "{told:?}");
    // An old copy that went on is larger than what was published, and is another tree.
    let told = reopened(&|state| state.stored.published = Some(other(3, 4)));
    assert!(matches!(told, OpenError::Diverged { size: 4 }), "{told:?}");
    let told = reopened(&|state| state.stored.signed = Some(other(3, 5)));
    assert!(matches!(told, OpenError::Diverged { size: 5 }), "{told:?}");
    let told = reopened(&|state| state.tiles.clear());
    assert!(matches!(told, OpenError::Frontier(_)), "{told:?}");
    let told = reopened(&|state| {
        let leaf = leaf(50);
        state.stored.pending.push(Entry {
            index: 7,
            id: leaf.id,
            leaf: leaf.bytes,
            handed: true,
        });
    });
    assert!(
        matches!(told, OpenError::Gap { got: 7, wanted: 6 }),
        "{told:?}"
    );
}

#[test]
fn a_key_for_something_else_signs_no_log() {
    for key_use in [
        KeyUse::Receipt,
        KeyUse::Witness,
        KeyUse::Exporter,
        KeyUse::Requester,
    ] {
        let key = SecretKey::from_seed(&[3; 32], key_use, Timestamp::EPOCH);
        let told = Log::open(Arc::new(Medium::default()), key, origin()).map(|_| ());
        assert!(matches!(told, Err(OpenError::Use { got }) if got == key_use));
    }
}

#[test]
fn a_checkpoint_that_was_not_committed_is_not_published() {
    let medium = Arc::new(Medium::default());
    let log = open(&medium).expect("a new log");
    Told::default().work(&log, 0..2).expect("no fault");
    let refused = |checkpoint: Checkpoint| {
        let signed = checkpoint.sign(&key()).expect("the log's key");
        matches!(log.publish(&signed), Err(LogError::Checkpoint { .. }))
    };
    assert!(refused(Checkpoint::new(origin(), 9, Sha256::of(b"later"))));
    assert!(refused(Checkpoint::new(origin(), 6, Sha256::of(b"other"))));
    assert!(refused(Checkpoint::new(origin(), 3, Sha256::of(b"older"))));
    assert!(
        log.stopped().is_none(),
        "a caller's mistake does not stop the log"
    );
}

#[test]
fn a_log_that_is_full_takes_nothing_and_goes_on() {
    let medium = Arc::new(Medium::default());
    let log = open(&medium).expect("a new log");
    let large = |number| Leaf {
        bytes: vec![b'x'; crate::bundle::ENTRY_BYTES_MAX],
        ..leaf(number)
    };
    let many = PENDING_BYTES_MAX / crate::bundle::ENTRY_BYTES_MAX;
    log.append((0..many as u32).map(large).collect())
        .expect("just as many as fit");
    assert!(matches!(
        log.append(leaves(9_000..9_001)),
        Err(LogError::Full {
            bytes: PENDING_BYTES_MAX
        })
    ));
    assert_eq!(log.find(&leaf(9_000).id).expect("no fault"), None);
    log.integrate(usize::MAX)
        .expect("no fault")
        .expect("many are pending");
    assert_eq!(
        log.append(leaves(9_000..9_001)).expect("room again")[0].index,
        many as u64
    );
}
