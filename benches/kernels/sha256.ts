// Integer arithmetic in long straight stretches: SHA-256 (FIPS 180-4) of 256 KiB.
const WORDS: usize = 1024;
const KEYS: usize = WORDS + 256;
const STATE: usize = KEYS + 256;
const DATA: usize = 4096;
const BYTES: usize = 262144;

function fraction(x: f64): u32 {
  return <u32>((x - Math.floor(x)) * 4294967296.0);
}

function isPrime(n: i32): bool {
  for (let d = 2; d * d <= n; d++) if (n % d == 0) return false;
  return true;
}

function cubeRoot(n: f64): f64 {
  let root = n / 3.0;
  for (let i = 0; i < 60; i++) root = (2.0 * root + n / (root * root)) / 3.0;
  return root;
}

function prepare(): void {
  let n = 2;
  for (let i = 0; i < 64; n++) {
    if (!isPrime(n)) continue;
    if (i < 8) store<u32>(STATE + i * 4, fraction(Math.sqrt(<f64>n)));
    store<u32>(KEYS + i * 4, fraction(cubeRoot(<f64>n)));
    i++;
  }
}

function block(at: usize): void {
  for (let i = 0; i < 16; i++) store<u32>(WORDS + i * 4, bswap<u32>(load<u32>(at + i * 4)));
  for (let i = 16; i < 64; i++) {
    const a = load<u32>(WORDS + (i - 15) * 4), b = load<u32>(WORDS + (i - 2) * 4);
    const s0 = rotr(a, 7) ^ rotr(a, 18) ^ (a >>> 3);
    const s1 = rotr(b, 17) ^ rotr(b, 19) ^ (b >>> 10);
    store<u32>(WORDS + i * 4, load<u32>(WORDS + (i - 16) * 4) + s0 + load<u32>(WORDS + (i - 7) * 4) + s1);
  }
  let a = load<u32>(STATE), b = load<u32>(STATE + 4), c = load<u32>(STATE + 8), d = load<u32>(STATE + 12);
  let e = load<u32>(STATE + 16), f = load<u32>(STATE + 20), g = load<u32>(STATE + 24), h = load<u32>(STATE + 28);
  for (let i = 0; i < 64; i++) {
    const s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
    const t1 = h + s1 + ((e & f) ^ (~e & g)) + load<u32>(KEYS + i * 4) + load<u32>(WORDS + i * 4);
    const s0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
    const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g; g = f; f = e; e = d + t1; d = c; c = b; b = a; a = t1 + t2;
  }
  store<u32>(STATE, load<u32>(STATE) + a);
  store<u32>(STATE + 4, load<u32>(STATE + 4) + b);
  store<u32>(STATE + 8, load<u32>(STATE + 8) + c);
  store<u32>(STATE + 12, load<u32>(STATE + 12) + d);
  store<u32>(STATE + 16, load<u32>(STATE + 16) + e);
  store<u32>(STATE + 20, load<u32>(STATE + 20) + f);
  store<u32>(STATE + 24, load<u32>(STATE + 24) + g);
  store<u32>(STATE + 28, load<u32>(STATE + 28) + h);
}

export function run(): void {
  memory.grow(5);
  prepare();
  for (let at: usize = 0; at < BYTES; at += 64) block(DATA + at);
}
