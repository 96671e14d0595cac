// Names in the author's files. In: parsed sources. Out: the declaration that a name stands for, followed through
// imports and re-exports. It knows top-level classes, enums, type aliases and functions, and nothing in namespaces.

import { NodeKind } from "assemblyscript";

const EXPORT = 1 << 1; // CommonFlags.Export

const DECLARES = new Set([
  NodeKind.ClassDeclaration, NodeKind.EnumDeclaration, NodeKind.TypeDeclaration, NodeKind.FunctionDeclaration,
  NodeKind.InterfaceDeclaration,
]);

/** @typedef {{ declaration: any, source: any }} Found */

export class Scope {
  /** @param {any[]} sources */
  constructor(sources) {
    this.sources = sources;
    /** @type {Map<string, any>} */
    this.byPath = new Map(sources.map((source) => [source.internalPath, source]));
    /** @type {Map<any, Map<string, any>>} */
    this.tables = new Map();
  }

  /** What `name` means in `source`, or nothing if it is not the author's or the SDK's. @returns {Found | undefined} */
  find(/** @type {any} */ source, /** @type {string} */ name) {
    const entry = this.table(source).get(name);
    if (!entry) return undefined;
    if (entry.declaration) return { declaration: entry.declaration, source };
    const from = this.file(entry.path);
    return from && this.exported(from, entry.foreign, new Set());
  }

  /** @returns {Found | undefined} */
  exported(/** @type {any} */ source, /** @type {string} */ name, /** @type {Set<any>} */ seen) {
    if (seen.has(source)) return undefined;
    seen.add(source);
    const local = this.table(source).get(name);
    if (local?.declaration && local.declaration.flags & EXPORT) return { declaration: local.declaration, source };
    for (const statement of source.statements) {
      if (statement.kind !== NodeKind.Export) continue;
      const from = statement.internalPath === null ? source : this.file(statement.internalPath);
      if (!from) continue;
      if (!statement.members) {
        const found = this.exported(from, name, seen);
        if (found) return found;
        continue;
      }
      const member = statement.members.find((/** @type {any} */ m) => m.exportedName.text === name);
      if (member) return from === source ? this.find(source, member.localName.text) : this.exported(from, member.localName.text, seen);
    }
    return undefined;
  }

  /** The name under which another file can import the declaration; makes it an export if it is none. */
  exportName(/** @type {Found} */ { declaration, source }) {
    const name = declaration.name.text;
    if (declaration.flags & EXPORT) return name;
    for (const statement of source.statements) {
      if (statement.kind !== NodeKind.Export || statement.internalPath !== null || !statement.members) continue;
      const member = statement.members.find((/** @type {any} */ m) => m.localName.text === name);
      if (member) return member.exportedName.text;
    }
    declaration.flags |= EXPORT;
    return name;
  }

  file(/** @type {string} */ path) {
    return this.byPath.get(path) ?? this.byPath.get(`${path}/index`);
  }

  table(/** @type {any} */ source) {
    let table = this.tables.get(source);
    if (table) return table;
    table = new Map();
    for (const statement of source.statements) {
      if (DECLARES.has(statement.kind)) table.set(statement.name.text, { declaration: statement });
      if (statement.kind !== NodeKind.Import) continue;
      for (const one of statement.declarations ?? []) {
        table.set(one.name.text, { path: statement.internalPath, foreign: one.foreignName.text });
      }
    }
    this.tables.set(source, table);
    return table;
  }
}
