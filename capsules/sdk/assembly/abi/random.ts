// Capability `random`: the next bytes of one keystream, keyed by the seed of the request.

// @ts-ignore: decorator
@external("tenzik_v1", "random_bytes")
export declare function random_bytes(ptr: usize, len: i32): void;
