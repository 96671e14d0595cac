//! The node's log, the node as a witness, and nodes that follow others.

#[path = "../common/mod.rs"]
mod common;

mod databases;
mod follow;
mod hand;
mod harness;
mod large;
mod liars;

mod own;

mod processes;
mod quorum;
mod receipts;
mod served;
mod tidings;
mod witness;
