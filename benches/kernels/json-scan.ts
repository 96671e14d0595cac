// Bytes, branches and a switch: a pass over 512 KiB of JSON that counts values and the greatest depth.
const START: usize = 4096;
const RECORD = "{\"id\":1234,\"name\":\"caf\\u00e9 \\\"x\\\"\",\"tags\":[true,false,null],\"rate\":-12.5e3},\n";

export function run(): void {
  memory.grow(9);
  const length = RECORD.length;
  let end = START;
  for (let round = 0; round < 6000; round++) {
    for (let i = 0; i < length; i++) store<u8>(end++, <u8>RECORD.charCodeAt(i));
  }
  let values = 0, depth = 0, deepest = 0, inText = false;
  for (let at = START; at < end; at++) {
    const byte = load<u8>(at);
    if (inText) {
      if (byte == 0x5c) at++;
      else if (byte == 0x22) inText = false;
      continue;
    }
    switch (byte) {
      case 0x22: { inText = true; values++; break; }
      case 0x7b: case 0x5b: { depth++; if (depth > deepest) deepest = depth; break; }
      case 0x7d: case 0x5d: { depth--; break; }
      case 0x2c: case 0x3a: case 0x20: case 0x0a: break;
      default: {
        values++;
        while (at + 1 < end) {
          const next = load<u8>(at + 1);
          if (next == 0x2c || next == 0x7d || next == 0x5d) break;
          at++;
        }
      }
    }
  }
  store<i32>(0, values);
  store<i32>(4, deepest);
}
