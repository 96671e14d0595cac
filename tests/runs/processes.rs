//! No clock and no randomness but the request's: two processes, started apart, make the same claims.

use std::process::Command;

use crate::support::{Story, capsule, import};

/// Everything that a capsule can ask for, in one output; what it is not given it cannot tell.
fn nosy() -> Story {
    let imports: String = [
        "time_now_ms",
        "random_bytes",
        "output_write",
        "hash_commit",
        "output_result",
        "result_read",
    ]
    .map(import)
    .concat();
    capsule(&format!(
        "(module {imports} (memory (export \"memory\") 1)
          (func (export \"run\")
            (call $result_read (i32.const 65536))
            (i64.store (i32.const 0) (call $time_now_ms))
            (call $random_bytes (i32.const 8) (i32.const 100))
            (i32.store (i32.const 108) (memory.size))
            (f64.store (i32.const 112) (f64.div (f64.const 0) (f64.const 0)))
            (call $output_write (i32.const 0) (i32.const 60000))
            (drop (call $hash_commit (i32.const 0) (i32.const 65536)))
            (call $output_result)))"
    ))
}

fn claim_id() -> String {
    nosy().run().receipt.claim().id().to_string()
}

/// Prints a claim's id, for the test below, which starts it in processes of its own.
#[test]
#[ignore = "run by the test beside it"]
fn print_claim_id() {
    println!("claim={}", claim_id());
}

#[test]
fn two_processes_make_the_same_claim() {
    let program = std::env::current_exe().expect("a path");
    let ids: Vec<_> = ["UTC", "Pacific/Auckland"]
        .into_iter()
        .map(|zone| {
            let output = Command::new(&program)
                .args([
                    "--exact",
                    "processes::print_claim_id",
                    "--ignored",
                    "--nocapture",
                ])
                .env("TZ", zone)
                .output()
                .expect("it starts");
            let text = String::from_utf8(output.stdout).expect("text");
            let id = text.lines().find_map(|line| line.split_once("claim="));
            id.unwrap_or_else(|| panic!("{text}")).1.to_owned()
        })
        .collect();
    assert_eq!(ids, [claim_id(), claim_id()]);
}

#[test]
fn another_clock_or_seed_makes_another_claim() {
    let here = claim_id();
    let mut later = nosy();
    later.0.request.clock_ms = tenzik_receipt::Int::new(1).expect("small");
    let mut other = nosy();
    other.0.request.seed = tenzik_receipt::Seed::from_bytes([1; 32]);
    for story in [later, other] {
        assert_ne!(story.run().receipt.claim().id().to_string(), here);
    }
}
