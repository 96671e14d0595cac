// Smaller bodies for functions of the standard library, which the transform puts in their place. Names are resolved
// where they go: in `~lib/rt/stub`, and the method in `~lib/string`.
//
// Memory is handed out upwards and never given back, and grows by what is needed instead of twofold, which does not meet
// the limit on pages early. Addresses are multiples of four: the library's Map has its marks in the bits below.

export function __alloc(size: usize): usize {
  if (<i32>size < 0) unreachable();
  const block = offset;
  const end = (block + size + 7) & ~3;
  offset = end;
  const pages = <i32>(end >>> 16) + 1 - memory.size();
  if (pages > 0) {
    if (memory.grow(pages) < 0) unreachable();
  }
  store<usize>(block, size);
  return block + 4;
}

// The library's asserts that addresses are multiples of sixteen.
export function __realloc(ptr: usize, size: usize): usize {
  const had = load<usize>(ptr - 4);
  if (size > had) {
    if (ptr + had == offset) {
      // The last block grows where it is.
      size = computeSize(size);
      maybeGrowMemory(ptr + size);
      store<usize>(ptr - 4, size);
    } else {
      const to = __alloc(max(size, had << 1));
      memory.copy(to, ptr, had);
      ptr = to;
    }
  }
  return ptr;
}

export function __free(ptr: usize): void {}

export function __new(size: usize, id: u32): usize {
  const ptr = __alloc(size + 16);
  store<u32>(ptr, id, 8);
  store<usize>(ptr, size, 12);
  return ptr + 16;
}

function maybeGrowMemory(newOffset: usize): void {
  offset = newOffset;
  const pages = <i32>(newOffset >>> 16) + 1 - memory.size();
  if (pages > 0) {
    if (memory.grow(pages) < 0) unreachable();
  }
}

function computeSize(size: usize): usize {
  return (size + 3) & ~3;
}

class String {
  get length(): i32 {
    return load<i32>(changetype<usize>(this) - 4) >>> 1;
  }

  concat(other: String): String {
    const head = load<usize>(changetype<usize>(this) - 4);
    const tail = load<usize>(changetype<usize>(other) - 4);
    const out = __new(head + tail, idof<String>());
    memory.copy(out, changetype<usize>(this), head);
    memory.copy(out + head, changetype<usize>(other), tail);
    return changetype<String>(out);
  }
}
