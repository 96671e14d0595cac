//! Reads a policy file.
//!
//! Enters: the file's bytes. Leaves: a [`Policy`]. Refuses: octets, lines, numbers and names that the specification does not
//! allow, a last line that does not end, and files above the limits. Whitespace and comments are free, so a policy
//! has no one spelling.

use crate::checkpoint::{NotAnOrigin, Origin};
use crate::lines::decimal;
use crate::note::{SignatureType, VerifierKey, VerifierKeyError};

use super::{Policy, PolicyLog, PolicyName, PolicyWitness, Rule};

/// The most bytes of a policy file.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;
/// The most groups of a policy. The specification asks for 32 at least, of logs and witnesses too.
pub const POLICY_GROUPS_MAX: usize = 64;
/// The most logs of a policy.
pub const POLICY_LOGS_MAX: usize = 64;
/// The most witnesses of a policy.
pub const POLICY_WITNESSES_MAX: usize = 64;

/// The name of the quorum that needs no one.
const NONE: &[u8] = b"none";

/// Where a policy file is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PolicyFileError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: PolicyFileProblem,
}

/// What is wrong with a line of a policy file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileProblem {
    /// The key of an earlier log or witness.
    #[error("the key is that of an earlier line")]
    DuplicateKey,
    /// The name of an earlier witness or group, or `none`.
    #[error("the name is defined already")]
    DuplicateName,
    /// A member that is one already, of this group or another.
    #[error("a member of a group is a member already")]
    DuplicateMember,
    /// No such line, or not so many words on it.
    #[error("expected log, witness, group or quorum with what belongs to it")]
    Form,
    /// No key.
    #[error(transparent)]
    Key(#[from] VerifierKeyError),
    /// A key of the other type: logs have ed25519, witnesses cosignature.
    #[error("a key of type {got}, {wanted} belongs here")]
    KeyType {
        /// The key's type.
        got: SignatureType,
        /// The type that belongs here.
        wanted: SignatureType,
    },
    /// Too many of them, or too many bytes.
    #[error("above the limit of {limit}")]
    Limit {
        /// How many are allowed.
        limit: usize,
    },
    /// A control character other than tab and newline, or DEL.
    #[error("an octet that is not allowed")]
    Octet,
    /// The name of a log's key is no origin.
    #[error(transparent)]
    Origin(#[from] NotAnOrigin),
    /// There is no quorum line, or more than one.
    #[error("a policy has exactly one quorum line")]
    Quorum,
    /// Neither `all`, `any` nor a number from 1 to that of the members.
    #[error("the threshold is neither all, any nor a number from 1 to that of the members")]
    Threshold,
    /// The line does not end in a newline: the file may have been cut.
    #[error("the last line does not end")]
    Unended,
    /// A name that no line before defines.
    #[error("a name that is not defined before")]
    UnknownName,
}

use PolicyFileProblem as Problem;

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyFileError`] at the first line that is not as it must be.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolicyFileError> {
        let at = |line, problem| PolicyFileError { line, problem };
        if bytes.len() > POLICY_BYTES_MAX {
            let limit = POLICY_BYTES_MAX;
            return Err(at(1, Problem::Limit { limit }));
        }
        let mut file = File::default();
        let mut line = 1;
        for text in bytes.split_inclusive(|octet| *octet == b'\n') {
            file.line(text).map_err(|problem| at(line, problem))?;
            line += 1;
        }
        file.finish().map_err(|problem| at(line, problem))
    }
}

/// What the lines so far say.
#[derive(Default)]
struct File {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    rules: Vec<Rule>,
    /// The name of each rule, and whether it is a group's member.
    names: Vec<(PolicyName, bool)>,
    quorum: Option<Option<usize>>,
}

impl File {
    fn line(&mut self, text: &[u8]) -> Result<(), Problem> {
        let text = text.strip_suffix(b"\n").ok_or(Problem::Unended)?;
        if !text.iter().all(|octet| is_allowed(*octet)) {
            return Err(Problem::Octet);
        }
        let words: Vec<_> = text
            .split(|octet| is_space(*octet))
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key, url @ ..] => self.log(key, url),
            [b"witness", name, key, url @ ..] => self.witness(name, key, url),
            [b"group", name, threshold, members @ ..] => self.group(name, threshold, members),
            [b"quorum", name] => self.quorum(name),
            _ => Err(Problem::Form),
        }
    }

    fn log(&mut self, key: &[u8], url: &[&[u8]]) -> Result<(), Problem> {
        let key = read_key(key, SignatureType::Ed25519)?;
        if self.logs.iter().any(|log| log.key.public() == key.public()) {
            return Err(Problem::DuplicateKey);
        }
        check_room(self.logs.len(), POLICY_LOGS_MAX)?;
        self.logs.push(PolicyLog {
            origin: Origin::new(key.name().as_str())?,
            key,
            url: read_url(url)?,
        });
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: &[&[u8]]) -> Result<(), Problem> {
        let key = read_key(key, SignatureType::Cosignature)?;
        let same = |other: &PolicyWitness| other.key.public() == key.public();
        if self.witnesses.iter().any(same) {
            return Err(Problem::DuplicateKey);
        }
        check_room(self.witnesses.len(), POLICY_WITNESSES_MAX)?;
        let url = read_url(url)?;
        self.define(name, Rule::Witness(self.witnesses.len()))?;
        let name = PolicyName::new(name);
        self.witnesses.push(PolicyWitness { name, key, url });
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], words: &[&[u8]]) -> Result<(), Problem> {
        check_room(self.rules.len() - self.witnesses.len(), POLICY_GROUPS_MAX)?;
        let threshold = read_threshold(threshold, words.len())?;
        let mut members = Vec::new();
        for word in words {
            let member = self.find(word)?;
            // A witness counts towards the quorum in one way only.
            if std::mem::replace(&mut self.names[member].1, true) {
                return Err(Problem::DuplicateMember);
            }
            members.push(member);
        }
        self.define(name, Rule::Group { threshold, members })
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), Problem> {
        let quorum = if name == NONE {
            None
        } else {
            Some(self.find(name)?)
        };
        match self.quorum.replace(quorum) {
            None => Ok(()),
            Some(_) => Err(Problem::Quorum),
        }
    }

    fn define(&mut self, name: &[u8], rule: Rule) -> Result<(), Problem> {
        if name == NONE || self.find(name).is_ok() {
            return Err(Problem::DuplicateName);
        }
        self.names.push((PolicyName::new(name), false));
        self.rules.push(rule);
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Result<usize, Problem> {
        let found = self
            .names
            .iter()
            .position(|(other, _)| other.as_bytes() == name);
        found.ok_or(Problem::UnknownName)
    }

    fn finish(self) -> Result<Policy, Problem> {
        Ok(Policy {
            logs: self.logs,
            witnesses: self.witnesses,
            rules: self.rules,
            quorum: self.quorum.ok_or(Problem::Quorum)?,
        })
    }
}

const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

const fn is_allowed(octet: u8) -> bool {
    matches!(octet, b'\t' | b' '..=b'~' | 0x80..)
}

fn read_key(word: &[u8], wanted: SignatureType) -> Result<VerifierKey, Problem> {
    let text = std::str::from_utf8(word).map_err(|_| VerifierKeyError::Form)?;
    let key: VerifierKey = text.parse()?;
    let got = key.signature_type();
    if got == wanted {
        return Ok(key);
    }
    Err(Problem::KeyType { got, wanted })
}

fn read_url(words: &[&[u8]]) -> Result<Option<Vec<u8>>, Problem> {
    match words {
        [] => Ok(None),
        [url] => Ok(Some(url.to_vec())),
        _ => Err(Problem::Form),
    }
}

fn read_threshold(word: &[u8], members: usize) -> Result<usize, Problem> {
    let number = match word {
        b"all" => members,
        b"any" => 1,
        digits => std::str::from_utf8(digits)
            .ok()
            .and_then(decimal)
            .and_then(|number| usize::try_from(number).ok())
            .ok_or(Problem::Threshold)?,
    };
    let in_range = (1..=members).contains(&number);
    in_range.then_some(number).ok_or(Problem::Threshold)
}

const fn check_room(has: usize, limit: usize) -> Result<(), Problem> {
    if has < limit {
        return Ok(());
    }
    Err(Problem::Limit { limit })
}
