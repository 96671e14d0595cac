// Random capsules that are valid, as WebAssembly text.
//
// Enters: a seed. Leaves: a module with functions, blocks of several values, branches, dead code, calls, memory, bulk
// operators, floats, host calls. It may trap, run out of fuel or of stack: what matters is that everybody says the same.

type ValueType = "i32" | "i64" | "f32" | "f64";

const TYPES: readonly ValueType[] = ["i32", "i64", "f32", "f64"];
const INTEGER_BINARY = ["add", "sub", "mul", "and", "or", "xor", "shl", "shr_s", "shr_u", "rotl"];
const DIVISION = ["div_s", "div_u", "rem_s", "rem_u"];
const FLOAT_BINARY = ["add", "sub", "mul", "div", "min", "max", "copysign"];
const FLOAT_UNARY = ["abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt"];
const COMPARISON = { i: ["eq", "ne", "lt_s", "lt_u", "gt_s", "ge_u"], f: ["eq", "ne", "lt", "gt", "le", "ge"] };
const CONVERSIONS: readonly [ValueType, ValueType, string][] = [
  ["i64", "i32", "i32.wrap_i64"],
  ["i32", "i64", "i64.extend_i32_s"],
  ["f64", "i32", "i32.trunc_sat_f64_s"],
  ["f32", "i64", "i64.trunc_sat_f32_u"],
  ["f64", "i32", "i32.trunc_f64_s"],
  ["i32", "f64", "f64.convert_i32_u"],
  ["i64", "f32", "f32.convert_i64_s"],
  ["f64", "f32", "f32.demote_f64"],
  ["f32", "f64", "f64.promote_f32"],
  ["f32", "i32", "i32.reinterpret_f32"],
  ["f64", "i64", "i64.reinterpret_f64"],
  ["i32", "f32", "f32.reinterpret_i32"],
  ["i64", "f64", "f64.reinterpret_i64"],
];
const FLOAT_TEXTS = ["0", "-0", "1.5", "nan", "-nan", "inf", "-inf", "1e30", "3.25e-5", "nan:0x200001", "-2147483649"];
const IMPORTS: Record<string, Signature> = {
  input_len: { params: [], results: ["i32"] },
  hash_commit: { params: ["i32", "i32"], results: ["i32"] },
  output_write: { params: ["i32", "i32"], results: [] },
  output_num: { params: ["f64"], results: [] },
  result_read: { params: ["i32"], results: [] },
  random_bytes: { params: ["i32", "i32"], results: [] },
  time_now_ms: { params: [], results: ["i64"] },
  base64_encode: { params: ["i32", "i32", "i32"], results: ["i32"] },
  text_decode: { params: ["i32", "i32"], results: ["i32"] },
  output_json_str: { params: ["i32", "i32"], results: [] },
  output_result: { params: [], results: [] },
  num_format: { params: ["f64"], results: ["i32"] },
};
/** Host calls that end most runs, so they are made in some modules only. */
const ENDING_IMPORTS: Record<string, Signature> = {
  json_type: { params: ["i32"], results: ["i32"] },
  json_get: { params: ["i32", "i32", "i32"], results: ["i32"] },
  json_raw: { params: ["i32"], results: ["i32"] },
  json_num: { params: ["i32"], results: ["f64"] },
  json_path: { params: ["i32", "i32", "i32", "i32"], results: ["i32"] },
  num_parse: { params: ["i32", "i32"], results: ["f64"] },
  hash_verify: { params: ["i32", "i32", "i32"], results: ["i32"] },
  text_encode: { params: ["i32", "i32"], results: ["i32"] },
  base64_decode: { params: ["i32", "i32", "i32"], results: ["i32"] },
  fail: { params: ["i32", "i32"], results: [] },
};

interface Signature {
  params: ValueType[];
  results: ValueType[];
}

export class Generator {
  #state: number;
  #out: string[] = [];
  #stack: ValueType[] = [];
  #labels: ValueType[][] = [];
  #locals: ValueType[] = [];
  #results: ValueType[] = [];
  #signatures: Signature[] = [];
  #imports = IMPORTS;

  /** `scale` makes bodies that many times as long. */
  constructor(
    seed: number,
    readonly scale = 1,
  ) {
    this.#state = (seed * 2654435761 + 12345) >>> 0 || 1;
  }

  below(count: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#state >>>= 0;
    return this.#state % count;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  #types(most: number): ValueType[] {
    return Array.from({ length: this.below(most + 1) }, () => this.#pick(TYPES));
  }

  module(): string {
    const count = 1 + this.below(4);
    this.#signatures = Array.from({ length: count }, () => ({ params: this.#types(3), results: this.#types(3) }));
    const pages = 1 + this.below(2);
    if (this.below(3) === 0) this.#imports = { ...IMPORTS, ...ENDING_IMPORTS };
    const parts = Object.entries(this.#imports).map(([name, { params, results }]) => {
      return `(import "tenzik_v1" "${name}" (func $${name} (param ${params.join(" ")}) (result ${results.join(" ")})))`;
    });
    parts.push(`(memory (export "memory") ${pages} ${pages + 3})`, "(table 6 funcref)", '(data (i32.const 16) "0123456789")');
    parts.push(this.below(4) === 0 ? '(global (export "capsule_text") i32 (i32.const 16))' : "");
    parts.push('(data (i32.const 64) "$..a[*]$.a[1]")', '(data (i32.const 128) "a\\00[\\00*\\00]\\00")');
    parts.push('(data $d "passive")', "(elem (i32.const 1) $f0 $f0)", "(elem $e func $f0 $f0)");
    parts.push("(global $g (mut i32) (i32.const 9))", "(global $h (mut f64) (f64.const -nan:0x200001))");
    const bodies = this.#signatures.map((signature, i) => this.#function(`$f${i}`, signature));
    const run: Signature = { params: [], results: this.below(2) === 0 ? [] : ["i32"] };
    bodies.push(this.#function('(export "run")', run));
    if (this.below(4) === 0) bodies.push(this.#function("$start", { params: [], results: [] }), "(start $start)");
    return `(module ${parts.join("\n")}\n${bodies.join("\n")})`;
  }

  #function(name: string, { params, results }: Signature): string {
    const locals = this.#types(5);
    this.#locals = [...params, ...locals];
    this.#results = results;
    this.#out = [];
    this.#stack = [];
    this.#labels = [results];
    this.#body((4 + this.below(16)) * this.scale, results, 0, 3);
    return `(func ${name} (param ${params.join(" ")}) (result ${results.join(" ")}) (local ${locals.join(" ")})\n${this.#out.join(" ")})`;
  }

  #put(text: string, pops = 0, ...pushes: ValueType[]): void {
    this.#out.push(text);
    this.#stack.length -= pops;
    this.#stack.push(...pushes);
  }

  #push(type: ValueType): void {
    const local = this.#locals.findIndex((there, i) => there === type && i >= this.below(this.#locals.length + 1));
    if (local >= 0 && this.below(2) === 0) return this.#put(`local.get ${local}`, 0, type);
    const integer = this.below(3) === 0 ? this.below(2 ** 31) - 2 ** 30 : this.below(40);
    this.#put(`${type}.const ${type.startsWith("i") ? integer : this.#pick(FLOAT_TEXTS)}`, 0, type);
  }

  /** Puts values of these types on the stack above what is there. */
  #need(types: readonly ValueType[]): void {
    for (const type of types) this.#push(type);
  }

  /** Code that begins at a height and ends with these results above it. */
  #body(steps: number, results: readonly ValueType[], floor: number, depth: number): void {
    for (let i = 0; i < steps; i++) this.#step(floor, depth);
    while (this.#stack.length > floor) this.#put("drop", 1);
    this.#need(results);
  }

  #step(floor: number, depth: number): void {
    const choice = this.below(24);
    if (choice < 5) this.#push(this.#pick(TYPES));
    else if (choice < 10) this.#operate(floor);
    else if (choice < 12) this.#set();
    else if (choice < 14) this.#memory();
    else if (choice < 15) this.#bulk();
    else if (choice < 17) this.#call();
    else if (choice < 18) this.#select();
    else if (choice < 20) this.#branch(floor);
    else if (choice < 21 && this.#stack.length > floor) this.#put("drop", 1);
    else if (depth > 0) this.#construct(floor, depth);
  }

  #operate(floor: number): void {
    const top = this.#stack.at(-1);
    if (top === undefined || this.#stack.length <= floor) return;
    const isInteger = top.startsWith("i");
    const conversion = this.#pick(CONVERSIONS.filter(([from]) => from === top));
    const choice = this.below(5);
    if (choice === 0) return this.#put(conversion[2], 1, conversion[1]);
    if (choice === 1) {
      const unary = isInteger ? this.#pick(["clz", "ctz", "popcnt", "extend8_s", "extend16_s"]) : this.#pick(FLOAT_UNARY);
      return this.#put(`${top}.${unary}`, 1, top);
    }
    this.#push(top);
    if (choice === 2) return this.#put(`${top}.${this.#pick(COMPARISON[isInteger ? "i" : "f"])}`, 2, "i32");
    const division = isInteger && this.below(12) === 0;
    this.#put(`${top}.${this.#pick(division ? DIVISION : isInteger ? INTEGER_BINARY : FLOAT_BINARY)}`, 2, top);
  }

  #set(): void {
    if (this.below(4) === 0) {
      this.#push("i32");
      return this.#put("global.set $g", 1);
    }
    if (this.below(4) === 0) return this.#put("global.get $h", 0, "f64");
    if (this.#locals.length === 0) return;
    const local = this.below(this.#locals.length);
    const type = this.#locals[local] as ValueType;
    this.#push(type);
    this.#put(this.below(2) === 0 ? `local.set ${local}` : `local.tee ${local}`, 1);
    if (this.#out.at(-1)?.startsWith("local.tee") === true) this.#stack.push(type);
  }

  #address(): void {
    this.#push("i32");
    if (this.below(30) > 0) this.#put("i32.const 0x7fff i32.and");
  }

  #memory(): void {
    const choice = this.below(12);
    if (choice === 0) return this.#put("memory.size", 0, "i32");
    if (choice === 1) {
      this.#put(`i32.const ${this.#pick([0, 1, 1, 2, 5, -1])}`, 0, "i32");
      return this.#put("memory.grow", 1, "i32");
    }
    const type = this.#pick(TYPES);
    this.#address();
    if (choice < 7) return this.#put(`${type}.load offset=${this.below(9)}`, 1, type);
    this.#push(type);
    this.#put(`${type}.store offset=${this.below(9)}`, 2);
  }

  #bulk(): void {
    const length = this.#pick([0, 1, 3, 5, 100, 4000]);
    const small = (): number => this.below(3);
    const far = this.below(0x7000);
    this.#put(
      this.#pick([
        `i32.const ${far} i32.const ${this.below(256)} i32.const ${length} memory.fill`,
        `i32.const ${far} i32.const ${this.below(0x7000)} i32.const ${length} memory.copy`,
        `i32.const ${far} i32.const ${small()} i32.const ${small()} memory.init $d`,
        `i32.const ${small()} i32.const ${small()} i32.const ${small()} table.copy`,
        `i32.const ${small()} i32.const 0 i32.const ${small()} table.init $e`,
        `i32.const ${far} i32.const 1 i32.const ${this.below(40) === 0 ? -1 : 7} memory.fill`,
        this.below(10) === 0 ? "data.drop $d elem.drop $e" : "nop",
      ]),
    );
  }

  #call(): void {
    const choice = this.below(8);
    if (choice < 3) {
      const name = this.#pick(Object.keys(this.#imports));
      const { params, results } = this.#imports[name] as Signature;
      this.#hostArguments(name, params);
      return this.#put(`call $${name}`, params.length, ...results);
    }
    const index = this.below(this.#signatures.length);
    const { params, results } = this.#signatures[index] as Signature;
    this.#need(params);
    if (choice < 7) return this.#put(`call $f${index}`, params.length, ...results);
    this.#put(`i32.const ${this.below(4)}`, 0, "i32");
    const type = `(param ${params.join(" ")}) (result ${results.join(" ")})`;
    this.#put(`call_indirect ${type}`, params.length + 1, ...results);
  }

  #hostArguments(name: string, params: ValueType[]): void {
    params.forEach((type, i) => {
      const pointer = this.#pick([16, 17, 64, 71, 128, 130, this.below(0x7000)]);
      const isHandle = name.startsWith("json_") && name !== "json_path" && i === 0;
      if (type === "f64") this.#put("f64.const 12.5", 0, type);
      else if (isHandle) this.#put(`i32.const ${this.below(6)}`, 0, type);
      else if (name.startsWith("base64") && i === 2) this.#put(`i32.const ${this.below(4)}`, 0, type);
      else if (name === "json_path" && i === 1) this.#put(`i32.const ${this.#pick([0, 0, 0, 3])}`, 0, type);
      else if (name === "json_path" && i > 1) this.#put(`i32.const ${i === 2 ? 64 : this.#pick([7, 1])}`, 0, type);
      else this.#put(`i32.const ${i === 0 ? pointer : this.below(this.below(2) === 0 ? 60 : 11)}`, 0, type);
    });
  }

  #select(): void {
    const type = this.#pick(TYPES);
    this.#need([type, type, "i32"]);
    this.#put("select", 3, type);
  }

  #branch(floor: number): void {
    const label = this.below(this.#labels.length);
    const types = this.#labels[this.#labels.length - 1 - label] as ValueType[];
    const choice = this.below(7);
    if (choice < 4) {
      this.#need(types);
      this.#push("i32");
      return this.#put(`br_if ${label}`, 1);
    }
    if (choice === 4) {
      this.#need(types);
      this.#put(`br ${label}`);
    } else if (choice === 5) {
      const same = this.#labels.map((there, i) => ({ there, at: this.#labels.length - 1 - i })).filter(({ there }) => `${there}` === `${types}`);
      this.#need([...types, "i32"]);
      this.#put(`br_table ${same.map(({ at }) => at).join(" ")} ${label}`);
    } else if (this.below(4) === 0) this.#put("unreachable");
    else {
      this.#need(this.#results);
      this.#put("return");
    }
    // What follows is dead, up to the end of the construct; anything may be on its stack.
    this.#stack.length = floor;
  }

  #construct(floor: number, depth: number): void {
    const params = this.#types(2);
    const results = this.#types(2);
    const kind = this.#pick(["block", "loop", "if", "ifelse"]);
    this.#need(params);
    const base = this.#stack.length - params.length;
    const type = `(param ${params.join(" ")}) (result ${(kind === "if" ? params : results).join(" ")})`;
    if (kind.startsWith("if")) this.#push("i32");
    this.#put(`${kind.slice(0, 5).replace("ifels", "if")} ${type}`, kind.startsWith("if") ? 1 : 0);
    const ends = kind === "if" ? params : results;
    this.#labels.push(kind === "loop" ? params : ends);
    this.#body(1 + this.below(7), ends, base, depth - 1);
    if (kind === "ifelse") {
      this.#put("else");
      this.#stack.length = base;
      this.#stack.push(...params);
      this.#body(1 + this.below(7), ends, base, depth - 1);
    }
    this.#labels.pop();
    this.#put("end");
    void floor;
  }
}
