//! The WebAssembly features that a capsule may use, as `docs/abi.md` lists them.
//!
//! Enters: nothing. Leaves: [`FEATURES`]. Refuses: every proposal that is not named here, those of
//! the future included: a flag that the parser adds later is off.

use wasmparser::WasmFeatures;

/// What is on. The receipt's rules depend on it, so each flag is written out, and no preset is used.
pub const FEATURES: WasmFeatures = WasmFeatures::empty()
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_the_parser_is_decided() {
        // A new release of wasmparser that adds a flag fails here, so that somebody looks at it.
        let on = FEATURES
            .iter_names()
            .map(|(name, _)| name)
            .collect::<Vec<_>>();
        let all = WasmFeatures::all().iter_names().count();
        assert_eq!(
            on,
            [
                "MUTABLE_GLOBAL",
                "SATURATING_FLOAT_TO_INT",
                "SIGN_EXTENSION",
                "MULTI_VALUE",
                "BULK_MEMORY",
                "FLOATS",
                "CALL_INDIRECT_OVERLONG",
            ]
        );
        assert_eq!(all, 40);
    }
}
