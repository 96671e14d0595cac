//! Capsules that are run by their digest.
//!
//! Enters: a digest and who asks. Leaves: the capsule, if a grant lets them read it as one. Refuses: as [`Blobs::read`].

use std::sync::Arc;

use tenzik_receipt::Blake3;

use super::{Blobs, Class, Reader};
use crate::auth::Caller;
use crate::callers::Role;
use crate::sink::{BoxFuture, CapsuleSource, SinkError};
use crate::system;

/// The capsules among the blobs.
pub struct HeldCapsules(pub Arc<Blobs>);

impl<'a> Reader<'a> {
    /// A caller, as the grants see it.
    pub fn of(caller: &'a Caller) -> Self {
        Self {
            name: caller.name(),
            peer: caller.has(Role::Peer),
            admin: caller.has(Role::Admin),
        }
    }
}

impl CapsuleSource for HeldCapsules {
    fn capsule<'a>(
        &'a self,
        digest: Blake3,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Option<Arc<[u8]>>, SinkError>> {
        let (blobs, caller) = (Arc::clone(&self.0), caller.clone());
        let read = move || {
            let now = system::now().map_err(|error| error.to_string())?;
            let read = blobs.read(&digest, &Reader::of(&caller), Some(Class::Capsule), now);
            read.map_err(|error| error.to_string())
        };
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(read).await;
            match read.map_err(|error| error.to_string()) {
                Ok(Ok(capsule)) => Ok(capsule.map(Arc::from)),
                Ok(Err(why)) | Err(why) => Err(SinkError::Now { why }),
            }
        })
    }
}
