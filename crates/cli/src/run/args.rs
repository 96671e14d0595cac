//! What `run` is told on the command line.
//!
//! Enters: arguments. Leaves: [`Args`], each value of its own type. Refuses: values that are not of their type.

use std::ffi::OsString;
use std::path::PathBuf;

use tenzik::capability::{Capability, UnknownCapability};
use tenzik_receipt::{Challenge, InputType, Int, Label, NotALabel, Seed, Timestamp};

use crate::source::{Input, Source};

const EXAMPLES: &str = "\
Examples:
  tenzik run echo.wasm --input '[1,2]'
  tenzik run order-total.wasm --input @order.json --grant json --receipt receipt.json
  tenzik run crc32.wasm --input @photo.jpg --input-type bytes";

/// `run`, as it is written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The capsule's file, or - for stdin
    #[arg(value_name = "CAPSULE", value_parser = clap::value_parser!(OsString))]
    capsule: OsString,
    /// The input: JSON as it stands, @FILE, or - for stdin; without it, `null`, or no bytes
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    input: Option<OsString>,
    /// How input and output are read: strict JSON, or any bytes
    #[arg(long, value_name = "json|bytes", default_value = "json", value_parser = input_type)]
    pub(crate) input_type: InputType,
    /// What the capsule may use: of base64, hash, json, random, time, tools; `tenzik check` says what it needs
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = capability)]
    pub(crate) grant: Vec<Capability>,
    /// The tools that it may call, for the grant `tools`: a file of commands
    #[arg(long, value_name = "FILE")]
    pub(crate) tools: Option<PathBuf>,
    /// How many of them it may call
    #[arg(long, value_name = "N", default_value_t = 100, requires = "tools", value_parser = count)]
    pub(crate) tool_calls: u32,
    /// Where goes what they were asked and answered, which a replay needs
    #[arg(long, value_name = "FILE", requires = "tools")]
    pub(crate) transcript: Option<PathBuf>,
    /// The fuel limit
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = fuel)]
    pub(crate) fuel: Option<u64>,
    /// The memory limit, in pages of 64 KiB
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = pages)]
    pub(crate) memory_pages: Option<u32>,
    /// The output limit, in bytes
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count)]
    pub(crate) output_bytes: Option<u32>,
    /// How many host calls the capsule may make
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count)]
    pub(crate) host_calls: Option<u32>,
    /// The limit by the wall clock, in milliseconds; a run that reaches it cannot be repeated
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = count)]
    pub(crate) timeout: Option<u32>,
    /// The seed of the capsule's random bytes, 64 hex digits; without it, from the system
    #[arg(long, value_name = "HEX")]
    pub(crate) seed: Option<Seed>,
    /// The capsule's clock, in milliseconds since 1970; without it, the time now
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = int)]
    pub(crate) clock: Option<Int>,
    /// The key that signs the receipt; without it, your own, made if you have none
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Where the receipt goes; without it, to your store
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    /// Sign the request, seed and clock included, with this requester key
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) requester: Option<PathBuf>,
    /// The verifier that the receipt is for
    #[arg(long, value_name = "NAME", requires_all = ["challenge", "expires"], value_parser = label)]
    pub(crate) audience: Option<Label>,
    /// That verifier's challenge: 32 to 128 hex digits
    #[arg(long, value_name = "HEX", requires = "audience", value_parser = Challenge::from_hex)]
    pub(crate) challenge: Option<Challenge>,
    /// When that verifier may forget the challenge, such as 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME", requires = "audience")]
    pub(crate) expires: Option<Timestamp>,
    /// Run it once more to be looked at, and write there what its fuel went to, its host calls, and where it trapped
    #[arg(long, value_name = "DIR")]
    pub(crate) debug: Option<PathBuf>,
    /// Make the run private: the receipt only commits to input, output, seed and figures, under this secret, which
    /// `(umask 077; openssl rand -hex 32 > FILE)` makes
    #[arg(long, value_name = "FILE")]
    pub(crate) secret: Option<PathBuf>,
}

impl Args {
    /// Where the capsule comes from.
    pub(crate) fn capsule(&self) -> Source {
        Source::from(self.capsule.clone())
    }

    /// Where the input comes from.
    pub(crate) fn input(&self) -> Input {
        match (&self.input, self.input_type) {
            (Some(argument), _) => Input::from(argument.clone()),
            (None, InputType::Json) => Input::Inline(b"null".to_vec()),
            (None, InputType::Bytes) => Input::Inline(Vec::new()),
        }
    }
}

pub(crate) fn input_type(name: &str) -> Result<InputType, &'static str> {
    InputType::from_name(name).ok_or("json or bytes")
}

fn capability(name: &str) -> Result<Capability, UnknownCapability> {
    name.trim().parse()
}

fn int(digits: &str) -> Result<Int, String> {
    let number = between(0, Int::MAX.get(), digits)?;
    Int::new(number).map_err(|error| error.to_string())
}

fn fuel(digits: &str) -> Result<u64, String> {
    between(1, Int::MAX.get(), digits)
}

fn pages(digits: &str) -> Result<u32, String> {
    let number = between(1, PAGES_MAX, digits)?;
    u32::try_from(number).map_err(|error| error.to_string())
}

/// A whole number from 1 on that 32 bits can have.
pub(crate) fn count(digits: &str) -> Result<u32, String> {
    let number = between(1, u32::MAX.into(), digits)?;
    u32::try_from(number).map_err(|error| error.to_string())
}

fn between(least: u64, most: u64, digits: &str) -> Result<u64, String> {
    let number: Option<u64> = digits.trim().parse().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("it must be a whole number from {least} to {most}"))
}

/// All that a 32-bit memory can have.
const PAGES_MAX: u64 = 65_536;

fn label(text: &str) -> Result<Label, NotALabel> {
    Label::new(text.to_owned())
}
