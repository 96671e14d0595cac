// BLAKE3 of bytes in plain TypeScript, hash mode, 32 bytes, from the paper's description. For models only: it is slow.

const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8;

export function blake3(bytes: Uint8Array): string {
  const words = tree(bytes, 0, ROOT);
  return Buffer.from(Uint32Array.from(words.slice(0, 8)).buffer).toString("hex");
}

// The node over these bytes; the left half is the largest power of two of chunks that leaves something to the right.
function tree(bytes: Uint8Array, counter: number, flag: number): number[] {
  if (bytes.length <= 1024) return chunk(bytes, counter, flag);
  let left = 1024;
  while (left * 2 < bytes.length) left *= 2;
  const block = [...tree(bytes.subarray(0, left), counter, 0).slice(0, 8), ...tree(bytes.subarray(left), counter + left / 1024, 0).slice(0, 8)];
  return compress(IV, block, 0, 64, PARENT | flag);
}

function chunk(bytes: Uint8Array, counter: number, flag: number): number[] {
  let chain = IV;
  for (let at = 0; ; at += 64) {
    const part = bytes.subarray(at, at + 64);
    const block = new Uint8Array(64);
    block.set(part);
    const last = at + 64 >= bytes.length;
    const flags = (at === 0 ? CHUNK_START : 0) | (last ? CHUNK_END | flag : 0);
    chain = compress(chain, [...new Uint32Array(block.buffer)], counter, part.length, flags).slice(0, 8);
    if (last) return chain;
  }
}

function compress(chain: number[], block: number[], counter: number, length: number, flags: number): number[] {
  const v = [...chain, ...IV.slice(0, 4), counter >>> 0, Math.floor(counter / 2 ** 32), length, flags];
  let m = block;
  const turn = (x: number, n: number) => (x >>> n) | (x << (32 - n));
  const mix = (a: number, b: number, c: number, d: number, x: number, y: number) => {
    v[a] = (v[a] + v[b] + x) | 0;
    v[d] = turn(v[d] ^ v[a], 16);
    v[c] = (v[c] + v[d]) | 0;
    v[b] = turn(v[b] ^ v[c], 12);
    v[a] = (v[a] + v[b] + y) | 0;
    v[d] = turn(v[d] ^ v[a], 8);
    v[c] = (v[c] + v[d]) | 0;
    v[b] = turn(v[b] ^ v[c], 7);
  };
  for (let round = 0; round < 7; round++) {
    mix(0, 4, 8, 12, m[0], m[1]); mix(1, 5, 9, 13, m[2], m[3]); mix(2, 6, 10, 14, m[4], m[5]); mix(3, 7, 11, 15, m[6], m[7]);
    mix(0, 5, 10, 15, m[8], m[9]); mix(1, 6, 11, 12, m[10], m[11]); mix(2, 7, 8, 13, m[12], m[13]); mix(3, 4, 9, 14, m[14], m[15]);
    m = ORDER.map((i) => m[i]);
  }
  return v.slice(0, 8).map((x, i) => (x ^ v[i + 8]) >>> 0);
}
