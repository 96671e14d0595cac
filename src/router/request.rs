//! What a caller wants run through the router, and what it gets.
//!
//! Enters: code with its input, limits and profile. Leaves: an [`Execution`] with its receipt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tenzik_receipt::{InputType, Int, Label, Profile, Seed, Sha256, SignedReceipt, Value};

use super::code::CodeTree;
use super::limits::{Held, LimitsAsked, PerLimit};
use crate::backend::{Captured, Ended, Isolation, Readiness};
use crate::capability::Grants;
use crate::gateway::{ToolGateway, Transcript};

/// The language of a capsule.
pub static WASM: Label = Label::constant("wasm");

/// What is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// A WebAssembly module, as `docs/abi.md` has them.
    Capsule(Capsule),
    /// Anything else.
    Program(Program),
}

impl Code {
    /// What it is written in; a capsule's language is [`WASM`].
    pub fn language(&self) -> &Label {
        match self {
            Self::Capsule(_) => &WASM,
            Self::Program(program) => &program.language,
        }
    }

    /// Whether there is nothing in what is run.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Capsule(capsule) => capsule.bytes.is_empty(),
            Self::Program(program) => program.tree.entry().is_empty(),
        }
    }
}

/// A capsule with what it is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capsule {
    /// The module's bytes.
    pub bytes: Arc<[u8]>,
    /// What it may import.
    pub grants: Grants,
    /// Its fuel; `None` is the host's default.
    pub fuel: Option<u64>,
    /// Its clock, in milliseconds since 1970.
    pub clock_ms: Int,
    /// The key of its random bytes.
    pub seed: Seed,
}

impl Capsule {
    /// A capsule that is granted nothing, with clock 0 and seed 0.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            bytes: bytes.into(),
            grants: Grants::none(),
            fuel: None,
            clock_ms: Int::ZERO,
            seed: Seed::from_bytes([0; 32]),
        }
    }
}

/// Code that is no capsule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it is written in, such as `javascript`, `typescript` or `shell`.
    pub language: Label,
    /// Its files.
    pub tree: CodeTree,
    /// The image that it runs in, by digest; for backends that have images. `None` is the backend's own.
    pub image: Option<Sha256>,
    /// Arguments for it, behind the entrypoint.
    pub arguments: Vec<String>,
    /// Its environment variables. There are no others but those that a backend documents.
    pub environment: BTreeMap<String, String>,
}

impl Program {
    /// Holds arguments and environment against what every system can pass on.
    pub(super) fn check(&self) -> Result<(), String> {
        let bytes =
            |texts: &mut dyn Iterator<Item = &String>| texts.map(String::len).sum::<usize>();
        let total = bytes(&mut self.arguments.iter())
            + bytes(&mut self.environment.keys())
            + bytes(&mut self.environment.values());
        let texts = self.arguments.iter().chain(self.environment.values());
        if total > WORDS_BYTES_MAX || texts.clone().any(|text| text.contains('\0')) {
            return Err(format!(
                "arguments and environment have {WORDS_BYTES_MAX} bytes at most, and no zero byte"
            ));
        }
        let named = |name: &&String| !is_variable(name);
        match self.environment.keys().find(named) {
            Some(name) => Err(format!(
                "the environment variable {:?} has no plain name",
                name.chars().take(64).collect::<String>()
            )),
            None => Ok(()),
        }
    }

    /// A program without arguments, environment and image.
    pub const fn new(language: Label, tree: CodeTree) -> Self {
        Self {
            language,
            tree,
            image: None,
            arguments: Vec::new(),
            environment: BTreeMap::new(),
        }
    }
}

/// The most bytes of arguments and environment together.
const WORDS_BYTES_MAX: usize = 64 * 1024;

fn is_variable(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.len() <= 128
        && !name.is_empty()
        && name.bytes().all(plain)
        && !name.as_bytes()[0].is_ascii_digit()
}

/// What a caller wants run.
#[derive(Clone)]
pub struct ExecuteRequest {
    /// The code.
    pub code: Code,
    /// The exact input bytes.
    pub input: Arc<[u8]>,
    /// Whether input and output are strict JSON or any bytes.
    pub input_type: InputType,
    /// Limits. By default those of the profile.
    pub limits: LimitsAsked,
    /// What the run must at least be isolated like. There is no default: a weak one would be taken by mistake.
    pub profile: Profile,
    /// The backend, by name. `None` is the first that is registered, can run it and is ready.
    pub backend: Option<Label>,
    /// The tools that it may use. `None` is none.
    pub gateway: Option<Arc<dyn ToolGateway>>,
    /// For whom it runs. What is kept warm for one tenant serves no other. Requests without one are of the same tenant: whoever
    /// serves strangers names one for each.
    pub tenant: Option<Label>,
    /// What else shall stand in the receipt, as the extension `metadata`: in that of a run and in that of a refusal.
    pub metadata: BTreeMap<Label, Value>,
}

impl ExecuteRequest {
    /// A JSON request at a profile, without tools.
    pub fn new(code: Code, input: impl Into<Arc<[u8]>>, profile: Profile) -> Self {
        Self {
            code,
            input: input.into(),
            input_type: InputType::Json,
            limits: LimitsAsked::default(),
            profile,
            backend: None,
            gateway: None,
            tenant: None,
            metadata: BTreeMap::new(),
        }
    }
}

/// A run that came to an end, with its receipt.
#[derive(Clone, Debug)]
pub struct Execution {
    /// How it ended. The result is in [`Ended::Ok`].
    pub ended: Ended,
    /// The first bytes of standard output. The result is never taken from it.
    pub stdout: Captured,
    /// The first bytes of standard error.
    pub stderr: Captured,
    /// What went through the gateway; empty without one.
    pub transcript: Transcript,
    /// How many tools were called.
    pub tool_calls: u32,
    /// How long the code ran.
    pub wall: Duration,
    /// The backend's name.
    pub backend: Label,
    /// What it ran on, with version, by the backend's word on this run.
    pub version: Label,
    /// What the last probe before this run said, which may be a minute old. The capsule path is always ready.
    pub readiness: Readiness,
    /// The profile that was in force.
    pub profile: Profile,
    /// The limits as they were asked for.
    pub asked: LimitsAsked,
    /// What was done about each limit, and seen of it.
    pub limits: PerLimit<Held>,
    /// What was seen of its isolation.
    pub isolation: Isolation,
    /// The node's word on all of it.
    pub receipt: SignedReceipt,
}

impl Execution {
    /// The result, if there is one.
    pub fn value(&self) -> Option<&[u8]> {
        match &self.ended {
            Ended::Ok(value) => Some(value),
            _ => None,
        }
    }
}
