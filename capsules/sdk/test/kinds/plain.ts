// Every plain type, every mark on members.

import { Value } from "@tenzik/sdk";

enum Status { Open = "open", Closed = "closed", Void = "" }
enum Level { Low = -1, Mid, High = 10 }
type Id = string;

@strict class Plain {
  a: f64 = 0;
  b: f32 = 0;
  c: i8 = 0;
  d: i16 = 0;
  e: i32 = 0;
  f: u8 = 0;
  g: u16 = 0;
  h: u32 = 0;
  i: i64 = 0;
  j: u64 = 0;
  k: bool = false;
  l: Id = "";
  m: Status = Status.Open;
  n: Level = Level.Low;
  o: Value = Value.none;
  p: string | null = null;
  @optional @name("~q/") q: string = "é";
  @optional r: string | null = null;
  @optional s: bool = true;
  @optional t: f64 = -1.5;
  @optional u: u64 = 7;
  @optional v: Status = Status.Closed;
  @optional w: Value = Value.none;
  @optional x: u8 = 0;
  @name("__proto__") y: bool = false;
  @optional @name("constructor") z: string = "";
}

export function run(plain: Plain): Plain {
  return plain;
}
