//! The host functions of `tenzik_v1` for capsules in Zig. Text is UTF-8 here; lengths are bytes. A capsule says
//! `const tenzik = @import("tenzik.zig");`, exports `run`, and imports only the functions that it calls. What each does,
//! costs and refuses stands in docs/abi.md.

pub const abi = struct {
    // Always there.
    pub extern "tenzik_v1" fn input_len() u32;
    pub extern "tenzik_v1" fn input_read(to: [*]u8) void;
    pub extern "tenzik_v1" fn output_write(from: [*]const u8, len: u32) void;
    pub extern "tenzik_v1" fn output_json_str(text: [*]const u8, len: u32) void;
    pub extern "tenzik_v1" fn output_num(value: f64) void;
    pub extern "tenzik_v1" fn result_read(to: [*]u8) void;
    pub extern "tenzik_v1" fn output_result() void;
    pub extern "tenzik_v1" fn output_result_str() void;
    pub extern "tenzik_v1" fn text_encode(text: [*]const u8, len: u32) i32;
    pub extern "tenzik_v1" fn text_decode(bytes: [*]const u8, len: u32) i32;
    pub extern "tenzik_v1" fn fail(message: [*]const u8, len: u32) void;
    // Capability `hash`.
    pub extern "tenzik_v1" fn hash_commit(from: [*]const u8, len: u32) i32;
    pub extern "tenzik_v1" fn hash_verify(from: [*]const u8, len: u32, hex: [*]const u8) i32;
    pub extern "tenzik_v1" fn hash_sha256(from: [*]const u8, len: u32) i32;
    pub extern "tenzik_v1" fn hmac_sha256(key: [*]const u8, key_len: u32, from: [*]const u8, len: u32) i32;
    // Capability `json`. A handle is a value's number in document order; the root is 0, none is -1.
    pub extern "tenzik_v1" fn json_root() i32;
    pub extern "tenzik_v1" fn json_type(value: i32) i32;
    pub extern "tenzik_v1" fn json_len(value: i32) i32;
    pub extern "tenzik_v1" fn json_get(value: i32, key: [*]const u8, len: u32) i32;
    pub extern "tenzik_v1" fn json_at(value: i32, index: u32) i32;
    pub extern "tenzik_v1" fn json_key(value: i32, index: u32) i32;
    pub extern "tenzik_v1" fn json_raw(value: i32) i32;
    pub extern "tenzik_v1" fn json_str(value: i32) i32;
    pub extern "tenzik_v1" fn json_num(value: i32) f64;
    pub extern "tenzik_v1" fn num_parse(text: [*]const u8, len: u32) f64;
    pub extern "tenzik_v1" fn num_format(value: f64) i32;
    pub extern "tenzik_v1" fn json_path(doc: [*]const u8, doc_len: u32, path: [*]const u8, path_len: u32) i32;
    // Capability `base64`.
    pub extern "tenzik_v1" fn base64_encode(from: [*]const u8, len: u32, flags: u32) i32;
    pub extern "tenzik_v1" fn base64_decode(text: [*]const u8, len: u32, flags: u32) i32;
    // Capabilities `time`, `random` and `tools`.
    pub extern "tenzik_v1" fn time_now_ms() i64;
    pub extern "tenzik_v1" fn random_bytes(to: [*]u8, len: u32) void;
    pub extern "tenzik_v1" fn tool_call(id: [*]const u8, id_len: u32, args: [*]const u8, args_len: u32) i32;
};

/// The kinds of JSON values, as `Value.kind` gives them.
pub const Kind = enum(i32) { null, false, true, number, string, array, object, _ };

/// A value of the JSON input. It is a number: what it stands for stays with the host.
pub const Value = struct {
    handle: i32,

    /// The input itself.
    pub fn root() Value {
        return .{ .handle = abi.json_root() };
    }

    /// Whether there is one.
    pub fn exists(value: Value) bool {
        return value.handle >= 0;
    }

    /// A value that does not exist traps.
    pub fn kind(value: Value) Kind {
        return @enumFromInt(abi.json_type(value.handle));
    }

    /// How many elements or members it has; -1 of anything else.
    pub fn len(value: Value) i32 {
        return abi.json_len(value.handle);
    }

    /// A member of an object.
    pub fn get(value: Value, key: []const u8) Value {
        return .{ .handle = abi.json_get(value.handle, key.ptr, @intCast(key.len)) };
    }

    /// An element of an array, or the value of an object's member.
    pub fn at(value: Value, index: u32) Value {
        return .{ .handle = abi.json_at(value.handle, index) };
    }

    /// A number.
    pub fn number(value: Value) f64 {
        return abi.json_num(value.handle);
    }

    /// Writes the value to the output as it stands in the input.
    pub fn write(value: Value) void {
        _ = abi.json_raw(value.handle);
        abi.output_result();
    }
};

/// Writes JSON text to the output as it is.
pub fn raw(text: []const u8) void {
    abi.output_write(text.ptr, @intCast(text.len));
}

/// Writes a text to the output, quoted and escaped.
pub fn string(text: []const u8) void {
    abi.output_json_str(text.ptr, @intCast(text.len));
}

/// Writes a number to the output.
pub fn number(value: f64) void {
    abi.output_num(value);
}

/// Ends the run as failed, with a message.
pub fn fail(message: []const u8) noreturn {
    abi.fail(message.ptr, @intCast(message.len));
    @trap();
}
