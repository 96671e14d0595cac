// Capability `json`. A handle `h` is a value's number in document order; the root is 0.

// @ts-ignore: decorator
@external("tenzik_v1", "json_root")
export declare function json_root(): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "json_type")
export declare function json_type(h: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "json_len")
export declare function json_len(h: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "json_get")
export declare function json_get(h: i32, key: usize, keyLen: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "json_at")
export declare function json_at(h: i32, i: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "json_key")
export declare function json_key(h: i32, i: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "json_raw")
export declare function json_raw(h: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "json_str")
export declare function json_str(h: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "json_num")
export declare function json_num(h: i32): f64;

// @ts-ignore: decorator
@external("tenzik_v1", "num_parse")
export declare function num_parse(ptr: usize, len: i32): f64;

// @ts-ignore: decorator
@external("tenzik_v1", "num_format")
export declare function num_format(value: f64): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "json_path")
export declare function json_path(doc: usize, docLen: i32, path: usize, pathLen: i32): i32;
