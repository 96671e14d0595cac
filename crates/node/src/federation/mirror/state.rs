//! What a mirror remembers: how far it is, and towards which checkpoint.
//!
//! Enters: bytes of the storage. Leaves: a [`State`]. Refuses: any other form.
//!
//! ```text
//! have 16384
//! root sha256:…
//!
//! beta.example/log
//! 1000000
//! …
//! ```

use tenzik_receipt::Sha256;

use super::MirrorError;

/// How far a mirror is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// How many entries are held.
    pub(super) have: u64,
    /// The root over them.
    pub(super) root: Sha256,
    /// The signed checkpoint whose tree begins with them.
    pub(super) checkpoint: Vec<u8>,
}

impl State {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("have {}\nroot {}\n\n", self.have, self.root).into_bytes();
        bytes.extend_from_slice(&self.checkpoint);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, MirrorError> {
        let read = read(bytes).ok_or(MirrorError::State)?;
        match read.to_bytes() == bytes {
            true => Ok(read),
            false => Err(MirrorError::State),
        }
    }
}

fn read(bytes: &[u8]) -> Option<State> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, checkpoint) = text.split_once("\n\n")?;
    let (have, root) = head.split_once('\n')?;
    Some(State {
        have: have.strip_prefix("have ")?.parse().ok()?,
        root: root.strip_prefix("root ")?.parse().ok()?,
        checkpoint: checkpoint.as_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_as_what_it_was_and_nothing_else_reads() {
        let state = State {
            have: 7,
            root: Sha256::of(b"root"),
            checkpoint: b"a note\n\nwith blank lines\n".to_vec(),
        };
        let bytes = state.to_bytes();
        assert_eq!(State::from_bytes(&bytes).expect("it was written"), state);
        let text = String::from_utf8(bytes).expect("text");
        for bad in [
            "",
            "have 7\n",
            &text.replace("have 7", "have 07"),
            &text[1..],
        ] {
            assert!(State::from_bytes(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
