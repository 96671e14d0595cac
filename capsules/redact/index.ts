// Takes what is secret out of a document: the value of every member with one of the names, at any depth, becomes a
// string. Everything else stays as it was written.

import { Char, Output, Type, Value } from "@tenzik/sdk";

class Order {
  document: Value = Value.none;
  /** Names of members, to the letter. */
  names: string[] = [];
  /** What stands in the place of a value. */
  @optional mask: string = "[redacted]";
}

export function run(order: Order): void {
  write(order.document, order);
}

function write(value: Value, order: Order): void {
  const type = value.type;
  if (type < Type.Array) {
    Output.value(value);
    return;
  }
  const isObject = type == Type.Object;
  Output.char(isObject ? Char.OpenObject : Char.OpenArray);
  for (let i = 0, n = value.length; i < n; i++) {
    Output.comma(i);
    if (isObject) {
      const name = value.key(i);
      Output.str(name);
      Output.char(Char.Colon);
      if (order.names.includes(name)) {
        Output.str(order.mask);
        continue;
      }
    }
    write(value.at(i), order);
  }
  Output.char(isObject ? Char.CloseObject : Char.CloseArray);
}
