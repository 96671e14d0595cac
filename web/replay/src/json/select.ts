// The walk of a query over a document.
//
// Enters: segments, a document, prices, and what takes fuel. Leaves: the nodes' sources between brackets. Refuses: a
// step that is not paid for, and a result that would not fit (`too_large`): docs/abi.md, "The walk of `json_path`".
//
// Each node goes through all later segments before the next one is selected, and each segment goes at least one level
// down, so the recursion is as deep as the document.

import { ByteBuilder } from "../bytes.js";
import { trap } from "../outcome.js";
import type { Rules } from "../rules.js";
import { type Document, KIND } from "./document.js";
import type { Segment, Selector } from "./query.js";
import { CHAR, NONE } from "./scan.js";

export interface Terms {
  price: Rules["path"];
  resultBytesMax: number;
  charge: (fuel: number) => void;
}

const ROOT = 0;

export function select(document: Document, segments: readonly Segment[], terms: Terms): Uint8Array {
  const walk = new Walk(document, segments, terms);
  walk.follow(0, ROOT);
  return walk.result();
}

class Walk {
  readonly #out = new ByteBuilder();

  constructor(
    readonly document: Document,
    readonly segments: readonly Segment[],
    readonly terms: Terms,
  ) {}

  result(): Uint8Array {
    if (this.#out.length === 0) this.#out.push(CHAR.openBracket);
    this.#out.push(CHAR.closeBracket);
    return this.#out.toBytes();
  }

  /** Applies what is left of the query to one node. */
  follow(depth: number, node: number): void {
    const segment = this.segments[depth];
    if (segment === undefined) return this.#emit(node);
    if (!segment.descendant) return this.#applyAll(segment, depth, node);
    const end = this.document.subtreeEnd(node);
    for (let below = node; below < end; below++) {
      this.terms.charge(this.terms.price.node);
      this.#applyAll(segment, depth, below);
    }
  }

  #applyAll(segment: Segment, depth: number, node: number): void {
    for (const selector of segment.selectors) this.#apply(selector, depth + 1, node);
  }

  #apply(selector: Selector, depth: number, node: number): void {
    const { price, charge } = this.terms;
    const members = selector.kind === "name" ? this.document.members(node) : 0;
    charge(price.node + price.member * members);
    const child = (place: number): void => {
      charge(price.child);
      this.follow(depth, this.document.child(node, place));
    };
    const isArray = this.document.kind(node) === KIND.array;
    const count = this.document.count(node);
    if (selector.kind === "name") this.#found(depth, this.document.member(node, selector.name));
    else if (selector.kind === "wildcard") for (let place = 0; place < count; place++) child(place);
    else if (!isArray) return;
    else if (selector.kind === "slice") slice(count, selector, child);
    else {
      const place = selector.index < 0 ? count + selector.index : selector.index;
      this.#found(depth, place < 0 ? NONE : this.document.child(node, place));
    }
  }

  #found(depth: number, node: number): void {
    if (node !== NONE) this.follow(depth, node);
  }

  /** Appends a selected node behind its bracket or comma, with room for the closing bracket. */
  #emit(node: number): void {
    const source = this.document.source(node);
    this.terms.charge(this.terms.price.sourceByte * (source.length + 1));
    if (this.#out.length + 1 + source.length + 1 > this.terms.resultBytesMax) throw trap("too_large");
    this.#out.push(this.#out.length === 0 ? CHAR.openBracket : CHAR.comma);
    this.#out.append(source);
  }
}

/** RFC 9535 section 2.3.4.2.2. */
function slice(count: number, selector: Selector & { kind: "slice" }, visit: (place: number) => void): void {
  const { step } = selector;
  const normal = (place: number): number => (place >= 0 ? place : count + place);
  if (step > 0) {
    const lower = clamp(normal(selector.start ?? 0), 0, count);
    const upper = clamp(normal(selector.end ?? count), 0, count);
    for (let place = lower; place < upper; place += step) visit(place);
  } else if (step < 0) {
    const upper = clamp(selector.start === null ? count - 1 : normal(selector.start), -1, count - 1);
    const lower = clamp(selector.end === null ? -1 : normal(selector.end), -1, count - 1);
    for (let place = upper; place > lower; place += step) visit(place);
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
