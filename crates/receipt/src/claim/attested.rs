//! The claim of a run on a backend that is not deterministic.
//!
//! Enters: digests and limits. Leaves: claims. Refuses: claims that contradict themselves.

use alloc::collections::BTreeMap;

use super::{AttestedKind, AttestedStatus, Detail, Disclosed, InputType, require};
use crate::canonical::{Int, Label, ReadError, Sorted, object};
use crate::digest::{Blake3, Sha256};

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
    pub(super) fn check(&self) -> Result<(), ReadError> {
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
