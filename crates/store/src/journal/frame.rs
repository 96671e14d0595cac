//! A frame of the journal: what one append wrote, with a checksum.
//!
//! Enters: entries, or a segment's bytes from some block on. Leaves: the other. Refuses: everything whose checksum is not
//! right, which is what a crash leaves of a frame, and what a disk leaves of one that it damaged.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `F5 'TZKJNL' 01`, which no text begins with |
//! | 8 | the first entry's index; all numbers are little-endian |
//! | 4 | how many entries, 1 and more |
//! | 4 | how many bytes follow the checksum |
//! | 16 | the first bytes of BLAKE3 over all other bytes of the frame |
//! | | for each entry: 32 bytes of id, 4 bytes of length whose highest bit says that it was handed in, the leaf |
//!
//! A frame begins at a multiple of [`BLOCK_BYTES`] and is filled up to one with zeroes, so that writing one never
//! touches a block of another that was answered for.

use tenzik_log::Entry;
use tenzik_receipt::ReceiptId;

/// What disks and file systems write at once.
pub(super) const BLOCK_BYTES: usize = 4_096;
const MAGIC: [u8; 8] = *b"\xf5TZKJNL\x01";
const CHECKSUM: std::ops::Range<usize> = 24..40;
const HEAD_BYTES: usize = 40;
/// In an entry's length: no leaf has so many bytes.
const HANDED: u32 = 1 << 31;

/// A frame that was read.
pub(super) struct Frame {
    pub(super) entries: Vec<Entry>,
    /// With what fills its last block.
    pub(super) bytes: usize,
}

impl Frame {
    /// The first entry's index.
    pub(super) fn first(&self) -> u64 {
        self.entries.first().map_or(0, |entry| entry.index)
    }
}

/// Writes a frame over what the buffer holds. `None` for more than 4 GiB, or a leaf of 2 GiB, and then the buffer is of no use.
pub(super) fn write(entries: &[Entry], out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    let first = entries.first()?.index;
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&u32::try_from(entries.len()).ok()?.to_le_bytes());
    out.resize(HEAD_BYTES, 0);
    for entry in entries {
        out.extend_from_slice(entry.id.as_bytes());
        let length = u32::try_from(entry.leaf.len()).ok()?;
        let length = Some(length).filter(|length| length & HANDED == 0)?;
        let handed = if entry.handed { HANDED } else { 0 };
        out.extend_from_slice(&(length | handed).to_le_bytes());
        out.extend_from_slice(&entry.leaf);
    }
    let length = u32::try_from(out.len() - HEAD_BYTES).ok()?;
    out[CHECKSUM.start - 4..CHECKSUM.start].copy_from_slice(&length.to_le_bytes());
    let sum = checksum(out);
    out[CHECKSUM].copy_from_slice(&sum);
    out.resize(out.len().next_multiple_of(BLOCK_BYTES), 0);
    Some(())
}

/// The frame that these bytes begin with, if there is a whole one.
pub(super) fn read(bytes: &[u8]) -> Option<Frame> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (first, rest) = rest.split_first_chunk()?;
    let (count, rest) = rest.split_first_chunk()?;
    let (length, _) = rest.split_first_chunk()?;
    let end = HEAD_BYTES.checked_add(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let frame = bytes.get(..end)?;
    if frame.get(CHECKSUM)? != checksum(frame) {
        return None;
    }
    let entries = read_entries(&frame[HEAD_BYTES..], u64::from_le_bytes(*first))?;
    (entries.len() == usize::try_from(u32::from_le_bytes(*count)).ok()? && !entries.is_empty())
        .then_some(Frame {
            entries,
            bytes: end.next_multiple_of(BLOCK_BYTES),
        })
}

fn read_entries(mut rest: &[u8], first: u64) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (id, after) = rest.split_first_chunk()?;
        let (length, after) = after.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let handed = length & HANDED != 0;
        let length = usize::try_from(length & !HANDED).ok()?;
        let (leaf, after) = after.split_at_checked(length)?;
        entries.push(Entry {
            index: first.checked_add(entries.len() as u64)?,
            id: ReceiptId::from_bytes(*id),
            leaf: leaf.to_vec(),
            handed,
        });
        rest = after;
    }
    Some(entries)
}

fn checksum(frame: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&frame[..CHECKSUM.start]);
    hasher.update(&frame[CHECKSUM.end..]);
    let mut sum = [0; 16];
    hasher.finalize_xof().fill(&mut sum);
    sum
}
