#!/usr/bin/env bash
# What `tenzik new` makes builds and passes, for each language, in an empty folder. AssemblyScript twice: with the copy of the
# SDK, and with the packed one. TENZIK is the program; `target/release/tenzik` without it. Exit code 77: a compiler is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
tenzik=$(realpath "${TENZIK:-${CARGO_TARGET_DIR:-target}/release/tenzik}")
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
export TENZIK_HOME=$folder/home
missing=()

# try LANGUAGE NAME [OPTIONS OF new]
try() {
    local language=$1 name=$2
    shift 2
    "$tenzik" new "$name" --lang "$language" "$@" >/dev/null
    if [[ $language == assemblyscript ]]; then
        (cd "$name" && npm install --no-audit --no-fund --prefer-offline >/dev/null)
    fi
    "$tenzik" build "$name" | grep '^built'
    "$tenzik" test "$name" | grep '^passed'
}

# Debian's rustc 1.63 has the library for wasm32, which rustup is not asked for here. Nothing is installed: it is unpacked.
rust_of_debian() {
    local at=$root/target/rust-wasm32
    if [[ ! -x $at/rustc ]]; then
        command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
        rm -rf "$at"
        mkdir -p "$at"
        (
            cd "$at"
            apt-get download rustc libstd-rust-1.63 libstd-rust-dev libstd-rust-dev-wasm32 lld-14 libllvm14 >/dev/null 2>&1
            for package in ./*.deb; do dpkg -x "$package" root; done
            rm ./*.deb
        ) || return 1
        cat >"$at/rustc" <<END
#!/bin/sh
PATH=$at/root/usr/lib/llvm-14/bin:$at/root/usr/bin:\$PATH LD_LIBRARY_PATH=$at/root/usr/lib/x86_64-linux-gnu \\
    exec $at/root/usr/bin/rustc --sysroot $at/root/usr "\$@"
END
        chmod +x "$at/rustc"
    fi
    export RUSTC=$at/rustc
}

PATH=$root/target/zig/bin:$PATH
cd "$folder"
try wat in-wat
if python3 -m ziglang version >/dev/null 2>&1 || command -v zig >/dev/null; then
    try zig in-zig
    try c in-c
else
    missing+=("zig")
fi
if [[ -d $(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null) ]] || rust_of_debian; then
    try rust in-rust
else
    missing+=("a rustc with the library for wasm32-unknown-unknown")
fi
if command -v npm >/dev/null; then
    try assemblyscript in-assemblyscript
    (cd "$root/capsules/sdk" && npm pack --silent --pack-destination "$folder" >/dev/null)
    try assemblyscript from-the-package --sdk "file:../$(basename "$folder"/tenzik-sdk-*.tgz)"
    cmp in-assemblyscript/in-assemblyscript.wasm from-the-package/from-the-package.wasm
else
    missing+=("npm")
fi

if ((${#missing[@]} > 0)); then
    printf 'missing: %s\n' "${missing[@]}"
    exit 77
fi
