#!/usr/bin/env bash
# What `tenzik new` makes builds and passes, for each language, in an empty folder. AssemblyScript twice: with the copy of the
# SDK, and with the packed one. C by clang and by zig, as far as they are there. In C, Rust and Zig a trap is told with its
# line. TENZIK is the program; `target/release/tenzik` without it. Exit code 77: a compiler is missing.
#
# Of AssemblyScript it is told if a minute and more passed from `new` to a passing test, what npm fetches into an empty cache
# included: the tutorial promises less. A slow registry is no defect, and fails nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
tenzik=$(realpath "${TENZIK:-${CARGO_TARGET_DIR:-target}/release/tenzik}")
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
export TENZIK_HOME=$folder/home
missing=()
seconds_max=60

source scripts/again.sh

# try LANGUAGE NAME [OPTIONS OF new]: the compilers are those of $compilers, or of PATH. Tells how long all of it took.
try() {
    local language=$1 name=$2 began tenths
    shift 2
    began=$(date +%s%N)
    "$tenzik" new "$name" --lang "$language" "$@" >/dev/null 2>&1
    if [[ $language == assemblyscript ]]; then
        (cd "$name" && again npm install --no-audit --no-fund >/dev/null)
    fi
    PATH=${compilers:-$PATH} "$tenzik" build "$name" | grep '^built'
    "$tenzik" test "$name" | grep '^passed'
    tenths=$((($(date +%s%N) - began) / 100000000))
    printf '%s: from new to a passing test in %d.%01d s\n\n' "$name" $((tenths / 10)) $((tenths % 10))
    if [[ $language == assemblyscript ]] && ((tenths >= seconds_max * 10)); then
        echo "$name: TOO SLOW, the tutorial promises less than $seconds_max s"
    fi
}

# trap_on LANGUAGE NAME FILE LINE: a capsule whose source, on stdin, traps on that line. `--debug` must tell it.
trap_on() {
    local language=$1 name=$2 file=$3 line=$4 told
    "$tenzik" new "$name" --lang "$language" >/dev/null 2>&1
    cat >"$name/$file"
    PATH=${compilers:-$PATH} "$tenzik" build "$name" >/dev/null
    told=$(TENZIK_PRESET=development "$tenzik" run "$name/$name.wasm" --input 7 --debug "$name/seen" 2>&1) || true
    if ! grep -E "^(trapped:.*|  called) at (.* inlined at )?$file:$line[:, ]" <<<"$told"; then
        printf '%s\nthe trap at %s:%s of %s was not told\n' "$told" "$file" "$line" "$name"
        return 1
    fi
}

trap_in_c() {
    trap_on c "$1" "$1.c" 4 <<'EOF'
#include "tenzik.h"
TENZIK_EXPORT("run") void run(void) {
  int32_t of = (int32_t)tenzik_input_len() - 1;
  tenzik_output_num(7 / of);
}
EOF
}

# A panic is told where it is caught, in the SDK; the author's line is that of a call.
trap_in_rust() {
    trap_on rust "$1" src/lib.rs 6 <<'EOF'
#![no_std]

#[no_mangle]
pub extern "C" fn run() {
    let len = unsafe { tenzik_sdk::abi::input_len() } as usize;
    tenzik_sdk::number([2.0, 3.0][len + 1]);
}
EOF
}

trap_in_zig() {
    trap_on zig "$1" "$1.zig" 4 <<'EOF'
const tenzik = @import("tenzik.zig");

export fn run() void {
    if (tenzik.abi.input_len() == 1) @trap();
    tenzik.raw("1");
}
EOF
}

# A folder with a clang and its linker, and nothing else: tenzik takes a zig before it.
clang_alone() {
    local version
    for version in "" -{22..14}; do
        if command -v "clang$version" >/dev/null && command -v "wasm-ld$version" >/dev/null; then
            mkdir clang-alone
            ln -s "$(command -v "clang$version")" "$(command -v "wasm-ld$version")" clang-alone/
            "clang$version" --version | head -n 1
            return 0
        fi
    done
    return 1
}

# The compiler at hand with the library for wasm32-unknown-unknown, in a place of its own: what is installed stays as it is.
own_rust() {
    local version
    command -v rustup >/dev/null || return 1
    version=$(rustc --version | cut -d ' ' -f 2)
    export RUSTUP_HOME=$root/target/rust-wasm32
    again rustup toolchain install "$version" --profile minimal --target wasm32-unknown-unknown --no-self-update >/dev/null 2>&1 || return 1
    export RUSTUP_TOOLCHAIN=$version
}

has_rust_target() {
    [[ -d $(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null) ]]
}

PATH=$root/target/zig/bin:$PATH
cd "$folder"
try wat in-wat
if clang_alone; then
    compilers=$folder/clang-alone try c in-c-by-clang
    compilers=$folder/clang-alone trap_in_c trap-by-clang
else
    echo "no clang with wasm-ld: C is by zig alone"
fi
if python3 -m ziglang version >/dev/null 2>&1 || command -v zig >/dev/null; then
    try zig in-zig
    try c in-c-by-zig
    trap_in_zig trap-in-zig
    trap_in_c trap-by-zig
else
    missing+=("zig")
fi
if has_rust_target || own_rust; then
    # The crates of a capsule are all in its folder: nothing is fetched.
    CARGO_NET_OFFLINE=true try rust in-rust
    CARGO_NET_OFFLINE=true trap_in_rust trap-in-rust
else
    missing+=("cargo with the library for wasm32-unknown-unknown")
fi
if command -v npm >/dev/null; then
    # With an empty cache, as on a new machine.
    npm_config_cache=$folder/npm try assemblyscript in-assemblyscript
    (cd "$root/capsules/sdk" && npm pack --silent --pack-destination "$folder" >/dev/null)
    npm_config_cache=$folder/npm try assemblyscript from-the-package --sdk "file:../$(basename "$folder"/tenzik-sdk-*.tgz)"
    cmp in-assemblyscript/in-assemblyscript.wasm from-the-package/from-the-package.wasm
else
    missing+=("npm")
fi

if ((${#missing[@]} > 0)); then
    printf 'missing: %s\n' "${missing[@]}"
    exit 77
fi
