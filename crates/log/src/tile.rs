//! Tiles and entry bundles: where they are, and how wide.
//!
//! Enters: tree sizes, or paths as a client writes them. Leaves: [`TilePath`]s and their text.
//! Refuses: every spelling of a path but the one of c2sp.org/tlog-tiles.

use std::fmt;
use std::str::FromStr;

/// How many hashes a full tile has, and how many entries a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// The highest level of a tile: above it no tree of 2^64 leaves has one. The specification's parser takes 63.
pub const LEVEL_MAX: u8 = 7;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Log entries, each with its length before it.
    Entries,
    /// Hashes of a level; 0 is the leaves'.
    Hashes(u8),
}

/// The place of a tile or an entry bundle: kind, index, and how many of its 256 places are filled.
///
/// Text: `tile/0/x001/x234/067`, `tile/entries/000.p/17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    /// 1 to 256.
    width: u16,
}

/// A text that is not the one spelling of a tile's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile or an entry bundle")]
pub struct NotATilePath;

impl TilePath {
    /// A tile of this kind, index and width; `None` if the width is not 1 to 256 or the level is above [`LEVEL_MAX`].
    pub const fn new(kind: TileKind, index: u64, width: u16) -> Option<Self> {
        let level = match kind {
            TileKind::Entries => 0,
            TileKind::Hashes(level) => level,
        };
        if width == 0 || width > TILE_WIDTH as u16 || level > LEVEL_MAX {
            return None;
        }
        Some(Self { kind, index, width })
    }

    /// What it holds.
    pub const fn kind(self) -> TileKind {
        self.kind
    }

    /// Its index among those of its kind.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many hashes or entries it has, 1 to 256.
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether all 256 places are filled: then it never changes.
    pub const fn is_full(self) -> bool {
        self.width == TILE_WIDTH as u16
    }

    /// The same tile when it is full.
    #[must_use]
    pub const fn full(self) -> Self {
        Self {
            width: TILE_WIDTH as u16,
            ..self
        }
    }

    /// The tile of this kind and index as it is in a tree of `size` leaves; `None` if the tree has none of it.
    pub fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let filled = filled(kind, size).checked_sub(index.checked_mul(TILE_WIDTH)?)?;
        Self::new(kind, index, filled.min(TILE_WIDTH) as u16)
    }
}

/// How many hashes or entries of this kind a tree of `size` has in all.
pub(crate) const fn filled(kind: TileKind, size: u64) -> u64 {
    match kind {
        TileKind::Entries => size,
        TileKind::Hashes(level) => match size.checked_shr(8 * level as u32) {
            Some(filled) => filled,
            None => 0,
        },
    }
}

/// The tiles and bundles that are new or wider in a tree of `to` leaves than in one of `from`, lowest level first.
pub fn changed(from: u64, to: u64) -> impl Iterator<Item = TilePath> {
    let levels = (0..=LEVEL_MAX).map(TileKind::Hashes);
    std::iter::once(TileKind::Entries)
        .chain(levels)
        .flat_map(move |kind| {
            let (old, new) = (filled(kind, from), filled(kind, to));
            let tiles = (old / TILE_WIDTH)..new.div_ceil(TILE_WIDTH);
            let tiles = if new > old { tiles } else { 0..0 };
            tiles.filter_map(move |index| TilePath::in_tree(kind, index, to))
        })
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Entries => f.write_str("tile/entries/")?,
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        write_index(self.index, f)?;
        if self.is_full() {
            return Ok(());
        }
        write!(f, ".p/{}", self.width)
    }
}

/// Three digits to an element of the path, an `x` before all but the last.
fn write_index(index: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if index >= 1000 {
        write_above(index / 1000, f)?;
    }
    write!(f, "{:03}", index % 1000)
}

fn write_above(index: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if index >= 1000 {
        write_above(index / 1000, f)?;
    }
    write!(f, "x{:03}/", index % 1000)
}

impl FromStr for TilePath {
    type Err = NotATilePath;

    fn from_str(text: &str) -> Result<Self, NotATilePath> {
        let read = read(text).ok_or(NotATilePath)?;
        // What reads the same but is written otherwise, such as leading zeroes, names no tile.
        (read.to_string() == text)
            .then_some(read)
            .ok_or(NotATilePath)
    }
}

fn read(text: &str) -> Option<TilePath> {
    let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes(level.parse().ok()?),
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, width.parse().ok()?),
        None => (rest, TILE_WIDTH as u16),
    };
    let index = index.split('/').try_fold(0_u64, |index, element| {
        let digits = element.strip_prefix('x').unwrap_or(element);
        let number: u64 = digits.parse().ok().filter(|number| *number < 1000)?;
        index.checked_mul(1000)?.checked_add(number)
    })?;
    TilePath::new(kind, index, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_tree_of_70000_leaves_has_the_tiles_of_the_specification() {
        let tiles: Vec<_> = changed(0, 70_000).map(|tile| tile.to_string()).collect();
        let count = |prefix: &str| tiles.iter().filter(|tile| tile.starts_with(prefix)).count();
        assert_eq!(count("tile/entries/"), 274);
        assert_eq!(count("tile/0/"), 274);
        assert_eq!(tiles[273], "tile/entries/273.p/112");
        assert_eq!(tiles[547], "tile/0/273.p/112");
        assert_eq!(
            &tiles[548..],
            ["tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]
        );
    }

    #[test]
    fn the_index_of_the_specification_is_written_in_three_elements() {
        let tile = TilePath::new(TileKind::Hashes(0), 1_234_067, 256).expect("a tile");
        assert_eq!(tile.to_string(), "tile/0/x001/x234/067");
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/1234",
            "tile/0/x000/000",
            "tile/0/x001",
            "tile/0/x001/x000",
            "tile/0/001/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/64/000",
            "tile/8/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/0/+01",
            "tile/entries/000/",
            "tile/entries/000.p/1/",
            "tile/0/x999/x999/x999/x999/x999/x999/x999",
            "/tile/0/000",
            "tile/0/000.p/1.p/1",
        ] {
            assert_eq!(text.parse::<TilePath>(), Err(NotATilePath), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_path_reads_as_what_it_was(level in 0..=LEVEL_MAX, entries: bool, index: u64, width in 1..=256_u16) {
            let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
            let tile = TilePath::new(kind, index, width).expect("in range");
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }

        #[test]
        fn what_changes_is_what_a_tree_has_more(from in 0..200_000_u64, more in 0..200_000_u64) {
            let to = from + more;
            let has = |size| changed(0, size).collect::<std::collections::BTreeSet<_>>();
            let grown: std::collections::BTreeSet<_> = changed(from, to).collect();
            let difference: std::collections::BTreeSet<_> = has(to).difference(&has(from)).copied().collect();
            prop_assert_eq!(grown, difference);
        }
    }
}
