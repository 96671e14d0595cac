//! `log verify`: does a log hold what it signed, and only what it may?
//!
//! Enters: where it is, whose word counts, whose receipts it is for. Leaves: a line for each check, those that were not
//! made included. Refuses: nothing by panic; every entry is read as a stranger's.

mod leaves;

use std::ffi::OsString;

use serde_json::{Value, json};
use tenzik_log::checkpoint::SignedCheckpoint;
use tenzik_log::policy::{Policy, Quorum};
use tenzik_log::tile::{TILE_WIDTH, TileKind, TilePath};
use tenzik_log::tree::{Tree, TreeError, verify_consistency, verify_range};
use tenzik_log::{Frontier, StorageError, Tile};
use tenzik_receipt::{Outcome, PublicKey};

use super::place::{Place, PlaceArgs, STEP_ENTRIES};
use super::{append, refused};
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::source::{CHECKPOINT, Source};
use crate::text;
use crate::witnessed::LogTrust;

use leaves::Leaves;

/// `log verify`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    trust: LogTrust,
    /// A node whose receipts the log is for; may be repeated; without it, no receipt's signature is checked
    #[arg(long = "node", value_name = "KEY")]
    nodes: Vec<PublicKey>,
    /// Anyone may read the log: it may hold only private runs, and receipts that promise this log
    #[arg(long, requires = "nodes")]
    public: bool,
    /// The first entry to check, counted from 0; without it and --to, the whole log
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// The entry after the last one to check
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// An earlier checkpoint of the log, which it must not contradict
    #[arg(long, value_name = "FILE")]
    old: Option<OsString>,
}

/// How one check came out.
struct Line {
    name: &'static str,
    outcome: Outcome,
    note: String,
}

impl Line {
    fn new(name: &'static str, outcome: Outcome, note: impl Into<String>) -> Self {
        let note = note.into();
        Self {
            name,
            outcome,
            note,
        }
    }

    fn text(&self) -> String {
        let outcome = self.outcome.as_str();
        format!("{:<11} {outcome:<11} {}\n", self.name, self.note)
    }

    fn member(&self) -> Value {
        let outcome = match self.outcome {
            Outcome::Passed => "passed",
            Outcome::NotChecked => "not_checked",
            Outcome::Unknown => "unknown",
            _ => "failed",
        };
        json!({"name": self.name, "outcome": outcome, "note": self.note})
    }
}

/// A log that is being verified.
struct Log<'a> {
    place: &'a Place,
    head: SignedCheckpoint,
    from: u64,
    to: u64,
}

/// Verifies a log.
pub(super) fn verify(args: &Args) -> Result<Reply, Failure> {
    let policy = args.trust.load()?;
    let place = args.place.open()?;
    let bytes = place.checkpoint()?;
    let (head, quorum) = policy
        .open(&bytes)
        .map_err(|error| refused::policy(&error))?;
    let size = head.checkpoint().size();
    let (from, to) = (args.from.unwrap_or(0), args.to.unwrap_or(size));
    if from > to || to > size || (from == to && size > 0) {
        return Err(no_range(from, to, size));
    }
    let rules = match args.nodes.is_empty() {
        true => None,
        false => Some(append::rules(
            head.checkpoint().origin(),
            args.nodes.clone(),
            append::visibility(args.public),
        )?),
    };
    let mut leaves = Leaves::new(rules)?;
    let mut lines = vec![signed(&head), witnessed(&policy, &quorum)];
    let log = Log {
        place: &place,
        head,
        from,
        to,
    };
    lines.push(log.consistent(args.old.clone(), &policy)?);
    lines.extend(log.entries(&mut leaves)?);
    lines.extend(leaves.lines());
    Ok(told(&log, &lines, &leaves))
}

fn signed(head: &SignedCheckpoint) -> Line {
    let head = head.checkpoint();
    let (origin, size) = (head.origin(), head.size());
    Line::new(
        "checkpoint",
        Outcome::Passed,
        format!("{origin}, {}, root {}", entries(size), head.root()),
    )
}

fn witnessed(policy: &Policy, quorum: &Quorum) -> Line {
    let known = policy.witnesses().len();
    match quorum.held_at() {
        Some(at) => Line::new(
            "witnesses",
            Outcome::Passed,
            format!(
                "{} of {known} cosigned, a quorum at {at}",
                quorum.witnesses.len()
            ),
        ),
        None => Line::new(
            "witnesses",
            Outcome::NotChecked,
            "no policy asks for one: the log may show others another tree",
        ),
    }
}

impl Log<'_> {
    fn size(&self) -> u64 {
        self.head.checkpoint().size()
    }

    fn is_whole(&self) -> bool {
        self.from == 0 && self.to == self.size()
    }

    /// Whether an earlier checkpoint's tree is the beginning of this one's.
    fn consistent(&self, old: Option<OsString>, policy: &Policy) -> Result<Line, Failure> {
        let name = "consistency";
        let Some(old) = old else {
            let note = "no earlier checkpoint is given with --old";
            return Ok(Line::new(name, Outcome::NotChecked, note));
        };
        let bytes = Source::from(old).read(CHECKPOINT)?;
        let (old, _) = policy
            .open(&bytes)
            .map_err(|error| refused::policy(&error))?;
        let (old, new) = (old.checkpoint(), self.head.checkpoint());
        if old.origin() != new.origin() {
            let note = format!("the earlier checkpoint is of {}", old.origin());
            return Ok(Line::new(name, Outcome::Failed, note));
        }
        if old.size() > new.size() {
            let note = format!(
                "{} were there before: this is an old copy",
                entries(old.size())
            );
            return Ok(Line::new(name, Outcome::Failed, note));
        }
        let proof = Tree::new(new.size(), self.place.tiles()).consistency(old.size());
        let held = proof.and_then(|proof| {
            let (old, new) = ((old.size(), old.root()), (new.size(), new.root()));
            verify_consistency((old.0, &old.1), (new.0, &new.1), &proof)
        });
        match held {
            Ok(()) => Ok(Line::new(
                name,
                Outcome::Passed,
                format!("the tree of {} is its beginning", old.size()),
            )),
            Err(TreeError::Storage(error)) => Err(refused::storage(&error)),
            Err(error) => Ok(Line::new(
                name,
                Outcome::Failed,
                format!("the tree of {} is not its beginning: {error}", old.size()),
            )),
        }
    }

    /// Every entry's place in the tree, and every receipt.
    fn entries(&self, leaves: &mut Leaves) -> Result<Vec<Line>, Failure> {
        match self.is_whole() {
            true => self.whole(leaves),
            false => self.range(leaves),
        }
    }

    /// From the entries alone the root is computed, and every tile.
    fn whole(&self, leaves: &mut Leaves) -> Result<Vec<Line>, Failure> {
        let (mut frontier, mut tiles) = (Frontier::new(), Tiles::default());
        let size = self.size();
        while frontier.size() < size {
            let start = frontier.size();
            let end = size.min(start + STEP_ENTRIES);
            let entries = self.place.entries(start, end, size)?;
            let grown = frontier.extend(&entries);
            let grown = grown.map_err(|error| refused::leaf_size(start, &error))?;
            tiles.compare(self.place, &grown, size)?;
            leaves.judge(start, &entries);
        }
        let tree = match frontier.root() == self.head.checkpoint().root() {
            true => Line::new("tree", Outcome::Passed, lead(size)),
            false => Line::new(
                "tree",
                Outcome::Failed,
                format!("{size} entries give {}, another root", frontier.root()),
            ),
        };
        Ok(vec![tree, tiles.line()])
    }

    /// The hashes beside the range come from the tiles, and with it they must lead to the root.
    fn range(&self, leaves: &mut Leaves) -> Result<Vec<Line>, Failure> {
        let (size, root) = (self.size(), self.head.checkpoint().root());
        let mut start = self.from - self.from % TILE_WIDTH;
        let mut broken = None;
        while start < self.to {
            let entries = self
                .place
                .entries(start, self.to.min(start + STEP_ENTRIES), size)?;
            // A node gives less than was asked for where entries are long.
            let end = start + entries.len() as u64;
            let first = self.from.max(start);
            let entries = entries.get((first - start) as usize..).unwrap_or_default();
            let outside = Tree::new(size, self.place.tiles()).range(first, end);
            let held =
                outside.and_then(|outside| verify_range(entries, first, (size, &root), &outside));
            match held {
                Ok(()) => {}
                Err(TreeError::Storage(error)) => return Err(refused::storage(&error)),
                Err(error) => {
                    broken.get_or_insert(format!("entries {first} to {end}: {error}"));
                }
            }
            leaves.judge(first, entries);
            start = end;
        }
        let tree = match broken {
            Some(note) => Line::new("tree", Outcome::Failed, note),
            None => Line::new("tree", Outcome::Passed, lead(self.to - self.from)),
        };
        let rest = size - (self.to - self.from);
        let note = format!(
            "{} beside the range, and tiles that it does not need",
            entries(rest)
        );
        Ok(vec![tree, Line::new("rest", Outcome::NotChecked, note)])
    }
}

/// The stored tiles of hashes, held against those that the entries give.
#[derive(Default)]
struct Tiles {
    compared: u64,
    broken: Option<TilePath>,
}

impl Tiles {
    fn compare(&mut self, place: &Place, computed: &[Tile], size: u64) -> Result<(), Failure> {
        for (path, bytes) in computed {
            let hashes = matches!(path.kind(), TileKind::Hashes(_));
            let last = TilePath::in_tree(path.kind(), path.index(), size) == Some(*path);
            if !hashes || !last {
                continue;
            }
            let stored = place.tile(*path);
            let stored = stored.map_err(|error: StorageError| refused::storage(&error))?;
            self.compared += 1;
            if stored.as_ref() != Some(bytes) {
                self.broken.get_or_insert(*path);
            }
        }
        Ok(())
    }

    fn line(&self) -> Line {
        match self.broken {
            Some(path) => Line::new(
                "tiles",
                Outcome::Failed,
                format!("{path} is missing, or is not that of the entries"),
            ),
            None => Line::new(
                "tiles",
                Outcome::Passed,
                format!(
                    "{} as the entries give them",
                    text::counted(self.compared as usize, "tile")
                ),
            ),
        }
    }
}

fn entries(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

fn lead(count: u64) -> String {
    let lead = if count == 1 { "leads" } else { "lead" };
    format!("{} {lead} to the root", entries(count))
}

fn no_range(from: u64, to: u64, size: u64) -> Failure {
    Failure::new(
        Exit::Usage,
        "usage",
        format!(
            "the log has {}, and none from {from} to {to}",
            entries(size)
        ),
        "--from names the first entry, counted from 0, and --to the one after the last",
    )
}

fn told(log: &Log<'_>, lines: &[Line], leaves: &Leaves) -> Reply {
    let mut shown: String = lines.iter().map(Line::text).collect();
    shown += &leaves.bad_lines();
    let failed: Vec<_> = lines
        .iter()
        .filter(|line| line.outcome == Outcome::Failed)
        .map(|line| format!("{}: {}", line.name, line.note))
        .collect();
    let untold = lines.iter().any(|line| line.outcome == Outcome::Unknown);
    let (verdict, code, failure) = match (failed.is_empty(), untold) {
        (true, false) => ("ok", "passed", None),
        (true, true) => ("cannot tell", "cannot_tell", Some(cannot_tell())),
        (false, _) => ("FAILED", "failed", Some(does_not_hold(&failed.join("; ")))),
    };
    let origin = log.head.checkpoint().origin();
    shown += &format!("{:<11} {verdict:<11} {origin}\n", "verdict");
    let members = json!({
        "origin": origin.as_str(),
        "size": log.size(),
        "from": log.from,
        "to": log.to,
        "verdict": code,
        "checks": lines.iter().map(Line::member).collect::<Vec<_>>(),
        "bad": leaves.bad_members(),
    });
    Reply::new(shown, members).failing(failure)
}

fn does_not_hold(why: &str) -> Failure {
    Failure::new(
        Exit::Failed,
        "log_failed",
        format!("the log does not hold: {why}"),
        "do not rely on it; keep its checkpoint and what it served, and tell its operator",
    )
}

fn cannot_tell() -> Failure {
    Failure::new(
        Exit::CannotTell,
        "cannot_tell",
        "some receipts cannot be judged here",
        "verify with a version of tenzik that knows the extension, and with the clock set",
    )
}
