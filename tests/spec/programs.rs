//! Programs by chance that do little but move NaNs about.
//!
//! Enters: a seed. Leaves: a module's text, with functions `f0`, `f1` … and one that makes a number of all that they left.
//!
//! They are written by a grammar: texts with names in braces, for each of which [`Writer::part`] has something.

/// Functions of a program. Each calls those before it only.
pub(crate) const FUNCTIONS: u64 = 4;
const LOCALS: u64 = 3;
/// Places in memory that are used, of 8 bytes.
const CELLS: u64 = 16;
const GLOBALS: u64 = 2;
/// How deep loops are in each other; each has a local that counts its rounds.
const LOOPS: usize = 2;

/// Leave one float of the type `t`. The first few have no other in them.
const FLOATS: [&str; 20] = [
    "{t}.const {number} ",
    "{t}.const {nan} ",
    "local.get ${t}{local} ",
    "local.get ${t}{local} ",
    "local.get ${t}in ",
    "i32.const {cell} {t}.load ",
    "global.get ${t}_{global} ",
    "{float}{float}{t}.{binary} ",
    "{float}{float}{t}.{binary} ",
    "{float}{float}{t}.{binary} ",
    "{float}{t}.{unary} ",
    "{converted}",
    "{float}local.tee ${t}{local} ",
    "{float}{float}{condition}select ",
    "block (result {t}) {float}{condition}br_if 0 drop {float}end ",
    "block (result {t}) {float}br 0 drop {float}end ",
    "{condition}if (result {t}) {float}else {float}end ",
    "{float}{construct} (param {t}) (result {t}) {float}{t}.add end ",
    "{float}{float}{condition}block (param {t} {t} i32) (result {t}) br_if 0 {t}.{binary} end ",
    "{called}",
];
const FLOATS_SIMPLE: usize = 7;

/// Leave the operands as they are. The first few have no other in them.
const STATEMENTS: [&str; 10] = [
    "{float}local.set ${t}{local} ",
    "{float}local.set ${t}{local} ",
    "i32.const {cell} {float}{t}.store ",
    "{float}global.set ${t}_{global} ",
    "{condition}if {statements}else {statements}end ",
    "block {statements}{condition}br_if 0 {statements}end ",
    "block {statements}br 0 {float}drop end ",
    "{call}drop drop ",
    "{rounds}",
    "{rounds}",
];
const STATEMENTS_SIMPLE: usize = 4;

/// Leave a number that depends on bits.
const CONDITIONS: [&str; 4] = [
    "{float}i32.reinterpret_f32 i32.const 5 i32.and ",
    "{float}i32.trunc_sat_f32_s ",
    "{float}{float}f32.lt ",
    "{float}{float}f32.ne ",
];

const BINARY: [&str; 7] = ["add", "sub", "mul", "div", "min", "max", "copysign"];
const UNARY: [&str; 7] = ["abs", "neg", "sqrt", "ceil", "floor", "trunc", "nearest"];
const NUMBERS: [&str; 8] = ["0", "-0", "1.5", "-3", "inf", "-inf", "1e30", "0.1"];
const NANS: [&str; 4] = ["nan", "-nan", "nan:0x200001", "-nan:0x612345"];
const TYPES: [&str; 2] = ["f32", "f64"];

/// Writes a program from a seed.
pub(crate) struct Writer {
    state: u64,
    out: String,
    function: u64,
    loops: usize,
}

impl Writer {
    pub(crate) fn program(seed: u64) -> String {
        let mut writer = Self {
            state: seed,
            out: "(module (memory 1)\n".to_owned(),
            function: 0,
            loops: 0,
        };
        for (global, ty) in (0..GLOBALS).flat_map(|global| TYPES.map(|ty| (global, ty))) {
            writer.out += &format!("(global ${ty}_{global} (mut {ty}) ({ty}.const 0))\n");
        }
        for function in 0..FUNCTIONS {
            writer.function = function;
            writer.function();
        }
        writer.out + &digest() + ")"
    }

    fn function(&mut self) {
        let number = self.function;
        self.out += &format!("(func $f{number} (export \"f{number}\")");
        self.out += " (param $f32in f32) (param $f64in f64) (result f32 f64)\n";
        for local in 0..LOCALS {
            self.out += &format!("(local $f32{local} f32) (local $f64{local} f64) ");
        }
        for counter in 0..LOOPS {
            self.out += &format!("(local $c{counter} i32) ");
        }
        for _ in 0..6 {
            self.part("statements", "f32", 4);
        }
        self.float("f32", 3);
        self.float("f64", 3);
        self.out += ")\n";
    }

    fn below(&mut self, most: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % most
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }

    fn float(&mut self, ty: &str, depth: u64) {
        let most = if depth == 0 {
            FLOATS_SIMPLE
        } else {
            FLOATS.len()
        };
        let text = self.pick(&FLOATS[..most]);
        self.text(text, ty, depth);
    }

    fn text(&mut self, text: &str, ty: &str, depth: u64) {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').expect("a name in braces");
            self.out += before;
            self.part(name, ty, depth.saturating_sub(1));
            rest = after;
        }
        self.out += rest;
    }

    fn part(&mut self, name: &str, ty: &str, depth: u64) {
        let word = match name {
            "t" => ty.to_owned(),
            "number" => self.pick(&NUMBERS).to_owned(),
            "nan" => self.pick(&NANS).to_owned(),
            "binary" => self.pick(&BINARY).to_owned(),
            "unary" => self.pick(&UNARY).to_owned(),
            "local" => self.below(LOCALS).to_string(),
            "global" => self.below(GLOBALS).to_string(),
            "cell" => (self.below(CELLS) * 8).to_string(),
            "callee" => self.below(self.function).to_string(),
            "construct" => self.pick(&["block", "loop"]).to_owned(),
            _ => return self.construct(name, ty, depth),
        };
        self.out += &word;
    }

    fn construct(&mut self, name: &str, ty: &str, depth: u64) {
        match (name, ty) {
            ("float", _) => self.float(ty, depth),
            ("f32" | "f64", _) => self.float(name, depth),
            ("condition", _) => {
                let text = self.pick(&CONDITIONS);
                self.text(text, "f32", depth.min(2));
            }
            ("converted", "f32") => self.text("{f64}f32.demote_f64 ", ty, depth),
            ("converted", _) => self.text("{f32}f64.promote_f32 ", ty, depth),
            ("call", _) if self.function > 0 => self.text("{f32}{f64}call $f{callee} ", ty, 2),
            ("call", _) => self.text("{f32}{f64}", ty, 1),
            ("called", "f32") => self.text("{call}drop ", ty, depth),
            ("called", _) => {
                let text = "{call}block (param f32 f64) (result f64) f64.neg br 0 end ";
                self.text(text, ty, depth);
            }
            ("rounds", _) => self.rounds(ty, depth),
            _ => self.statements(depth),
        }
    }

    fn statements(&mut self, depth: u64) {
        for _ in 0..=self.below(2) {
            let most = if depth == 0 {
                STATEMENTS_SIMPLE
            } else {
                STATEMENTS.len()
            };
            let (text, ty) = (self.pick(&STATEMENTS[..most]), self.pick(&TYPES));
            self.text(text, ty, depth);
        }
    }

    fn rounds(&mut self, ty: &str, depth: u64) {
        let counter = self.loops;
        if counter == LOOPS {
            return;
        }
        self.loops += 1;
        self.out += &format!("i32.const 3 local.set $c{counter} loop ");
        self.text("{statements}", ty, depth);
        let next = "i32.const 1 i32.sub local.tee";
        self.out += &format!("local.get $c{counter} {next} $c{counter} br_if 0 end ");
        self.loops -= 1;
    }
}

/// A function that makes one number of all that was left.
fn digest() -> String {
    let mix = "local.get $d i64.const 31 i64.mul";
    let globals = (0..GLOBALS).map(|global| {
        format!(
            "{mix} global.get $f32_{global} i32.reinterpret_f32 i64.extend_i32_u i64.add
             i64.const 31 i64.mul global.get $f64_{global} i64.reinterpret_f64 i64.add local.set $d\n"
        )
    });
    format!(
        "(func (export \"digest\") (result i64) (local $d i64) (local $at i32)\n{}
         loop {mix} local.get $at i64.load i64.add local.set $d
         local.get $at i32.const 8 i32.add local.tee $at i32.const {} i32.lt_u br_if 0 end
         local.get $d)",
        globals.collect::<String>(),
        CELLS * 8
    )
}
