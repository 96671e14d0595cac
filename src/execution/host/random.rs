//! The capability `random`: one ChaCha20 keystream (RFC 8439), key = the request's seed.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tenzik_receipt::Seed;

use super::{Call, Exit};

const BLOCK_BYTES: usize = 64;

/// The keystream, handed out without a gap: the generator itself drops what is left of a word.
pub(super) struct Keystream {
    blocks: ChaCha20Rng,
    block: [u8; BLOCK_BYTES],
    used: usize,
}

impl Keystream {
    fn new(seed: &Seed) -> Self {
        Self {
            blocks: ChaCha20Rng::from_seed(*seed.as_bytes()),
            block: [0; BLOCK_BYTES],
            used: BLOCK_BYTES,
        }
    }

    fn fill(&mut self, out: &mut [u8]) {
        let mut filled = 0;
        while filled < out.len() {
            if self.used == BLOCK_BYTES {
                self.blocks.fill_bytes(&mut self.block);
                self.used = 0;
            }
            let count = (out.len() - filled).min(BLOCK_BYTES - self.used);
            out[filled..filled + count].copy_from_slice(&self.block[self.used..self.used + count]);
            filled += count;
            self.used += count;
        }
    }
}

pub(in crate::execution) fn random_bytes(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
) -> Result<(), Exit> {
    let range = call.range(ptr, len.into())?;
    call.charge_bytes(range.len())?;
    let seed = &call.host.seed;
    call.host
        .keystream
        .get_or_insert_with(|| Box::new(Keystream::new(seed)))
        .fill(&mut call.memory[range]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 appendix A.1, test vector 1: key, counter and nonce all zero.
    #[test]
    fn the_keystream_is_that_of_rfc_8439() {
        let mut start = [0; 16];
        Keystream::new(&Seed::from_bytes([0; 32])).fill(&mut start);
        assert_eq!(
            tenzik_receipt::to_hex(&start),
            "76b8e0ada0f13d90405d6ae55386bd28"
        );
    }

    #[test]
    fn call_boundaries_skip_nothing() {
        let seed = Seed::from_bytes([7; 32]);
        let mut whole = [0; 200];
        Keystream::new(&seed).fill(&mut whole);
        for cuts in [
            vec![1; 200],
            vec![63, 1, 2, 134],
            vec![0, 200],
            vec![65, 135],
        ] {
            let mut parts = Keystream::new(&seed);
            let mut joined = Vec::new();
            for cut in cuts {
                let mut part = vec![0; cut];
                parts.fill(&mut part);
                joined.extend(part);
            }
            assert_eq!(joined, whole);
        }
    }
}
