// Capability `hash`. Digests arrive in the result buffer as 64 lower-case hex digits of text.

// @ts-ignore: decorator
@external("tenzik_v1", "hash_commit")
export declare function hash_commit(ptr: usize, len: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "hash_verify")
export declare function hash_verify(ptr: usize, len: i32, hex: usize): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "hash_sha256")
export declare function hash_sha256(ptr: usize, len: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "hmac_sha256")
export declare function hmac_sha256(key: usize, keyLen: i32, ptr: usize, len: i32): i32;
