// Holds a CycloneDX bill of materials against a list of allowed licences.
//
// A component passes if every entry of its `licenses` passes. An entry passes if its text, which is
// its `expression` or its licence's `id` or `name`, is on the list, or is an SPDX expression that the
// list satisfies. Names are read as expressions too, because tools put expressions there. A component
// that states no licence is neither allowed nor a violation: it is listed as unknown.
//
// Case does not count in licence identifiers, as SPDX has it. The list satisfies `X+` if it has `X`,
// and `X WITH E` if it has `X` (an exception only adds permissions) or that very pair.

import { Char, Input, Output, Type, Value, alloc, fail } from "@tenzik/sdk";

const enum Token { End, Name, And, Or, With, Open = 40, Close = 41 }

// How deep parentheses may stand in an expression. Each level takes its share of the stack, and a run
// that ends for want of stack is no answer.
// @ts-ignore: decorator
@inline const DEPTH_MAX: i32 = 64;

@unmanaged class Finding {
  next: Finding | null;
  component: Value;
  license: Value; // the first entry's text that does not pass; none where no licence is stated
}

let allowList: usize = 0; // addresses of strings
let allowCount: i32 = 0;

let components: i32 = 0;
let passed: i32 = 0;
let first: Finding | null = null;
let last: Finding | null = null;

// The expression that is being read, and its token at hand, which goes from `token` to `at`.
let at: usize = 0;
let end: usize = 0;
let token: usize = 0;
let kind: u32 = Token.End;
let depth: i32 = 0;
let wellFormed = true;

export function run(): void {
  const input = Input.root();
  readAllowList(input.get("allow"));
  const sbom = input.get("sbom");
  const format = sbom.get("bomFormat");
  if (!format.is(Type.String) || !sameText(format.str(), "CycloneDX")) fail("sbom: not CycloneDX JSON");
  walk(sbom.get("metadata").get("component").get("components"));
  walk(sbom.get("components"));

  Output.raw('{"components":');
  Output.num(components);
  Output.raw(',"allowed":');
  Output.num(passed);
  Output.raw(',"violations":[');
  list(true);
  Output.raw('],"unknown":[');
  list(false);
  Output.raw("]}");
}

function readAllowList(allow: Value): void {
  if (!allow.is(Type.Array)) fail("allow: not an array of strings");
  allowCount = allow.length;
  allowList = alloc(<usize>allowCount << 2);
  for (let i = 0; i < allowCount; i++) {
    const entry = allow.at(i);
    if (!entry.is(Type.String)) fail("allow: not an array of strings");
    store<usize>(allowList + (i << 2), changetype<usize>(entry.str()));
  }
}

// The host's limit on the nesting of JSON, 128, lets components stand 63 deep.
function walk(list: Value): void {
  if (!list.exists) return;
  if (!list.is(Type.Array)) fail("components: not an array");
  for (let i = 0, n = list.length; i < n; i++) {
    const component = list.at(i);
    components++;
    judge(component);
    walk(component.get("components"));
  }
}

function judge(component: Value): void {
  const licenses = component.get("licenses");
  const n = licenses.is(Type.Array) ? licenses.length : 0;
  let text = changetype<Value>(-1);
  let i = 0;
  for (; i < n; i++) {
    const entry = licenses.at(i);
    text = entry.get("expression");
    if (!text.exists) text = entry.get("license").get("id");
    if (!text.exists) text = entry.get("license").get("name");
    if (!text.is(Type.String) || !passes(text.str())) break;
  }
  if (n && i == n) {
    passed++;
    return;
  }
  const finding = changetype<Finding>(alloc(offsetof<Finding>()));
  finding.next = null;
  finding.component = component;
  finding.license = text;
  if (last) last!.next = finding;
  else first = finding;
  last = finding;
}

function list(violations: bool): void {
  let i = 0;
  for (let finding = first; finding; finding = finding!.next) {
    if (finding.license.exists != violations) continue;
    Output.comma(i++);
    const group = finding.component.get("group");
    Output.char(Char.OpenObject);
    if (group.exists) {
      Output.raw('"group":');
      Output.value(group);
      Output.char(Char.Comma);
    }
    Output.raw('"name":');
    Output.orNull(finding.component.get("name"));
    Output.raw(',"version":');
    Output.orNull(finding.component.get("version"));
    if (violations) {
      Output.raw(',"license":');
      Output.value(finding.license);
    }
    Output.char(Char.CloseObject);
  }
}

function passes(text: string): bool {
  at = changetype<usize>(text);
  end = at + (<usize>text.length << 1);
  if (listed(at, end)) return true;
  wellFormed = true;
  next();
  const ok = anyOf();
  return ok && wellFormed && kind == Token.End;
}

function anyOf(): bool {
  let ok = allOf();
  while (kind == Token.Or) {
    next();
    // Both sides are always read: a mistake after a true side is still a mistake.
    ok = allOf() || ok;
  }
  return ok;
}

function allOf(): bool {
  let ok = one();
  while (kind == Token.And) {
    next();
    ok = one() && ok;
  }
  return ok;
}

function one(): bool {
  let ok: bool;
  if (kind == Token.Open) {
    if (++depth > DEPTH_MAX) fail("license: parentheses more than 64 deep");
    next();
    ok = anyOf();
    depth--;
    need(Token.Close);
    return ok;
  }
  const id = token;
  ok = listed(id, at) || load<u16>(at - 2) == 43 && listed(id, at - 2);
  need(Token.Name);
  if (kind == Token.With) {
    next();
    ok = listed(id, at) || ok;
    need(Token.Name);
  }
  return ok;
}

function need(wanted: Token): void {
  if (kind != wanted) wellFormed = false;
  next();
}

// Steps to the next token: a parenthesis, or everything up to a blank or a parenthesis.
function next(): void {
  while (at < end && load<u16>(at) == 32) at += 2;
  token = at;
  for (; at < end; at += 2) {
    const c = load<u16>(at);
    if (c == 32) break;
    if (c == Token.Open || c == Token.Close) {
      if (token < at) break;
      at += 2;
      kind = c;
      return;
    }
  }
  kind = token == at ? Token.End
    : isWord("AND") ? Token.And
    : isWord("OR") ? Token.Or
    : isWord("WITH") ? Token.With
    : Token.Name;
}

function isWord(word: string): bool {
  return same(token, at, word);
}

function listed(from: usize, to: usize): bool {
  for (let i = 0; i < allowCount; i++) {
    if (same(from, to, changetype<string>(load<usize>(allowList + (i << 2))))) return true;
  }
  return false;
}

function sameText(a: string, b: string): bool {
  return same(changetype<usize>(a), changetype<usize>(a) + (<usize>a.length << 1), b);
}

function same(from: usize, to: usize, word: string): bool {
  if (to - from != <usize>word.length << 1) return false;
  for (let p = changetype<usize>(word); from < to; from += 2, p += 2) {
    if (folded(from) != folded(p)) return false;
  }
  return true;
}

function folded(p: usize): u32 {
  const c: u32 = load<u16>(p);
  return c - 65 < 26 ? c | 32 : c;
}
