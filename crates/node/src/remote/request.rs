//! What another node is asked, and what its receipt must then be about.
//!
//! Enters: a job. Leaves: the body of a request, and the request as a receipt names it. Refuses: a system without a clock or
//! chance.

use std::collections::BTreeMap;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tenzik::capability::ABI;
use tenzik::limits::Limits;
use tenzik::metering::METERING;
use tenzik::router::{Capsule, Code, Limit};
use tenzik::rules::{Metering, rules};
use tenzik_receipt::{Blake3, Disclosed, Int, Label, Value, WasmLimits, WasmRequest, to_hex};

use crate::executions::named;
use crate::system::{self, SystemError};
use tenzik::backend::Job;

/// A page of WebAssembly memory.
pub(super) const PAGE_BYTES: u64 = 65_536;
/// For how long an answer may come: longer than any run.
const EXPIRES_S: u64 = 3_600;
/// For how long after the longest run the answer to a program may come: it waits for its place too.
const PROGRAM_EXPIRES_S: u64 = 1_800;

/// A request that is about to be sent.
pub(super) struct Asked {
    pub(super) body: Vec<u8>,
    /// The request as the receipt must name it.
    pub(super) request: WasmRequest,
    /// The challenge that the receipt must answer, and to whom.
    pub(super) challenge: [u8; 32],
    pub(super) audience: Label,
}

impl Asked {
    pub(super) fn new(job: &Job<'_>, audience: &Label) -> Result<Self, SystemError> {
        let Code::Capsule(capsule) = job.code else {
            // The backend has refused everything else.
            return Err(SystemError::Clock);
        };
        let challenge = *system::random::<32>()?;
        let expires_at = system::now()?.plus_seconds(EXPIRES_S);
        let limits = limits(job, capsule);
        let body = json!({
            "capsule_base64": STANDARD.encode(&capsule.bytes),
            "input_base64": STANDARD.encode(job.input),
            "input_type": job.input_type.name(),
            "grants": capsule.grants.iter().map(|grant| grant.name()).collect::<Vec<_>>(),
            "limits": {
                "fuel": limits.fuel,
                "host_calls": limits.host_calls,
                "memory_pages": limits.memory_pages,
                "output_bytes": limits.output_bytes,
                "time_ms": limits.time_ms,
            },
            "seed": capsule.seed.to_string(),
            "clock_ms": capsule.clock_ms.get(),
            "audience": {
                "name": audience.as_str(),
                "challenge": to_hex(&challenge),
                "expires_at": expires_at.to_string(),
            },
        });
        Ok(Self {
            body: body.to_string().into_bytes(),
            request: request(job, capsule, &limits),
            challenge,
            audience: audience.clone(),
        })
    }
}

/// A program that is about to be sent.
pub(super) struct ProgramAsked {
    pub(super) body: Vec<u8>,
    /// What it is known by at the node: 64 hex digits.
    pub(super) id: String,
    /// What the receipt must say of the request as a whole.
    pub(super) named: Value,
    /// The challenge that the receipt must answer, and to whom.
    pub(super) challenge: [u8; 32],
    pub(super) audience: Label,
}

impl ProgramAsked {
    pub(super) fn new(job: &Job<'_>, audience: &Label, boot: &str) -> Result<Self, SystemError> {
        let Code::Program(program) = job.code else {
            // The backend asks for programs alone.
            return Err(SystemError::Clock);
        };
        let challenge = *system::random::<32>()?;
        let id_bytes = *system::random::<32>()?;
        let id = to_hex(&id_bytes);
        let files: BTreeMap<_, _> = program
            .tree
            .files()
            .iter()
            .map(|(path, file)| {
                let base64 = STANDARD.encode(&file.content);
                (
                    path,
                    json!({"base64": base64, "executable": file.executable}),
                )
            })
            .collect();
        // Every limit by its number: the other node's defaults are not this one's. A default that nothing there can hold is left
        // to the node, which refuses what it is asked for and cannot do. There are no tools there, so that none can be asked for
        // on how many are called; one on chains is harmless, and a part of what the receipt is about.
        let is_sent = |limit: &Limit| match limit {
            Limit::ChainSteps => job.limits.get(*limit) != limit.default_at(job.profile),
            Limit::ToolCalls => false,
            _ => job.claimed.get(*limit) == job.limits.get(*limit),
        };
        let limits: BTreeMap<_, _> = Limit::ALL
            .into_iter()
            .filter(is_sent)
            .map(|limit| (limit.name(), job.limits.get(limit).unwrap_or(0)))
            .collect();
        let run_s = job.limits.get(Limit::WallMs).unwrap_or(0) / 1_000;
        let body = json!({
            "id": id,
            "boot": boot,
            "language": program.language.as_str(),
            "files": files,
            "entrypoint": program.tree.entrypoint(),
            "arguments": program.arguments,
            "environment": program.environment,
            "image": program.image.map(|image| image.to_string()),
            "input_base64": STANDARD.encode(job.input),
            "input_type": job.input_type.name(),
            "limits": limits,
            "profile": job.profile.name(),
            "tenant": job.tenant.map(Label::as_str),
            "audience": {
                "name": audience.as_str(),
                "challenge": to_hex(&challenge),
                "expires_at": system::now()?.plus_seconds(run_s + PROGRAM_EXPIRES_S).to_string(),
            },
        });
        let body = body.to_string().into_bytes();
        Ok(Self {
            named: named(&id_bytes, Blake3::of(&body)),
            body,
            id,
            challenge,
            audience: audience.clone(),
        })
    }
}

/// The limits in force: those of the job, where the engine's own defaults are not lower already.
fn limits(job: &Job<'_>, capsule: &Capsule) -> Limits {
    let default = Limits::DEFAULT;
    let at_most = |limit: Option<u64>, most: u32| {
        limit.map_or(most, |limit| {
            u32::try_from(limit).map_or(most, |limit| limit.min(most))
        })
    };
    let left = job.deadline.map(|deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1)
    });
    let time = [job.limits.get(Limit::CpuMs), left]
        .into_iter()
        .flatten()
        .min();
    Limits {
        fuel: capsule.fuel.unwrap_or(default.fuel),
        memory_pages: at_most(
            job.limits
                .get(Limit::MemoryBytes)
                .map(|bytes| bytes / PAGE_BYTES),
            default.memory_pages,
        ),
        output_bytes: at_most(job.limits.get(Limit::OutputBytes), default.output_bytes),
        time_ms: at_most(time, default.time_ms),
        ..default
    }
}

fn request(job: &Job<'_>, capsule: &Capsule, limits: &Limits) -> WasmRequest {
    let grants = capsule
        .grants
        .iter()
        .map(|grant| Label::constant(grant.name()));
    WasmRequest {
        abi: Label::constant(ABI),
        capsule: Blake3::of(&capsule.bytes),
        clock_ms: capsule.clock_ms,
        grants: grants.collect(),
        input: Disclosed::Open(Blake3::of(job.input)),
        input_type: job.input_type,
        limits: WasmLimits {
            fuel: Int::new(limits.fuel).unwrap_or(Int::MAX),
            host_calls: limits.host_calls.into(),
            memory_pages: limits.memory_pages.into(),
            output_bytes: limits.output_bytes.into(),
            stack: Metering::Module.stack().into(),
        },
        metering: Label::constant(METERING),
        policy: None,
        rules: rules(),
        seed: Disclosed::Open(capsule.seed),
    }
}
