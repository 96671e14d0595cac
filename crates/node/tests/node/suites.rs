//! Another node as a backend, held against the contract of every backend and of the router.

use std::sync::Arc;

use tenzik::backend::{Attempt, Backend, BackendError, Job, Readiness};
use tenzik::router::{CodeTree, Limit};
use tenzik::testing::{Leftovers, Look, Programs};
use tenzik_backends::{Process, ProcessConfig};
use tenzik_node::remote::Remote;
use tenzik_receipt::{Label, Profile};

use crate::common::TestNode;
use crate::remote::{remote, router_for};

const EXECUTIONS: &str = "[executions]\nbackends = [\"process\"]\nprofiles = [\"dev\"]\nunsafe_host = true\n\
    at_once = 8\nwaiting_max = 64\nlimits_max = { wall_ms = 300000 }\n";

fn node() -> TestNode {
    let parts = |parts: &mut tenzik_node::Parts| {
        let process = Process::new(ProcessConfig::default());
        parts
            .execute_on(vec![Arc::new(process)])
            .expect("executions");
    };
    TestNode::start_with(EXECUTIONS, parts, |routes| routes)
}

fn url(node: &TestNode) -> String {
    format!("http://{}", node.address)
}

fn shell() -> Vec<Label> {
    vec![Label::constant("shell")]
}

/// A node may serve every profile, and this one serves `dev`.
struct AtDev(Remote);

impl Backend for AtDev {
    fn kind(&self) -> Label {
        self.0.kind()
    }

    fn profile_max(&self) -> Profile {
        Profile::Dev
    }

    fn languages(&self) -> Vec<Label> {
        self.0.languages()
    }

    fn holds(&self, limit: Limit, language: &Label, profile: Profile) -> bool {
        self.0.holds(limit, language, profile)
    }

    fn probe(&self) -> Readiness {
        self.0.probe()
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        self.0.run(job)
    }
}

/// Without a way to tools: there is none to another node's.
fn programs() -> Programs {
    let tree = |text: &str| CodeTree::single("main.sh", text.as_bytes()).expect("a tree");
    Programs {
        language: Label::constant("shell"),
        echoes: tree(r#"{ printf '{"ok":'; cat; printf '}\n'; } >&3"#),
        fails: tree("exit 3"),
        prints: tree(r#"echo '{"ok":2}'; echo '{"ok":1}' >&3"#),
        sleeps: tree("sleep 60"),
        echoes_bytes: Some(tree(
            r#"printf '{"ok_base64":"%s"}\n' "$(base64 | tr -d '\n')" >&3"#,
        )),
        says_nothing: Some(tree("true")),
        calls_tool: None,
        leaves: Some(Leftovers {
            program: tree(r#"sleep 73950 & sleep 8; echo '{"ok":1}' >&3"#),
            looks: vec![Look::new("process", || is_running("73950"))],
        }),
    }
}

/// Whether a process with this word among its arguments is there.
fn is_running(word: &str) -> bool {
    let entries = std::fs::read_dir("/proc").expect("processes");
    entries.filter_map(Result::ok).any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        words.any(|it| it == word.as_bytes())
    })
}

#[test]
fn it_keeps_the_contract_of_every_backend() {
    let node = node();
    let remote = remote(&url(&node), node.key, shell()).expect("a backend");
    tenzik::testing::backend(&AtDev(remote), &programs());
}

#[test]
fn a_router_keeps_its_contract_with_it() {
    let node = node();
    let router = router_for(&url(&node), node.key, shell());
    tenzik::testing::router(&router, &programs(), Profile::Dev);
}
