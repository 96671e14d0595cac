//! Tenzik runs tiny WebAssembly capsules, JSON in and JSON out, and leaves signed receipts that anyone can re-run.
pub mod capability;
pub mod config;
pub mod execution;
pub mod json;
pub mod limits;
pub mod outcome;
pub mod pipeline;
pub mod receipts;
pub mod replay;
pub mod rules;
pub mod sandbox;
pub mod validation;
