// What is known of a module, as far as rewriting and the ABI look at it.
//
// Enters: nothing. Leaves: types and the format's numbers; `sections.ts` fills them in. Refuses: nothing.

export const VALUE_TYPE = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c } as const;

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
} as const;

/** The order in which sections stand; the count of data segments stands before the code. */
export const SECTION_ORDER = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11] as const;

export interface FunctionType {
  params: number[];
  results: number[];
}

export interface Import {
  module: string;
  name: string;
  type: number;
}

export interface Limits {
  min: number;
  max: number | null;
}

export interface Global {
  type: number;
  mutable: boolean;
  /** The value of an `i32` global, else null. */
  i32: number | null;
}

export interface Export {
  name: string;
  kind: "function" | "table" | "memory" | "global";
  index: number;
}

/** How many units a segment writes at the start, and where; passive and declared ones write nothing. */
export interface Segment {
  active: { offset: number } | null;
  length: number;
}

export interface Body {
  /** Where the declarations of locals begin, the code begins, and the body ends. */
  start: number;
  code: number;
  end: number;
  localGroups: number;
  locals: number;
}

export interface Module {
  bytes: Uint8Array;
  types: FunctionType[];
  imports: Import[];
  /** The type of each function that is defined here. */
  functions: number[];
  tables: Limits[];
  memories: Limits[];
  globals: Global[];
  exports: Export[];
  start: number | null;
  elements: Segment[];
  data: Segment[];
  bodies: Body[];
  /** For each section its content; of a section that is a list, what stands behind the count. */
  contents: Map<number, { start: number; end: number }>;
}
