//! What a verifier insists on: `status=…`, `profile=…`, `kind=…`, `log`, `requester`.
//!
//! Enters: arguments. Leaves: [`Requirements`]. Refuses: names that no receipt has, since they could never be met.

use std::str::FromStr;

use tenzik_receipt::{AttestedStatus, Profile, Status};

/// One requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Requirement {
    /// The claim's kind.
    Kind(&'static str),
    /// That the receipt is in a log.
    Log,
    /// The profile that was in force, or a stricter one.
    Profile(Profile),
    /// That a trusted requester signed the request.
    Requester,
    /// How the run ended.
    Status(&'static str),
}

/// All of them; of two of one sort the last counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Requirements {
    pub(super) kind: Option<&'static str>,
    pub(super) log: bool,
    pub(super) profile: Option<Profile>,
    pub(super) requester: bool,
    pub(super) status: Option<&'static str>,
}

impl FromIterator<Requirement> for Requirements {
    fn from_iter<I: IntoIterator<Item = Requirement>>(requirements: I) -> Self {
        let mut all = Self::default();
        for requirement in requirements {
            match requirement {
                Requirement::Kind(kind) => all.kind = Some(kind),
                Requirement::Log => all.log = true,
                Requirement::Profile(profile) => all.profile = Some(profile),
                Requirement::Requester => all.requester = true,
                Requirement::Status(status) => all.status = Some(status),
            }
        }
        all
    }
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            None if text == "log" => Ok(Self::Log),
            None if text == "requester" => Ok(Self::Requester),
            Some(("kind", name)) => named(name, &["attested", "refused", "wasm"]).map(Self::Kind),
            Some(("profile", name)) => Profile::from_name(name)
                .map(Self::Profile)
                .ok_or_else(|| "a profile is dev, hardened or standard".to_owned()),
            Some(("status", name)) => named(name, &statuses()).map(Self::Status),
            _ => {
                let known = "status=STATUS, profile=PROFILE, kind=KIND, log or requester";
                Err(format!("{known} can be required"))
            }
        }
    }
}

fn named(name: &str, names: &[&'static str]) -> Result<&'static str, String> {
    let found = names.iter().find(|known| **known == name);
    found
        .copied()
        .ok_or_else(|| format!("it must be one of {}", names.join(", ")))
}

fn statuses() -> Vec<&'static str> {
    let mut names: Vec<_> = Status::ALL.iter().map(|status| status.name()).collect();
    names.extend(AttestedStatus::ALL.iter().map(|status| status.name()));
    names.push("refused");
    names.sort_unstable();
    names.dedup();
    names
}
