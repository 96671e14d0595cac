//! What is written down while a run is looked at.
//!
//! Enters: the fuel that is left, where a function begins or ends and around each host call. Leaves: chains of calls with
//! their fuel, and the list of host calls. Refuses: nothing; what has no room is counted together.

use std::collections::HashMap;

use crate::observation::{
    CALLS_MAX, DEPTH_MAX, HostCall, NODES_MAX, Node, Observation, Place, TRACES_MAX,
};

pub(in crate::execution) struct Recorder {
    limit: u64,
    /// The fuel used when something was last told.
    used: u64,
    /// The node of each open call.
    open: Vec<usize>,
    nodes: Vec<Node>,
    children: HashMap<(Option<usize>, Place), usize>,
    calls: Vec<HostCall>,
    calls_more: u64,
    traces: Vec<String>,
    traces_more: u64,
}

impl Recorder {
    /// Of a run with so much fuel, whose start costs so much.
    pub(super) fn new(limit: u64, startup_fuel: u64) -> Self {
        let mut recorder = Self {
            limit,
            used: 0,
            open: Vec::new(),
            nodes: Vec::new(),
            children: HashMap::new(),
            calls: Vec::new(),
            calls_more: 0,
            traces: Vec::new(),
            traces_more: 0,
        };
        recorder.spend(
            Place::Start,
            limit.saturating_sub(startup_fuel).cast_signed(),
        );
        recorder
    }

    /// A function begins. The stack's units bound how many are open.
    pub(in crate::execution) fn enter(&mut self, function: u32, left: i64) {
        self.account(left);
        let node = self.child(Place::Function(function));
        self.open.push(node);
    }

    /// The last function that began is over.
    pub(in crate::execution) fn leave(&mut self, left: i64) {
        self.account(left);
        self.open.pop();
    }

    /// The fuel used so far, if so much is left.
    pub(in crate::execution) fn used(&self, left: i64) -> u64 {
        self.limit.saturating_sub(left.max(0).unsigned_abs())
    }

    /// The function that is open.
    pub(in crate::execution) fn caller(&self) -> Option<u32> {
        match self.nodes.get(*self.open.last()?)?.place {
            Place::Function(index) => Some(index),
            _ => None,
        }
    }

    /// A host call is over, whatever came of it.
    pub(in crate::execution) fn called(&mut self, call: HostCall, before: i64, left: i64) {
        self.account(before);
        self.spend(Place::Host(call.function), left);
        if self.calls.len() < CALLS_MAX {
            self.calls.push(call);
        } else {
            self.calls_more += 1;
        }
    }

    /// The capsule says something to its author.
    pub(in crate::execution) fn traced(&mut self, line: impl FnOnce() -> String) {
        if self.traces.len() < TRACES_MAX {
            self.traces.push(line());
        } else {
            self.traces_more += 1;
        }
    }

    /// The run is over: what is still spent is the check of an output, or the function's that did not end.
    pub(super) fn finish(mut self, left: u64) -> Observation {
        let left = left.cast_signed();
        if self.used(left) > self.used {
            match self.open.is_empty() {
                true => self.spend(Place::Check, left),
                false => self.account(left),
            }
        }
        Observation {
            nodes: self.nodes,
            calls: self.calls,
            calls_more: self.calls_more,
            traces: self.traces,
            traces_more: self.traces_more,
            ..Observation::default()
        }
    }

    /// What was used since is the open function's.
    fn account(&mut self, left: i64) {
        let spent = self.spent(left);
        if let Some(&node) = self.open.last() {
            self.nodes[node].fuel += spent;
        }
    }

    /// What was used since went to a call that is over already.
    fn spend(&mut self, place: Place, left: i64) {
        let (spent, node) = (self.spent(left), self.child(place));
        self.nodes[node].fuel += spent;
    }

    fn spent(&mut self, left: i64) -> u64 {
        let used = self.used(left);
        let spent = used.saturating_sub(self.used);
        self.used = used;
        spent
    }

    /// The node of a call from where the run is.
    fn child(&mut self, place: Place) -> usize {
        let parent = self.open.last().copied();
        if let Some(parent) = parent.filter(|parent| self.nodes[*parent].place == Place::More) {
            return parent;
        }
        if let Some(&node) = self.children.get(&(parent, place)) {
            return node;
        }
        if place != Place::More && (self.open.len() >= DEPTH_MAX || self.nodes.len() >= NODES_MAX) {
            return self.child(Place::More);
        }
        self.nodes.push(Node {
            parent,
            place,
            fuel: 0,
        });
        self.children.insert((parent, place), self.nodes.len() - 1);
        self.nodes.len() - 1
    }
}
