// A strict JSON text with an index of its values.
//
// Enters: bytes, and handles. Leaves: kinds, counts, neighbours, and where each value and name stands. Refuses, by
// null, a text that is not strict JSON as docs/abi.md, "Strict JSON", has it.
//
// A handle is a value's number in document order, from 0 at the root, each value before its children.

import { WordList } from "../bytes.js";
import { utf8ToString } from "../text.js";
import { CHAR, literalEnd, NONE, numberEnd, skipSpace, stringEnd, unescape } from "./scan.js";

export const KIND = { null: 0, false: 1, true: 2, number: 3, string: 4, array: 5, object: 6 } as const;

export interface Bounds {
  jsonDepth: number;
  jsonTextBytes: number;
}

export interface Span {
  start: number;
  end: number;
}

/** Objects with more members than this have their names put in a table when they are first asked for one. */
const UNINDEXED_MAX = 8;

/** The text with its index, or null if it is not strict JSON. */
export function parseDocument(bytes: Uint8Array, bounds: Bounds): Document | null {
  if (bytes.length > bounds.jsonTextBytes) return null;
  const parser = new Parser(bytes, bounds.jsonDepth);
  return parser.whole() ? new Document(bytes, parser) : null;
}

/** What the parser fills in: for each value where it stands, and for a container where its block begins. A block is the
 * count of children, then their handles, then for an object the start and end of each one's name. */
interface Index {
  starts: WordList;
  ends: WordList;
  blocks: WordList;
  words: WordList;
}

class Parser implements Index {
  readonly starts = new WordList();
  readonly ends = new WordList();
  readonly blocks = new WordList();
  readonly words = new WordList();

  constructor(
    readonly bytes: Uint8Array,
    readonly depthMax: number,
  ) {}

  whole(): boolean {
    const end = this.#value(skipSpace(this.bytes, 0), 0);
    return end !== NONE && skipSpace(this.bytes, end) === this.bytes.length;
  }

  #value(at: number, depth: number): number {
    const handle = this.starts.length;
    this.starts.push(at);
    this.ends.push(at);
    this.blocks.push(0);
    const end = this.#valueEnd(at, depth, handle);
    this.ends.put(handle, end);
    return end;
  }

  #valueEnd(at: number, depth: number, handle: number): number {
    switch (this.bytes[at]) {
      case 0x6e:
        return literalEnd(this.bytes, at, "null");
      case 0x66:
        return literalEnd(this.bytes, at, "false");
      case 0x74:
        return literalEnd(this.bytes, at, "true");
      case CHAR.quote:
        return stringEnd(this.bytes, at);
      case CHAR.openBracket:
      case CHAR.openBrace:
        return depth < this.depthMax ? this.#container(at, depth + 1, handle) : NONE;
      default:
        return numberEnd(this.bytes, at);
    }
  }

  #container(start: number, depth: number, handle: number): number {
    const isObject = this.bytes[start] === CHAR.openBrace;
    const close = isObject ? CHAR.closeBrace : CHAR.closeBracket;
    const children: number[] = [];
    const names: number[] = [];
    let at = skipSpace(this.bytes, start + 1);
    if (this.bytes[at] !== close) {
      for (;;) {
        if (isObject) at = this.#name(at, names);
        if (at === NONE) return NONE;
        children.push(this.starts.length);
        at = this.#value(at, depth);
        if (at === NONE) return NONE;
        at = skipSpace(this.bytes, at);
        if (this.bytes[at] !== CHAR.comma) break;
        at = skipSpace(this.bytes, at + 1);
      }
      if (this.bytes[at] !== close || this.#hasDoubledName(names)) return NONE;
    }
    this.#keep(handle, children, names);
    return at + 1;
  }

  /** A member's name and colon; gives where its value begins. */
  #name(at: number, names: number[]): number {
    const end = this.bytes[at] === CHAR.quote ? stringEnd(this.bytes, at) : NONE;
    if (end === NONE) return NONE;
    names.push(at, end);
    const colon = skipSpace(this.bytes, end);
    return this.bytes[colon] === CHAR.colon ? skipSpace(this.bytes, colon + 1) : NONE;
  }

  #hasDoubledName(names: number[]): boolean {
    if (names.length <= 2) return false;
    const seen = new Set<string>();
    for (let i = 0; i < names.length; i += 2) seen.add(nameAt(this.bytes, names[i] as number, names[i + 1] as number));
    return seen.size < names.length / 2;
  }

  #keep(handle: number, children: number[], names: number[]): void {
    this.blocks.put(handle, this.words.length);
    this.words.push(children.length);
    for (const child of children) this.words.push(child);
    for (const bound of names) this.words.push(bound);
  }
}

/** Names are compared as strings: they are well formed, so the same string is the same text. */
function nameAt(bytes: Uint8Array, start: number, end: number): string {
  return utf8ToString(unescape(bytes, start, end));
}

export class Document {
  readonly #tables = new Map<number, Map<string, number>>();

  constructor(
    readonly bytes: Uint8Array,
    readonly index: Index,
  ) {}

  has(handle: number): boolean {
    return handle < this.index.starts.length;
  }

  span(handle: number): Span {
    return { start: this.index.starts.at(handle), end: this.index.ends.at(handle) };
  }

  source(handle: number): Uint8Array {
    const { start, end } = this.span(handle);
    return this.bytes.subarray(start, end);
  }

  kind(handle: number): number {
    switch (this.bytes[this.index.starts.at(handle)]) {
      case 0x6e:
        return KIND.null;
      case 0x66:
        return KIND.false;
      case 0x74:
        return KIND.true;
      case CHAR.quote:
        return KIND.string;
      case CHAR.openBracket:
        return KIND.array;
      case CHAR.openBrace:
        return KIND.object;
      default:
        return KIND.number;
    }
  }

  /** Elements or members; 0 for what is no container. */
  count(handle: number): number {
    return this.kind(handle) < KIND.array ? 0 : this.index.words.at(this.index.blocks.at(handle));
  }

  /** Members of an object, 0 for anything else: what a search for a name is priced by. */
  members(handle: number): number {
    return this.kind(handle) === KIND.object ? this.count(handle) : 0;
  }

  /** The child at that place, or -1. */
  child(handle: number, place: number): number {
    if (place >= this.count(handle)) return NONE;
    return this.index.words.at(this.index.blocks.at(handle) + 1 + place);
  }

  /** Where the name of the object's member at that place stands, quotes included. */
  nameSpan(handle: number, place: number): Span | null {
    const count = this.members(handle);
    if (place >= count) return null;
    const at = this.index.blocks.at(handle) + 1 + count + 2 * place;
    return { start: this.index.words.at(at), end: this.index.words.at(at + 1) };
  }

  /** The member of that name, or -1. */
  member(handle: number, name: string): number {
    const count = this.members(handle);
    if (count > UNINDEXED_MAX) return this.#table(handle, count).get(name) ?? NONE;
    for (let place = 0; place < count; place++) {
      if (this.#name(handle, place) === name) return this.child(handle, place);
    }
    return NONE;
  }

  /** The number just behind the last value inside of this one: they have consecutive handles. */
  subtreeEnd(handle: number): number {
    const { starts, ends } = this.index;
    const end = ends.at(handle);
    let low = handle + 1;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts.at(middle) < end) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #table(handle: number, count: number): Map<string, number> {
    let table = this.#tables.get(handle);
    if (table === undefined) {
      table = new Map();
      for (let place = 0; place < count; place++) table.set(this.#name(handle, place), this.child(handle, place));
      this.#tables.set(handle, table);
    }
    return table;
  }

  #name(handle: number, place: number): string {
    const { start, end } = this.nameSpan(handle, place) as Span;
    return nameAt(this.bytes, start, end);
  }
}
