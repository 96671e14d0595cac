//! `audit`: is what a node signed true? A receipt is run again on two engines, here or by another node; evidence that
//! somebody sent is verified.
//!
//! Enters: a receipt with capsule and input, an evidence file, or a node to ask. Leaves: a finding, and evidence where a
//! claim is forged. Refuses: to accuse anyone by one engine alone, or by a receipt whose signature does not hold.

mod evidence;
mod node;
mod receipt;
mod rerun;

use std::ffi::OsString;
use std::path::PathBuf;

use tenzik_node::federation::PeerName;
use tenzik_receipt::PublicKey;

use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::peers;
use crate::remote::RemoteArgs;
use crate::witnessed::LogTrust;

const EXAMPLES: &str = "\
Examples:
  tenzik audit receipt.json --capsule echo.wasm --input input.json --trust ed25519:…
  tenzik audit --evidence evidence.json --log VKEY --node ed25519:…
  tenzik audit receipt.json --url https://node.example
  tenzik audit --url https://node.example --peer beta";

/// `audit`, as it is written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The receipt's file, its id, or - for stdin
    #[arg(required_unless_present_any = ["evidence", "peer"], conflicts_with_all = ["evidence", "peer"])]
    receipt: Option<OsString>,
    /// The capsule that ran
    #[arg(long, value_name = "FILE", required_unless_present_any = ["evidence", "url"], conflicts_with_all = ["evidence", "peer"])]
    capsule: Option<OsString>,
    /// The input that it had: a file, not the JSON itself
    #[arg(long, value_name = "FILE", required_unless_present_any = ["evidence", "url"], conflicts_with_all = ["evidence", "peer"])]
    input: Option<OsString>,
    /// Whom you trust: a trust file, or one key; without it, your own trust file
    #[arg(long, value_name = "FILE|KEY", conflicts_with_all = ["evidence", "url"])]
    trust: Option<OsString>,
    /// Where the evidence goes if the claim is forged; without it, evidence-DIGITS.json here
    #[arg(long, value_name = "FILE", conflicts_with_all = ["evidence", "url"])]
    out: Option<PathBuf>,
    /// Verify this evidence instead
    #[arg(long, value_name = "FILE", conflicts_with = "url", requires_all = ["log", "nodes"])]
    evidence: Option<OsString>,
    #[command(flatten)]
    log_trust: LogTrust,
    /// A node whose receipts the log is for; may be repeated
    #[arg(long = "node", value_name = "KEY", requires = "evidence")]
    nodes: Vec<PublicKey>,
    /// Anyone may read the log: it may hold only private runs, and receipts that promise this log
    #[arg(long, requires = "evidence")]
    public: bool,
    #[command(flatten)]
    remote: RemoteArgs,
    /// Show what the node's audits of this peer have found
    #[arg(long, value_name = "NAME", requires = "url", value_parser = peers::name)]
    peer: Option<PeerName>,
    /// Only those behind this one: where the list before ended
    #[arg(long, value_name = "INDEX", requires = "peer")]
    after: Option<u64>,
    /// How long each run may take, in milliseconds
    // A node has patience of its own.
    #[arg(long, value_name = "MS", default_value_t = 60_000, conflicts_with = "url", allow_negative_numbers = true, value_parser = crate::run::count)]
    timeout: u32,
}

/// Audits.
pub(crate) fn audit(args: Args, context: &Context) -> Result<Reply, Failure> {
    if args.evidence.is_none() && args.log_trust.is_given() {
        return Err(Failure::new(
            Exit::Usage,
            "usage",
            "--log and --policy say by whose word evidence counts, and none is given",
            "give the evidence with --evidence FILE",
        ));
    }
    match (args.remote.open()?, &args.evidence) {
        (Some(node), _) => node::audit(&args, &node, context),
        (None, Some(_)) => evidence::verify(&args),
        (None, None) => receipt::audit(&args, context),
    }
}
