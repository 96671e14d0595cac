//! What a capsule may import: one table of host functions with their types, capability and price.
//!
//! Enters: names from a module's import section, names of grants from a caller.
//! Leaves: [`HostFunction`] and [`Capability`] values, and the rows of [`IMPORTS`].
//! Refuses: every name that is not in the table; there is no wildcard and no alias.
//!
//! The table is normative: `docs/rules.json` is written from it, and a receipt's `rules` is the
//! digest of that file.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A group of host functions that is granted as a whole.
///
/// Functions without a capability (input, output, `fail`) are open to every capsule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// RFC 4648 encoding and decoding.
    Base64,
    /// BLAKE3, SHA-256 and HMAC-SHA-256.
    Hash,
    /// Reading the JSON input by handle and by path.
    Json,
    /// Bytes from the request's seed.
    Random,
    /// The request's virtual clock.
    Time,
    /// Calls to tools through a gateway. A run is refused while none is attached.
    Tools,
}

impl Capability {
    /// Every capability, in the order of their names.
    pub const ALL: [Self; 6] = [
        Self::Base64,
        Self::Hash,
        Self::Json,
        Self::Random,
        Self::Time,
        Self::Tools,
    ];

    /// The name that stands in requests, policies and receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hash => "hash",
            Self::Json => "json",
            Self::Random => "random",
            Self::Time => "time",
            Self::Tools => "tools",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|capability| capability.name() == name)
            .ok_or_else(|| UnknownCapability {
                name: name.chars().take(32).collect(),
            })
    }
}

/// A grant whose name is not in the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a capability; there are base64, hash, json, random, time and tools")]
pub struct UnknownCapability {
    /// The name that was given, at most 32 characters of it.
    pub name: String,
}

/// A set of capabilities, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grants(BTreeSet<Capability>);

impl Grants {
    /// No capability at all: what a run has unless it asks for more.
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Every capability there is, `tools` included.
    pub fn all() -> Self {
        Capability::ALL.into_iter().collect()
    }

    /// Whether the capability is in the set.
    pub fn contains(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// What is in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        self.0.intersection(&other.0).copied().collect()
    }

    /// What is in this set and not in the other.
    pub fn difference(&self, other: &Self) -> Self {
        self.0.difference(&other.0).copied().collect()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The capabilities, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = Capability> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Capability> for Grants {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().collect())
    }
}

impl From<Capability> for Grants {
    fn from(capability: Capability) -> Self {
        Self(BTreeSet::from([capability]))
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, capability) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(capability.name())?;
        }
        Ok(())
    }
}

/// A WebAssembly number type, as it stands in a host function's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberType {
    /// `f64`
    F64,
    /// `i32`
    I32,
    /// `i64`
    I64,
}

impl NumberType {
    /// The type's name in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::I32 => "i32",
            Self::I64 => "i64",
        }
    }
}

/// A function that the host offers. The discriminant is its row in [`IMPORTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "each variant's row in the table says what it is"
)]
pub enum HostFunction {
    Abort,
    Base64Decode,
    Base64Encode,
    Fail,
    HashCommit,
    HashSha256,
    HashVerify,
    HmacSha256,
    InputLen,
    InputRead,
    JsonAt,
    JsonGet,
    JsonKey,
    JsonLen,
    JsonNum,
    JsonPath,
    JsonRaw,
    JsonRoot,
    JsonStr,
    JsonType,
    NumFormat,
    NumParse,
    OutputJsonStr,
    OutputNum,
    OutputResult,
    OutputResultStr,
    OutputWrite,
    RandomBytes,
    ResultRead,
    TextDecode,
    TextEncode,
    TimeNowMs,
    ToolCall,
}

/// How many host functions there are.
pub const HOST_FUNCTIONS: usize = IMPORTS.len();

/// What a host call costs in fuel, charged before the work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// For the call itself.
    pub base: u32,
    /// For each byte that the call's row in `docs/abi.md` counts.
    pub byte: u32,
}

/// One row of the table: an import that a capsule may have.
#[derive(Clone, Copy, Debug)]
pub struct Import {
    /// Which function it is.
    pub function: HostFunction,
    /// The import's module: `tenzik_v1`, or `env` for `abort`.
    pub module: &'static str,
    /// The import's name.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [NumberType],
    /// Its result, if it has one.
    pub result: Option<NumberType>,
    /// What has to be granted for it; `None` is open to all.
    pub capability: Option<Capability>,
    /// What a call costs.
    pub price: Price,
}

/// The module that host functions are imported from.
pub const ABI: &str = "tenzik_v1";

const I: NumberType = NumberType::I32;
const F: NumberType = NumberType::F64;
const L: NumberType = NumberType::I64;

const fn row(
    function: HostFunction,
    name: &'static str,
    signature: (&'static [NumberType], Option<NumberType>),
    capability: Option<Capability>,
    price: (u32, u32),
) -> Import {
    let module = match function {
        HostFunction::Abort => "env",
        _ => ABI,
    };
    Import {
        function,
        module,
        name,
        params: signature.0,
        result: signature.1,
        capability,
        price: Price {
            base: price.0,
            byte: price.1,
        },
    }
}

/// Every import that a capsule may have, by name (`abort` first, being of another module).
#[rustfmt::skip]
pub const IMPORTS: [Import; 33] = {
    use Capability::{Base64, Hash, Json, Random, Time, Tools};
    use HostFunction as H;
    [
        row(H::Abort,         "abort",           (&[I, I, I, I], None),    None,         (20, 0)),
        row(H::Base64Decode,  "base64_decode",   (&[I, I, I], Some(I)),    Some(Base64), (50, 2)),
        row(H::Base64Encode,  "base64_encode",   (&[I, I, I], Some(I)),    Some(Base64), (50, 2)),
        row(H::Fail,          "fail",            (&[I, I], None),          None,         (50, 1)),
        row(H::HashCommit,    "hash_commit",     (&[I, I], Some(I)),       Some(Hash),   (500, 4)),
        row(H::HashSha256,    "hash_sha256",     (&[I, I], Some(I)),       Some(Hash),   (500, 16)),
        row(H::HashVerify,    "hash_verify",     (&[I, I, I], Some(I)),    Some(Hash),   (500, 4)),
        row(H::HmacSha256,    "hmac_sha256",     (&[I, I, I, I], Some(I)), Some(Hash),   (2_000, 16)),
        row(H::InputLen,      "input_len",       (&[], Some(I)),           None,         (20, 0)),
        row(H::InputRead,     "input_read",      (&[I], None),             None,         (50, 1)),
        row(H::JsonAt,        "json_at",         (&[I, I], Some(I)),       Some(Json),   (30, 0)),
        row(H::JsonGet,       "json_get",        (&[I, I, I], Some(I)),    Some(Json),   (50, 4)),
        row(H::JsonKey,       "json_key",        (&[I, I], Some(I)),       Some(Json),   (50, 4)),
        row(H::JsonLen,       "json_len",        (&[I], Some(I)),          Some(Json),   (30, 0)),
        row(H::JsonNum,       "json_num",        (&[I], Some(F)),          Some(Json),   (100, 8)),
        row(H::JsonPath,      "json_path",       (&[I, I, I, I], Some(I)), Some(Json),   (5_000, 8)),
        row(H::JsonRaw,       "json_raw",        (&[I], Some(I)),          Some(Json),   (50, 2)),
        row(H::JsonRoot,      "json_root",       (&[], Some(I)),           Some(Json),   (30, 0)),
        row(H::JsonStr,       "json_str",        (&[I], Some(I)),          Some(Json),   (50, 4)),
        row(H::JsonType,      "json_type",       (&[I], Some(I)),          Some(Json),   (30, 0)),
        row(H::NumFormat,     "num_format",      (&[F], Some(I)),          Some(Json),   (200, 0)),
        row(H::NumParse,      "num_parse",       (&[I, I], Some(F)),       Some(Json),   (100, 8)),
        row(H::OutputJsonStr, "output_json_str", (&[I, I], None),          None,         (50, 4)),
        row(H::OutputNum,     "output_num",      (&[F], None),             None,         (200, 0)),
        row(H::OutputResult,  "output_result",   (&[], None),              None,         (50, 1)),
        row(H::OutputResultStr, "output_result_str", (&[], None),          None,         (50, 4)),
        row(H::OutputWrite,   "output_write",    (&[I, I], None),          None,         (50, 1)),
        row(H::RandomBytes,   "random_bytes",    (&[I, I], None),          Some(Random), (200, 4)),
        row(H::ResultRead,    "result_read",     (&[I], None),             None,         (50, 1)),
        row(H::TextDecode,    "text_decode",     (&[I, I], Some(I)),       None,         (50, 2)),
        row(H::TextEncode,    "text_encode",     (&[I, I], Some(I)),       None,         (50, 2)),
        row(H::TimeNowMs,     "time_now_ms",     (&[], Some(L)),           Some(Time),   (20, 0)),
        row(H::ToolCall,      "tool_call",       (&[I, I, I, I], Some(I)), Some(Tools),  (10_000, 8)),
    ]
};

impl HostFunction {
    /// The function's row in the table.
    pub const fn import(self) -> &'static Import {
        const ROWS: &[Import; HOST_FUNCTIONS] = &IMPORTS;
        &ROWS[self as usize]
    }

    /// Looks an import up by module and name.
    pub fn find(module: &str, name: &str) -> Option<Self> {
        IMPORTS
            .iter()
            .find(|row| row.name == name && row.module == module)
            .map(|row| row.function)
    }
}

impl fmt::Display for HostFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.import().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_stands_in_the_row_of_its_discriminant() {
        for (index, row) in IMPORTS.iter().enumerate() {
            assert_eq!(row.function as usize, index, "{}", row.name);
            assert_eq!(HostFunction::find(row.module, row.name), Some(row.function));
        }
    }

    #[test]
    fn rows_are_sorted_by_name_so_that_receipts_are_too() {
        assert!(IMPORTS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn a_name_of_another_module_is_not_found() {
        assert_eq!(HostFunction::find("env", "hash_commit"), None);
        assert_eq!(HostFunction::find("tenzik_v1", "abort"), None);
    }

    #[test]
    fn capability_names_are_sorted_and_read_back() {
        assert!(
            Capability::ALL
                .windows(2)
                .all(|pair| pair[0].name() < pair[1].name())
        );
        for capability in Capability::ALL {
            assert_eq!(capability.name().parse(), Ok(capability));
        }
        assert!("Hash".parse::<Capability>().is_err());
    }
}
