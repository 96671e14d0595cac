//! What a node does with other nodes' logs: pull, verify, witness, audit, and remember who lied.
//!
//! Enters: a peers file, and what peers answer. Leaves: mirrors of their logs, cosignatures, audits, evidence.
//! Refuses: to count what is not verified, and to follow a log that signed two stories.

pub mod client;
pub mod follow;
pub mod mirror;
pub mod peers;
pub mod witness;

pub use client::{Client, ClientError};
pub(crate) use follow::Figures;
pub use follow::{Findings, FollowConfig, FollowError, Follower, PeerRecord, Standing};
pub use mirror::{Mirror, MirrorError, MirrorReader, PullError, Pulled};
pub use peers::{Peer, PeerName, Peers, PeersError};
pub use witness::{Witness, WitnessAnswer, WitnessError, WitnessFailure};
