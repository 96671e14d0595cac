//! Audits, disputes and blobs: real capsules, real logs, real mirrors, over loopback HTTP.

#![allow(
    unreachable_pub,
    reason = "the modules of one test binary share what is in them"
)]

#[path = "../common/mod.rs"]
mod common;

mod blobs;
mod budgets;
mod disputes;
mod handed;
mod samples;
mod world;
