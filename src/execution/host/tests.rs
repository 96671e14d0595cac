//! The frame around each host call, with bodies that no host function has: they panic.

use super::*;
use crate::capability::HostFunction;
use wasmtime::{Caller, Config, Engine, Module, ResourceLimiter as _, Store};

const CAPSULE: &str = r#"(module
    (import "tenzik_v1" "input_len" (func $input_len (result i32)))
    (memory (export "memory") 1)
    (func (export "run") (result i32) (call $input_len)))"#;

/// Runs a capsule that calls one host function of this body. Gives what it ended with, its calls, and the fuel left.
fn run_with(
    host_calls: u32,
    body: fn(&mut Call<'_>) -> Result<i32, Exit>,
) -> (Result<i32, Option<Exit>>, u32, u64) {
    let engine = Engine::new(Config::new().consume_fuel(true)).expect("an engine");
    let bytes = wat::parse_str(CAPSULE).expect("the test's own text assembles");
    let module = Module::new(&engine, bytes).expect("it compiles");
    let memory = module.get_export_index("memory").expect("it is exported");
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("tenzik_v1", "input_len", move |caller: Caller<'_, Host>| {
            enter(caller, HostFunction::InputLen, body)
        })
        .expect("a new name");
    let limits = Limits {
        host_calls,
        ..Limits::DEFAULT
    };
    let request = Request::bytes(&b""[..]);
    let host = Host::new(
        &request,
        None,
        TextEncoding::Utf8,
        limits,
        memory,
        Instant::now(),
    );
    let mut store = Store::new(&engine, host);
    store.set_fuel(1_000).expect("fuel is on");
    let instance = linker.instantiate(&mut store, &module).expect("it starts");
    let run = instance
        .get_typed_func::<(), i32>(&mut store, "run")
        .expect("it is exported");
    let ended = run
        .call(&mut store, ())
        .map_err(|error| error.downcast_ref::<Exit>().cloned());
    let calls = store.data().calls[HostFunction::InputLen as usize];
    (ended, calls, store.get_fuel().expect("fuel is on"))
}

#[test]
fn a_panic_ends_the_run_as_a_host_failure_and_stays_counted_and_paid() {
    let (well, calls, left) = run_with(1, |_| Ok(3));
    assert_eq!((well, calls), (Ok(3), 1));
    let (ended, calls, left_after_panic) = run_with(1, |call| {
        call.charge(7)?;
        panic!("a fault in a host function");
    });
    assert_eq!((ended, calls), (Err(Some(Exit::HostFailure)), 1));
    assert_eq!(
        left - left_after_panic,
        7,
        "what was paid before it stays paid"
    );
}

#[test]
fn a_body_that_is_not_reached_cannot_panic() {
    let (ended, calls, _) = run_with(0, |_| panic!("it is not reached"));
    assert_eq!((ended, calls), (Err(Some(Exit::TooManyCalls)), 1));
}

#[test]
fn a_host_failure_is_an_aborted_run() {
    let error = wasmtime::Error::from(Exit::HostFailure);
    let ending = super::super::traps::ending(&error, &[]);
    assert_eq!(
        ending,
        Ending::Aborted(crate::outcome::AbortCode::HostFailure)
    );
}

/// The engine asks what to do where the system gives no memory that the limit allows. The capsule must not see a -1.
#[test]
fn a_growth_that_the_system_refuses_is_an_aborted_run() {
    let (ended, ..) = run_with(1, |call| {
        let answer = call
            .host()
            .memory_grow_failed(wasmtime::Error::msg("the system has no memory"));
        let error = answer.expect_err("the run goes on");
        Err(error.downcast_ref::<Exit>().cloned().expect("our own"))
    });
    assert_eq!(ended, Err(Some(Exit::MemoryRefused)));
    let error = wasmtime::Error::from(Exit::MemoryRefused);
    assert_eq!(
        super::super::traps::ending(&error, &[]),
        Ending::Aborted(crate::outcome::AbortCode::MemoryRefused)
    );
}
