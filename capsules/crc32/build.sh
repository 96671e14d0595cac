#!/bin/sh
# Builds crc32.wasm beside this script, or with --check compares a fresh build with it.
# Needs the C compiler of Zig 0.17: `pip install ziglang==0.17.0`, or set ZIG to another way to call it.
set -eu
cd "$(dirname "$0")"
zig=${ZIG:-python3 -m ziglang}
out=crc32.wasm
if [ "${1:-}" = --check ]; then
  work=$(mktemp -d)
  trap 'rm -r "$work"' EXIT
  out=$work/crc32.wasm
fi

# mvp and nothing else: the compiler's default switches on features that the ABI refuses. A stack of
# 1 KiB is plenty for a capsule that keeps its buffers elsewhere, and lets it fit one page.
$zig cc --target=wasm32-freestanding -mcpu=mvp -std=c11 -Os -nostdlib -I ../sdk-c \
  -Wall -Wextra -Werror \
  -Wl,--no-entry -Wl,--strip-all -Wl,--gc-sections -Wl,-z,stack-size=1024 \
  -o "$out" crc32.c
chmod -x "$out"

if [ "$out" != crc32.wasm ]; then
  cmp "$out" crc32.wasm
  echo "crc32.wasm is up to date"
fi
