//! Log, witness and peers, put together from a configuration.
//!
//! Enters: a configuration and keys. Leaves: the parts of a node that have to do with logs. Refuses: a log without its key,
//! a witness without a name, files that cannot be read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tenzik_log::checkpoint::Origin;
use tenzik_log::note::KeyName;
use tenzik_log::policy::{Policy, PolicyFileError};
use tenzik_log::{LeafRules, Log, OpenError, Storage, StorageError, Visibility};
use tenzik_receipt::{PublicKey, SecretKey, TrustError};
use tenzik_store::sql::{Database, SqlError};
use tenzik_store::{Catalog, DiskStorage, PostgresStorage, Records};

use crate::config::{LogVisibility, NodeConfig};
use crate::federation::client::{CA_BYTES_MAX, NoAuthorities, Patience};
use crate::federation::{Client, Peers, PeersError, Witness, WitnessError};
use crate::files::{self, FileError};
use crate::log::{LogService, LogServiceConfig, LogServiceError};
use crate::text;

/// The most bytes of a policy file.
const POLICY_BYTES_MAX: u64 = 64 * 1024;

/// Why log, witness or peers cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The authorities of peers.
    #[error("{}: {error}", text::path(path))]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: NoAuthorities,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The log does not open. Nothing is signed.
    #[error("the log: {0}")]
    Log(#[from] OpenError),
    /// Something that belongs together is not together.
    #[error("{what}")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
    /// A name cannot stand in a note.
    #[error("{what} is no name for a note: no spaces, no plus, 1 to 256 characters")]
    Name {
        /// Which name.
        what: &'static str,
    },
    /// A node's key in the configuration.
    #[error("log.nodes: {0}")]
    Node(#[from] TrustError),
    /// The peers file.
    #[error("{}: {error}", text::path(path))]
    Peers {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: PeersError,
    },
    /// The witness policy.
    #[error("{}: {error}", text::path(path))]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: PolicyFileError,
    },
    /// The log does not run.
    #[error("the log: {0}")]
    Service(#[from] LogServiceError),
    /// The database.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The witness.
    #[error("the witness: {0}")]
    Witness(#[from] WitnessError),
}

/// What a node has of logs.
pub(crate) struct Kept {
    pub(crate) log: Option<LogService>,
    pub(crate) witness: Option<Witness>,
    pub(crate) peers: Peers,
    pub(crate) records: Records,
    pub(crate) catalog: Catalog,
    pub(crate) client: Client,
}

/// Opens all of it. Blocks on files and databases.
pub(crate) fn open(
    config: &NodeConfig,
    node: PublicKey,
    checkpoint: Option<SecretKey>,
    witness: Option<SecretKey>,
) -> Result<Kept, SetupError> {
    let (storage, database) = storage(config)?;
    let records = Records::new(Arc::clone(&database))?;
    let catalog = Catalog::new(database)?;
    let client = client(config)?;
    let log = match (&config.origin, checkpoint) {
        (Some(origin), Some(key)) => {
            let origin = Origin::new(origin.as_str());
            let origin = origin.map_err(|_| SetupError::Name { what: "origin" })?;
            let service = service_config(config, &origin, node)?;
            let log = Log::open(storage, key, origin)?;
            Some(LogService::start(
                log,
                catalog.clone(),
                client.clone(),
                service,
            )?)
        }
        (Some(_), None) => {
            let what = "an origin is given and no keys.checkpoint: the log needs a key of its own";
            return Err(SetupError::Missing { what });
        }
        (None, _) => None,
    };
    Ok(Kept {
        log,
        witness: witness_of(config, witness, &records)?,
        peers: peers(config)?,
        records,
        catalog,
        client,
    })
}

fn client(config: &NodeConfig) -> Result<Client, SetupError> {
    let patience = Patience {
        request_ms: config.federation.request_ms.into(),
        ..Patience::default()
    };
    let Some(path) = &config.federation.ca else {
        return Ok(Client::new(patience));
    };
    let pem = files::read(path, CA_BYTES_MAX)?;
    Client::with_authorities(patience, &pem).map_err(|error| SetupError::Authorities {
        path: path.clone(),
        error,
    })
}

type Opened = (Arc<dyn Storage>, Arc<dyn Database>);

fn storage(config: &NodeConfig) -> Result<Opened, SetupError> {
    let directory = config.data_dir.join("store");
    Ok(match &config.log.postgres {
        None => {
            let storage = DiskStorage::at(directory)?;
            let database = storage.database();
            (Arc::new(storage), database)
        }
        Some(server) => {
            let storage = PostgresStorage::at(server, directory.join("checkpoint"))?;
            let database = storage.database();
            (Arc::new(storage), database)
        }
    })
}

fn service_config(
    config: &NodeConfig,
    origin: &Origin,
    node: PublicKey,
) -> Result<LogServiceConfig, SetupError> {
    let log = &config.log;
    let visibility = match log.visibility {
        LogVisibility::Private => Visibility::Private,
        LogVisibility::Public => Visibility::Public,
    };
    let nodes = log.nodes.iter().copied().chain([node]);
    let policy = match &log.witness_policy {
        Some(path) => {
            let bytes = files::read(path, POLICY_BYTES_MAX)?;
            let path = path.clone();
            Policy::from_bytes(&bytes).map_err(|error| SetupError::Policy { path, error })?
        }
        None => Policy::from_bytes(b"quorum none\n").expect("a policy of the specification"),
    };
    Ok(LogServiceConfig {
        rules: LeafRules::new(origin.clone(), nodes, visibility)?,
        policy,
        merge_delay_s: log.merge_delay_s.into(),
        integrate_ms: log.integrate_ms.into(),
        waiting_max: log.waiting_max as usize,
    })
}

fn witness_of(
    config: &NodeConfig,
    key: Option<SecretKey>,
    records: &Records,
) -> Result<Option<Witness>, SetupError> {
    match (key, &config.federation.witness_name) {
        (None, None) => Ok(None),
        (Some(key), Some(name)) => {
            let name = KeyName::new(name);
            let what = "federation.witness_name";
            let name = name.map_err(|_| SetupError::Name { what })?;
            Ok(Some(Witness::new(name, key, records.clone())?))
        }
        _ => Err(SetupError::Missing {
            what: "a witness needs both keys.witness and federation.witness_name",
        }),
    }
}

fn peers(config: &NodeConfig) -> Result<Peers, SetupError> {
    let Some(path) = &config.federation.peers else {
        return Ok(Peers::default());
    };
    let bytes = files::read(path, crate::federation::peers::PEERS_BYTES_MAX as u64)?;
    let read = String::from_utf8(bytes)
        .map_err(|_| PeersError::Form {
            line: 0,
            message: "it is not UTF-8".to_owned(),
        })
        .and_then(|text| Peers::from_toml(&text));
    let read = read.map_err(|error| SetupError::Peers {
        path: path.clone(),
        error,
    })?;
    Ok(read.below(path.parent().unwrap_or_else(|| Path::new(""))))
}
