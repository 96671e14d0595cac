// asc looks for a package's `index.ts` at its root; the SDK itself is in `assembly/`.
export * from "./assembly/index";
