//! Implementations that break one promise each: a suite that lets one pass checks nothing.

mod backends;
mod gateways;
#[cfg(unix)]
mod servers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use super::KnownTool;
use crate::control::Control;
use crate::gateway::direct::{Direct, Tool};
use crate::gateway::{GatewayError, ToolId};

/// A tool that echoes, and one that takes until it is cancelled.
fn tools() -> Direct {
    let id = |text: &str| ToolId::new(text).expect("an id");
    let echo = Tool::new(id("text:echo"), "Echoes", |arguments, _| {
        Ok(arguments.clone())
    });
    let slow = Tool::new(id("slow"), "Takes long", |_, control: &Control| {
        while !control.is_cancelled() {
            thread::sleep(Duration::from_millis(1));
        }
        Err(GatewayError::cancelled())
    });
    Direct::new([echo, slow]).expect("two tools")
}

/// What a suite is told of them.
fn known() -> KnownTool {
    KnownTool::new("text:echo", r#"{"a":1.50}"#, r#"{"a":1.50}"#)
        .with_echoing("text:echo")
        .with_slow("slow")
}

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
