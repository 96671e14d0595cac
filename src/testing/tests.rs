//! Implementations that break one promise each: a suite that lets one pass checks nothing.

mod backends;
mod gateways;
#[cfg(unix)]
mod servers;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a suite says of something that breaks a promise.
fn told(suite: impl FnOnce()) -> String {
    let Err(panicked) = catch_unwind(AssertUnwindSafe(suite)) else {
        return "nothing".to_owned();
    };
    match panicked.downcast::<String>() {
        Ok(told) => *told,
        Err(_) => "another panic".to_owned(),
    }
}

#[track_caller]
fn assert_told(promise: &str, suite: impl FnOnce()) {
    let told = told(suite);
    assert!(
        told.starts_with(promise),
        "{promise} is broken, and it says: {told}"
    );
}
