//! The right edge of a growing tree: what is needed to add leaves and to say the root, and no more.
//!
//! Enters: leaves in their order. Leaves: the tiles and bundles that became new or wider, and the root.
//! Refuses: leaves that are empty or longer than a receipt, and stored tiles that are not those of the size.
//!
//! It holds at most eight partial tiles and one partial bundle, whatever the size of the log.

use tenzik_receipt::Sha256;
use tenzik_receipt::merkle::{self, leaf_hash, node_hash};

use crate::bundle::{self, BundleError};
use crate::storage::StorageError;
use crate::tile::{LEVEL_MAX, TILE_WIDTH, TileKind, TilePath};
use crate::tree::{self, ReadTiles};

/// A tile or a bundle, and its bytes.
pub type Tile = (TilePath, Vec<u8>);

/// The right edge of a tree.
#[derive(Clone, Debug, Default)]
pub struct Frontier {
    size: u64,
    /// By level, the hashes of the partial tile.
    levels: Vec<Vec<Sha256>>,
    /// The partial bundle.
    bundle: Vec<u8>,
}

/// Why there is no frontier of a stored tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrontierError {
    /// The entries of the last bundle are not those that the last tile has the hashes of.
    #[error("entry {index} is not the leaf that its tile has the hash of")]
    Entry {
        /// The entry.
        index: u64,
    },
    /// A tile or bundle that the tree must have is not there, or has not the form.
    #[error("{path} is missing or damaged")]
    Missing {
        /// Which.
        path: TilePath,
    },
    /// The tiles cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Frontier {
    /// The empty tree's.
    pub const fn new() -> Self {
        Self {
            size: 0,
            levels: Vec::new(),
            bundle: Vec::new(),
        }
    }

    /// That of a stored tree. Compare [`root`](Self::root) with its checkpoint's: the tiles are taken as they are.
    ///
    /// # Errors
    /// [`FrontierError`].
    pub fn read(size: u64, reader: &mut impl ReadTiles) -> Result<Self, FrontierError> {
        let mut levels = Vec::new();
        for level in 0..=LEVEL_MAX {
            let kind = TileKind::Hashes(level);
            levels.push(match partial(kind, size) {
                Some(path) => {
                    let bytes = reader.read_tile(path)?;
                    let hashes = bytes.and_then(|bytes| tree::hashes(&bytes, path));
                    hashes.ok_or(FrontierError::Missing { path })?
                }
                None => Vec::new(),
            });
        }
        let bundle = match partial(TileKind::Entries, size) {
            Some(path) => {
                let bundle = reader.read_tile(path)?;
                let bundle = bundle.ok_or(FrontierError::Missing { path })?;
                check_bundle(&bundle, path, &levels[0])?;
                bundle
            }
            None => Vec::new(),
        };
        Ok(Self {
            size,
            levels,
            bundle,
        })
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root.
    pub fn root(&self) -> Sha256 {
        let mut root = None;
        // The subtrees of the edge from right to left, which is from the lowest level up.
        for level in &self.levels {
            let mut end = level.len();
            while end > 0 {
                let count = 1 << end.trailing_zeros();
                let left = merkle::root(&level[end - count..end]);
                root = Some(match root {
                    Some(right) => node_hash(&left, &right),
                    None => left,
                });
                end -= count;
            }
        }
        root.unwrap_or_else(|| Sha256::of(b""))
    }

    /// How many bytes of the last, partial bundle there are: where its next entry begins.
    pub fn bundle_bytes(&self) -> usize {
        self.bundle.len()
    }

    /// Adds leaves, and gives all tiles and bundles that are new or wider now.
    ///
    /// # Errors
    /// [`BundleError::EntrySize`], with the leaf's number among these leaves; then the frontier is of no more use.
    pub fn extend<L: AsRef<[u8]>>(
        &mut self,
        leaves: impl IntoIterator<Item = L>,
    ) -> Result<Vec<Tile>, BundleError> {
        let before = self.size;
        let mut tiles = Vec::new();
        for (entry, leaf) in leaves.into_iter().enumerate() {
            let leaf = leaf.as_ref();
            bundle::push(&mut self.bundle, leaf).map_err(|error| match error {
                BundleError::EntrySize { bytes, .. } => BundleError::EntrySize { entry, bytes },
                other => other,
            })?;
            self.size += 1;
            if self.size.is_multiple_of(TILE_WIDTH) {
                let bundle = std::mem::take(&mut self.bundle);
                tiles.push((last(TileKind::Entries, self.size), bundle));
            }
            self.push(0, leaf_hash(leaf), &mut tiles);
        }
        if self.size > before {
            self.partial_tiles(before, &mut tiles);
        }
        Ok(tiles)
    }

    /// Adds a hash to a level; a tile that is full goes out, and its root one level up.
    fn push(&mut self, level: usize, hash: Sha256, tiles: &mut Vec<Tile>) {
        if self.levels.len() <= level {
            self.levels.resize(level + 1, Vec::new());
        }
        self.levels[level].push(hash);
        if self.levels[level].len() < TILE_WIDTH as usize {
            return;
        }
        let full = std::mem::take(&mut self.levels[level]);
        let path = last(TileKind::Hashes(level as u8), self.size);
        tiles.push((path, bytes(&full)));
        self.push(level + 1, merkle::root(&full), tiles);
    }

    /// The partial tiles that are wider than they were in the tree of `before`.
    fn partial_tiles(&self, before: u64, tiles: &mut Vec<Tile>) {
        let entries = partial(TileKind::Entries, self.size);
        tiles.extend(entries.map(|path| (path, self.bundle.clone())));
        for (level, hashes) in self.levels.iter().enumerate() {
            let kind = TileKind::Hashes(level as u8);
            let grown = crate::tile::filled(kind, self.size) > crate::tile::filled(kind, before);
            let path = partial(kind, self.size).filter(|_| grown);
            tiles.extend(path.map(|path| (path, bytes(hashes))));
        }
    }
}

/// The partial tile of this kind in a tree of `size`, if it has one.
fn partial(kind: TileKind, size: u64) -> Option<TilePath> {
    let filled = crate::tile::filled(kind, size);
    TilePath::new(kind, filled / TILE_WIDTH, (filled % TILE_WIDTH) as u16)
}

/// The last full tile of this kind in a tree of `size`, which has one.
fn last(kind: TileKind, size: u64) -> TilePath {
    let index = crate::tile::filled(kind, size) / TILE_WIDTH - 1;
    TilePath::new(kind, index, TILE_WIDTH as u16)
        .expect("a tree of 2^64 leaves has no level above the highest")
}

fn bytes(hashes: &[Sha256]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32 * hashes.len());
    for hash in hashes {
        bytes.extend_from_slice(hash.as_bytes());
    }
    bytes
}

/// That the entries of the last bundle are the leaves of the last tile.
fn check_bundle(bundle: &[u8], path: TilePath, leaves: &[Sha256]) -> Result<(), FrontierError> {
    let entries = bundle::read(bundle, usize::from(path.width()));
    let entries = entries.map_err(|_| FrontierError::Missing { path })?;
    let differing = entries
        .iter()
        .zip(leaves)
        .position(|(entry, leaf)| leaf_hash(entry) != *leaf);
    match differing {
        Some(at) => Err(FrontierError::Entry {
            index: path.index() * TILE_WIDTH + at as u64,
        }),
        None => Ok(()),
    }
}
