//! Where a log is: in a folder, or behind a node's URL.
//!
//! Enters: `--dir`, `--url`, `--token-file`. Leaves: checkpoints, tiles and entries, unverified. Refuses: files that are
//! longer than what they stand for can be, and bundles that are not of the form.
//!
//! A folder is read as a server of static files would: without a lock, beside a node that has it open.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tenzik_log::bundle::{self, BUNDLE_BYTES_MAX};
use tenzik_log::note::NOTE_BYTES_MAX;
use tenzik_log::tile::{TILE_WIDTH, TileKind, TilePath};
use tenzik_log::{StorageError, tree};
use tenzik_node::federation::mirror::Source;

use super::refused;
use crate::error::{Exit, Failure};
use crate::remote::{Manners, node_url};
use crate::source::bounded;
use crate::text;

/// How many entries are held at once: sixteen bundles.
pub(super) const STEP_ENTRIES: u64 = 16 * TILE_WIDTH;

/// The options that say where a log is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PlaceArgs {
    /// The folder that the log is kept in
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "url",
        conflicts_with = "url"
    )]
    pub(crate) dir: Option<PathBuf>,
    /// The node that has the log, such as https://node.example; the log itself is below /log
    #[arg(long, value_name = "URL", value_parser = node_url)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) manners: Manners,
}

/// A log's place.
pub(super) enum Place {
    Folder(PathBuf),
    Node(Source),
}

impl PlaceArgs {
    /// Opens the place for reading.
    pub(super) fn open(&self) -> Result<Place, Failure> {
        match (&self.dir, &self.url) {
            (_, Some(url)) => {
                let (client, token) = self.manners.open(url)?;
                Ok(Place::Node(Source::new(
                    client,
                    format!("{url}/log"),
                    token,
                )))
            }
            (Some(directory), None) => Ok(Place::Folder(directory.join("log"))),
            // clap has asked for one of them.
            (None, None) => Err(refused::missing("place")),
        }
    }
}

impl Place {
    /// The published checkpoint.
    pub(super) fn checkpoint(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Node(source) => source.checkpoint().map_err(|error| refused::pull(&error)),
            Self::Folder(folder) => {
                let path = folder.join("checkpoint");
                let bytes = read(&path, NOTE_BYTES_MAX as u64);
                let bytes = bytes.map_err(|error| refused::storage(&error))?;
                bytes.ok_or_else(|| refused::missing(&text::path(&path)))
            }
        }
    }

    /// A tile of hashes.
    pub(super) fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, StorageError> {
        match self {
            Self::Node(source) => source.tile(path),
            Self::Folder(folder) => {
                let width = |path: TilePath| 32 * usize::from(path.width());
                let (bytes, _) = either(folder, path, 32 * TILE_WIDTH)?;
                Ok(bytes.and_then(|bytes| bytes.get(..width(path)).map(<[u8]>::to_vec)))
            }
        }
    }

    /// The entries from `start`, where a bundle begins, to `end` of a log of `size`, or as many whole bundles of them as are
    /// held at once: never none.
    pub(super) fn entries(&self, start: u64, end: u64, size: u64) -> Result<Vec<Vec<u8>>, Failure> {
        match self {
            Self::Node(source) => source
                .entries(start, end, size, 0)
                .map_err(|error| refused::pull(&error)),
            Self::Folder(folder) => {
                let mut entries = Vec::new();
                for index in start / TILE_WIDTH..end.div_ceil(TILE_WIDTH) {
                    let path = TilePath::in_tree(TileKind::Entries, index, size);
                    let path = path.ok_or_else(|| refused::missing("bundle beyond its size"))?;
                    let wanted = end.min((index + 1) * TILE_WIDTH) - index * TILE_WIDTH;
                    entries.extend(bundle_of(folder, path, wanted as usize)?);
                }
                Ok(entries)
            }
        }
    }

    /// A reader of tiles, for proofs.
    pub(super) fn tiles(&self) -> impl tree::ReadTiles + '_ {
        |path: TilePath| self.tile(path)
    }
}

/// The first `wanted` entries of a bundle.
fn bundle_of(folder: &Path, path: TilePath, wanted: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let read = either(folder, path, BUNDLE_BYTES_MAX as u64);
    let (bytes, found) = read.map_err(|error| refused::storage(&error))?;
    let bytes = bytes.ok_or_else(|| refused::missing(&path.to_string()))?;
    let entries = bundle::read(&bytes, usize::from(found.width())).map_err(|error| {
        Failure::new(
            Exit::Failed,
            "log_form",
            format!("{found} is not of the form: {error}"),
            "the log is damaged; restore it from a copy",
        )
    })?;
    let wanted = entries.iter().take(wanted);
    Ok(wanted.map(|entry| entry.to_vec()).collect())
}

/// A tile, or the full one that has taken its place.
fn either(
    folder: &Path,
    path: TilePath,
    bytes_max: u64,
) -> Result<(Option<Vec<u8>>, TilePath), StorageError> {
    let bytes = read(&folder.join(path.to_string()), bytes_max)?;
    if bytes.is_some() || path.is_full() {
        return Ok((bytes, path));
    }
    let full = read(&folder.join(path.full().to_string()), bytes_max)?;
    Ok((full, path.full()))
}

fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, StorageError> {
    let failed = |error: io::Error| StorageError::Io {
        doing: format!("reading {}", text::path(path)),
        error: Box::new(error),
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match bounded(file, bytes_max).map_err(failed)? {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(StorageError::Damaged {
            what: format!("{} has more than {bytes_max} bytes", text::path(path)),
        }),
    }
}
