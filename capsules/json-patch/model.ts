import { Fail } from "../test/fail.ts";
import type { Json, Made, Random, Request } from "../test/types.ts";

/** A document in which an object's members keep their order whatever their names. */
type Tree = null | boolean | number | string | Tree[] | Map<string, Tree>;
interface Step {
  op: string;
  path: string;
  from?: string;
  value?: Json;
}

const NOWHERE = ["/", "a", "/~", "/~2", "/k/k/k/k", "/00", "/-", "/-1", "/1000000000", "/01", "/99"];

// Steps are made for the document as the steps before have left it, or most would fail.
export function make(random: Random): Made {
  const document = random.once(20) ? random.json(1) : random.container(4);
  const holder: [Tree] = [tree(document)], patch: Step[] = [];
  let good = true;
  for (let left = random.int(1, 6); left && good; left--) {
    patch.push(step(random, holder[0]));
    try {
      apply(holder, patch[patch.length - 1]);
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      good = false;
    }
  }
  return { input: JSON.stringify({ document, patch }) };
}

function step(random: Random, document: Tree): Step {
  const places = pointers(document), containers = places.filter((place) => value(document, place) instanceof Object);
  const there = () => {
    if (random.once(40)) return random.pick(NOWHERE);
    return places.length > 1 && !random.once(20) ? random.pick(places.slice(1)) : "";
  };
  const beside = () => (containers.length && !random.once(3) ? random.pick(containers) + random.pick(["/-", "/0", "/new", "/~0~1"]) : there());
  const op = random.pick(["add", "copy", "move", "remove", "replace", "test"]);
  switch (op) {
    case "add": return { op, path: beside(), value: random.json(2) };
    case "copy": case "move": return { op, from: there(), path: beside() };
    case "remove": return { op, path: there() };
    case "replace": return { op, path: there(), value: random.json(2) };
    default: {
      const path = there();
      return { op, path, value: random.once(6) ? random.json(1) : turned(value(document, path)) };
    }
  }
}

const escaped = (name: string) => name.replaceAll("~", "~0").replaceAll("/", "~1");

function pointers(node: Tree, at = ""): string[] {
  const inside = node instanceof Map ? [...node].map(([name, one]): [string, Tree] => [escaped(name), one]) : Array.isArray(node) ? [...node.entries()] : [];
  return [at, ...inside.flatMap(([name, one]) => pointers(one, `${at}/${name}`))];
}

function value(document: Tree, path: string): Tree {
  try {
    return found([document], path);
  } catch {
    return null;
  }
}

// The same value with the members of objects in the other order.
function turned(node: Tree): Json {
  if (node instanceof Map) return Object.fromEntries([...node].reverse().map(([name, one]) => [name, turned(one)]));
  return Array.isArray(node) ? node.map(turned) : node;
}

function tree(json: Json): Tree {
  if (Array.isArray(json)) return json.map(tree);
  return json !== null && typeof json === "object" ? new Map(Object.entries(json).map(([name, one]) => [name, tree(one)])) : json;
}

function printed(node: Tree): string {
  if (node instanceof Map) return `{${[...node].map(([name, one]) => `${JSON.stringify(name)}:${printed(one)}`).join()}}`;
  return Array.isArray(node) ? `[${node.map(printed).join()}]` : JSON.stringify(node);
}

/** What is around a place, and the name there. Nothing stands for the whole document. */
function seek(holder: [Tree], path: string): { around: Tree; name: string } | undefined {
  if (path === "") return undefined;
  const [first, ...names] = path.split("/");
  if (first !== "") throw new Fail("not a JSON Pointer");
  let around: Tree | undefined = holder[0], name = "";
  for (const [i, raw] of names.entries()) {
    if (i) around = child(around as Tree, name);
    if (around === undefined) throw new Fail("no such place");
    if (/~(?![01])/.test(raw)) throw new Fail("not a JSON Pointer");
    name = raw.replaceAll("~1", "/").replaceAll("~0", "~");
  }
  return { around, name };
}

function child(node: Tree, name: string): Tree | undefined {
  if (node instanceof Map) return node.get(name);
  return Array.isArray(node) && /^(0|[1-9]\d*)$/.test(name) ? node[Number(name)] : undefined;
}

function found(holder: [Tree], path: string): Tree {
  const at = seek(holder, path);
  const node = at ? child(at.around, at.name) : holder[0];
  if (node === undefined) throw new Fail("no such place");
  return node;
}

function put(holder: [Tree], path: string, node: Tree): void {
  const at = seek(holder, path);
  if (!at) {
    holder[0] = node;
  } else if (at.around instanceof Map) {
    at.around.set(at.name, node);
  } else {
    const { around, name } = at;
    if (!Array.isArray(around) || !/^(-|0|[1-9]\d*)$/.test(name) || Number(name) > around.length) throw new Fail("no such place");
    around.splice(name === "-" ? around.length : Number(name), 0, node);
  }
}

function remove(holder: [Tree], path: string): void {
  found(holder, path);
  const at = seek(holder, path);
  if (!at) throw new Fail("the whole document cannot be removed");
  if (at.around instanceof Map) at.around.delete(at.name);
  else if (Array.isArray(at.around)) at.around.splice(Number(at.name), 1);
}

function replace(holder: [Tree], path: string, node: Tree): void {
  found(holder, path);
  const at = seek(holder, path);
  if (at && Array.isArray(at.around)) at.around[Number(at.name)] = node;
  else put(holder, path, node);
}

const canonical = (node: Tree): string => {
  if (node instanceof Map) return `{${[...node].map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`).sort().join()}}`;
  return Array.isArray(node) ? `[${node.map(canonical).join()}]` : JSON.stringify(node);
};

function apply(holder: [Tree], { op, path, from = "", value = null }: Step): void {
  switch (op) {
    case "add": return put(holder, path, tree(value));
    case "copy": return put(holder, path, structuredClone(found(holder, from)));
    case "remove": return remove(holder, path);
    case "replace": return replace(holder, path, tree(value));
    case "test":
      if (canonical(found(holder, path)) !== canonical(tree(value))) throw new Fail("not as tested");
      return;
  }
  const node = found(holder, from);
  if (path === from) return;
  if (path.startsWith(`${from}/`)) throw new Fail("moved into itself");
  remove(holder, from);
  put(holder, path, node);
}

export function answer({ input }: Request): string {
  const { document, patch }: { document: Json; patch: Step[] } = JSON.parse(input);
  const holder: [Tree] = [tree(document)];
  for (const [i, step] of patch.entries()) {
    try {
      apply(holder, step);
    } catch (error) {
      throw error instanceof Fail ? new Fail(`${error.message}: step ${i}`) : error;
    }
  }
  return printed(holder[0]);
}
