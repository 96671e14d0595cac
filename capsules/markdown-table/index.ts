// Rows of text to a Markdown table. The first row is the header. A bar or a backslash is escaped, a line end becomes
// `<br>`.

import { Input, alloc, failAt } from "@tenzik/sdk";

enum Align { None = "none", Left = "left", Center = "center", Right = "right" }

class Table {
  rows: string[][] = [];
  /** One for each column, or none at all. */
  @optional align: Align[] = [];
}

let out: usize = 0;

export function run(table: Table): string {
  // At most five for each character of the input: a cell of `"",` is `|  `, and in the header also `| :---: `.
  const start = alloc(<usize>Input.length() * 10 + 64) + sizeof<usize>();
  out = start;
  const columns = table.rows.length ? table.rows[0].length : 0;
  if (table.align.length && table.align.length != columns) failAt("not one alignment for each column:", table.align.length);
  for (let i = 0; i < table.rows.length; i++) {
    const row = table.rows[i];
    if (row.length != columns) failAt("not as many cells as in the header: row", i);
    for (let c = 0; c < columns; c++) {
      put("| ");
      cell(row[c]);
      put(" ");
    }
    put("|\n");
    if (i == 0) rule(table.align, columns);
  }
  store<usize>(start - sizeof<usize>(), out - start);
  return changetype<string>(start);
}

function rule(align: Align[], columns: i32): void {
  for (let c = 0; c < columns; c++) {
    const way: Align = align.length ? align[c] : Align.None;
    put(way == Align.Left || way == Align.Center ? "| :" : "| ");
    put("---");
    put(way == Align.Right || way == Align.Center ? ": " : " ");
  }
  put("|\n");
}

function cell(text: string): void {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c == 10) {
      put("<br>");
      continue;
    }
    if (c == 124 || c == 92) put("\\");
    store<u16>(out, c);
    out += 2;
  }
}

function put(text: string): void {
  const bytes = <usize>text.length << 1;
  memory.copy(out, changetype<usize>(text), bytes);
  out += bytes;
}
