import { Fail } from "../test/fail.ts";
import type { Made, Random, Request } from "../test/types.ts";

export function make(random: Random): Made {
  const columns = random.once(20) ? 0 : random.int(1, 4);
  const row = () => Array.from({ length: random.once(40) ? columns + 1 : columns }, () => random.text(8));
  const rows = random.once(20) ? [] : [row(), ...random.list(5, row)];
  const align = random.once(2) ? undefined : Array.from({ length: random.once(20) ? 5 : (rows[0]?.length ?? 0) }, () => random.pick(Object.keys(RULES)));
  return { input: JSON.stringify({ rows, ...(align ? { align } : {}) }) };
}

const RULES = { none: "---", left: ":---", center: ":---:", right: "---:" };

export function answer({ input }: Request): string {
  const { rows, align = [] }: { rows: string[][]; align?: (keyof typeof RULES)[] } = JSON.parse(input);
  const columns = rows[0]?.length ?? 0;
  if (align.length && align.length !== columns) throw new Fail(`not one alignment for each column: ${align.length}`);
  const wrong = rows.findIndex((row) => row.length !== columns);
  if (wrong >= 0) throw new Fail(`not as many cells as in the header: row ${wrong}`);
  const line = (cells: string[]) => `${cells.map((cell) => `| ${cell} `).join("")}|\n`;
  const lines = rows.map((row) => line(row.map((cell) => cell.replace(/[|\\]/g, "\\$&").replaceAll("\n", "<br>"))));
  if (lines.length) lines.splice(1, 0, line(Array.from({ length: columns }, (_, i) => RULES[align[i] ?? "none"])));
  return JSON.stringify(lines.join(""));
}
