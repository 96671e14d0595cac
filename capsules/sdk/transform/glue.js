// Readers and writers. In: the model of `types.js`. Out: AssemblyScript text, one function for each class, list and
// enum that is read or written, and the `run` that the host calls. The text is plain: what makes it small are the
// helpers of `assembly/typed.ts` and the compiler's inlining.

const SDK = "@tenzik/sdk/assembly";
const SHIFT = { f64: 3, i64: 3, u64: 3, f32: 2, i32: 2, u32: 2, i16: 1, u16: 1, i8: 0, u8: 0, bool: 0 };
const READ = { f64: "readFloat", f32: "readSingle", i32: "readInt", u32: "readUint", i64: "readLong", u64: "readUlong", bool: "readFlag", string: "readText" };
const SMALL = { i8: "i8.MIN_VALUE, i8.MAX_VALUE", i16: "i16.MIN_VALUE, i16.MAX_VALUE", u8: "0, u8.MAX_VALUE", u16: "0, u16.MAX_VALUE" };

/**
 * @typedef {import("./types.js").Type} Type
 * @typedef {import("./types.js").ClassModel} ClassModel
 */

export class Glue {
  /** @param {import("./scope.js").Scope} scope */
  constructor(scope) {
    this.scope = scope;
    /** @type {Map<any, string>} names of classes by model */
    this.classes = new Map();
    /** @type {Map<string, string>} names of functions by what they do */
    this.functions = new Map();
    /** @type {string[]} */
    this.imports = [];
    /** @type {string[]} */
    this.bodies = [];
  }

  /**
   * @param {any} entry the file that exports the author's `run`
   * @param {Type | undefined} input @param {Type | undefined} output @param {boolean} code whether `run` gives a number to the host
   */
  module(entry, input, output, code) {
    this.imports.push(`import { run as author } from ${JSON.stringify(`./${entry.internalPath}`)};`);
    const call = `author(${input ? this.read(input, "0") : ""})`;
    const body = output ? this.write(output, call) : code ? `return ${call};` : `${call};`;
    const helpers = "newInstance, newList, readElements, readFlag, readFloat, readInt, readLong, readMaybe, readMember, readMembers, readOnly, readSingle, readSmall, readText, readUint, readUlong, refuse, writeFlag, writeLong, writeRaw, writeText, writeUlong";
    return [
      'import "./tenzik-text";',
      `import { ${helpers} } from "${SDK}/typed";`,
      `import { output_num } from "${SDK}/abi/core";`,
      `import { json_at, json_key, json_type } from "${SDK}/abi/json";`,
      `import { Value } from "${SDK}/input";`,
      `import { Char, Output } from "${SDK}/output";`,
      `import { take } from "${SDK}/text";`,
      ...this.imports, ...this.bodies,
      `export function run(): ${code ? "i32" : "void"} { ${body} }`, "",
    ].join("\n");
  }

  /** The type as AssemblyScript. @returns {string} */
  type(/** @type {Type} */ type) {
    const or = type.nullable ? " | null" : "";
    switch (type.kind) {
      case "array": return `Array<${this.type(type.of)}>${or}`;
      case "static": return `StaticArray<${this.type(type.of)}>${or}`;
      case "map": return `Map<string, ${this.type(type.of)}>${or}`;
      case "enum": return "i32";
      case "value": return "Value";
      case "class": return this.className(type.of) + or;
      default: return type.kind + or;
    }
  }

  className(/** @type {ClassModel} */ model) {
    let name = this.classes.get(model);
    if (!name) {
      name = `C${this.classes.size}`;
      this.classes.set(model, name);
      this.imports.push(`import { ${this.scope.exportName(model.found)} as ${name} } from ${JSON.stringify(`./${model.found.source.internalPath}`)};`);
    }
    return name;
  }

  /** A function by its purpose, made at the first use. `make` gives its text, after the name is known. */
  function(/** @type {string} */ purpose, /** @type {(name: string) => string} */ make) {
    let name = this.functions.get(purpose);
    if (!name) {
      name = `f${this.functions.size}`;
      this.functions.set(purpose, name);
      this.bodies.push(make(name));
    }
    return name;
  }

  /** An expression that reads the value of handle `h`. @returns {string} */
  read(/** @type {Type} */ type, /** @type {string} */ h) {
    if (type.nullable) {
      const bare = { ...type, nullable: false };
      return `${this.function(`read ${this.listKey(type)} | null`, (name) => `function ${name}(h: i32): ${this.type(type)} { return json_type(h) ? ${this.read(bare, "h")} : null; }`)}(${h})`;
    }
    switch (type.kind) {
      case "value": return `changetype<Value>(${h})`;
      case "i8": case "i16": case "u8": case "u16": return `<${type.kind}>readSmall(${h}, ${SMALL[type.kind]}, ": not ${type.kind.startsWith("i") ? "an" : "a"} ${type.kind}")`;
      case "enum": return `${this.function(`read enum ${type.of.name} ${type.of.node.range.start} ${type.of.node.range.source.internalPath}`, (name) => readEnum(name, type.of))}(${h})`;
      case "class": return `${this.function(`read ${this.className(type.of)}`, (name) => type.of.variants ? this.readUnion(name, type.of) : this.readClass(name, type.of))}(${h})`;
      case "array": case "static": return `${this.function(`read ${this.listKey(type)}`, (name) => this.readList(name, type))}(${h})`;
      case "map": return `${this.function(`read ${this.listKey(type)}`, (name) => this.readMap(name, type))}(${h})`;
      default: return `${READ[type.kind]}(${h})`;
    }
  }

  /** Enums look like i32 in `type`, but are read and written otherwise. @returns {string} */
  listKey(/** @type {Type} */ type) {
    if (type.kind === "enum") return `enum ${type.of.name} ${type.of.node.range.start} ${type.of.node.range.source.internalPath}`;
    if (type.kind === "array" || type.kind === "static" || type.kind === "map") return `${type.kind}<${this.listKey(type.of)}>${type.nullable}`;
    return this.type(type);
  }

  readClass(/** @type {string} */ name, /** @type {ClassModel} */ model) {
    const C = this.className(model);
    const lines = [`function ${name}(h: i32): ${C} {`, `const o = changetype<${C}>(newInstance(h, offsetof<${C}>(), idof<${C}>()));`];
    if (model.tag) lines.push(`const tag = readMember(h, ${quote(model.tag.member)}); if (readText(tag) != ${quote(model.tag.value)}) refuse(tag, ": not one of the values");`);
    const always = model.fields.filter((field) => !field.optional).length + (model.tag ? 1 : 0);
    if (model.strict) lines.push(`let found = ${always};`);
    for (const field of model.fields) {
      const place = `o.${field.name}`;
      if (!field.optional) {
        lines.push(`${place} = ${this.read(field.type, `readMember(h, ${quote(field.json)})`)};`);
        continue;
      }
      const m = `m_${field.name}`;
      lines.push(`const ${m} = readMaybe(h, ${quote(field.json)});`);
      if (model.strict) lines.push(`if (${m} != -1) found++;`);
      if (field.type.kind === "value") lines.push(`${place} = changetype<Value>(${m});`);
      else lines.push(`${this.zero(field) ? "" : `if (${m} == -1) ${place} = ${this.initial(field)}; else `}${this.zero(field) ? `if (${m} != -1) ` : ""}${place} = ${this.read(field.type, m)};`);
    }
    if (model.strict) lines.push("readOnly(h, found);");
    lines.push("return o;", "}");
    return lines.join("\n");
  }

  // Memory is zero where nothing was written.
  zero(/** @type {import("./types.js").Field} */ field) {
    return field.initial?.code === "null" || field.initial?.code === "false" || field.initial?.code === "0";
  }

  initial(/** @type {import("./types.js").Field} */ field) {
    const { type, initial } = field;
    if (type.kind === "array" && initial?.code === "[]") return `changetype<${this.type(type)}>(newList(0, 0))`;
    return initial?.code ?? "null";
  }

  readUnion(/** @type {string} */ name, /** @type {ClassModel} */ model) {
    const variants = model.variants ?? [];
    const member = variants[0]?.tag?.member ?? "";
    const lines = [`function ${name}(h: i32): ${this.className(model)} {`, "readMembers(h);", `const at = readMember(h, ${quote(member)});`, "const tag = readText(at);"];
    for (const variant of variants) {
      lines.push(`if (tag == ${quote(variant.tag?.value ?? "")}) return ${this.read({ kind: "class", of: variant, nullable: false }, "h")};`);
    }
    lines.push('refuse(at, ": not one of the values");', `return changetype<${this.className(model)}>(0);`, "}");
    return lines.join("\n");
  }

  readList(/** @type {string} */ name, /** @type {import("./types.js").ListType} */ type) {
    const T = this.type(type), E = this.type(type.of);
    const shift = SHIFT[/** @type {keyof typeof SHIFT} */ (type.of.kind)] ?? 2;
    const make = type.kind === "array"
      ? `const a = newList(n, ${shift}); const to = load<usize>(a);`
      : `const a = __new(<usize>n << ${shift}, idof<${T}>()); const to = a;`;
    return `function ${name}(h: i32): ${T} {
const n = readElements(h);
${make}
for (let i = 0; i < n; i++) store<${E}>(to + (<usize>i << ${shift}), ${this.read(type.of, "json_at(h, i)")});
return changetype<${T}>(a);
}`;
  }

  readMap(/** @type {string} */ name, /** @type {import("./types.js").ListType} */ type) {
    const T = this.type(type);
    return `function ${name}(h: i32): ${T} {
const n = readMembers(h);
const m = new ${T}();
for (let i = 0; i < n; i++) {
  const key = take(json_key(h, i));
  m.set(key, ${this.read(type.of, "json_at(h, i)")});
}
return m;
}`;
  }

  /** A statement that writes the value of an expression, which is evaluated once. @returns {string} */
  write(/** @type {Type} */ type, /** @type {string} */ value) {
    if (type.nullable) {
      const bare = /** @type {Type} */ ({ ...type, nullable: false });
      return `${this.function(`write ${this.listKey(type)} | null`, (name) => `function ${name}(v: ${this.type(type)}): void { if (v === null) writeRaw("null"); else ${this.write(bare, "v")} }`)}(${value});`;
    }
    switch (type.kind) {
      case "string": return `writeText(${value});`;
      case "bool": return `writeFlag(${value});`;
      case "value": return `Output.orNull(${value});`;
      case "i64": return `writeLong(${value});`;
      case "u64": return `writeUlong(${value});`;
      case "enum": return `${this.function(`write ${this.listKey(type)}`, (name) => writeEnum(name, type.of))}(${value});`;
      case "class": return `${this.function(`write ${this.className(type.of)}`, (name) => type.of.variants ? this.writeUnion(name, type.of) : this.writeClass(name, type.of))}(${value});`;
      case "array": case "static": return `${this.function(`write ${this.listKey(type)}`, (name) => this.writeList(name, type))}(${value});`;
      case "map": return `${this.function(`write ${this.listKey(type)}`, (name) => this.writeMap(name, type))}(${value});`;
      default: return `output_num(${value});`;
    }
  }

  writeClass(/** @type {string} */ name, /** @type {ClassModel} */ model) {
    const lines = [`function ${name}(o: ${this.className(model)}): void {`];
    // `text` waits to be joined to what follows it; `first` says whether a comma is due: yes, no, or asked at run time.
    let text = "{";
    /** @type {"no" | "yes" | "ask"} */
    let comma = "no";
    const flush = () => {
      if (text) lines.push(`writeRaw(${quote(text)});`);
      text = "";
    };
    if (model.tag) {
      text += `${JSON.stringify(model.tag.member)}:${JSON.stringify(model.tag.value)}`;
      comma = "yes";
    }
    for (const field of model.fields) {
      const key = `${JSON.stringify(field.json)}:`;
      const absent = field.optional && (field.type.kind === "value" ? `o.${field.name}.exists` : field.type.nullable ? `o.${field.name} !== null` : "");
      if (absent) {
        flush();
        if (comma === "no") lines.push("let some = false;");
        if (comma !== "yes") comma = "ask";
        lines.push(`if (${absent}) {`);
        if (comma === "ask") lines.push("if (some) Output.char(Char.Comma); some = true;");
        lines.push(`writeRaw(${quote((comma === "yes" ? "," : "") + key)});`);
        const bare = /** @type {Type} */ ({ ...field.type, nullable: false });
        lines.push(this.write(bare, field.type.kind === "value" ? `o.${field.name}` : `o.${field.name}!`), "}");
        continue;
      }
      if (comma === "ask") lines.push("if (some) Output.char(Char.Comma);");
      text += (comma === "yes" ? "," : "") + key;
      comma = "yes";
      flush();
      lines.push(this.write(field.type, `o.${field.name}`));
    }
    text += "}";
    if (text === "}") lines.push("Output.char(Char.CloseObject);");
    else flush();
    lines.push("}");
    return lines.join("\n");
  }

  writeUnion(/** @type {string} */ name, /** @type {ClassModel} */ model) {
    const lines = [`function ${name}(o: ${this.className(model)}): void {`];
    for (const variant of model.variants ?? []) {
      lines.push(`if (o instanceof ${this.className(variant)}) { ${this.write({ kind: "class", of: variant, nullable: false }, `changetype<${this.className(variant)}>(o)`)} return; }`);
    }
    lines.push("unreachable();", "}");
    return lines.join("\n");
  }

  writeList(/** @type {string} */ name, /** @type {import("./types.js").ListType} */ type) {
    return `function ${name}(o: ${this.type(type)}): void {
Output.char(Char.OpenArray);
for (let i = 0, n = o.length; i < n; i++) {
  Output.comma(i);
  ${this.write(type.of, "unchecked(o[i])")}
}
Output.char(Char.CloseArray);
}`;
  }

  writeMap(/** @type {string} */ name, /** @type {import("./types.js").ListType} */ type) {
    return `function ${name}(o: ${this.type(type)}): void {
const keys = o.keys();
Output.char(Char.OpenObject);
for (let i = 0, n = keys.length; i < n; i++) {
  Output.comma(i);
  const key = unchecked(keys[i]);
  writeText(key);
  Output.char(Char.Colon);
  ${this.write(type.of, "o.get(key)")}
}
Output.char(Char.CloseObject);
}`;
  }
}

function readEnum(/** @type {string} */ name, /** @type {import("./types.js").EnumModel} */ model) {
  const texts = model.members[0]?.text !== undefined;
  const lines = [`function ${name}(h: i32): i32 {`, texts ? "const v = readText(h);" : "const v = readInt(h);"];
  for (const member of model.members) {
    lines.push(`if (v == ${texts ? quote(member.text ?? "") : member.value}) return ${member.value};`);
  }
  lines.push('refuse(h, ": not one of the values");', "return 0;", "}");
  return lines.join("\n");
}

function writeEnum(/** @type {string} */ name, /** @type {import("./types.js").EnumModel} */ model) {
  if (model.members[0]?.text === undefined) return `function ${name}(v: i32): void { output_num(v); }`;
  const choice = model.members.map((member, i) => (i < model.members.length - 1 ? `v == ${member.value} ? ${quote(member.text ?? "")} : ` : quote(member.text ?? ""))).join("");
  return `function ${name}(v: i32): void { writeText(${choice}); }`;
}

/** A string literal. */
function quote(/** @type {string} */ text) {
  return JSON.stringify(text);
}
