//! Gathering under every way that a batch can end, with signers that do their work, refuse it or panic.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use tenzik_receipt::{
    BatchSignature, Blake3, Disclosed, Epoch, Expectations, InputType, Int, KeyUse, Label,
    PreparedReceipt, SecretKey, Seed, Signature, SignedReceipt, Sorted, Stage, Timestamp, Trust,
    Verdict, Verifier, WasmRequest,
};

use super::*;
use crate::limits::Limits;
use crate::rules::Metering;

/// Longer than any test: what is signed is signed for another reason than the delay.
const NEVER_MS: u32 = 3_600_000;

fn now() -> Timestamp {
    "2026-11-20T08:00:00Z".parse().expect("a time")
}

fn sealer() -> Sealer {
    let key = SecretKey::from_seed(&[1; 32], KeyUse::Receipt, now());
    Sealer::new(key, Epoch::from_bytes([2; 16])).expect("a receipt key")
}

fn config(count_max: u32, delay_ms_max: u32) -> GatherConfig {
    GatherConfig {
        count_max,
        delay_ms_max,
    }
}

fn gatherer(count_max: u32, delay_ms_max: u32) -> Gatherer {
    Gatherer::new(sealer(), &config(count_max, delay_ms_max)).expect("a gatherer")
}

/// What a refused order's receipt is about: the one subject that needs no engine.
fn subject() -> Subject<'static> {
    let digest = Blake3::of(b"");
    Subject::Refused {
        stage: Stage::Binding,
        code: "limit",
        request: Box::new(WasmRequest {
            abi: Label::constant("tenzik_v1"),
            capsule: digest,
            clock_ms: Int::ZERO,
            grants: Sorted::none(),
            input: Disclosed::Open(digest),
            input_type: InputType::Json,
            limits: Limits::DEFAULT.claimed(Metering::default()),
            metering: Label::constant("none"),
            policy: None,
            rules: digest,
            seed: Disclosed::Open(Seed::from_bytes([0; 32])),
        }),
    }
}

fn hand_in(gatherer: &Gatherer) -> Ticket {
    let ticket = gatherer.hand_in(subject(), Circumstances::at(now()));
    ticket.expect("a receipt of the node's")
}

fn hand_in_all(gatherer: &Gatherer, count: usize) -> Vec<Ticket> {
    (0..count).map(|_| hand_in(gatherer)).collect()
}

fn wait_all(tickets: Vec<Ticket>) -> Vec<SignedReceipt> {
    let receipt = |ticket: Ticket| ticket.wait().expect("a receipt");
    tickets.into_iter().map(receipt).collect()
}

fn part(receipt: &SignedReceipt) -> &BatchSignature {
    match receipt.signature() {
        Signature::Batch(part) => part,
        other => panic!("{other:?} is no batch signature"),
    }
}

fn seq(receipt: &SignedReceipt) -> u64 {
    receipt.receipt().nonce.seq.get()
}

/// Each verifies alone; each batch is whole, and its numbers rise with its places.
fn assert_batches(receipts: &[SignedReceipt], count_max: usize) {
    let trust = Trust::in_receipts_of(sealer().node()).expect("a key");
    let expected = Expectations {
        status: Some("refused"),
        ..Expectations::default()
    };
    let mut verifier = Verifier::default();
    let mut batches = BTreeMap::<_, BTreeMap<u64, u64>>::new();
    for receipt in receipts {
        let report = verifier.verify(&receipt.to_bytes(), &trust, now(), &expected);
        assert_eq!(report.verdict(), Verdict::Passed, "{:?}", report.checks());
        let part = part(receipt);
        let batch = batches.entry((part.root_sig, part.size.get())).or_default();
        let before = batch.insert(part.index.get(), seq(receipt));
        assert_eq!(before, None, "two receipts have one place");
    }
    for ((_, size), batch) in batches {
        assert!(size <= count_max as u64);
        assert_eq!(batch.len() as u64, size, "each place is somebody's");
        assert!(batch.values().is_sorted());
    }
}

#[test]
fn a_batch_is_signed_when_it_is_full() {
    let gatherer = gatherer(4, NEVER_MS);
    let mut tickets = hand_in_all(&gatherer, 3);
    assert!(!tickets.iter().any(Ticket::is_ready));
    tickets.push(hand_in(&gatherer));
    assert!(tickets.iter().all(Ticket::is_ready));
    let next = hand_in(&gatherer);
    assert!(!next.is_ready());
    let receipts = wait_all(tickets);
    assert_eq!(receipts.iter().map(seq).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_batches(&receipts, 4);
}

#[test]
fn one_receipt_fills_a_batch_of_one() {
    let gatherer = gatherer(1, NEVER_MS);
    let receipts = wait_all(hand_in_all(&gatherer, 3));
    assert_batches(&receipts, 1);
}

#[test]
fn a_batch_is_signed_when_its_time_has_come_and_not_before() {
    let gatherer = gatherer(2, 20);
    // After each the thread that keeps the time sleeps again; a batch that fills in between does not confuse it.
    for _ in 0..3 {
        let began = Instant::now();
        let receipts = wait_all(hand_in_all(&gatherer, 1));
        assert!(began.elapsed() >= Duration::from_millis(20));
        assert_batches(&receipts, 1);
        assert_batches(&wait_all(hand_in_all(&gatherer, 2)), 2);
    }
}

#[test]
fn a_flush_signs_what_waits_and_nothing_is_no_batch() {
    let gatherer = gatherer(256, NEVER_MS);
    gatherer.flush();
    let tickets = hand_in_all(&gatherer, 3);
    gatherer.flush();
    gatherer.flush();
    let receipts = wait_all(tickets);
    assert!(receipts.iter().all(|receipt| part(receipt).size.get() == 3));
    assert_batches(&receipts, 3);
}

#[test]
fn a_gatherer_that_is_dropped_leaves_nobody_waiting() {
    let gatherer = gatherer(256, NEVER_MS);
    let tickets = hand_in_all(&gatherer, 8);
    let waiting: Vec<_> = tickets
        .into_iter()
        .map(|ticket| thread::spawn(|| ticket.wait()))
        .collect();
    drop(gatherer);
    let receipts: Vec<_> = waiting
        .into_iter()
        .map(|waiter| waiter.join().expect("no panic").expect("a receipt"))
        .collect();
    assert_batches(&receipts, 8);
}

#[test]
fn a_ticket_that_is_dropped_takes_nothing_from_the_others() {
    let gatherer = gatherer(3, NEVER_MS);
    let mut tickets = hand_in_all(&gatherer, 3);
    drop(tickets.remove(1));
    let receipts = wait_all(tickets);
    assert_eq!(receipts.iter().map(seq).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn many_threads_get_each_its_own_receipts_once() {
    let gatherer = gatherer(32, 1);
    let each = |_| {
        let mut receipts = Vec::new();
        for round in 0..50 {
            receipts.extend(wait_all(hand_in_all(&gatherer, round % 16)));
        }
        assert!(receipts.iter().map(seq).is_sorted());
        receipts
    };
    let receipts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || each(n))).collect();
        let receipts = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        receipts.flatten().collect()
    });
    assert_batches(&receipts, 32);
    let mut numbers: Vec<_> = receipts.iter().map(seq).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..receipts.len() as u64));
}

#[test]
fn numbers_rise_with_places_whatever_the_order_of_arrival() {
    let gatherer = gatherer(5, NEVER_MS);
    let prepare = |_| gatherer.sealer.prepare(subject(), Circumstances::at(now()));
    let mut prepared: Vec<_> = (0..5).map(prepare).collect::<Result<_, _>>().expect("fine");
    prepared.swap(0, 3);
    prepared.swap(1, 4);
    let numbers: Vec<_> = prepared.iter().map(|one| one.nonce().seq.get()).collect();
    let tickets = prepared.into_iter().map(|one| gatherer.queue.hand_in(one));
    let receipts = wait_all(tickets.collect());
    assert_eq!(receipts.iter().map(seq).collect::<Vec<_>>(), numbers);
    assert_batches(&receipts, 5);
}

#[test]
fn what_may_not_be_signed_fails_alone() {
    let gatherer = gatherer(2, NEVER_MS);
    let first = hand_in(&gatherer);
    let mut contradiction = Circumstances::at(now());
    contradiction.crit = [Label::constant("missing")].into_iter().collect();
    let refused = gatherer.hand_in(subject(), contradiction);
    assert!(matches!(refused, Err(SignError::Form(_))));
    assert!(!first.is_ready());
    let receipts = wait_all(vec![first, hand_in(&gatherer)]);
    assert_eq!(receipts.iter().map(seq).collect::<Vec<_>>(), [0, 2]);
    assert_batches(&receipts, 2);
}

#[test]
fn callers_are_waited_for_while_more_are_on_their_way_than_wait() {
    let gatherer = gatherer(256, NEVER_MS);
    (0..4).for_each(|_| gatherer.enter());
    let mut tickets = vec![hand_in(&gatherer)];
    gatherer.leave();
    assert!(!tickets[0].is_ready(), "three are on their way, one waits");
    tickets.push(hand_in(&gatherer));
    gatherer.leave();
    let receipts = wait_all(tickets);
    assert_batches(&receipts, 2);
    // One leaves with nothing, and the last one is waited for by nobody.
    gatherer.leave();
    let last = hand_in(&gatherer);
    gatherer.leave();
    assert!(last.is_ready());
}

/// A gatherer whose signer does this with the first batch and its work with the others.
fn failing_once(
    config: &GatherConfig,
    fail: impl Fn() -> SignError + Send + Sync + 'static,
) -> Gatherer {
    let (sealer, batches) = (Arc::new(sealer()), AtomicU32::new(0));
    let signer = Arc::clone(&sealer);
    let sign = move |prepared: Vec<PreparedReceipt>| {
        if batches.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(fail());
        }
        signer.key.sign_prepared(prepared)
    };
    let delay_max = Duration::from_millis(config.delay_ms_max.into());
    let queue = Queue::new(config.count_max as usize, delay_max, Box::new(sign));
    Gatherer::around(sealer, queue).expect("a thread")
}

/// All that waited get the error, whoever signed; and the next batch is signed.
fn assert_all_told(gatherer: &Gatherer, count: usize, expected: &GatherError) {
    let waiting: Vec<_> = hand_in_all(gatherer, count)
        .into_iter()
        .map(|ticket| thread::spawn(|| ticket.wait()))
        .collect();
    for waiter in waiting {
        let told = waiter.join().expect("the panic stayed with the signer");
        assert_eq!(told.as_ref(), Err(expected));
    }
    assert_batches(&wait_all(hand_in_all(gatherer, count)), count);
}

#[test]
fn a_signer_that_panics_is_an_error_to_all_who_waited_and_to_nobody_else() {
    let full = failing_once(&config(4, NEVER_MS), || panic!("the signer's own"));
    assert_all_told(&full, 4, &GatherError::Panicked);
    // Here it panics in the thread that keeps the time, which has to survive that.
    let in_time = failing_once(&config(256, 5), || panic!("the signer's own"));
    assert_all_told(&in_time, 1, &GatherError::Panicked);
}

#[test]
fn a_signer_that_refuses_is_an_error_to_all_who_waited() {
    let refused = || SignError::BatchSize { size: 7 };
    let gatherer = failing_once(&config(4, NEVER_MS), refused);
    assert_all_told(&gatherer, 4, &GatherError::Sign(refused()));
}

#[test]
fn a_count_or_a_delay_that_cannot_be_is_refused() {
    let refused =
        |count, delay| Gatherer::new(sealer(), &config(count, delay)).expect_err("refused");
    assert_eq!(refused(0, 5), GatherConfigError::Count { got: 0 });
    let got = BATCH_MAX as u32 + 1;
    assert_eq!(refused(got, 5), GatherConfigError::Count { got });
    assert_eq!(refused(256, 0), GatherConfigError::Delay);
    assert!(Gatherer::new(sealer(), &config(BATCH_MAX as u32, u32::MAX)).is_ok());
}
