//! What a stranger sees of the two nodes while they are killed.
//!
//! Enters: their addresses. Leaves: every checkpoint that A showed, and how far B was. Panics when A shows two trees of one
//! size, one without B's word, or B says a lower size than before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tenzik_log::checkpoint::SignedCheckpoint;
use tenzik_log::witness::{AddCheckpoint, read_latest_size};
use tenzik_receipt::Sha256;

use crate::nodes::Seen;

#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) roots: BTreeMap<u64, Sha256>,
    pub(crate) asked: u64,
    /// The largest size that B said.
    pub(crate) cosigned: u64,
}

pub(crate) fn run(seen: &Seen, stop: &AtomicBool) -> Watched {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into();
    let mut watched = Watched::default();
    while !stop.load(Ordering::Relaxed) {
        if let Some(head) = checkpoint(&agent, seen) {
            watched.saw(&head);
            watched.ask(&agent, seen, &head);
        }
        thread::sleep(Duration::from_millis(100));
    }
    watched
}

fn checkpoint(agent: &ureq::Agent, seen: &Seen) -> Option<SignedCheckpoint> {
    let answer = agent.get(format!("{}/log/checkpoint", seen.a)).call();
    let mut answer = answer.ok().filter(|answer| answer.status() == 200)?;
    let bytes = answer.body_mut().read_to_vec().ok()?;
    let head = SignedCheckpoint::open(&bytes, &seen.log).expect("A's checkpoint");
    seen.policy.check(&head).expect("B's word on it");
    Some(head)
}

impl Watched {
    fn saw(&mut self, head: &SignedCheckpoint) {
        let (size, root) = (head.checkpoint().size(), head.checkpoint().root());
        let held = *self.roots.entry(size).or_insert(root);
        assert_eq!(held, root, "two trees of {size} entries");
        let largest = self.roots.last_key_value().map(|(size, _)| *size);
        assert_eq!(largest, Some(size), "A went back");
    }

    /// Asks B for nothing that it could sign, and is told how far it is.
    fn ask(&mut self, agent: &ureq::Agent, seen: &Seen, head: &SignedCheckpoint) {
        if head.checkpoint().size() == 0 {
            return;
        }
        let request = AddCheckpoint::new(0, Vec::new(), head).expect("a request");
        let url = format!("{}/witness/add-checkpoint", seen.b);
        let Ok(mut answer) = agent.post(url).send(request.to_bytes()) else {
            return;
        };
        let Ok(body) = answer.body_mut().read_to_vec() else {
            return;
        };
        let told = String::from_utf8_lossy(&body);
        assert_eq!(answer.status().as_u16(), 409, "{told}");
        let size = read_latest_size(&body).expect("a size");
        assert!(size >= self.cosigned, "B went back to {size}");
        assert!(
            size >= head.checkpoint().size(),
            "B does not know what it signed"
        );
        self.cosigned = size;
        self.asked += 1;
    }
}
