//! The claim of a capsule's run.
//!
//! Enters: digests, limits and figures. Leaves: claims. Refuses: claims that contradict themselves.

use alloc::collections::BTreeMap;

use super::{Detail, Disclosed, InputType, Status, WasmKind, require};
use crate::canonical::{Int, Label, ReadError, Sorted, object};
use crate::digest::{Blake3, Seed, Sha256};
use crate::id::RequestId;

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
