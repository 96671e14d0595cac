// The one written form of a receipt: docs/receipt.md, "Canonical form".
//
// Enters: bytes. Leaves: values, and from values the text. Refuses: every byte that is not of the form: white space,
// escapes, other numbers than whole ones to 2^53 - 1, members that do not rise, anything behind the end.

export type Value = null | boolean | number | string | Value[] | ValueObject;

/** Members in the order in which they stand, which is rising. */
export type ValueObject = Map<string, Value>;

export class NotCanonical extends Error {
  override readonly name = "NotCanonical";
}

export const RECEIPT_BYTES_MAX = 32_768;

/** A receipt itself needs four levels, and one in `ext` may have eight below two; more is none. */
const DEPTH_MAX = 16;
const TEXT_BYTES_MAX = 256;

export function readCanonical(bytes: Uint8Array): Value {
  if (bytes.length > RECEIPT_BYTES_MAX) throw new NotCanonical(`more than ${RECEIPT_BYTES_MAX} bytes`);
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x20 || byte > 0x7e) throw new NotCanonical(`a byte that is not printable ASCII at byte ${at}`);
  }
  return new CanonicalReader(String.fromCharCode(...bytes)).whole();
}

class CanonicalReader {
  #at = 0;

  constructor(readonly text: string) {}

  whole(): Value {
    const value = this.#value(0);
    if (this.#at !== this.text.length) this.#fail("something behind the end");
    return value;
  }

  #value(depth: number): Value {
    if (depth > DEPTH_MAX) this.#fail("too many levels");
    for (const [literal, value] of [["null", null], ["true", true], ["false", false]] as const) {
      if (!this.text.startsWith(literal, this.#at)) continue;
      this.#at += literal.length;
      return value;
    }
    if (this.#take('"')) return this.#string();
    if (this.#take("[")) return this.#list(depth);
    if (this.#take("{")) return this.#object(depth);
    return this.#integer();
  }

  /** The rest of a string, whose opening quote was taken. */
  #string(): string {
    const end = this.text.indexOf('"', this.#at);
    if (end < 0) this.#fail("a string without an end");
    const text = this.text.slice(this.#at, end);
    if (text.length > TEXT_BYTES_MAX) this.#fail("a text that is too long");
    if (text.includes("\\")) this.#fail("an escape");
    this.#at = end + 1;
    return text;
  }

  #integer(): number {
    const digits = /^(0|[1-9][0-9]{0,15})(?![0-9])/.exec(this.text.slice(this.#at, this.#at + 17))?.[0];
    if (digits === undefined || !Number.isSafeInteger(Number(digits))) return this.#fail("no value of the form");
    this.#at += digits.length;
    return Number(digits);
  }

  #list(depth: number): Value[] {
    const values: Value[] = [];
    if (this.#take("]")) return values;
    do values.push(this.#value(depth + 1));
    while (this.#take(","));
    this.#expect("]");
    return values;
  }

  #object(depth: number): ValueObject {
    const members: ValueObject = new Map();
    if (this.#take("}")) return members;
    let last = "";
    do {
      this.#expect('"');
      const name = this.#string();
      if (members.size > 0 && name <= last) this.#fail("names that do not rise");
      last = name;
      this.#expect(":");
      members.set(name, this.#value(depth + 1));
    } while (this.#take(","));
    this.#expect("}");
    return members;
  }

  #take(character: string): boolean {
    const here = this.text[this.#at] === character;
    if (here) this.#at += 1;
    return here;
  }

  #expect(character: string): void {
    if (!this.#take(character)) this.#fail(`no ${character}`);
  }

  #fail(what: string): never {
    throw new NotCanonical(`${what} at byte ${this.#at}`);
  }
}

/** The text of a value whose objects' members rise. */
export function writeCanonical(value: Value): string {
  if (value === null || typeof value !== "object") return typeof value === "string" ? `"${value}"` : String(value);
  if (Array.isArray(value)) return `[${value.map(writeCanonical).join(",")}]`;
  return `{${[...value].map(([name, member]) => `"${name}":${writeCanonical(member)}`).join(",")}}`;
}
