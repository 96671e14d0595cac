#!/usr/bin/env bash
# Builds the kernels from their sources, with the compiler of capsules/package-lock.json. With --check it compares instead.
set -euo pipefail
cd "$(dirname "$0")"
folder=.
[[ ${1:-} == --check ]] && folder=$(mktemp -d)
for source in *.ts; do
    name=${source%.ts}.wasm
    ../../capsules/node_modules/.bin/asc "$source" --outFile "$folder/$name" \
        -O3 --noAssert --runtime stub --use abort= --memoryBase 16
    [[ $folder == . ]] || cmp "$folder/$name" "$name"
done
[[ $folder == . ]] || rm -r "$folder"
