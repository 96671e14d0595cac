//! Tenzik runs tiny WebAssembly capsules, JSON in and JSON out, and leaves signed receipts that anyone can re-run.
//!
//! A *capsule* is a WebAssembly module of a few kilobytes that can reach nothing but the functions it was granted. A
//! run of it is deterministic, so its *receipt* is more than a signature: whoever holds the capsule and the input runs
//! it again and compares the claim byte for byte.
//!
//! | you want to | use |
//! |---|---|
//! | run capsules and get receipts | [`pipeline::Pipeline`] |
//! | run many, and share signatures | [`pipeline::Pipeline::run_all`] on one thread, [`receipts::Gatherer`] on many |
//! | run a receipt again | [`replay::Replayer`] |
//! | verify a receipt, without an engine | [`tenzik_receipt::verify()`], in a crate of its own |
//! | know whether a module is a capsule, and all that is wrong with it | [`validation::validate`] |
//! | permit and limit what capsules do | [`config::SecurityConfig`], [`config::RuntimeConfig`] |
//! | run without signing | [`sandbox::Sandbox`] and [`execution::Executor`], the pipeline's stages |
//! | know what a capsule may import, and the price | [`capability::IMPORTS`] |
//!
//! # The pipeline
//!
//! ```text
//! bytes ──validation──▶ ValidatedCapsule ──sandbox──▶ BoundCapsule ──execution──▶ Outcome ──receipts──▶ SignedReceipt
//!         size, shape,     (capsule id)     grants ∩    (terms:       metered,     (ending,    claim,
//!         exports,                          policy,      nothing      limited       usage)     signature
//!         imports                           limits       left open)
//! ```
//!
//! Each stage takes the type that only the stage before it makes, so none can be skipped. A stage that refuses ends the
//! way, and the refusal gets a receipt too.
//!
//! # Example
//!
//! A receipt is made, verified and run again. The key and the epoch are random bytes of the system's in real code;
//! `examples/minimal.rs` has that too.
//!
//! ```
//! use tenzik::capability::Capability;
//! use tenzik::config::{RuntimeConfig, SecurityConfig};
//! use tenzik::outcome::Request;
//! use tenzik::pipeline::{Order, Pipeline};
//! use tenzik::receipts::{Circumstances, Sealer};
//! use tenzik::replay::{Evidence, Replay, Replayer};
//! use tenzik::sandbox::Terms;
//! use tenzik_receipt::{Epoch, Expectations, KeyUse, SecretKey, Trust, verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let read = |file| std::fs::read(format!("{}/capsules/order-total/{file}", env!("CARGO_MANIFEST_DIR")));
//! let (capsule, input) = (read("order-total.wasm")?, read("example.json")?);
//!
//! let now = "2026-11-20T08:00:00Z".parse()?;
//! let key = SecretKey::from_seed(&[7; 32], KeyUse::Receipt, now);
//! let trust = Trust::in_receipts_of(key.public())?;
//! let sealer = Sealer::new(key, Epoch::from_bytes([1; 16]))?;
//! let pipeline = Pipeline::new(&SecurityConfig::default(), &RuntimeConfig::development(), sealer)?;
//!
//! // The node's side: a run with its receipt.
//! let order = Order {
//!     capsule: capsule.clone().into(),
//!     terms: Terms { grants: Capability::Json.into(), ..Terms::default() },
//!     request: Request::json(input.clone()),
//! };
//! let run = pipeline.run(&order, Circumstances::at(now))?;
//! assert_eq!(run.outcome.output(), Some(&read("expected.json")?[..]));
//!
//! // The verifier's side: whose word is it, and is it about this input and output?
//! let receipt = run.receipt.to_bytes();
//! let expected = Expectations {
//!     input: Some(&input),
//!     output: run.outcome.output(),
//!     ..Expectations::default()
//! };
//! let verified = verify(&receipt, &trust, now, &expected).into_verified().map_err(|_| "it does not pass")?;
//!
//! // Anyone's: is it true?
//! let evidence = Evidence { capsule: &capsule, input: &input, secret: None, seed: None, transcript: None };
//! let replay = Replayer::new(10_000)?.replay(verified.receipt().claim(), &evidence)?;
//! assert_eq!(replay, Replay::Same);
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! | module | what it holds |
//! |---|---|
//! | [`pipeline`] | the whole way: validate, bind, execute, seal |
//! | [`validation`] | bytes become a [`validation::ValidatedCapsule`], or everything that is wrong with them |
//! | [`sandbox`] | a capsule and the terms asked for become a [`sandbox::BoundCapsule`] |
//! | [`execution`] | a bound capsule and a request become an [`outcome::Outcome`]; the only part that knows the engine |
//! | [`receipts`] | an outcome becomes a signed receipt |
//! | [`replay`] | a claim, capsule and input become "the same" or the first member that differs |
//! | [`router`], [`backend`] | a request becomes a run on a backend that can hold what its profile promises, and a receipt |
//! | [`gateway`] | the one door from executed code to tools, in process or by a stream, and the transcript of what went through |
//! | [`capability`] | capabilities and the host functions that each opens: one table |
//! | [`config`], [`limits`] | what a host permits and spends; what a run may use |
//! | [`outcome`] | a run's request, ending and usage |
//! | [`observation`] | what an author sees of a run that [`execution::Observer`] ran again |
//! | [`rules`] | the normative tables, their digest, and the metering's name |
//! | [`json`] | strict JSON, source spans, number forms and paths |
//!
//! The library is synchronous, reads no clock for a claim or a date, and opens no file but those of the directory for compiled
//! code, if it is given one. In the repository, `docs/` has the normative texts: `abi.md` for capsules, `receipt.md` for
//! receipts, `determinism.md` and `threat-model.md` for what both are worth.

#![deny(unsafe_code)]

pub mod backend;
pub mod capability;
pub mod config;
pub mod control;
pub mod execution;
pub mod gateway;
pub mod json;
pub mod limits;
pub mod metering;
pub mod observation;
pub mod outcome;
pub mod pipeline;
pub mod queue;
pub mod receipts;
pub mod replay;
pub mod router;
pub mod rules;
pub mod sandbox;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod validation;
