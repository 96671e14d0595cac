//! Programs by chance that do little but move NaNs about, run as they are on an engine that makes NaNs canonical, and metered
//! on two that do not: whatever they leave in memory and globals is the same.

use std::fmt::Write as _;

use tenzik::metering::meter_module;

use crate::engine::{Engine, Value};
use crate::interpreted::Interpreted;
use crate::naive;
use crate::native::Native;

/// Programs of a test; `TENZIK_GENERATED` sets more.
const PROGRAMS: u64 = 60;
/// Functions of a program. Each calls those before it only.
const FUNCTIONS: u64 = 4;
const LOCALS: u64 = 3;
/// Floats in memory and in globals.
const CELLS: u64 = 16;
const GLOBALS: u64 = 2;

const BINARY: [&str; 7] = ["add", "sub", "mul", "div", "min", "max", "copysign"];
const UNARY: [&str; 7] = ["abs", "neg", "sqrt", "ceil", "floor", "trunc", "nearest"];
const NUMBERS: [&str; 8] = ["0", "-0", "1.5", "-3", "inf", "-inf", "1e30", "0.1"];
const NANS: [&str; 4] = ["nan", "-nan", "nan:0x200001", "-nan:0x612345"];

/// Writes a program from a seed.
struct Writer {
    state: u64,
    out: String,
    function: u64,
    loops: u64,
    /// Whether loops may have parameters.
    loop_params: bool,
}

impl Writer {
    fn below(&mut self, most: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % most
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len() as u64) as usize]
    }

    fn write(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push(' ');
    }

    fn program(seed: u64, loop_params: bool) -> String {
        let mut writer = Self {
            state: seed,
            out: "(module (memory 1) ".to_owned(),
            function: 0,
            loops: 0,
            loop_params,
        };
        for global in 0..GLOBALS {
            let _ = write!(
                writer.out,
                "(global $f32_{global} (mut f32) (f32.const 0)) "
            );
            let _ = write!(
                writer.out,
                "(global $f64_{global} (mut f64) (f64.const 0)) "
            );
        }
        for function in 0..FUNCTIONS {
            writer.function = function;
            writer.function();
        }
        writer.digest();
        writer.out
    }

    fn function(&mut self) {
        let number = self.function;
        let _ = write!(
            self.out,
            "(func $f{number} (export \"f{number}\") (param $a f32) (param $b f64) (result f32 f64) "
        );
        for local in 0..LOCALS {
            let _ = write!(self.out, "(local $f32{local} f32) (local $f64{local} f64) ");
        }
        self.write("(local $c0 i32) (local $c1 i32)");
        for _ in 0..6 {
            self.statement(3);
        }
        self.float("f32", 3);
        self.float("f64", 3);
        self.write(")\n");
    }

    fn statements(&mut self, depth: u64) {
        for _ in 0..=self.below(2) {
            self.statement(depth - 1);
        }
    }

    fn ty(&mut self) -> &'static str {
        self.pick(&["f32", "f64"])
    }

    /// Leaves the operands as they are.
    fn statement(&mut self, depth: u64) {
        let ty = self.ty();
        match self.below(if depth == 0 { 4 } else { 9 }) {
            0 | 1 => {
                self.float(ty, depth.min(2));
                let local = self.below(LOCALS);
                self.write(&format!("local.set ${ty}{local}"));
            }
            2 => {
                let cell = self.below(CELLS) * 8;
                self.write(&format!("i32.const {cell}"));
                self.float(ty, depth.min(2));
                self.write(&format!("{ty}.store"));
            }
            3 => {
                self.float(ty, depth.min(2));
                let global = self.below(GLOBALS);
                self.write(&format!("global.set ${ty}_{global}"));
            }
            4 => {
                self.condition(1);
                self.write("if");
                self.statements(depth);
                self.write("else");
                self.statements(depth);
                self.write("end");
            }
            5 => {
                self.write("block");
                self.statements(depth);
                self.condition(1);
                self.write("br_if 0");
                self.statements(depth);
                self.write("end");
            }
            6 => {
                self.write("block");
                self.statements(depth);
                self.write("br 0");
                // Dead.
                self.float(ty, 1);
                self.write("drop end");
            }
            7 if self.function > 0 => {
                self.call();
                self.write("drop drop");
            }
            _ if self.loops < 2 => {
                let counter = self.loops;
                self.loops += 1;
                self.write(&format!("i32.const 3 local.set $c{counter} loop"));
                self.statements(depth);
                self.write(&format!(
                    "local.get $c{counter} i32.const 1 i32.sub local.tee $c{counter} br_if 0 end"
                ));
                self.loops -= 1;
            }
            _ => {}
        }
    }

    /// Leaves both results of an earlier function.
    fn call(&mut self) {
        self.float("f32", 1);
        self.float("f64", 1);
        let callee = self.below(self.function);
        self.write(&format!("call $f{callee}"));
    }

    /// Leaves one float.
    fn float(&mut self, ty: &'static str, depth: u64) {
        let other = if ty == "f32" { "f64" } else { "f32" };
        match self.below(if depth == 0 { 6 } else { 17 }) {
            0 => {
                let number = self.pick(&NUMBERS);
                self.write(&format!("{ty}.const {number}"));
            }
            1 => {
                let nan = self.pick(&NANS);
                self.write(&format!("{ty}.const {nan}"));
            }
            2 | 3 => {
                let local = self.below(LOCALS);
                self.write(&format!("local.get ${ty}{local}"));
            }
            4 => self.write(if ty == "f32" {
                "local.get $a"
            } else {
                "local.get $b"
            }),
            5 => {
                let (cell, global) = (self.below(CELLS) * 8, self.below(GLOBALS));
                match self.below(2) {
                    0 => self.write(&format!("i32.const {cell} {ty}.load")),
                    _ => self.write(&format!("global.get ${ty}_{global}")),
                }
            }
            6..=8 => {
                self.float(ty, depth - 1);
                self.float(ty, depth - 1);
                let operator = self.pick(&BINARY);
                self.write(&format!("{ty}.{operator}"));
            }
            9 => {
                self.float(ty, depth - 1);
                let operator = self.pick(&UNARY);
                self.write(&format!("{ty}.{operator}"));
            }
            10 => {
                self.float(other, depth - 1);
                self.write(if ty == "f32" {
                    "f32.demote_f64"
                } else {
                    "f64.promote_f32"
                });
            }
            11 => {
                self.float(ty, depth - 1);
                let local = self.below(LOCALS);
                self.write(&format!("local.tee ${ty}{local}"));
            }
            12 => {
                self.float(ty, depth - 1);
                self.float(ty, depth - 1);
                self.condition(depth - 1);
                self.write("select");
            }
            13 => {
                self.write(&format!("block (result {ty})"));
                self.float(ty, depth - 1);
                self.condition(depth - 1);
                self.write("br_if 0 drop");
                self.float(ty, depth - 1);
                self.write("end");
            }
            14 => {
                self.condition(depth - 1);
                self.write(&format!("if (result {ty})"));
                self.float(ty, depth - 1);
                self.write("else");
                self.float(ty, depth - 1);
                self.write("end");
            }
            15 if self.function > 0 => {
                self.call();
                match ty {
                    "f32" => self.write("drop"),
                    _ => self.write("f64.const 1 f64.add i64.reinterpret_f64 f64.reinterpret_i64 block (param f32 f64) (result f64) f64.neg br 0 end"),
                }
            }
            _ => {
                self.float(ty, depth - 1);
                let construct = if self.loop_params { "loop" } else { "block" };
                self.write(&format!("{construct} (param {ty}) (result {ty})"));
                self.float(ty, depth - 1);
                self.write(&format!("{ty}.add end"));
            }
        }
    }

    /// Leaves a number that depends on bits.
    fn condition(&mut self, depth: u64) {
        self.float("f32", depth);
        match self.below(3) {
            0 => self.write("i32.reinterpret_f32 i32.const 5 i32.and"),
            1 => self.write("i32.trunc_sat_f32_s"),
            _ => {
                self.float("f32", depth);
                let compared = self.pick(&["eq", "ne", "lt", "ge"]);
                self.write(&format!("f32.{compared}"));
            }
        }
    }

    /// A function that makes one number of all that was left.
    fn digest(&mut self) {
        self.write("(func (export \"digest\") (result i64) (local $d i64) (local $at i32)");
        for global in 0..GLOBALS {
            let _ = write!(
                self.out,
                "local.get $d i64.const 31 i64.mul global.get $f32_{global} i32.reinterpret_f32 i64.extend_i32_u i64.add
                 i64.const 31 i64.mul global.get $f64_{global} i64.reinterpret_f64 i64.add local.set $d "
            );
        }
        let _ = write!(
            self.out,
            "loop local.get $d i64.const 31 i64.mul local.get $at i64.load i64.add local.set $d
             local.get $at i32.const 8 i32.add local.tee $at i32.const {} i32.lt_u br_if 0 end local.get $d))",
            CELLS * 8
        );
    }
}

/// What each function gives, and what all leave.
fn traces<E: Engine>(module: &[u8]) -> Vec<Vec<Value>> {
    let mut engine = E::new();
    let instance = engine.instantiate(module).expect("an instance");
    engine.set_global(instance, "tenzik:fuel", Value::I64(1 << 40));
    let nan = [Value::F32(0xffa1_2345), Value::F64(0xfff4_5678_9abc_def0)];
    let mut all = Vec::new();
    for function in 0..FUNCTIONS {
        all.push(engine.call(instance, &format!("f{function}"), &nan));
    }
    all.push(engine.call(instance, "digest", &[]));
    let all: Result<_, _> = all.into_iter().collect();
    all.expect("nothing traps")
}

#[test]
fn nans_are_canonical_wherever_they_can_be_seen() {
    let programs = std::env::var("TENZIK_GENERATED").map_or(PROGRAMS, |count| {
        count.parse().expect("a number of programs")
    });
    for seed in 0..programs {
        let loop_params = seed % 2 == 1;
        let text = Writer::program(seed, loop_params);
        let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let metered = meter_module(&module).expect("a valid module");
        let expected = traces::<Native<true>>(&naive::counting(&module));
        assert_eq!(traces::<Native<false>>(metered.bytes()), expected, "{seed}");
        // See `mistakes.rs`.
        if !loop_params {
            assert_eq!(traces::<Interpreted>(metered.bytes()), expected, "{seed}");
        }
    }
}
