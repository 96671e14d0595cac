// What changed between two documents: a list of places as JSON Pointers, in the order of the documents. Objects are
// compared by name, arrays by place, numbers by value, strings by what they mean.

import { Type, Value } from "@tenzik/sdk";

class Pair {
  before: Value = Value.none;
  after: Value = Value.none;
}

enum Kind { Added = "added", Removed = "removed", Changed = "changed" }

class Change {
  path: string = "";
  kind: Kind = Kind.Added;
}

class Changes {
  same: bool = true;
  changes: Change[] = [];
}

const changes = new Array<Change>();

export function run(pair: Pair): Changes {
  compare(pair.before, pair.after, "");
  return { same: changes.length == 0, changes };
}

function note(path: string, kind: Kind): void {
  changes.push({ path, kind });
}

function compare(before: Value, after: Value, path: string): void {
  const type = before.type;
  if (type != after.type) {
    note(path, Kind.Changed);
  } else if (type == Type.Object) {
    members(before, after, path, false);
    members(after, before, path, true);
  } else if (type == Type.Array) {
    elements(before, after, path);
  } else if (type == Type.String ? before.str() != after.str() : type == Type.Number && before.num() != after.num()) {
    note(path, Kind.Changed);
  }
}

// Once for what was there before, and once more for what was not.
function members(one: Value, other: Value, path: string, added: bool): void {
  for (let i = 0, n = one.length; i < n; i++) {
    const name = one.key(i);
    const match = other.get(name);
    if (added && match.exists) continue;
    const place = path + "/" + escaped(name);
    if (match.exists) compare(one.at(i), match, place);
    else note(place, added ? Kind.Added : Kind.Removed);
  }
}

function elements(before: Value, after: Value, path: string): void {
  const had = before.length, has = after.length;
  for (let i = 0; i < max(had, has); i++) {
    const place = path + "/" + decimal(i);
    if (i >= has) note(place, Kind.Removed);
    else if (i >= had) note(place, Kind.Added);
    else compare(before.at(i), after.at(i), place);
  }
}

// `~` is `~0` and `/` is `~1`: RFC 6901.
function escaped(name: string): string {
  let more = 0;
  for (let i = 0; i < name.length; i++) more += <i32>special(name.charCodeAt(i));
  if (!more) return name;
  const out = __new((name.length + more) << 1, idof<string>());
  for (let i = 0, to = out; i < name.length; i++, to += 2) {
    let c = name.charCodeAt(i);
    if (special(c)) {
      store<u16>(to, 126);
      to += 2;
      c = c == 126 ? 48 : 49;
    }
    store<u16>(to, c);
  }
  return changetype<string>(out);
}

function special(c: i32): bool {
  return c == 126 || c == 47;
}

function decimal(i: i32): string {
  let width = 1;
  for (let rest = i / 10; rest; rest /= 10) width++;
  const out = __new(width << 1, idof<string>());
  for (; width--; i /= 10) store<u16>(out + (<usize>width << 1), 48 + i % 10);
  return changetype<string>(out);
}
