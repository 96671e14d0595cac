// Capability `base64`. `flags` is a sum of the two constants; 0 is the plain padded alphabet.

export const URL_SAFE: i32 = 1;
export const NO_PADDING: i32 = 2;

// @ts-ignore: decorator
@external("tenzik_v1", "base64_encode")
export declare function base64_encode(ptr: usize, len: i32, flags: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "base64_decode")
export declare function base64_decode(ptr: usize, len: i32, flags: i32): i32;
