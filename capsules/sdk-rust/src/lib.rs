//! The host functions of `tenzik_v1` for capsules in Rust, without dependencies. Text is UTF-8 here; lengths are bytes.
//!
//! A capsule is a `no_std` crate, a `cdylib` for wasm32-unknown-unknown, that exports `run`:
//!
//! ```ignore
//! #[no_mangle]
//! pub extern "C" fn run() {
//!     tenzik_sdk::Value::root().write();
//! }
//! ```
//!
//! It imports only the functions that it calls. What each does, costs and refuses stands in docs/abi.md. On other targets
//! the crate is there for editors: nothing of it can be linked.

#![no_std]

/// The functions as the host has them.
pub mod abi {
    #[link(wasm_import_module = "tenzik_v1")]
    extern "C" {
        // Always there.
        pub fn input_len() -> u32;
        pub fn input_read(to: *mut u8);
        pub fn output_write(from: *const u8, len: u32);
        pub fn output_json_str(text: *const u8, len: u32);
        pub fn output_num(value: f64);
        pub fn result_read(to: *mut u8);
        pub fn output_result();
        pub fn output_result_str();
        pub fn text_encode(text: *const u8, len: u32) -> i32;
        pub fn text_decode(bytes: *const u8, len: u32) -> i32;
        pub fn fail(message: *const u8, len: u32);
        // Capability `hash`.
        pub fn hash_commit(from: *const u8, len: u32) -> i32;
        pub fn hash_verify(from: *const u8, len: u32, hex: *const u8) -> i32;
        pub fn hash_sha256(from: *const u8, len: u32) -> i32;
        pub fn hmac_sha256(key: *const u8, key_len: u32, from: *const u8, len: u32) -> i32;
        // Capability `json`. A handle is a value's number in document order; the root is 0, none is -1.
        pub fn json_root() -> i32;
        pub fn json_type(value: i32) -> i32;
        pub fn json_len(value: i32) -> i32;
        pub fn json_get(value: i32, key: *const u8, len: u32) -> i32;
        pub fn json_at(value: i32, index: u32) -> i32;
        pub fn json_key(value: i32, index: u32) -> i32;
        pub fn json_raw(value: i32) -> i32;
        pub fn json_str(value: i32) -> i32;
        pub fn json_num(value: i32) -> f64;
        pub fn num_parse(text: *const u8, len: u32) -> f64;
        pub fn num_format(value: f64) -> i32;
        pub fn json_path(doc: *const u8, doc_len: u32, path: *const u8, path_len: u32) -> i32;
        // Capability `base64`.
        pub fn base64_encode(from: *const u8, len: u32, flags: u32) -> i32;
        pub fn base64_decode(text: *const u8, len: u32, flags: u32) -> i32;
        // Capabilities `time`, `random` and `tools`.
        pub fn time_now_ms() -> i64;
        pub fn random_bytes(to: *mut u8, len: u32);
        pub fn tool_call(id: *const u8, id_len: u32, args: *const u8, args_len: u32) -> i32;
    }
}

/// The kinds of JSON values, as [`Value::kind`] gives them.
pub const NULL: i32 = 0;
pub const FALSE: i32 = 1;
pub const TRUE: i32 = 2;
pub const NUMBER: i32 = 3;
pub const STRING: i32 = 4;
pub const ARRAY: i32 = 5;
pub const OBJECT: i32 = 6;

/// A value of the JSON input. It is a number: what it stands for stays with the host.
#[derive(Clone, Copy)]
pub struct Value(i32);

impl Value {
    /// The input itself.
    pub fn root() -> Self {
        Value(unsafe { abi::json_root() })
    }

    /// Whether there is one.
    pub fn exists(self) -> bool {
        self.0 >= 0
    }

    /// One of the kinds above. A value that does not exist traps.
    pub fn kind(self) -> i32 {
        unsafe { abi::json_type(self.0) }
    }

    /// How many elements or members it has; -1 of anything else.
    #[allow(clippy::len_without_is_empty)] // it would have three answers
    pub fn len(self) -> i32 {
        unsafe { abi::json_len(self.0) }
    }

    /// A member of an object.
    pub fn get(self, key: &str) -> Self {
        Value(unsafe { abi::json_get(self.0, key.as_ptr(), key.len() as u32) })
    }

    /// An element of an array, or the value of an object's member.
    pub fn at(self, index: u32) -> Self {
        Value(unsafe { abi::json_at(self.0, index) })
    }

    /// A number.
    pub fn number(self) -> f64 {
        unsafe { abi::json_num(self.0) }
    }

    /// Writes the value to the output as it stands in the input.
    pub fn write(self) {
        unsafe {
            abi::json_raw(self.0);
            abi::output_result();
        }
    }

    /// Writes a string's text to the output, quoted and escaped; 0 and up if it is one.
    pub fn write_string(self) -> i32 {
        unsafe {
            let len = abi::json_str(self.0);
            if len >= 0 {
                abi::output_result_str();
            }
            len
        }
    }
}

/// Writes JSON text to the output as it is.
pub fn raw(text: &str) {
    unsafe { abi::output_write(text.as_ptr(), text.len() as u32) }
}

/// Writes a text to the output, quoted and escaped.
pub fn string(text: &str) {
    unsafe { abi::output_json_str(text.as_ptr(), text.len() as u32) }
}

/// Writes a number to the output.
pub fn number(value: f64) {
    unsafe { abi::output_num(value) }
}

/// Ends the run as failed, with a message.
pub fn fail(message: &str) -> ! {
    unsafe { abi::fail(message.as_ptr(), message.len() as u32) }
    trap()
}

#[cfg(target_arch = "wasm32")]
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    trap()
}
