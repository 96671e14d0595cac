//! Capsules and inputs for a re-run: handed in, held here, or fetched from the peer whose receipt it is.
//!
//! Enters: a digest. Leaves: bytes that have it. Refuses: bytes of another digest, too many bytes, and to fetch beyond the budget.

use tenzik_receipt::{Blake3, Timestamp};
use tenzik_store::Records;

use super::budget::{Account, Cost};
use super::finding::Reason;
use crate::documents::DocumentError;
use crate::federation::client::{Client, ClientError};
use crate::federation::peers::Peer;
use crate::files;

/// What a request costs at least, so that many small ones are not free.
const REQUEST_BYTES: u64 = 4_096;
/// The most bytes of a token's file.
const TOKEN_BYTES_MAX: u64 = 4_096;

/// Why there is no content.
pub(super) enum NoContent {
    /// There will be none.
    Never(Reason),
    /// The peer does not answer now.
    NotNow,
}

/// Asks a peer for blobs.
pub(super) struct Fetcher<'a> {
    pub(super) client: &'a Client,
    pub(super) records: &'a Records,
    pub(super) peer: &'a Peer,
    pub(super) account: Account<'a>,
    pub(super) blob_bytes_max: u64,
}

impl Fetcher<'_> {
    /// The bytes with a digest.
    pub(super) fn fetch(
        &self,
        digest: &Blake3,
        at: Timestamp,
    ) -> Result<Result<Vec<u8>, NoContent>, DocumentError> {
        let Some(api) = &self.peer.api else {
            return Ok(Err(NoContent::Never(Reason::BlobMissing)));
        };
        let left = self.account.bytes_left(self.records, at)?;
        let bytes_max = self.blob_bytes_max.min(left);
        let cost = Cost::Bytes(bytes_max);
        let reserved = match left < REQUEST_BYTES {
            true => None,
            false => self.account.reserve(self.records, cost, at)?,
        };
        let Some(reserved) = reserved else {
            return Ok(Err(NoContent::Never(Reason::OverBudget)));
        };
        let url = format!("{api}/v1/blobs/{digest}");
        let mut arrived = 0;
        let got = match self.token() {
            Ok(token) => {
                let client = self.client;
                client.get_counting(&url, token.as_deref(), 0, bytes_max, &mut arrived)
            }
            Err(()) => return self.give_up(reserved),
        };
        // Whatever came of it: what arrived, and a request at least. A peer that is slow does not use up the day by it.
        let used = arrived.min(bytes_max).max(REQUEST_BYTES);
        self.account.settle(self.records, reserved, used)?;
        Ok(self.judge(got, digest, bytes_max))
    }

    fn judge(
        &self,
        got: Result<Option<Vec<u8>>, ClientError>,
        digest: &Blake3,
        bytes_max: u64,
    ) -> Result<Vec<u8>, NoContent> {
        match got {
            Ok(Some(bytes)) if Blake3::of(&bytes) == *digest => Ok(bytes),
            Ok(_) => Err(NoContent::Never(Reason::BlobMissing)),
            Err(ClientError::Oversized { .. }) if bytes_max < self.blob_bytes_max => {
                Err(NoContent::Never(Reason::OverBudget))
            }
            Err(ClientError::Oversized { .. }) => Err(NoContent::Never(Reason::TooLarge)),
            Err(ClientError::Status {
                status: 429 | 500..,
                ..
            })
            | Err(ClientError::Timeout | ClientError::Transport(_)) => Err(NoContent::NotNow),
            Err(_) => Err(NoContent::Never(Reason::BlobMissing)),
        }
    }

    fn give_up(
        &self,
        reserved: super::budget::Reserved,
    ) -> Result<Result<Vec<u8>, NoContent>, DocumentError> {
        self.account.settle(self.records, reserved, 0)?;
        Ok(Err(NoContent::NotNow))
    }

    /// The token that this node shows the peer. Its file is read each time, so a new one counts at once.
    fn token(&self) -> Result<Option<String>, ()> {
        let Some(path) = &self.peer.token_file else {
            return Ok(None);
        };
        let read = files::read_secret(path, TOKEN_BYTES_MAX);
        let text = read.map(|bytes| String::from_utf8(bytes.to_vec()));
        match text {
            Ok(Ok(text)) => Ok(Some(text.trim_end().to_owned())),
            Ok(Err(_)) => {
                tracing::error!(peer = %self.peer.name, "the peer's token file is no text");
                Err(())
            }
            Err(error) => {
                tracing::error!(peer = %self.peer.name, %error, "the peer's token is not read");
                Err(())
            }
        }
    }
}
