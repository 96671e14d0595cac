//! A real node on a loopback port, and clients of every kind.

#[path = "../common/mod.rs"]
mod common;

mod between;
mod callers;
mod cancelled;
mod connections;
mod ending;
mod fair;
mod flood;
mod gate;
mod held;
mod hostile;
mod interfered;
mod programs;
mod remote;
mod runs;
mod setup;
mod sink;
mod slow;
mod suites;
mod tls;
mod unlogged;
