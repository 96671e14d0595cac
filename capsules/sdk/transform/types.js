// The author's types as a model. In: type nodes of the parameter and the result of `run`. Out: plain objects, see
// `Type` below, one for each class and enum. What cannot be read or written is an error at the author's line.

import { NodeKind } from "assemblyscript";
import { decorator, doc, literal, number, text } from "./literals.js";

const STATIC = 1 << 5, ABSTRACT = 1 << 7, PRIVATE = 1 << 9, PROTECTED = 1 << 10; // CommonFlags

/**
 * @typedef {"f64" | "f32" | "i8" | "i16" | "i32" | "u8" | "u16" | "u32" | "i64" | "u64" | "bool" | "string" | "value"} Plain
 * @typedef {{ kind: Plain, nullable: boolean }} PlainType
 * @typedef {{ kind: "array" | "static" | "map", of: Type, nullable: boolean }} ListType
 * @typedef {{ kind: "class", of: ClassModel, nullable: boolean }} ClassType
 * @typedef {{ kind: "enum", of: EnumModel, nullable: boolean }} EnumType
 * @typedef {PlainType | ListType | ClassType | EnumType} Type
 *
 * @typedef {{ name: string, json: string, type: Type, optional: boolean, initial: Initial | undefined, node: any, doc: string }} Field
 * @typedef {{ code: string, json: any }} Initial a literal: as AssemblyScript, and as JSON
 *
 * A class with `variants` is a union: its JSON is that of one of them. `tag` is the member that tells which, and its
 * value for this class; variants have it too where they stand alone.
 * @typedef {{ name: string, node: any, found: import("./scope.js").Found, family: import("./scope.js").Found[], fields: Field[], strict: boolean, doc: string,
 *   tag: { member: string, value: string } | undefined, variants: ClassModel[] | undefined }} ClassModel
 * @typedef {{ name: string, node: any, doc: string, members: { name: string, value: number, text: string | undefined }[] }} EnumModel
 */

const PLAIN = new Map(Object.entries({
  f64: "f64", number: "f64", f32: "f32", i8: "i8", i16: "i16", i32: "i32", u8: "u8", u16: "u16", u32: "u32",
  i64: "i64", u64: "u64", bool: "bool", boolean: "bool", string: "string", String: "string",
}));

export const MIXED_ENUM = "either all members of an enum have strings, or none";

const CLASS_MARKS = ["strict", "tag", "union"], FIELD_MARKS = ["name", "optional"];

const HINTS = new Map(Object.entries({
  isize: "use i32", usize: "use u32", v128: "the engine has no SIMD",
  Uint8Array: "use a string, in base64 if it is bytes", ArrayBuffer: "use a string, in base64 if it is bytes",
  Set: "use an array", Date: "use a string or i64", Function: "JSON has no functions", object: "use a class, or Value",
  any: "use Value from @tenzik/sdk", unknown: "use Value from @tenzik/sdk", Float64Array: "use f64[]", Int32Array: "use i32[]",
}));

export class Types {
  /** @param {import("./scope.js").Scope} scope @param {import("./errors.js").Errors} errors */
  constructor(scope, errors) {
    this.scope = scope;
    this.errors = errors;
    /** @type {Map<any, ClassModel>} */
    this.classes = new Map();
    /** @type {Map<any, EnumModel>} */
    this.enums = new Map();
    /** @type {Set<any>} */
    this.aliases = new Set();
  }

  /** @returns {Type | undefined} nothing where it was an error */
  of(/** @type {any} */ node, /** @type {any} */ source) {
    if (node.kind !== NodeKind.NamedType) return this.refuse(node, "a function or tuple type cannot be JSON");
    if (node.name.next) return this.refuse(node, "a type in a namespace cannot be used here: declare it at the top of a file");
    const name = node.name.identifier.text;
    const nullable = node.isNullable;
    const found = this.scope.find(source, name);
    if (found) return this.declared(node, found, nullable);
    const plain = /** @type {Plain | undefined} */ (PLAIN.get(name));
    if (plain) {
      if (nullable && plain !== "string") return this.refuse(node, `${name} cannot be null in AssemblyScript: mark the member @optional, or put it into a class`);
      return { kind: plain, nullable };
    }
    if (name === "Array" || name === "StaticArray") return this.list(name === "Array" ? "array" : "static", node, node.typeArguments?.[0], source);
    if (name === "Map") {
      const [key, value] = node.typeArguments ?? [];
      if (!key || key.kind !== NodeKind.NamedType || this.plainName(key, source) !== "string" || key.isNullable) return this.refuse(key ?? node, "the keys of a map are the names of an object's members: they must be string");
      return this.list("map", node, value, source);
    }
    const hint = HINTS.get(name);
    return this.refuse(node, hint ? `${name} cannot be read from JSON or written to it: ${hint}` : `the type ${name} is not known here`);
  }

  plainName(/** @type {any} */ node, /** @type {any} */ source) {
    return this.of(node, source)?.kind;
  }

  /** @returns {undefined} */
  refuse(/** @type {any} */ node, /** @type {string} */ words) {
    this.errors.at(node, words);
    return undefined;
  }

  /** @returns {Type | undefined} */
  list(/** @type {"array" | "static" | "map"} */ kind, /** @type {any} */ node, /** @type {any} */ element, /** @type {any} */ source) {
    if (!element) return this.refuse(node, "say what is in it, such as Array<f64>");
    const of = this.of(element, source);
    return of && { kind, of, nullable: node.isNullable };
  }

  /** @returns {Type | undefined} */
  declared(/** @type {any} */ node, /** @type {import("./scope.js").Found} */ found, /** @type {boolean} */ nullable) {
    const { declaration, source } = found;
    switch (declaration.kind) {
      case NodeKind.TypeDeclaration: {
        if (declaration.typeParameters?.length) return this.refuse(node, "a generic type cannot be JSON: write a class for each use");
        if (this.aliases.has(declaration)) return this.refuse(declaration.name, "a type that is only itself");
        this.aliases.add(declaration);
        const type = this.of(declaration.type, source);
        this.aliases.delete(declaration);
        if (type && nullable && type.kind !== "class" && PLAIN.has(type.kind) && type.kind !== "string") return this.refuse(node, "a number cannot be null in AssemblyScript: mark the member @optional");
        return type && { ...type, nullable: nullable || type.nullable };
      }
      case NodeKind.EnumDeclaration: {
        if (nullable) return this.refuse(node, "an enum cannot be null in AssemblyScript: mark the member @optional");
        const of = this.enum(declaration);
        return of && { kind: "enum", of, nullable: false };
      }
      case NodeKind.ClassDeclaration:
        if (isValue(found)) return nullable ? this.refuse(node, "a Value may be null as it is: write Value") : { kind: "value", nullable: false };
        if (declaration.isGeneric || node.hasTypeArguments) return this.refuse(node, "a generic class cannot be JSON: write a class for each use");
        return { kind: "class", of: this.class(found), nullable };
      default:
        return this.refuse(node, "only classes and enums can be JSON, not interfaces: write a class");
    }
  }

  /** @returns {EnumModel | undefined} */
  enum(/** @type {any} */ node) {
    const known = this.enums.get(node);
    if (known) return known;
    const texts = enumTexts(node);
    let next = 0;
    /** @type {EnumModel["members"]} */
    const members = [];
    for (const [i, member] of node.values.entries()) {
      const text = texts?.[i];
      if (texts && text === undefined) return this.refuse(member, MIXED_ENUM);
      const value = texts ? i : member.initializer ? number(member.initializer) : next;
      if (value === undefined) return this.refuse(member.initializer, "the value of an enum's member must be a whole number or a string, written out");
      members.push({ name: member.name.text, value, text });
      next = value + 1;
    }
    if (!members.length) return this.refuse(node.name, "an enum without members has no values");
    const key = members.map((m) => m.text ?? m.value);
    if (new Set(key).size !== key.length) return this.refuse(node.name, "two members of this enum have one value");
    const model = { name: node.name.text, node, members, doc: doc(node) };
    this.enums.set(node, model);
    return model;
  }

  /** @returns {ClassModel} */
  class(/** @type {import("./scope.js").Found} */ found) {
    const node = found.declaration;
    const known = this.classes.get(node);
    if (known) return known;
    const family = this.ancestors(found);
    /** @type {ClassModel} */
    const model = { name: node.name.text, node, found, family, fields: [], strict: family.some((one) => decorator(one.declaration, "strict")), doc: doc(node), tag: undefined, variants: undefined };
    this.classes.set(node, model);
    this.misplaced(node, FIELD_MARKS, "stands before a member of a class");
    for (const one of model.family) this.fields(model, one);
    this.union(model);
    const names = new Map();
    for (const field of model.fields) {
      if (field.json === model.tag?.member || names.has(field.json)) this.errors.at(field.node.name, `two members named ${JSON.stringify(field.json)}`);
      names.set(field.json, field);
    }
    return model;
  }

  // A mark that does nothing is a mistake.
  misplaced(/** @type {any} */ node, /** @type {string[]} */ marks, /** @type {string} */ words) {
    for (const mark of marks) {
      const found = decorator(node, mark);
      if (found) this.errors.at(found, `@${mark} ${words}`);
    }
  }

  /** The class and those it extends, the first one first. */
  ancestors(/** @type {import("./scope.js").Found} */ found) {
    const family = [found];
    for (let at = found; at.declaration.extendsType;) {
      const base = at.declaration.extendsType;
      const next = base.name.next || base.hasTypeArguments ? undefined : this.scope.find(at.source, base.name.identifier.text);
      if (!next || next.declaration.kind !== NodeKind.ClassDeclaration || next.declaration.isGeneric) {
        this.errors.at(base, "a class that is JSON can only extend a class of yours that is not generic");
        break;
      }
      if (family.some((one) => one.declaration === next.declaration)) break;
      family.unshift(next);
      at = next;
    }
    return family;
  }

  union(/** @type {ClassModel} */ model) {
    const root = model.family.find((one) => decorator(one.declaration, "union"));
    if (!root) {
      const own = decorator(model.node, "tag");
      if (own) this.errors.at(own, "@tag is for a class that extends a union");
      if (model.node.flags & ABSTRACT) this.errors.at(model.node.name, 'an abstract class can only be JSON as a union: @union("kind")');
      return;
    }
    const mark = decorator(root.declaration, "union");
    const member = text(mark.args?.[0]);
    if (member === undefined) return this.refuse(mark, 'name the member that tells the classes apart: @union("kind")');
    const own = decorator(model.node, "tag");
    const value = own ? text(own.args?.[0]) : model.name;
    if (value === undefined) return this.refuse(own, 'the tag is a string: @tag("circle")');
    const below = this.scope.sources.flatMap((source) => source.statements.map((/** @type {any} */ declaration) => ({ declaration, source })))
      .filter((one) => one.declaration.kind === NodeKind.ClassDeclaration && one.declaration !== model.node && this.extends(one, model.node));
    if (!(model.node.flags & ABSTRACT)) {
      if (below.length) return this.refuse(model.node.name, "a class of a union that others extend must be abstract");
      model.tag = { member, value };
      return;
    }
    model.variants = [];
    for (const one of below) {
      if (!(one.declaration.flags & ABSTRACT)) model.variants.push(this.class(one));
    }
    if (!model.variants.length) this.errors.at(model.node.name, "no class extends this union");
    const tags = model.variants.map((variant) => variant.tag?.value);
    if (new Set(tags).size !== tags.length) this.errors.at(model.node.name, "two classes of this union have one tag");
  }

  extends(/** @type {import("./scope.js").Found} */ found, /** @type {any} */ base) {
    for (let at = found, steps = 0; at.declaration.extendsType && steps < 100; steps++) {
      const next = this.scope.find(at.source, at.declaration.extendsType.name.identifier.text);
      if (!next || next.declaration.kind !== NodeKind.ClassDeclaration) return false;
      if (next.declaration === base) return true;
      at = next;
    }
    return false;
  }

  fields(/** @type {ClassModel} */ model, /** @type {import("./scope.js").Found} */ found) {
    for (const member of found.declaration.members) {
      if (member.kind !== NodeKind.FieldDeclaration || member.flags & STATIC) continue;
      if (found === model.found) this.misplaced(member, CLASS_MARKS, "stands before a class");
      if (member.flags & (PRIVATE | PROTECTED)) {
        this.errors.at(member, "a class that is JSON has only public members: keep other state elsewhere");
        continue;
      }
      if (!member.type) {
        this.errors.at(member, `say the type: ${member.name.text}: f64`);
        continue;
      }
      const type = this.of(member.type, found.source);
      if (!type) continue;
      const named = decorator(member, "name");
      const json = named ? text(named.args?.[0]) : member.name.text;
      if (json === undefined) {
        this.errors.at(named, 'the name is a string: @name("content-type")');
        continue;
      }
      const optional = !!decorator(member, "optional");
      const initial = optional ? this.initial(member, type, found.source) : undefined;
      model.fields.push({ name: member.name.text, json, type, optional, initial, node: member, doc: doc(member) });
    }
  }

  /** What an optional member is where it is left out. @returns {Initial | undefined} */
  initial(/** @type {any} */ member, /** @type {Type} */ type, /** @type {any} */ source) {
    if (type.kind === "value") return undefined;
    const node = member.initializer;
    if (!node && type.nullable) return { code: "null", json: null };
    const value = node && literal(node);
    const fits = value === null ? type.nullable
      : type.kind === "string" ? typeof value === "string"
      : type.kind === "bool" ? typeof value === "boolean"
      : type.kind === "array" ? Array.isArray(value)
      : type.kind === "i64" || type.kind === "u64" || PLAIN.has(type.kind) ? typeof value === "number" && range(type.kind, value)
      : false;
    if (fits) return { code: typeof value === "string" ? JSON.stringify(value) : Array.isArray(value) ? "[]" : String(value), json: value };
    if (type.kind === "enum" && node?.kind === NodeKind.PropertyAccess) {
      const one = type.of.members.find((m) => m.name === node.property.text);
      if (one) return { code: String(one.value), json: one.text ?? one.value };
    }
    this.errors.at(node ?? member, "an optional member that is left out keeps its initial value, which must be written out: a number, string, true, false, null, [] or an enum's member");
    return undefined;
  }
}

/** The strings of an enum, undefined for a member without; nothing if no member has one. */
export function enumTexts(/** @type {any} */ node) {
  const texts = node.values.map((/** @type {any} */ member) => text(member.initializer));
  return texts.some((/** @type {any} */ one) => one !== undefined) ? texts : undefined;
}

function isValue(/** @type {import("./scope.js").Found} */ { declaration, source }) {
  return declaration.name.text === "Value" && source.internalPath === "~lib/@tenzik/sdk/assembly/input";
}

/** @type {Record<string, [number, number]>} */
export const RANGES = {
  i8: [-128, 127], i16: [-32768, 32767], i32: [-(2 ** 31), 2 ** 31 - 1],
  u8: [0, 255], u16: [0, 65535], u32: [0, 2 ** 32 - 1],
};

function range(/** @type {string} */ kind, /** @type {number} */ value) {
  if (kind === "f64" || kind === "f32") return Number.isFinite(value);
  const [least, most] = RANGES[kind] ?? [kind === "u64" ? 0 : Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
  return Number.isInteger(value) && value >= least && value <= most;
}
