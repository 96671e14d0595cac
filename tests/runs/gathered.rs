//! Receipts that share a signature: of threads that run at the same time, and of lists.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::thread;

use tenzik::config::SecurityConfig;
use tenzik::limits::LimitsAsked;
use tenzik::outcome::Outcome;
use tenzik::pipeline::{Order, Pipeline, Run, RunError};
use tenzik::receipts::{Circumstances, GatherConfig, Gatherer};
use tenzik_receipt::{
    BatchSignature, Expectations, Label, SignError, Signature, SignedReceipt, Stage, Verdict,
    Verifier,
};

use crate::common::{assert_verifies, circumstances, now, pipeline, sealer, trust};
use crate::refusals::refused_by;
use crate::support::{GENEROUS, Story, few_slots, generous, import, lenient, with};

/// A pipeline that gathers, and would wait for an hour if it had to.
fn gathering(security: &SecurityConfig) -> Pipeline {
    let config = GatherConfig {
        delay_ms_max: 3_600_000,
        ..GatherConfig::default()
    };
    let gatherer = Gatherer::new(sealer(), &config).expect("a gatherer");
    Pipeline::new(security, &few_slots(), gatherer).expect("an engine")
}

fn echo() -> Story {
    let imports = [
        import("input_len"),
        import("input_read"),
        import("output_write"),
    ]
    .concat();
    let body = "(call $input_read (i32.const 0))
        (call $output_write (i32.const 0) (call $input_len))";
    with(&imports, body)
}

fn numbered(number: usize) -> Story {
    echo().bytes(number.to_string().as_bytes())
}

fn orders(count: usize) -> Vec<(Order, Circumstances)> {
    let order = |number| (numbered(number).0, circumstances());
    (0..count).map(order).collect()
}

/// Circumstances that no receipt can have.
fn contradiction() -> Circumstances {
    let mut circumstances = circumstances();
    circumstances.crit = [Label::constant("missing")].into_iter().collect();
    circumstances
}

fn part(receipt: &SignedReceipt) -> &BatchSignature {
    match receipt.signature() {
        Signature::Batch(part) => part,
        other => panic!("{other:?} is no batch signature"),
    }
}

/// Each is about its own run, an echo, and verifies alone, and each batch is whole. Gives the batches' sizes, the largest first.
fn assert_batches(runs: &[Run]) -> Vec<u64> {
    let trust = trust();
    let mut verifier = Verifier::default();
    let mut batches = BTreeMap::new();
    for run in runs {
        let expected = Expectations {
            input: run.outcome.output(),
            output: run.outcome.output(),
            ..Expectations::default()
        };
        let report = verifier.verify(&run.receipt.to_bytes(), &trust, now(), &expected);
        assert_eq!(report.verdict(), Verdict::Passed, "{:?}", report.checks());
        let part = part(&run.receipt);
        *batches.entry((part.root_sig, part.size.get())).or_insert(0) += 1;
    }
    for ((_, size), count) in &batches {
        assert_eq!(size, count, "each place is somebody's");
    }
    let mut sizes: Vec<_> = batches.into_values().collect();
    sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
    sizes
}

#[test]
fn a_thread_by_itself_waits_for_nobody() {
    let pipeline = gathering(&SecurityConfig::default());
    let run = |number| numbered(number).run_on(&pipeline);
    let runs: Vec<_> = (0..5).map(run).collect();
    assert_eq!(assert_batches(&runs), [1; 5]);
}

#[test]
fn threads_that_run_at_the_same_time_share_signatures_and_none_is_left_waiting() {
    let pipeline = gathering(&SecurityConfig::default());
    let each = |thread: usize| {
        let run = |number| numbered(100 * thread + number).run_on(&pipeline);
        (0..40).map(run).collect::<Vec<_>>()
    };
    let runs: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|n| scope.spawn(move || each(n))).collect();
        let runs = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        runs.flatten().collect()
    });
    // How many met depends on the machine; that they are waited for is a unit test's.
    assert_eq!(assert_batches(&runs).iter().sum::<u64>(), 640);
}

#[test]
fn refusals_and_aborted_runs_are_signed_so_too() {
    let pipeline = gathering(&generous(SecurityConfig::default()));
    let mut story = echo();
    story.0.terms.limits.fuel = Some(0);
    refused_by(&pipeline, &story, Stage::Binding, "limit");
    let spin = with("", "(loop $again (br $again))").limits(LimitsAsked {
        fuel: Some(GENEROUS),
        time_ms: Some(5),
        ..LimitsAsked::default()
    });
    let Err(RunError::Aborted { run, .. }) = pipeline.run(&spin.0, circumstances()) else {
        panic!("it was not stopped");
    };
    assert_eq!(part(&run.receipt).size.get(), 1);
    assert_verifies(&run.receipt);
}

#[test]
fn what_may_not_be_signed_gives_no_result_and_holds_nobody_up() {
    let pipeline = gathering(&SecurityConfig::default());
    let refused = pipeline.run(&echo().0, contradiction());
    assert!(matches!(refused, Err(RunError::Sign(SignError::Form(_)))));
    numbered(1).run_on(&pipeline);
}

#[test]
fn a_list_of_orders_shares_signatures_whoever_signs_single_ones() {
    for pipeline in [pipeline(), gathering(&lenient())] {
        let runs = pipeline.run_all(orders(257));
        let runs: Vec<_> = runs.map(|run| run.expect("a run")).collect();
        assert_eq!(assert_batches(&runs), [256, 1]);
        for (number, run) in runs.iter().enumerate() {
            assert_eq!(run.outcome.output(), Some(number.to_string().as_bytes()));
            assert_eq!(run.receipt.receipt().nonce.seq.get(), number as u64);
        }
    }
}

#[test]
fn each_order_of_a_list_has_its_own_result() {
    let mut orders = orders(4);
    orders[1].0.terms.limits.fuel = Some(0);
    orders[2].1 = contradiction();
    let pipeline = pipeline();
    let results: Vec<_> = pipeline.run_all(orders).collect();
    let [Ok(first), Err(second), Err(third), Ok(fourth)] = &results[..] else {
        panic!("{results:?}");
    };
    let RunError::Refused { receipt, .. } = second else {
        panic!("{second}");
    };
    assert!(matches!(third, RunError::Sign(SignError::Form(_))));
    let receipts = [&first.receipt, receipt, &fourth.receipt];
    for (index, receipt) in (0..).zip(receipts) {
        assert_verifies(receipt);
        assert_eq!(
            (part(receipt).index.get(), part(receipt).size.get()),
            (index, 3)
        );
    }
    assert_eq!(pipeline.run_all([]).count(), 0);
    let nothing_to_sign: Vec<_> = pipeline.run_all([(echo().0, contradiction())]).collect();
    assert!(matches!(nothing_to_sign[..], [Err(RunError::Sign(_))]));
}

#[test]
fn orders_run_when_their_results_are_asked_for_and_256_at_a_time() {
    let asked = Cell::new(0);
    let orders = orders(1_000)
        .into_iter()
        .inspect(|_| asked.set(asked.get() + 1));
    let pipeline = pipeline();
    let mut results = pipeline.run_all(orders);
    assert_eq!(asked.get(), 0);
    assert!(results.by_ref().take(256).all(|run| run.is_ok()));
    assert_eq!(asked.get(), 256);
    assert!(results.next().is_some_and(|run| run.is_ok()));
    assert_eq!(asked.get(), 512);
}

#[test]
fn a_list_of_outcomes_is_sealed_at_once() {
    let outcomes: Vec<_> = (0..3)
        .map(|number| numbered(number).run().outcome)
        .collect();
    let circumstances = [circumstances(), contradiction(), circumstances()];
    let sealer = sealer();
    let sealed: Vec<_> = sealer
        .seal_all(outcomes.iter().zip(circumstances))
        .collect();
    let [Ok(first), Err(SignError::Form(_)), Ok(last)] = &sealed[..] else {
        panic!("{sealed:?}");
    };
    assert_verifies(first);
    assert_verifies(last);
    assert_eq!(part(first).root_sig, part(last).root_sig);
    assert_eq!(sealer.seal_all::<Outcome>([]).count(), 0);
}
