// The functions every capsule may call. Lengths count UTF-16 code units for text, bytes for bytes.

// @ts-ignore: decorator
@external("tenzik_v1", "input_len")
export declare function input_len(): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "input_read")
export declare function input_read(ptr: usize): void;

// @ts-ignore: decorator
@external("tenzik_v1", "output_write")
export declare function output_write(ptr: usize, len: i32): void;

// @ts-ignore: decorator
@external("tenzik_v1", "output_json_str")
export declare function output_json_str(ptr: usize, len: i32): void;

// @ts-ignore: decorator
@external("tenzik_v1", "output_num")
export declare function output_num(value: f64): void;

// @ts-ignore: decorator
@external("tenzik_v1", "result_read")
export declare function result_read(ptr: usize): void;

// @ts-ignore: decorator
@external("tenzik_v1", "output_result")
export declare function output_result(): void;

// @ts-ignore: decorator
@external("tenzik_v1", "output_result_str")
export declare function output_result_str(): void;

// @ts-ignore: decorator
@external("tenzik_v1", "text_encode")
export declare function text_encode(ptr: usize, len: i32): i32;

// @ts-ignore: decorator
@external("tenzik_v1", "text_decode")
export declare function text_decode(ptr: usize, len: i32): i32;

// Ends the run: nothing after this call happens.
// @ts-ignore: decorator
@external("tenzik_v1", "fail")
export declare function fail_text(ptr: usize, len: i32): void;
