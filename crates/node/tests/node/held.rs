//! What a node can hold programs to, as it says it and as another one asks for it.

use std::sync::Arc;
use std::time::Duration;

use tenzik::backend::{Attempt, Backend, BackendError, Ended, Job, Readiness};
use tenzik::router::{ExecuteRequest, Held, Limit, Refusal, RouteError};
use tenzik_receipt::{Claim, Label, Profile, SignedReceipt};

use crate::common::{ALL, TestNode};
use crate::programs::{node_with, router, shell};
use crate::remote::run;

const KIND: Label = Label::constant("few");
const SECTIONS: &str = "[executions]\nbackends = [\"few\"]\n";

/// It holds every limit but one, as gVisor does, and says so.
struct NoPids;

impl Backend for NoPids {
    fn kind(&self) -> Label {
        KIND
    }

    fn profile_max(&self) -> Profile {
        Profile::Hardened
    }

    fn languages(&self) -> Vec<Label> {
        vec![Label::constant("shell")]
    }

    fn holds(&self, limit: Limit, _: &Label, _: Profile) -> bool {
        limit != Limit::Pids
    }

    fn probe(&self) -> Readiness {
        Readiness::Ready { version: KIND }
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        let ended = Ended::Ok(Arc::clone(job.input));
        let mut attempt = Attempt::new(ended, KIND, Duration::ZERO);
        for limit in Limit::ALL {
            if let (true, Some(applied)) = (limit != Limit::Pids, job.limits.get(limit)) {
                attempt.limits = attempt.limits.with(limit, Held::enforced(applied, None));
            }
        }
        Ok(attempt)
    }
}

fn node() -> TestNode {
    node_with(SECTIONS, vec![Arc::new(NoPids)])
}

fn hardened() -> ExecuteRequest {
    let mut request = shell("true");
    request.profile = Profile::Hardened;
    request
}

fn claimed(receipt: &SignedReceipt, limit: Limit) -> bool {
    let Claim::Attested(claim) = receipt.claim() else {
        panic!("another claim");
    };
    claim
        .request
        .limits
        .contains_key(&Label::constant(limit.name()))
}

#[test]
fn a_node_says_what_it_can_hold_by_profile_and_language() {
    let node = node();
    let answer = node.ask("GET", "/v1/executions", Some(ALL), None);
    let told = &answer.json()["limits"];
    for profile in ["standard", "hardened"] {
        let limits = told[profile]["shell"].as_array().expect("a list");
        let has = |name: &str| limits.iter().any(|limit| limit == name);
        assert!(has("memory_bytes") && !has("pids"), "{told}");
    }
    assert!(told["dev"].is_null(), "{told}");
}

/// The number of the profile's default was asked for like any other, so that a node with gVisor alone, which cannot hold one on
/// processes, refused every program.
#[test]
fn a_default_that_nothing_there_can_hold_is_neither_asked_for_nor_claimed() {
    let node = node();
    let execution = run(&router(node.address, node.key), &hardened()).expect("a result");
    assert!(claimed(&execution.receipt, Limit::MemoryBytes));
    assert!(!claimed(&execution.receipt, Limit::Pids));
    assert_eq!(execution.limits.get(Limit::Pids), Held::default());
    assert!(execution.limits.get(Limit::MemoryBytes).enforced);
}

#[test]
fn what_the_caller_asks_for_is_refused_if_nothing_there_can_hold_it() {
    let node = node();
    let mut request = hardened();
    request.limits = request.limits.with(Limit::Pids, Some(8));
    let came = run(&router(node.address, node.key), &request);
    assert!(
        matches!(&came, Err(RouteError::Refused { refusal: Refusal::BackendDenied { reason, .. }, .. })
            if reason.contains("pids")),
        "{came:?}"
    );
}
