//! Small JSON documents in [`Records`], read strictly and changed all or nothing.
//!
//! Enters: a kind, a key, a type. Leaves: the document. Refuses: bytes that this version would not have written.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tenzik_store::{Records, RecordsError};

/// Why a document was not read or changed: the node's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// What is stored is not of this form.
    #[error("the stored document {kind}/{key} is damaged")]
    Damaged {
        /// Its kind.
        kind: &'static str,
        /// Its key.
        key: String,
    },
    /// The database's.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The document would not fit.
    #[error("a document {kind} cannot be written")]
    Unwritable {
        /// Its kind.
        kind: &'static str,
    },
}

/// A document of one kind.
pub(crate) trait Document: Serialize + DeserializeOwned {
    /// Its kind in [`Records`].
    const KIND: &'static str;

    /// Its bytes.
    fn to_bytes(&self) -> Result<Vec<u8>, DocumentError> {
        let kind = Self::KIND;
        serde_json::to_vec(self).map_err(|_| DocumentError::Unwritable { kind })
    }

    /// The document of these bytes, if they are its one form.
    fn from_bytes(key: &str, bytes: &[u8]) -> Result<Self, DocumentError> {
        let damaged = || DocumentError::Damaged {
            kind: Self::KIND,
            key: key.to_owned(),
        };
        let document: Self = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        match document.to_bytes()? == bytes {
            true => Ok(document),
            false => Err(damaged()),
        }
    }

    /// The stored one.
    fn load(records: &Records, key: &str) -> Result<Option<Self>, DocumentError> {
        let bytes = records.get(Self::KIND, key)?;
        bytes.map(|bytes| Self::from_bytes(key, &bytes)).transpose()
    }

    /// Writes it over whatever is there; durable when it returns.
    fn store(&self, records: &Records, key: &str) -> Result<(), DocumentError> {
        Ok(records.put(Self::KIND, key, &self.to_bytes()?)?)
    }

    /// Writes it if there is none, and says whether it did.
    fn create(&self, records: &Records, key: &str) -> Result<bool, DocumentError> {
        Ok(records.put_if(Self::KIND, key, None, &self.to_bytes()?)?)
    }

    /// Those behind a key, in its order.
    fn list(
        records: &Records,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Self)>, DocumentError> {
        let read = |(key, bytes): (String, Vec<u8>)| {
            let document = Self::from_bytes(&key, &bytes)?;
            Ok((key, document))
        };
        let rows = records.list(Self::KIND, after, limit)?;
        rows.into_iter().map(read).collect()
    }

    /// All of them, page by page.
    fn each(
        records: &Records,
        mut then: impl FnMut(String, Self) -> Result<(), DocumentError>,
    ) -> Result<(), DocumentError> {
        let mut after = String::new();
        loop {
            let rows = Self::list(records, &after, tenzik_store::LIST_MAX)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after.clone_from(last);
            for (key, document) in rows {
                then(key, document)?;
            }
        }
    }

    /// Changes one, beginning with nothing if there is none. `change` may be called more than once: it is called again if
    /// another thread was faster.
    fn update<T>(
        records: &Records,
        key: &str,
        mut change: impl FnMut(&mut Self) -> T,
    ) -> Result<T, DocumentError>
    where
        Self: Default,
    {
        loop {
            let before = records.get(Self::KIND, key)?;
            let mut document = match &before {
                Some(bytes) => Self::from_bytes(key, bytes)?,
                None => Self::default(),
            };
            let given = change(&mut document);
            let after = document.to_bytes()?;
            if before.as_deref() == Some(&after)
                || records.put_if(Self::KIND, key, before.as_deref(), &after)?
            {
                return Ok(given);
            }
        }
    }
}
