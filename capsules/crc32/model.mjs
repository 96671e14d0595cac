/** @type {import("../test/model.js").Make} */
export const make = (random) => ({ input: random.text(random.once(10) ? 3000 : 60) });

/** @type {import("../test/model.js").Answer} */
export function answer({ input }) {
  let crc = -1;
  for (const byte of Buffer.from(input)) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return JSON.stringify({ crc32: (~crc >>> 0).toString(16).padStart(8, "0") });
}
