// What a capsule imports. It goes in through `Input`, comes out through `Output`, and the host does
// the heavy work: parsing, escaping, transcoding, number formatting. The functions of the ABI stand
// in `abi/`, one file for each capability; a capsule imports only those it calls.
//
// Nothing here checks what the host has checked already (a JSON input is strict JSON).

export { alloc, fail, failAt, take } from "./text";
export { Input, Type, Value } from "./input";
export { Char, Output } from "./output";
export { blake3, fromBase64, fromUtf8, hmacSha256, sha256, toBase64, utf8 } from "./bytes";
export { NO_PADDING, URL_SAFE } from "./abi/base64";
