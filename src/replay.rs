//! Replay: run a receipt again, and compare the whole claim.
//!
//! Enters: a receipt's claim, the capsule, the input; for a private run, also its secret and seed.
//! Leaves: [`Replay::Same`], or the first member that differs.
//! Refuses: claims that nobody can re-run (another kind, `aborted`), and those that this engine cannot: other rules, another
//! metering, another capsule than was given. A refusal is never a finding against the node.
//!
//! Limits, grants, clock and seed are the claim's, never this host's. Whether the receipt's signature holds is
//! not asked here; see [`verify`](tenzik_receipt::verify()).

use std::fmt;
use std::sync::{Arc, OnceLock};

use tenzik_receipt::{Blake3, Claim, Disclosed, PrivateMember, RunSecret, Seed, Status, WasmClaim};

use crate::capability::{ABI, Grants, UnknownCapability};
use crate::config::{Allocation, Engines, RuntimeConfig, SecurityConfig};
use crate::execution::{EngineError, ExecuteError, Executor};
use crate::gateway::{Tools, Transcript, Unlike};
use crate::limits::{Limits, LimitsAsked};
use crate::outcome::{Outcome, Request};
use crate::receipts::wasm_claim;
use crate::rules::Metering;
use crate::sandbox::{BindError, Sandbox, Terms};
use crate::validation::{Rejection, ValidationConfig, validate, validate_at_any_cost};

/// What a replay is made of, beside the claim.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The capsule's bytes.
    pub capsule: &'a [u8],
    /// The input's bytes.
    pub input: &'a [u8],
    /// The secret of a private run.
    pub secret: Option<&'a RunSecret>,
    /// The seed of a private run. Of an open one it stands in the claim.
    pub seed: Option<Seed>,
    /// What its tools were asked and answered, of a run that called any. They are not called again.
    pub transcript: Option<&'a Transcript>,
}

/// What a replay found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The run gave another claim.
    Differs(Difference),
    /// The run gave the same claim, byte for byte.
    Same,
}

/// The first member, in canonical order, that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The member.
    pub member: &'static str,
    /// What the receipt claims, as canonical JSON; of `transcript`, the first request that differs, or the root.
    pub claimed: String,
    /// What the run gave, as canonical JSON.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: the receipt claims {}, the run gave {}",
            self.member, self.claimed, self.found
        )
    }
}

/// Why nothing was compared. None of these says anything about the node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The run was aborted here, by this host's clock or memory.
    #[error("the run was aborted here; that says nothing of the receipt")]
    Aborted,
    /// The capsule cannot be bound to the claim's terms.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There is no engine to be had for the claim's metering.
    #[error("{reason}")]
    Engine {
        /// Why.
        reason: String,
    },
    /// The capsule or the input cannot be run.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// A grant in the claim is not known.
    #[error(transparent)]
    Grant(#[from] UnknownCapability),
    /// The capsule is not valid under these rules.
    #[error(transparent)]
    Invalid(#[from] Arc<Rejection>),
    /// The claim is of a kind or status that nobody can re-run.
    #[error("a claim of kind {kind} and status {status} cannot be run again")]
    NotReplayable {
        /// Its kind.
        kind: &'static str,
        /// Its status.
        status: &'static str,
    },
    /// The run was private, and what opens it was not given.
    #[error("the run is private; its secret and its seed are needed")]
    Private,
    /// The run called tools, and the transcript of that was not given.
    #[error("the run called tools; its transcript is needed")]
    Transcript,
    /// The claim was made under tables or units that this engine does not have.
    #[error("the claim's {member} is {claimed}; this engine has {known}")]
    Unknown {
        /// Which member.
        member: &'static str,
        /// What the claim says.
        claimed: String,
        /// What this engine has.
        known: String,
    },
    /// What was given is not what the claim is about.
    #[error("the {what} that was given is not the claim's")]
    WrongEvidence {
        /// The capsule, the input, the seed or the transcript.
        what: &'static str,
    },
}

/// The largest capsule and input that are replayed: the claim's node may have allowed more than the default.
const BYTES_MAX: u32 = 1024 * 1024 * 1024;

/// The most memory and output that a replay takes of this host. A claim of more is "cannot tell" here, like one whose run
/// takes too long.
const MEMORY_PAGES_MAX: u32 = 4_096;
/// How much of a request to a tool is told.
const REQUEST_CHARS_MAX: usize = 512;
const OUTPUT_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// Re-runs claims. Nothing of the host's own policy goes into a replay but its patience.
pub struct Replayer {
    module: Engine,
    /// Set up when the first receipt of old comes.
    engine_fuel: OnceLock<Engine>,
    time_ms_max: u32,
}

/// What runs the claims of one metering.
struct Engine {
    executor: Executor,
    sandbox: Sandbox,
    metering: Metering,
}

impl Replayer {
    /// A replayer that gives each run so many milliseconds, and the work of one host call more at most.
    ///
    /// # Errors
    /// [`EngineError`] if there is no engine to be had.
    pub fn new(time_ms_max: u32) -> Result<Self, EngineError> {
        Self::on(Engines::Wasmtime, time_ms_max)
    }

    /// The same, on this engine. Claims of an engine's own metering are run on that engine, whatever is asked for.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on(engines: Engines, time_ms_max: u32) -> Result<Self, EngineError> {
        Ok(Self {
            module: Engine::new(Metering::Module, engines)?,
            engine_fuel: OnceLock::new(),
            time_ms_max,
        })
    }

    fn engine(&self, metering: Metering) -> Result<&Engine, ReplayError> {
        if metering == Metering::Module {
            return Ok(&self.module);
        }
        if let Some(engine) = self.engine_fuel.get() {
            return Ok(engine);
        }
        // Two at once may both set one up; the later is dropped.
        let engine =
            Engine::new(metering, Engines::Wasmtime).map_err(|error| ReplayError::Engine {
                reason: error.to_string(),
            })?;
        Ok(self.engine_fuel.get_or_init(|| engine))
    }

    /// Runs a claim again and compares.
    ///
    /// # Errors
    /// [`ReplayError`] if there is nothing to compare.
    pub fn replay(&self, claim: &Claim, evidence: &Evidence<'_>) -> Result<Replay, ReplayError> {
        let claim = replayable(claim)?;
        let engine = self.engine(known(claim)?)?;
        let request = request(claim, evidence)?;
        let tools = recorded(claim, evidence)?;
        let outcome = self.run(engine, claim, evidence, &request, tools)?;
        if let Some(unlike) = &outcome.called.unlike {
            return Ok(Replay::Differs(other_request(unlike)));
        }
        if outcome.status() == Status::Aborted {
            return Err(ReplayError::Aborted);
        }
        // An open claim has nothing that a secret would open.
        let secret = evidence.secret.filter(|_| claim.is_private());
        let found = wasm_claim(&outcome, secret);
        Ok(compare(claim, &found))
    }

    fn run(
        &self,
        engine: &Engine,
        claim: &WasmClaim,
        evidence: &Evidence<'_>,
        request: &Request,
        tools: Tools,
    ) -> Result<Outcome, ReplayError> {
        let config = ValidationConfig {
            capsule_bytes_max: BYTES_MAX,
        };
        let capsule = match engine.metering {
            Metering::EngineFuel => validate_at_any_cost(evidence.capsule, &config),
            _ => validate(evidence.capsule, &config),
        };
        let capsule = capsule.map_err(Arc::new)?;
        let bound = engine.sandbox.bind(capsule, &self.terms(claim, tools)?)?;
        Ok(engine.executor.execute(&bound, request)?)
    }

    fn terms(&self, claim: &WasmClaim, tools: Tools) -> Result<Terms, ReplayError> {
        let grants = claim
            .grants
            .as_slice()
            .iter()
            .map(|name| name.as_str().parse());
        // What does not fit is above the ceiling, and so refused.
        let narrow = |number: tenzik_receipt::Int| u32::try_from(number.get()).unwrap_or(u32::MAX);
        Ok(Terms {
            grants: grants.collect::<Result<_, _>>()?,
            limits: LimitsAsked {
                fuel: Some(claim.limits.fuel.get()),
                host_calls: Some(narrow(claim.limits.host_calls)),
                memory_pages: Some(narrow(claim.limits.memory_pages)),
                output_bytes: Some(narrow(claim.limits.output_bytes)),
                time_ms: Some(self.time_ms_max),
            },
            policy: claim.policy,
            tools: Some(tools),
        })
    }
}

impl Engine {
    fn new(metering: Metering, engines: Engines) -> Result<Self, EngineError> {
        let security = SecurityConfig {
            allowed_capabilities: Grants::all(),
            capsule_bytes_max: BYTES_MAX,
            input_bytes_max: BYTES_MAX,
            limits_max: Limits {
                fuel: u64::MAX,
                host_calls: u32::MAX - 1,
                memory_pages: MEMORY_PAGES_MAX,
                output_bytes: OUTPUT_BYTES_MAX,
                time_ms: u32::MAX,
            },
            ..SecurityConfig::default()
        };
        // A pool would set aside the largest memory for each slot; a replay is seldom enough to map its own.
        let runtime = RuntimeConfig {
            allocation: Allocation::OnDemand,
            engines,
            ..RuntimeConfig::default()
        };
        Ok(Self {
            executor: Executor::with_metering(&security, &runtime, metering)?,
            sandbox: Sandbox::new(&security, &runtime).with_metering(metering),
            metering,
        })
    }
}

fn replayable(claim: &Claim) -> Result<&WasmClaim, ReplayError> {
    match claim {
        Claim::Wasm(wasm) if claim.is_replayable() => Ok(wasm),
        _ => Err(ReplayError::NotReplayable {
            kind: claim.kind(),
            status: claim.status(),
        }),
    }
}

/// Whether this engine has the claim's tables and units.
pub fn is_known(claim: &WasmClaim) -> bool {
    known(claim).is_ok()
}

/// The metering of a claim whose tables this engine has.
fn known(claim: &WasmClaim) -> Result<Metering, ReplayError> {
    let check = |member, claimed: String, known: String| {
        if claimed == known {
            return Ok(());
        }
        Err(ReplayError::Unknown {
            member,
            claimed,
            known,
        })
    };
    check("abi", claim.abi.to_string(), ABI.to_owned())?;
    let label = claim.metering.to_string();
    let metering = Metering::ALL.into_iter().find(|one| one.label() == label);
    let Some(metering) = metering else {
        return Err(ReplayError::Unknown {
            member: "metering",
            claimed: label,
            known: Metering::ALL.map(Metering::label).join(" and "),
        });
    };
    check(
        "rules",
        claim.rules.to_string(),
        metering.rules().to_string(),
    )?;
    let stack = claim.limits.stack.to_string();
    check("limits.stack", stack, metering.stack().to_string())?;
    Ok(metering)
}

/// The request of the claim, from what was given; what was given must be what the claim commits to.
fn request(claim: &WasmClaim, evidence: &Evidence<'_>) -> Result<Request, ReplayError> {
    let require = |holds, what| {
        if holds {
            return Ok(());
        }
        Err(ReplayError::WrongEvidence { what })
    };
    require(Blake3::of(evidence.capsule) == claim.capsule, "capsule")?;
    let seed = match (&claim.seed, evidence.seed, evidence.secret) {
        (Disclosed::Open(seed), ..) => *seed,
        (Disclosed::Keyed(keyed), Some(seed), Some(secret)) => {
            require(
                secret.commit_value(PrivateMember::Seed, &seed) == *keyed,
                "seed",
            )?;
            seed
        }
        (Disclosed::Keyed(_), ..) => return Err(ReplayError::Private),
    };
    let input = match (&claim.input, evidence.secret) {
        (Disclosed::Open(digest), _) => *digest == Blake3::of(evidence.input),
        (Disclosed::Keyed(keyed), Some(secret)) => {
            *keyed == secret.commit(PrivateMember::Input, evidence.input)
        }
        (Disclosed::Keyed(_), None) => return Err(ReplayError::Private),
    };
    require(input, "input")?;
    Ok(Request {
        input: Arc::from(evidence.input),
        input_type: claim.input_type,
        clock_ms: claim.clock_ms,
        seed,
    })
}

/// The tools of the claim's run: what its transcript has, which must be what the claim commits to.
fn recorded(claim: &WasmClaim, evidence: &Evidence<'_>) -> Result<Tools, ReplayError> {
    let Some(claimed) = &claim.transcript else {
        return Ok(Tools::recorded(&Transcript::default()));
    };
    let transcript = evidence.transcript.ok_or(ReplayError::Transcript)?;
    let root = transcript.root();
    let holds = match (claimed, evidence.secret) {
        (Disclosed::Open(claimed), _) => root == Some(*claimed),
        (Disclosed::Keyed(keyed), Some(secret)) => {
            let commit = |root| secret.commit_value(PrivateMember::Transcript, &root);
            root.map(commit) == Some(*keyed)
        }
        (Disclosed::Keyed(_), None) => return Err(ReplayError::Private),
    };
    match holds {
        true => Ok(Tools::recorded(transcript)),
        false => Err(ReplayError::WrongEvidence { what: "transcript" }),
    }
}

/// The run asked its tools something else than the claim's transcript says.
fn other_request(unlike: &Unlike) -> Difference {
    let text = |operation| shown(&serde_json::to_string(operation).unwrap_or_default());
    Difference {
        member: "transcript",
        claimed: unlike.recorded.as_ref().map_or("null".to_owned(), text),
        found: text(&unlike.asked),
    }
}

/// A capsule's words: cut, and without what a terminal would obey.
fn shown(text: &str) -> String {
    let cut = text.chars().take(REQUEST_CHARS_MAX);
    let plain = |c: char| match c {
        ' '..='~' => c.to_string(),
        other => other.escape_unicode().to_string(),
    };
    cut.map(plain).collect()
}

fn compare(claimed: &WasmClaim, found: &WasmClaim) -> Replay {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    claimed
        .members()
        .zip(found.members())
        .find(|(claimed, found)| claimed != found)
        .map_or(Replay::Same, |((member, claimed), (_, found))| {
            Replay::Differs(Difference {
                member,
                claimed: text(claimed),
                found: text(found),
            })
        })
}
