// What holds other values: lists, maps, classes that hold themselves, and nulls.

class Leaf {
  x: i32 = 0;
  @optional y: string = "";
}

class Tree {
  @optional first: Tree | null = null;
  @optional many: Tree[] = [];
  name: string = "";
}

class Base {
  base: bool = false;
}

class Nested extends Base {
  leaf: Leaf = new Leaf();
  maybe: Leaf | null = null;
  numbers: f64[] = [];
  longs: StaticArray<i64> = [];
  bytes: u8[] = [];
  flags: bool[] = [];
  texts: (string | null)[] = [];
  table: Leaf[][] = [];
  map: Map<string, Leaf> = new Map();
  maps: Map<string, Map<string, u64>> | null = null;
  lists: Map<string, i16[]> = new Map();
  tree: Tree = new Tree();
}

export function run(nested: Nested): Nested {
  return nested;
}
