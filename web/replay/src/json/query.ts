// RFC 9535 queries without filters and functions.
//
// Enters: a query as a string. Leaves: its segments. Refuses: filters and functions first (`path_unsupported`), then
// whatever the RFC's grammar does not have (`path_invalid`): docs/abi.md, "json_path".

import { trap } from "../outcome.js";
import { stringToUtf8, utf8ToString, putScalar } from "../text.js";
import { escapeAt } from "./scan.js";

export type Selector =
  | { kind: "name"; name: string }
  | { kind: "wildcard" }
  | { kind: "index"; index: number }
  | { kind: "slice"; start: number | null; end: number | null; step: number };

export interface Segment {
  descendant: boolean;
  selectors: Selector[];
}

export function parseQuery(query: string): Segment[] {
  if (isUnsupported(query)) throw trap("path_unsupported");
  return new QueryParser(query).whole();
}

/** Whether `?` or `(` stands outside of quotes; read from the start, whatever the text around it is. */
function isUnsupported(query: string): boolean {
  let quote = "";
  for (let at = 0; at < query.length; at++) {
    const character = query[at] as string;
    if (quote === "") {
      if (character === "?" || character === "(") return true;
      if (character === "'" || character === '"') quote = character;
    } else if (character === "\\") at += 1;
    else if (character === quote) quote = "";
  }
  return false;
}

class QueryParser {
  #at = 0;

  constructor(readonly query: string) {}

  whole(): Segment[] {
    this.#expect("$");
    const segments: Segment[] = [];
    while (this.#at < this.query.length) {
      // White space may stand before a segment only, so what trails is refused.
      this.#space();
      segments.push(this.#segment());
    }
    return segments;
  }

  #segment(): Segment {
    if (this.#peek() === "[") return { descendant: false, selectors: this.#bracketed() };
    this.#expect(".");
    const descendant = this.#take(".");
    if (descendant && this.#peek() === "[") return { descendant, selectors: this.#bracketed() };
    const selector: Selector = this.#take("*") ? { kind: "wildcard" } : { kind: "name", name: this.#shorthand() };
    return { descendant, selectors: [selector] };
  }

  #bracketed(): Selector[] {
    const selectors: Selector[] = [];
    this.#expect("[");
    do {
      this.#space();
      selectors.push(this.#selector());
      this.#space();
    } while (this.#take(","));
    this.#expect("]");
    return selectors;
  }

  #selector(): Selector {
    const next = this.#peek();
    if (next === "'" || next === '"') return { kind: "name", name: this.#quoted(next) };
    if (this.#take("*")) return { kind: "wildcard" };
    const start = this.#integer();
    // What stands between an index and its bracket may be white space, and is so before a colon.
    this.#space();
    if (!this.#take(":")) return start === null ? this.#invalid() : { kind: "index", index: start };
    this.#space();
    const end = this.#integer();
    this.#space();
    if (!this.#take(":")) return { kind: "slice", start, end, step: 1 };
    this.#space();
    return { kind: "slice", start, end, step: this.#integer() ?? 1 };
  }

  /** `0`, or digits that do not begin with 0, with or without a minus; what I-JSON can hold exactly. */
  #integer(): number | null {
    const found = /^-?[0-9]+/.exec(this.query.slice(this.#at, this.#at + 24))?.[0];
    if (found === undefined) return this.#peek() === "-" ? this.#invalid() : null;
    const value = Number(found);
    if (!/^(0|-?[1-9][0-9]*)$/.test(found) || !Number.isSafeInteger(value)) this.#invalid();
    this.#at += found.length;
    return value;
  }

  #shorthand(): string {
    const found = /^[A-Za-z_\u0080-\uffff][0-9A-Za-z_\u0080-\uffff]*/.exec(this.query.slice(this.#at))?.[0];
    if (found === undefined) return this.#invalid();
    this.#at += found.length;
    return found;
  }

  #quoted(quote: string): string {
    let name = "";
    this.#at += 1;
    for (;;) {
      const character = this.#peek();
      if (character === "" || character < " ") this.#invalid();
      if (character === "\\") {
        name += this.#escape(quote);
        continue;
      }
      this.#at += 1;
      if (character === quote) return name;
      name += character;
    }
  }

  /** JSON's escapes, but of the two quotes only the one that needs it. */
  #escape(quote: string): string {
    const next = this.query[this.#at + 1];
    if (next === quote) {
      this.#at += 2;
      return quote;
    }
    if (next === '"') this.#invalid();
    const escape = escapeAt(stringToUtf8(this.query.slice(this.#at, this.#at + 12)), 0);
    if (escape === undefined) return this.#invalid();
    this.#at += escape.size;
    const scalar = new Uint8Array(4);
    return utf8ToString(scalar.subarray(0, putScalar(scalar, 0, escape.scalar)));
  }

  #peek(): string {
    return this.query[this.#at] ?? "";
  }

  #take(character: string): boolean {
    const here = this.#peek() === character;
    if (here) this.#at += 1;
    return here;
  }

  #expect(character: string): void {
    if (!this.#take(character)) this.#invalid();
  }

  #space(): void {
    while (this.#peek() !== "" && " \t\n\r".includes(this.#peek())) this.#at += 1;
  }

  #invalid(): never {
    throw trap("path_invalid");
  }
}
