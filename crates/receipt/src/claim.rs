//! The claim: what ran and what came of it. For kind `wasm`, a re-run must give these bytes.
//!
//! Enters: digests, limits and figures of one run, or a receipt's `claim` member.
//! Leaves: a [`Claim`], its canonical bytes, its [`ClaimId`] and [`RequestId`].
//! Refuses: claims that contradict themselves (an output beside a failure, open figures beside
//! private ones); see [`WasmClaim::check`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::canonical::{Decode, Encode, Int, Label, ReadError, Reader, Sorted, names, object};
use crate::digest::{Blake3, Keyed, Seed, Sha256};
use crate::id::{ClaimId, RequestId};

names! {
    /// How a capsule's run ended.
    Status, "a status" {
        /// The run was stopped by something that a re-run need not meet: wall clock, memory, the host.
        Aborted = "aborted",
        /// The capsule said that it failed.
        Failed = "failed",
        /// The output is not strict JSON although the request's type is `json`.
        InvalidOutput = "invalid_output",
        /// The capsule ended well.
        Ok = "ok",
        /// The fuel limit was reached.
        OutOfFuel = "out_of_fuel",
        /// The stack limit was reached.
        OutOfStack = "out_of_stack",
        /// The output limit was reached.
        OutputTooLarge = "output_too_large",
        /// The host-call limit was reached.
        TooManyCalls = "too_many_calls",
        /// The capsule trapped.
        Trapped = "trapped",
    }
}

impl Status {
    /// Whether a re-run must give the same claim.
    pub const fn is_deterministic(self) -> bool {
        !matches!(self, Self::Aborted)
    }
}

names! {
    /// How a run on a backend that is not deterministic ended.
    AttestedStatus, "a status of an attested run" {
        /// The host failed.
        Aborted = "aborted",
        /// The code said that it failed.
        Failed = "failed",
        /// A limit was reached; `detail.code` names it.
        LimitReached = "limit_reached",
        /// The code ended well.
        Ok = "ok",
        /// The wall-clock limit was reached.
        TimedOut = "timed_out",
    }
}

names! {
    /// How input and output are read.
    InputType, "json or bytes" {
        /// Anything; never checked.
        Bytes = "bytes",
        /// Strict JSON, on both sides.
        Json = "json",
    }
}

names! {
    /// The stage that refused a request.
    Stage, "a stage" {
        /// Checking the request against the caller's policy.
        Binding = "binding",
        /// Compiling the capsule.
        Compilation = "compilation",
        /// Reading the input.
        Input = "input",
        /// Choosing a backend.
        Routing = "routing",
        /// Checking the capsule.
        Validation = "validation",
    }
}

/// Defines the marker of one claim kind: a type whose only canonical form is that kind's name.
macro_rules! kind {
    ($(#[$meta:meta])* $name:ident, $text:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(concat!("\"", $text, "\"").as_bytes());
            }
        }

        impl Decode for $name {
            fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
                reader.expect(concat!("\"", $text, "\""), concat!("the kind ", $text))?;
                Ok(Self)
            }
        }
    };
}

kind!(
    /// The kind `wasm`: a capsule ran, and anyone can run it again.
    WasmKind, "wasm"
);
kind!(
    /// The kind `attested`: other code ran, and the node vouches for it alone.
    AttestedKind, "attested"
);
kind!(
    /// The kind `refused`: nothing ran.
    RefusedKind, "refused"
);

/// A value that is open, or in a private run a keyed commitment to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclosed<T> {
    /// A commitment that only the holder of the run's secret can check.
    Keyed(Keyed),
    /// The value itself.
    Open(T),
}

impl<T> Disclosed<T> {
    /// Whether the value is a keyed commitment.
    pub const fn is_keyed(&self) -> bool {
        matches!(self, Self::Keyed(_))
    }

    /// The value, if it is open.
    pub const fn open(&self) -> Option<&T> {
        match self {
            Self::Keyed(_) => None,
            Self::Open(value) => Some(value),
        }
    }
}

impl<T: Encode> Encode for Disclosed<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Keyed(keyed) => keyed.encode(out),
            Self::Open(value) => value.encode(out),
        }
    }
}

impl<T: Decode> Decode for Disclosed<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        if reader.peek("\"blake3-keyed:") {
            return Keyed::decode(reader).map(Self::Keyed);
        }
        T::decode(reader).map(Self::Open)
    }
}

object! {
    /// Why a run did not end well.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub Detail {
        /// A code of `docs/abi.md`, such as `exit:3`, `divide_by_zero` or `time_limit`.
        "code" => code: Label,
        /// The digest of the capsule's own message, if it gave one.
        "message" => message: Option<Blake3>,
    }
}

object! {
    /// The limits of a capsule's run. All of them are part of the claim.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub WasmLimits {
        /// Fuel, in units of the claim's `metering`.
        "fuel" => fuel: Int,
        /// How many host calls.
        "host_calls" => host_calls: Int,
        /// How many pages of 64 KiB.
        "memory_pages" => memory_pages: Int,
        /// How many bytes of output.
        "output_bytes" => output_bytes: Int,
        /// Stack depth, in units of the claim's `metering`.
        "stack" => stack: Int,
    }
}

/// How often each host function was called, by name; those never called do not stand here.
pub type HostCalls = BTreeMap<Label, Int>;

object! {
    /// A capsule's run. Shape and meaning of each member: `docs/receipt.md`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub WasmClaim {
        /// `tenzik_v1`
        "abi" => abi: Label,
        /// The module's bytes.
        "capsule" => capsule: Blake3,
        /// The run's clock, in milliseconds since 1970.
        "clock_ms" => clock_ms: Int,
        /// Why it did not end well; absent if it did.
        "detail" => detail: Option<Disclosed<Detail>>,
        /// Fuel used; absent if aborted.
        "fuel" => fuel: Option<Disclosed<Int>>,
        /// Granted capabilities.
        "grants" => grants: Sorted<Label>,
        /// Host calls by name, the failing one counted; absent if aborted.
        "host_calls" => host_calls: Option<Disclosed<HostCalls>>,
        /// The exact input bytes.
        "input" => input: Disclosed<Blake3>,
        /// How input and output are read.
        "input_type" => input_type: InputType,
        /// `wasm`
        "kind" => kind: WasmKind,
        /// What the run was limited to.
        "limits" => limits: WasmLimits,
        /// The most memory pages at any time; absent if aborted.
        "memory_pages_peak" => memory_pages_peak: Option<Disclosed<Int>>,
        /// Whose fuel and stack units these are.
        "metering" => metering: Label,
        /// The exact output bytes; absent unless the status is `ok`.
        "output" => output: Option<Disclosed<Blake3>>,
        /// The policy that the request was checked against, if one is named.
        "policy" => policy: Option<Blake3>,
        /// The normative tables: `docs/rules.json`.
        "rules" => rules: Blake3,
        /// The key of the run's random bytes.
        "seed" => seed: Disclosed<Seed>,
        /// How it ended.
        "status" => status: Status,
        /// The Merkle root over the tool calls; absent if there was none.
        "transcript" => transcript: Option<Disclosed<Sha256>>,
    }
}

impl WasmClaim {
    /// Whether the input is committed to under a secret; then everything that could tell of it is.
    pub const fn is_private(&self) -> bool {
        self.input.is_keyed()
    }

    /// Holds the claim against the rules of `docs/receipt.md`.
    ///
    /// # Errors
    /// [`ReadError::Contradiction`] with the first rule that is broken.
    pub fn check(&self) -> Result<(), ReadError> {
        let ok = self.status == Status::Ok;
        require(
            ok == self.output.is_some(),
            "there is an output exactly where the status is ok",
        )?;
        let explained = matches!(
            self.status,
            Status::Aborted | Status::Failed | Status::Trapped
        );
        require(
            explained == self.detail.is_some(),
            "there is a detail exactly where the status is aborted, failed or trapped",
        )?;
        let aborted = self.status == Status::Aborted;
        let figures = [
            self.fuel.is_some(),
            self.host_calls.is_some(),
            self.memory_pages_peak.is_some(),
        ];
        require(
            figures == [!aborted; 3],
            "there are figures exactly where the status is not aborted",
        )?;
        self.check_privacy()?;
        self.check_fuel()?;
        self.check_memory()?;
        self.check_host_calls()
    }

    fn check_privacy(&self) -> Result<(), ReadError> {
        let keyed = [
            self.detail.as_ref().map(Disclosed::is_keyed),
            self.fuel.as_ref().map(Disclosed::is_keyed),
            self.host_calls.as_ref().map(Disclosed::is_keyed),
            self.memory_pages_peak.as_ref().map(Disclosed::is_keyed),
            self.output.as_ref().map(Disclosed::is_keyed),
            Some(self.seed.is_keyed()),
            self.transcript.as_ref().map(Disclosed::is_keyed),
        ];
        require(
            keyed
                .into_iter()
                .flatten()
                .all(|keyed| keyed == self.is_private()),
            "either all private members are keyed or none",
        )
    }

    fn check_fuel(&self) -> Result<(), ReadError> {
        let Some(Disclosed::Open(fuel)) = self.fuel else {
            return Ok(());
        };
        require(fuel <= self.limits.fuel, "fuel used is within its limit")?;
        let exact = matches!(self.status, Status::Ok | Status::Failed);
        require(
            exact || fuel == self.limits.fuel,
            "a run that neither ended well nor said that it failed used all its fuel",
        )
    }

    fn check_memory(&self) -> Result<(), ReadError> {
        let Some(Disclosed::Open(peak)) = self.memory_pages_peak else {
            return Ok(());
        };
        require(
            peak <= self.limits.memory_pages,
            "the most memory pages are within their limit",
        )
    }

    fn check_host_calls(&self) -> Result<(), ReadError> {
        let Some(Disclosed::Open(calls)) = &self.host_calls else {
            return Ok(());
        };
        require(
            calls.values().all(|count| *count > Int::ZERO),
            "a host function that was not called is not counted",
        )?;
        let counts = calls.values().map(|count| count.get());
        let total = counts.fold(0, u64::saturating_add);
        // The call that breaks the limit is counted too.
        let over = u64::from(self.status == Status::TooManyCalls);
        let limit = self.limits.host_calls.get() + over;
        require(
            total == limit || over == 0 && total < limit,
            "host calls are within their limit, and one beyond it where that ended the run",
        )
    }

    /// The identity of what was asked: equal for every honest answer to the same request.
    pub fn request_id(&self) -> RequestId {
        RequestId::of(&WasmRequest {
            abi: self.abi.clone(),
            capsule: self.capsule,
            clock_ms: self.clock_ms,
            grants: self.grants.clone(),
            input: self.input,
            input_type: self.input_type,
            limits: self.limits,
            metering: self.metering.clone(),
            policy: self.policy,
            rules: self.rules,
            seed: self.seed,
        })
    }
}

object! {
    /// What a capsule's run is asked to be: the claim's input side.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub WasmRequest {
        /// `tenzik_v1`
        "abi" => abi: Label,
        /// The module's bytes.
        "capsule" => capsule: Blake3,
        /// The run's clock, in milliseconds since 1970.
        "clock_ms" => clock_ms: Int,
        /// Granted capabilities.
        "grants" => grants: Sorted<Label>,
        /// The exact input bytes.
        "input" => input: Disclosed<Blake3>,
        /// How input and output are read.
        "input_type" => input_type: InputType,
        /// What the run is limited to.
        "limits" => limits: WasmLimits,
        /// Whose fuel and stack units these are.
        "metering" => metering: Label,
        /// The policy that the request is checked against, if one is named.
        "policy" => policy: Option<Blake3>,
        /// The normative tables.
        "rules" => rules: Blake3,
        /// The key of the run's random bytes.
        "seed" => seed: Disclosed<Seed>,
    }
}

impl WasmRequest {
    /// The identity of what is asked: that of every claim that answers it.
    pub fn id(&self) -> RequestId {
        RequestId::of(self)
    }
}

object! {
    /// A request that was refused before anything ran.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub RefusedClaim {
        /// Why: a code of the stage.
        "code" => code: Label,
        /// `refused`
        "kind" => kind: RefusedKind,
        /// What was asked.
        "request" => request: WasmRequest,
        /// Where it ended.
        "stage" => stage: Stage,
    }
}

object! {
    /// What a run on another backend was asked to be.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub AttestedRequest {
        /// The digest of the arguments, as a JSON list.
        "arguments" => arguments: Option<Blake3>,
        /// The code, as a tree.
        "code" => code: Blake3,
        /// Names of the environment variables that were set.
        "environment" => environment: Sorted<Label>,
        /// The image it ran in.
        "image" => image: Option<Sha256>,
        /// The exact input bytes.
        "input" => input: Disclosed<Blake3>,
        /// How input and output are read.
        "input_type" => input_type: InputType,
        /// What the code is written in.
        "language" => language: Label,
        /// The limits by name, each in the unit that ends its name.
        "limits" => limits: BTreeMap<Label, Int>,
        /// The policy that the request was checked against, if one is named.
        "policy" => policy: Option<Blake3>,
        /// The root file system it ran in, as a tree.
        "root_file_system" => root_file_system: Option<Blake3>,
        /// The runtime's executable.
        "runtime" => runtime: Option<Blake3>,
        /// The system-call filter.
        "seccomp" => seccomp: Option<Blake3>,
    }
}

object! {
    /// A run on a backend that is not deterministic.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub AttestedClaim {
        /// Why it did not end well; absent if it did.
        "detail" => detail: Option<Disclosed<Detail>>,
        /// `attested`
        "kind" => kind: AttestedKind,
        /// The exact output bytes; absent unless the status is `ok`.
        "output" => output: Option<Disclosed<Blake3>>,
        /// What was asked.
        "request" => request: AttestedRequest,
        /// How it ended.
        "status" => status: AttestedStatus,
        /// The Merkle root over the tool calls; absent if there was none.
        "transcript" => transcript: Option<Disclosed<Sha256>>,
    }
}

impl AttestedClaim {
    fn check(&self) -> Result<(), ReadError> {
        let ok = self.status == AttestedStatus::Ok;
        require(
            ok == self.output.is_some(),
            "there is an output exactly where the status is ok",
        )?;
        require(
            !ok || self.detail.is_none(),
            "there is no detail where the status is ok",
        )?;
        let keyed = [
            self.detail.as_ref().map(Disclosed::is_keyed),
            self.output.as_ref().map(Disclosed::is_keyed),
            self.transcript.as_ref().map(Disclosed::is_keyed),
        ];
        require(
            keyed
                .into_iter()
                .flatten()
                .all(|keyed| keyed == self.request.input.is_keyed()),
            "either all private members are keyed or none",
        )
    }
}

/// What a receipt claims.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// Code ran on a backend that is not deterministic.
    Attested(AttestedClaim),
    /// Nothing ran.
    Refused(RefusedClaim),
    /// A capsule ran.
    Wasm(WasmClaim),
}

impl Claim {
    /// The kind's name: `attested`, `refused` or `wasm`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Attested(_) => "attested",
            Self::Refused(_) => "refused",
            Self::Wasm(_) => "wasm",
        }
    }

    /// The status's name; a refusal's is `refused`.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Attested(claim) => claim.status.name(),
            Self::Refused(_) => "refused",
            Self::Wasm(claim) => claim.status.name(),
        }
    }

    /// Whether anyone who holds capsule and input can run this again and must find the same claim.
    pub const fn is_replayable(&self) -> bool {
        match self {
            Self::Wasm(claim) => claim.status.is_deterministic(),
            Self::Attested(_) | Self::Refused(_) => false,
        }
    }

    /// The commitment to the input.
    pub const fn input(&self) -> &Disclosed<Blake3> {
        match self {
            Self::Attested(claim) => &claim.request.input,
            Self::Refused(claim) => &claim.request.input,
            Self::Wasm(claim) => &claim.input,
        }
    }

    /// The commitment to the output, where there is one.
    pub const fn output(&self) -> Option<&Disclosed<Blake3>> {
        match self {
            Self::Attested(claim) => claim.output.as_ref(),
            Self::Refused(_) => None,
            Self::Wasm(claim) => claim.output.as_ref(),
        }
    }

    /// The digest of the code: a capsule's bytes, or a tree.
    pub const fn code(&self) -> Blake3 {
        match self {
            Self::Attested(claim) => claim.request.code,
            Self::Refused(claim) => claim.request.capsule,
            Self::Wasm(claim) => claim.capsule,
        }
    }

    /// Whether the claim's figures are keyed commitments.
    pub const fn is_private(&self) -> bool {
        self.input().is_keyed()
    }

    /// The identity of the whole claim. Two honest runs of a replayable request have the same.
    pub fn id(&self) -> ClaimId {
        ClaimId::of(self)
    }

    /// The identity of what was asked.
    pub fn request_id(&self) -> RequestId {
        match self {
            Self::Attested(claim) => RequestId::of(&claim.request),
            Self::Refused(claim) => RequestId::of(&claim.request),
            Self::Wasm(claim) => claim.request_id(),
        }
    }

    /// Holds the claim against the rules of `docs/receipt.md`.
    ///
    /// # Errors
    /// [`ReadError::Contradiction`] with the first rule that is broken.
    pub fn check(&self) -> Result<(), ReadError> {
        match self {
            Self::Attested(claim) => claim.check(),
            Self::Refused(claim) => require(
                claim.request.input.is_keyed() == claim.request.seed.is_keyed(),
                "either all private members are keyed or none",
            ),
            Self::Wasm(claim) => claim.check(),
        }
    }
}

impl Encode for Claim {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Attested(claim) => claim.encode(out),
            Self::Refused(claim) => claim.encode(out),
            Self::Wasm(claim) => claim.encode(out),
        }
    }
}

impl Decode for Claim {
    /// The kinds differ in their first member, so no look-ahead is needed.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let claim = if reader.peek("{\"abi\":") {
            Self::Wasm(WasmClaim::decode(reader)?)
        } else if reader.peek("{\"code\":") {
            Self::Refused(RefusedClaim::decode(reader)?)
        } else if reader.peek("{\"detail\":") {
            Self::Attested(AttestedClaim::decode(reader)?)
        } else {
            return Err(reader.unexpected("a claim of kind attested, refused or wasm"));
        };
        claim.check()?;
        Ok(claim)
    }
}

pub(crate) fn require(holds: bool, rule: &'static str) -> Result<(), ReadError> {
    if holds {
        return Ok(());
    }
    Err(ReadError::Contradiction { rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_the_order_of_rfc_8785() {
        for members in [
            Detail::MEMBERS,
            WasmLimits::MEMBERS,
            WasmClaim::MEMBERS,
            WasmRequest::MEMBERS,
            RefusedClaim::MEMBERS,
            AttestedRequest::MEMBERS,
            AttestedClaim::MEMBERS,
        ] {
            assert!(members.is_sorted(), "{members:?}");
        }
    }
}
