// Applies a JSON Patch (RFC 6902) to a document: every step, or none. The output is the document, whose values stay as they
// were written.

import { Char, Output, Type, Value, failAt } from "@tenzik/sdk";

/** What is done at a place, a JSON Pointer (RFC 6901). */
@union("op") abstract class Step { path: string = ""; }

abstract class Giving extends Step { value: Value = Value.none; }
@tag("add") class Add extends Giving {}
@tag("replace") class Replace extends Giving {}
@tag("test") class Test extends Giving {}

abstract class Taking extends Step { from: string = ""; }
@tag("move") class Move extends Taking {}
@tag("copy") class Copy extends Taking {}

@tag("remove") class Remove extends Step {}

class Order {
  document: Value = Value.none;
  patch: Step[] = [];
}

/** A value of the document as it is by now. Arrays and objects have what is in them here, all else in the input. */
class Node {
  names: string[] = [];
  inside: Node[] = [];
  constructor(public value: Value) {}
}

/** Containers within containers that JSON may have. */
const DEEP_MAX = 128;

// Holds the document, and so is around the place of the empty pointer.
const top = new Node(Value.none);
// The step at hand, for messages.
let at = 0;
// A place: what is around it, its name there, and which of the values it is, -1 if there is none. `level` are the names up to it.
let around = top;
let name = "";
let place = 0;
let level = 0;

export function run(order: Order): void {
  top.inside.push(load(order.document));
  for (; at < order.patch.length; at++) apply(order.patch[at]);
  write(top.inside[0]);
}

function apply(step: Step): void {
  if (step instanceof Taking) take(step as Taking);
  else if (step instanceof Remove) remove(step.path);
  else give(step as Giving);
}

function give(step: Giving): void {
  const node = load(step.value);
  if (step instanceof Add) {
    put(step.path, node);
    return;
  }
  const there = found(step.path);
  if (step instanceof Replace) hang(node);
  else if (!equal(there, node)) stop("not as tested: step");
}

function take(step: Taking): void {
  const from = step.from, path = step.path;
  const node = found(from);
  if (step instanceof Copy) {
    put(path, clone(node));
  } else if (path != from) {
    if (path.startsWith(from) && path.charCodeAt(from.length) == 47) stop("moved into itself: step");
    remove(from);
    put(path, node);
  }
}

function put(path: string, node: Node): void {
  seek(path);
  const type = around == top ? Type.Null : around.value.type;
  if (type == Type.Array) {
    const inside = around.inside, length = inside.length;
    place = name == "-" ? length : decimal(name);
    if (<u32>place > <u32>length) stop("no such place: step");
    inside.push(node);
    for (let i = length; i > place; i--) inside[i] = inside[i - 1];
  } else if (place < 0) {
    if (type != Type.Object) stop("no such place: step");
    place = around.inside.length;
    around.names.push(name);
    around.inside.push(node);
  }
  hang(node);
}

// Puts a node at the place that was found.
function hang(node: Node): void {
  fit(node, level);
  around.inside[place] = node;
}

function remove(path: string): void {
  found(path);
  if (around == top) stop("the whole document cannot be removed: step");
  const names = around.names, inside = around.inside, last = inside.length - 1;
  const isObject = names.length > 0;
  for (let i = place; i < last; i++) {
    inside[i] = inside[i + 1];
    if (isObject) names[i] = names[i + 1];
  }
  inside.length = last;
  if (isObject) names.length = last;
}

function found(path: string): Node {
  seek(path);
  if (place < 0) stop("no such place: step");
  return around.inside[place];
}

// Goes where a pointer leads. Its last name may stand for nothing yet.
function seek(path: string): void {
  around = top;
  place = level = 0;
  for (let i = 0; i < path.length; level++) {
    if (path.charCodeAt(i++) != 47) stop("not a JSON Pointer: step");
    if (place < 0) stop("no such place: step");
    const from = i;
    while (i < path.length && path.charCodeAt(i) != 47) i++;
    name = unescaped(path, from, i);
    around = around.inside[place];
    const type = around.value.type;
    if (type == Type.Object) {
      place = around.names.indexOf(name);
    } else {
      place = type == Type.Array ? decimal(name) : -1;
      if (place >= around.inside.length) place = -1;
    }
  }
}

// `~1` is `/` and `~0` is `~`.
function unescaped(path: string, from: i32, to: i32): string {
  const out = __new((to - from) << 1, idof<string>());
  let end = out;
  for (; from < to; end += 2) {
    let c = path.charCodeAt(from++);
    if (c == 126) {
      c = from < to ? path.charCodeAt(from++) : 0;
      if (c != 48 && c != 49) stop("not a JSON Pointer: step");
      c = c == 49 ? 47 : 126;
    }
    store<u16>(end, c);
  }
  // The length before a string counts its bytes.
  store<usize>(out - 4, end - out);
  return changetype<string>(out);
}

// An array's index: no sign, no needless zero. -1 for anything else, and beyond what an array can have.
function decimal(text: string): i32 {
  const length = text.length;
  if (length > 9 || (length > 1 && text.charCodeAt(0) == 48)) return -1;
  let number = length ? 0 : -1;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (<u32>digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

function load(value: Value): Node {
  const node = new Node(value);
  const isObject = value.type == Type.Object;
  for (let i = 0, n = value.length; i < n; i++) {
    if (isObject) node.names.push(value.key(i));
    node.inside.push(load(value.at(i)));
  }
  return node;
}

function clone(node: Node): Node {
  const copy = new Node(node.value);
  for (let i = 0; i < node.inside.length; i++) copy.inside.push(clone(node.inside[i]));
  for (let i = 0; i < node.names.length; i++) copy.names.push(node.names[i]);
  return copy;
}

// The document after each step is one that JSON can have: so nothing that walks through it goes deeper.
function fit(node: Node, level: i32): void {
  if (node.value.type < Type.Array) return;
  if (level >= DEEP_MAX) stop("too deep: step");
  for (let i = 0; i < node.inside.length; i++) fit(node.inside[i], level + 1);
}

// Objects by name, arrays by place, numbers as binary64, strings unescaped.
function equal(one: Node, other: Node): bool {
  const a = one.value, b = other.value, type = a.type;
  if (type != b.type || one.inside.length != other.inside.length) return false;
  if (type == Type.Number) return a.num() == b.num();
  if (type == Type.String) return a.str() == b.str();
  for (let i = 0; i < one.inside.length; i++) {
    const j = type == Type.Object ? other.names.indexOf(one.names[i]) : i;
    if (j < 0 || !equal(one.inside[i], other.inside[j])) return false;
  }
  return true;
}

function write(node: Node): void {
  const type = node.value.type;
  if (type < Type.Array) {
    Output.value(node.value);
    return;
  }
  const isObject = type == Type.Object;
  Output.char(isObject ? Char.OpenObject : Char.OpenArray);
  for (let i = 0; i < node.inside.length; i++) {
    Output.comma(i);
    if (isObject) {
      Output.str(node.names[i]);
      Output.char(Char.Colon);
    }
    write(node.inside[i]);
  }
  Output.char(isObject ? Char.CloseObject : Char.CloseArray);
}

function stop(problem: string): void {
  failAt(problem, at);
}
