//! The names that stand in claims: statuses, input types, stages, kinds.

use alloc::vec::Vec;

use crate::canonical::{Decode, Encode, ReadError, Reader, names};

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
