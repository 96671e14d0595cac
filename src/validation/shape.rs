//! Limits on everything that a module can have many of, and on what compiling it costs.
//!
//! Enters: counts, from the other files here.
//! Leaves: `limit_exceeded` findings that name the count and the limit; [`COUNT_LIMITS`].
//! Refuses: counts that no honest capsule has. Each limit is below V8's, so that what is accepted
//! here loads there too.
//!
//! The limits are part of a receipt's rules: changing one changes what is a capsule.

use super::finding::{FindingCode, Findings};

/// A limit on a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountLimit {
    /// What is counted, as it stands in findings.
    pub name: &'static str,
    /// The most that is accepted.
    pub limit: u64,
    /// Why it is this number.
    pub reason: &'static str,
}

macro_rules! limits {
    ($($constant:ident $name:literal = $limit:literal, $reason:literal;)*) => {
        /// Every limit on a count, by name. The compile cost is bounded by [`compile_cost_max`].
        pub const COUNT_LIMITS: &[CountLimit] = &[$($constant),*];
        $(
            #[doc = $reason]
            pub(super) const $constant: CountLimit = CountLimit {
                name: $name,
                limit: $limit,
                reason: $reason,
            };
        )*
    };
}

limits! {
    BLOCK_DEPTH "block_depth" = 512, "a `match` of 250 arms nests as many blocks; passes over the code keep a stack";
    BR_TABLE_TARGETS "br_table_targets" = 4_096, "a switch over 12 bits; V8 has 65,520";
    BR_TABLE_TARGETS_ALL "br_table_targets_all" = 65_536, "each may be an edge of control flow";
    CUSTOM_BYTES "custom_bytes" = 262_144, "names for debugging; no engine acts on them";
    CUSTOM_SECTIONS "custom_sections" = 64, "toolchains write fewer than ten";
    DATA_SEGMENTS "data_segments" = 1_000, "V8 has 100,000; toolchains write one a string at most";
    ELEMENT_ENTRIES "element_entries" = 10_000, "no more than functions";
    ELEMENT_SEGMENTS "element_segments" = 1_000, "toolchains write one or two";
    EXPORT_NAME_BYTES "export_name_bytes" = 256, "names are shown to people";
    EXPORTS "exports" = 1_000, "each exported function is compiled a second time, as an entry";
    FUNCTION_BYTES "function_bytes" = 262_144, "compilers hold a function as a whole, at some hundred times its size";
    FUNCTIONS "functions" = 10_000, "256 KB of Rust are about 1,000; V8 has 1,000,000";
    GLOBALS "globals" = 1_000, "toolchains write fewer than ten; V8 has 1,000,000";
    IMPORTS "imports" = 100, "the table of host functions is shorter";
    LOCALS "locals" = 2_000, "a large function of an optimiser has 300; V8 has 50,000";
    LOCALS_ALL "locals_all" = 262_144, "each costs time and memory even if nothing uses it";
    LOOP_DEPTH "loop_depth" = 24, "people nest six; some passes take the square of the depth for each value in it";
    OPERAND_HEIGHT "operand_height" = 1_024, "deeper stacks come only from generated expressions";
    PARAMS "params" = 64, "people write ten; each is moved at each call";
    RESULTS "results" = 16, "beyond the registers results go through memory, at each call again";
    TABLE_SLOTS "table_slots" = 10_000, "each is written when a run starts";
    TYPES "types" = 1_000, "no more than there are kinds of functions; V8 has 1,000,000";
}

/// The compile cost that a module of up to [`COMPILE_COST_BYTES_MIN`] bytes may have, a byte.
///
/// Honest capsules were measured at 2 to 3.5 a byte. At 6, a search guided by compile time found modules that took 3.3 times
/// as long as an honest one of 4 KB.
pub const COMPILE_COST_PER_BYTE: u64 = 5;

/// Smaller modules may cost as much as one of this size: the fixed parts weigh more in them.
pub const COMPILE_COST_BYTES_MIN: u64 = 5_120;

/// The most that a module of this many bytes may cost to compile. It grows with the size, so a
/// larger limit on the size needs no other model.
pub const fn compile_cost_max(bytes: u64) -> u64 {
    let bytes = if bytes < COMPILE_COST_BYTES_MIN {
        COMPILE_COST_BYTES_MIN
    } else {
        bytes
    };
    bytes.saturating_mul(COMPILE_COST_PER_BYTE)
}

/// Checks a count against its limit.
pub(super) fn check(
    findings: &mut Findings,
    limit: &CountLimit,
    count: u64,
    offset: impl Into<Option<usize>>,
) {
    if count > limit.limit {
        exceeded(findings, limit.name, count, limit.limit, offset);
    }
}

/// Checks the compile cost of the whole module.
pub(super) fn check_cost(findings: &mut Findings, cost: u64, bytes: usize) {
    let max = compile_cost_max(bytes as u64);
    if cost > max {
        exceeded(findings, "compile_cost", cost, max, None);
    }
}

fn exceeded(
    findings: &mut Findings,
    name: &str,
    count: u64,
    limit: u64,
    offset: impl Into<Option<usize>>,
) {
    let remedy = "split or simplify what the count names; see the table of limits";
    findings.error(FindingCode::LimitExceeded, offset, remedy, || {
        (format!("{name} {count}"), format!("at most {limit}"))
    });
}
