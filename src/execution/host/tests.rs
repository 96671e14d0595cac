//! The frame around each host call, with bodies that no host function has: they panic.

use super::*;
use crate::capability::HostFunction;

/// Makes one call of this body with 1,000 fuel. Gives its answer, its count, and the fuel left.
fn call_with(
    host_calls: u32,
    body: fn(&mut Call<'_>) -> Result<i32, Exit>,
) -> (Result<i32, Exit>, u32, i64) {
    let limits = Limits {
        host_calls,
        ..Limits::DEFAULT
    };
    let request = Request::bytes(&b""[..]);
    let mut host = Host::new(&request, None, TextEncoding::Utf8, limits, Instant::now());
    let mut call = Call::new(&mut host, &mut [], 1_000, HostFunction::InputLen);
    let (answer, left) = (call.enter(body), call.fuel_left());
    (answer, host.calls[HostFunction::InputLen as usize], left)
}

#[test]
fn a_panic_ends_the_run_as_a_host_failure_and_stays_counted_and_paid() {
    assert_eq!(call_with(1, |_| Ok(3)), (Ok(3), 1, 980));
    let panicked = call_with(1, |call| {
        call.charge(7)?;
        panic!("a fault in a host function");
    });
    assert_eq!(
        panicked,
        (Err(Exit::HostFailure), 1, 973),
        "what was paid before it stays paid"
    );
}

#[test]
fn a_body_that_is_not_reached_cannot_panic() {
    let refused = call_with(0, |_| panic!("it is not reached"));
    assert_eq!(refused, (Err(Exit::TooManyCalls), 1, 1_000));
}

#[test]
fn a_host_failure_is_an_aborted_run() {
    assert_eq!(
        Ending::from(Exit::HostFailure),
        Ending::Aborted(AbortCode::HostFailure)
    );
}

#[test]
fn fuel_that_is_overdrawn_pays_for_nothing() {
    let request = Request::bytes(&b""[..]);
    let limits = Limits::DEFAULT;
    let mut host = Host::new(&request, None, TextEncoding::Utf8, limits, Instant::now());
    for (fuel, expected) in [
        (20, Ok(())),
        (19, Err(Exit::OutOfFuel)),
        (-1, Err(Exit::OutOfFuel)),
    ] {
        let mut call = Call::new(&mut host, &mut [], fuel, HostFunction::InputLen);
        assert_eq!(call.enter(|_| Ok(())), expected);
    }
}
