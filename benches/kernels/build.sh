#!/usr/bin/env bash
# Builds the kernels from their sources, with the compiler of capsules/package-lock.json.
set -euo pipefail
cd "$(dirname "$0")"
for source in *.ts; do
    ../../capsules/node_modules/.bin/asc "$source" --outFile "${source%.ts}.wasm" \
        -O3 --noAssert --runtime stub --use abort= --memoryBase 16
done
