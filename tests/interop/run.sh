#!/usr/bin/env bash
# Other implementations check a log that `write_log` wrote: Go's sumdb packages, securesystemslib, pymerkle, openssl.
#
# Prints what each accepted, and how each refused the same files with one bit changed. Exits with 1 if one of them
# refuses what is right or accepts what is wrong. If a tool is missing and cannot be installed: with 77 and the reason,
# or with 1 if CI=true.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=${CARGO_TARGET_DIR:-target}/interop
log=$work/log
sizes=(1 2 255 256 257 1000 66000)

missing() {
    printf 'other implementations did not check the log: %s\n' "$1" >&2
    [[ ${CI:-} == true ]] && exit 1
    exit 77
}

source scripts/again.sh

# install PACKAGE...: from Debian, if this is root on Debian.
install() {
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 0
    again apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive again apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 || true
}

# The packages come from Debian, so no module is downloaded.
build_go() {
    local go=/usr/lib/go-1.19/bin/go path=/usr/share/gocode
    if [[ ! -x $go || ! -d $path/src/golang.org/x/mod/sumdb ]]; then
        install golang-1.19-go golang-golang-x-mod-dev
    fi
    [[ -x $go ]] || missing "no Go 1.19 at $go"
    [[ -d $path/src/golang.org/x/mod/sumdb ]] || missing "no golang.org/x/mod below $path"
    GO111MODULE=off GOPATH=$path GOCACHE=$(realpath "$work")/go-cache $go build -o "$work/check" tests/interop/go/check.go
}

build_python() {
    local venv=$work/venv
    command -v python3 >/dev/null || install python3
    python3 -m venv "$venv" >/dev/null 2>&1 || install python3-venv
    python3 -m venv "$venv" >/dev/null 2>&1 || missing "no Python with venv"
    again "$venv/bin/pip" install -q --disable-pip-version-check --require-hashes -r tests/interop/requirements.txt ||
        missing "tests/interop/requirements.txt cannot be installed"
}

build_openssl() {
    command -v openssl >/dev/null || install openssl
    openssl pkeyutl -help 2>&1 | grep -q -- -rawin || missing "no openssl with pkeyutl -rawin"
}

check_go() { "$work/check" "$log"; }
check_python() { "$work/venv/bin/python" tests/interop/check.py "$log"; }

# check_openssl NAME
check_openssl() {
    openssl pkeyutl -verify -rawin -pubin -inkey "$log/raw/$1.pem" -in "$log/raw/$1.message" \
        -sigfile "$log/raw/$1.signature" | sed "s/^/openssl: raw signature of a $1: /"
}

# flip FILE OFFSET: changes the lowest bit of a byte.
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059
    printf "\\$(printf %03o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# refuses NAME OFFSET CHECK...: the check does not accept the log with a bit of this file changed.
refuses() {
    local file=$log/$1 offset=$2 reason
    shift 2
    cp "$file" "$work/whole"
    flip "$file" "$offset"
    if reason=$("$@" 2>&1); then
        printf 'FAILED: %s accepts %s with byte %s changed\n' "$1" "${file#"$log"/}" "$offset" >&2
        exit 1
    fi
    mv "$work/whole" "$file"
    printf '%s, byte %s of %s changed: %s\n' "$1" "$offset" "${file#"$log"/}" "$(tail -n 1 <<<"$reason")"
}

mkdir -p "$work"
build_go
build_python
build_openssl
rm -rf "$log"
# Of the whole workspace, as the tests are built: one package alone has other features, and would be built anew with them.
cargo build --quiet --workspace --examples --locked
"${CARGO_TARGET_DIR:-target}/debug/examples/write_log" "$log" "${sizes[@]}"

check_go
check_python
check_openssl checkpoint
check_openssl receipt

# The text of the note, the log's signature, the witness's, an older checkpoint.
refuses checkpoint 18 check_go
refuses checkpoint 120 check_go
refuses checkpoint 270 check_go
refuses checkpoint.256 30 check_go
# A leaf's hash, one that only an older tree reads, an inner hash, the highest tile.
refuses tile/0/100 777 check_go
refuses tile/0/001.p/1 31 check_go
refuses tile/1/000 8000 check_go
refuses tile/2/000.p/1 0 check_go
# An entry, and the length of one.
refuses tile/entries/257.p/208 5000 check_go
refuses tile/entries/003 1 check_go
# A path, its index, its leaf; a witness's proof.
refuses leaf.tlog-proof 170 check_go
refuses leaf.tlog-proof 57 check_go
refuses leaf 700 check_go
refuses add-checkpoint.1000 20 check_go

refuses tile/entries/100 5000 check_python
refuses checkpoint.257 30 check_python
refuses leaf.tlog-proof 170 check_python
refuses receipt.dsse.json 40 check_python
refuses receipt.dsse.json "$(($(wc -c <"$log/receipt.dsse.json") - 20))" check_python

for name in checkpoint receipt; do
    refuses "raw/$name.message" 9 check_openssl "$name"
    refuses "raw/$name.signature" 40 check_openssl "$name"
done
