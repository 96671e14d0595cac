import { Fail } from "../test/fail.ts";
import type { Made, Random, Request } from "../test/types.ts";

const NAMES = ["MIT", "mit", "ISC", "Apache-2.0", "GPL-2.0-only", "BSD-3-Clause", "Apache-2.0+", "GPL-2.0-only WITH GCC-exception-2.0"];

export function make(random: Random): Made {
  const expression = (depth: number): string => {
    switch (random.int(0, depth ? 5 : 1)) {
      case 2: return `${expression(depth - 1)} OR ${expression(depth - 1)}`;
      case 3: return `${expression(depth - 1)} AND ${expression(depth - 1)}`;
      case 4: return `(${expression(depth - 1)})`;
      case 5: return random.once(6) ? random.pick(["(MIT", "MIT)", "MIT OR", "AND", "", "MIT MIT", "MIT WITH", "( )", "MIT or isc"]) : expression(depth - 1);
      default: return random.pick(NAMES);
    }
  };
  const entry = () => random.pick<() => License>([() => ({ expression: expression(3) }), () => ({ license: { id: random.pick(NAMES) } }), () => ({ license: { name: expression(1) } }), () => ({ license: {} })])();
  const component = (depth: number): object => ({
    name: random.text(3), version: random.pick(["1", 2, null]), ...(random.once(4) ? { group: random.text(2) } : {}),
    ...(random.once(5) ? {} : { licenses: random.once(20) ? "MIT" : random.list(2, entry) }),
    ...(depth && random.once(3) ? { components: random.list(2, () => component(depth - 1)) } : {}),
  });
  const sbom = {
    bomFormat: random.once(40) ? "SPDX" : "CycloneDX",
    ...(random.once(3) ? { metadata: { component: { name: "it", components: random.list(2, () => component(1)) } } } : {}),
    ...(random.once(10) ? {} : { components: random.once(40) ? {} : random.list(5, () => component(2)) }),
  };
  return { input: JSON.stringify({ allow: random.list(4, () => random.pick(NAMES)), sbom }) };
}

interface License {
  expression?: string;
  license?: { id?: string; name?: string };
}

interface Component {
  group?: unknown;
  name: unknown;
  version: unknown;
  licenses?: unknown;
  components?: unknown;
}

interface Document {
  allow: string[];
  sbom: { bomFormat: string; metadata?: { component?: { components?: unknown } }; components?: unknown };
}

const fold = (text: string) => text.replace(/[A-Z]/g, (c) => c.toLowerCase());

export function answer({ input }: Request): string {
  const { allow, sbom }: Document = JSON.parse(input);
  if (fold(sbom.bomFormat) !== "cyclonedx") throw new Fail("sbom: not CycloneDX JSON");
  const list = new Set(allow.map(fold));
  const listed = (text: string) => list.has(fold(text));
  let count = 0, allowed = 0;
  const violations: object[] = [], unknown: object[] = [];
  const walk = (components: unknown) => {
    if (components === undefined) return;
    if (!Array.isArray(components)) throw new Fail("components: not an array");
    for (const component of components as Component[]) {
      count++;
      judge(component);
      walk(component.components);
    }
  };
  const judge = ({ group, name, version, licenses }: Component) => {
    const entries: License[] = Array.isArray(licenses) ? licenses : [];
    const texts = entries.map((entry) => entry.expression ?? entry.license?.id ?? entry.license?.name);
    const wrong = texts.findIndex((text) => text === undefined || !(listed(text) || satisfied(text, listed)));
    if (texts.length && wrong < 0) allowed++;
    else {
      const about = { ...(group === undefined ? {} : { group }), name, version };
      if (texts[wrong] === undefined) unknown.push(about);
      else violations.push({ ...about, license: texts[wrong] });
    }
  };
  walk(sbom.metadata?.component?.components);
  walk(sbom.components);
  return JSON.stringify({ components: count, allowed, violations, unknown });
}

// `with` is left as it is, where it stands wrongly: it is no expression in JavaScript either.
const OPERATORS: Record<string, string> = { and: "&&", or: "||", "(": "(", ")": ")", with: "with" };

// The expression is turned into JavaScript's own boolean operators; false if it is none.
function satisfied(text: string, listed: (text: string) => boolean): boolean {
  const tokens: string[] = text.match(/[()]|[^ ()]+/g) ?? [];
  const word = (token: string) => ["and", "or", "with"].includes(fold(token)) ? fold(token) : /[()]/.test(token) ? token : "name";
  const plain = (name: string) => listed(name) || (name.endsWith("+") && listed(name.slice(0, -1)));
  const out: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    if (word(tokens[i]) !== "name") {
      out.push(OPERATORS[word(tokens[i])]);
    } else if (i + 2 < tokens.length && word(tokens[i + 1]) === "with" && word(tokens[i + 2]) === "name") {
      out.push(String(plain(tokens[i]) || listed(tokens.slice(i, i + 3).join(" "))));
      i += 2;
    } else {
      out.push(String(plain(tokens[i])));
    }
  }
  try {
    return new Function(`return ${out.join(" ")};`)() === true;
  } catch {
    return false;
  }
}
