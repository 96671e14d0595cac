import { Fail } from "../test/fail.ts";
import type { Made, Random, Request } from "../test/types.ts";

export function make(random: Random): Made {
  const end = random.pick(["\n", "\r\n"]);
  const field = () => {
    const plain = random.text(6, ["a", "b", " ", "é", "😀", "\\", "\u0001", "\t", "x"]);
    if (random.once(3)) return `"${random.text(6, ["a", '""', ",", "\n", "\r\n", "é", "\\"])}"`;
    return random.once(80) ? `${plain}"` : plain;
  };
  const columns = random.int(1, 4);
  const header = Array.from({ length: columns }, (_, i) => `n${random.once(60) ? 0 : i}${random.text(2, ["é", "-", "\\"])}`);
  const rows = random.list(6, () => Array.from({ length: random.once(50) ? columns + 1 : columns }, field).join(","));
  const text = [header.join(","), ...rows].join(end) + (random.once(2) ? end : "");
  return { input: (random.once(10) ? "\ufeff" : "") + text };
}

// One character after another, with a state: another way than the capsule's. Mistakes are told in the order of the text.
export function answer({ input }: Request): string {
  const text = input.replace(/^\ufeff/, "");
  const rows: string[][] = [[]];
  let field = "", state = "start";
  const wrong = (words: string) => new Fail(`${words}: row ${rows.length}`);
  const end = (more: boolean) => {
    const row = rows[rows.length - 1], [names] = rows;
    if (rows.length === 1 && row.includes(field)) throw new Fail("a name stands twice");
    row.push(field);
    if (rows.length > 1 && (more ? row.length >= names.length : row.length !== names.length)) throw wrong("not as many fields as names");
    field = "";
    state = "start";
  };
  let at = 0;
  for (;;) {
    const c = text[at];
    const lineEnd = c === "\n" ? 1 : text.startsWith("\r\n", at) ? 2 : 0;
    if (state === "quoted") {
      if (c === undefined) throw wrong("a quote is not closed");
      if (c !== '"') field += c;
      else if (text[at + 1] === '"') field += text[++at];
      else state = "closed";
      at++;
    } else if (c === undefined || lineEnd) {
      end(false);
      at += lineEnd;
      if (at >= text.length) break;
      rows.push([]);
    } else if (c === ",") {
      end(true);
      at++;
    } else if (state === "start" && c === '"') {
      state = "quoted";
      at++;
    } else if (c === "\r" || state === "closed") {
      throw wrong("text after a field");
    } else if (c === '"') {
      throw wrong("a quote in a plain field");
    } else {
      state = "plain";
      field += c;
      at++;
    }
  }
  const [names, ...records] = rows;
  return JSON.stringify(records.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i]]))));
}
