#!/usr/bin/env bash
# Runs every check of the project. Takes what it needs from the package registries where it may.
#
# Without CI set, a check whose tool is missing and cannot be installed is skipped with its reason; with CI=true that
# is a failure. TENZIK_FUZZ_SECONDS sets the length of each fuzz smoke (20), 0 leaves them out.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TERM_COLOR=never
failures=0
skipped=()

step() { printf '\n== %s (at %s s)\n' "$*" "$SECONDS"; }

# skip REASON: this check was not made.
skip() {
    if [[ ${CI:-} == true ]]; then
        printf 'FAILED: %s\n' "$1"
        failures=$((failures + 1))
    else
        printf 'skipped: %s\n' "$1"
        skipped+=("$1")
    fi
}

source scripts/again.sh

# have TOOL [DEBIAN PACKAGE]: whether the tool is there, installing it if this is root on Debian.
have() {
    command -v "$1" >/dev/null && return 0
    [[ -n ${2:-} && $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
    apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1 || true
    command -v "$1" >/dev/null
}

# gVisor's package of Debian 12 is too old; the one in its backports is not.
have_runsc() {
    command -v runsc >/dev/null && return 0
    if ! grep -qs '^VERSION_CODENAME=bookworm$' /etc/os-release; then
        have runsc runsc
        return
    fi
    [[ $(id -u) == 0 ]] || return 1
    if ! grep -qrs bookworm-backports /etc/apt/sources.list /etc/apt/sources.list.d; then
        printf '%s\n' 'Types: deb' 'URIs: http://deb.debian.org/debian' 'Suites: bookworm-backports' 'Components: main' \
            'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >/etc/apt/sources.list.d/tenzik-backports.sources
    fi
    have runsc runsc/bookworm-backports
}

# The JavaScript runtimes that the tests run, by lockfile.
install_runtimes() {
    have npm npm || return 1
    (cd crates/backends/runtimes && again npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
}

# What the models of the capsules need before Node 22.18, and what builds those in AssemblyScript, by lockfile.
install_capsules() {
    have npm npm || return 1
    (cd capsules && again npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
}

check_rust() {
    have cc gcc || true
    have pg_createcluster postgresql || true
    have strace strace || true
    have runc runc || true
    have bwrap bubblewrap || true
    have_runsc || true
    have dockerd docker.io || true
    have busybox busybox-static || true
    install_runtimes || true
    install_capsules || true
    step "format"
    cargo fmt --all --check
    step "lints"
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo fmt --manifest-path capsules/sdk-rust/Cargo.toml --check
    cargo clippy --manifest-path capsules/sdk-rust/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/sdk-rust" --locked -- -D warnings
    step "documentation links"
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
    step "tests"
    cargo test --workspace --locked
    step "generated capsules on every engine"
    TENZIK_GENERATED=${TENZIK_GENERATED:-2000} cargo test --workspace --locked --test determinism
    step "benches, each once"
    cargo test --workspace --benches --locked
    step "the receipt crate without the standard library"
    check_no_std
}

# No dependency of the receipt crate may ask for the standard library.
check_no_std() {
    local features
    features=$(cargo tree -p tenzik-receipt -e normal,features --locked --prefix none --format '{p} {f}')
    if grep -E '^(blake3|ed25519-dalek|jiff|serde|serde_json|sha2|thiserror|base64|zeroize) v[^ ]+ .*\bstd\b' <<<"$features"; then
        echo "FAILED: a dependency of tenzik-receipt asks for the standard library"
        failures=$((failures + 1))
    fi
}

# The main job, as the README has it, with the optimised build; then the checks that want speed.
check_release() {
    step "the README's commands"
    local folder
    folder=$(mktemp -d)
    export TENZIK_HOME=$folder/home
    cargo build --release --locked
    cargo run --quiet --release --locked -- run capsules/order-total/order-total.wasm \
        --input @capsules/order-total/example.json --grant json --receipt "$folder/receipt.json" >"$folder/output.json"
    cmp "$folder/output.json" capsules/order-total/expected.json
    cargo run --quiet --release --locked -- verify "$folder/receipt.json"
    cargo run --quiet --release --locked -- replay "$folder/receipt.json" \
        --capsule capsules/order-total/order-total.wasm --input capsules/order-total/example.json
    cargo run --quiet --release --locked -- replay "$folder/receipt.json" --engine wasmi \
        --capsule capsules/order-total/order-total.wasm --input capsules/order-total/example.json
    cargo run --quiet --release --locked -- exec --profile dev --unsafe-host --lang shell \
        --code 'echo "{\"ok\":$(cat)}" >&3' --input '[1]' --receipt "$folder/program.json" >"$folder/value.json"
    [[ $(<"$folder/value.json") == '[1]' ]]
    cargo run --quiet --release --locked -- verify "$folder/program.json"
    unset TENZIK_HOME
    rm -r "$folder"
}

check_capsules() {
    step "capsules rebuild to the same bytes"
    if ! have npm npm; then
        skip "capsules were not rebuilt: no npm"
        return
    fi
    if (($(node --version | sed 's/^v\([0-9]*\).*/\1/') < 20)); then
        skip "capsules were not rebuilt: node $(node --version) is older than 20"
        return
    fi
    (cd capsules && npm run check)
    step "the SDK's transform"
    (cd capsules && npm test)
    step "kernels of the benches rebuild to the same bytes"
    benches/kernels/build.sh --check
}

# The second implementation, by itself and against receipts of the first.
check_web() {
    step "the replayer over V8"
    if ! have npm npm || (($(node --version | sed 's/^v\([0-9]*\).*/\1/') < 20)); then
        skip "the replayer over V8 was not tested: no npm, or node older than 20"
        return
    fi
    (
        cd web/replay
        again npm ci --ignore-scripts --no-audit --no-fund
        npm run build
        TENZIK="${CARGO_TARGET_DIR:-$PWD/../../target}/release/tenzik" TENZIK_GENERATED=${TENZIK_GENERATED_V8:-1000} npm test
    )
}

# Needs the replayer, which check_web builds.
check_sdk() {
    step "a capsule from the packed SDK, in a clean folder"
    if [[ ! -e web/replay/dist/run.js || ! -d capsules/node_modules ]]; then
        skip "the packed SDK was not tested: no npm, or node older than 20"
        return
    fi
    node capsules/test/packed.mjs
    step "the commands of the capsules' READMEs, as written"
    node capsules/test/readme.mjs
    step "what the SDK builds, and its schemas against the jsonschema crate"
    node --test capsules/test/sdk.test.mjs
    node capsules/sdk/test/properties.mjs
}

# The C compiler comes as a Python package, in an environment of its own.
check_c_capsule() {
    step "the capsule in C rebuilds to the same bytes"
    local venv=target/zig version
    version=$(sed -n 's/.*`pip install ziglang==\([0-9.]*\)`.*/\1/p' capsules/crc32/build.sh)
    have python3 python3 || true
    python3 -m venv "$venv" >/dev/null 2>&1 || { have pyvenv python3-venv || true; }
    if ! python3 -m venv "$venv" || ! again "$venv/bin/pip" install -q --disable-pip-version-check "ziglang==$version"; then
        skip "the capsule in C was not rebuilt: ziglang $version cannot be installed"
        return
    fi
    PATH="$PWD/$venv/bin:$PATH" capsules/crc32/build.sh --check
}

# What an author is told to do, in empty folders. Needs the release build, and zig where the capsule in C put it.
check_author() {
    step "what 'tenzik new' makes, in each language"
    local code=0
    have clang clang || true
    have wasm-ld lld || true
    scripts/scaffolds.sh || code=$?
    if ((code == 77)); then
        skip "not every scaffold was built: see above"
    elif ((code != 0)); then
        echo "FAILED: a scaffold does not build or pass"
        failures=$((failures + 1))
    fi
    step "the tutorial, as written"
    if ! have npm npm; then
        skip "the tutorial was not tried: no npm"
    elif ! scripts/tutorial.sh; then
        echo "FAILED: the tutorial does not work as written"
        failures=$((failures + 1))
    fi
}

# A node and its follower are killed while a third process appends.
check_soak() {
    step "two nodes that are killed under load, 20 seconds"
    # Of the whole workspace, as the tests were built: of one package alone, with fewer features, all of it would be built anew.
    cargo build --quiet --workspace --examples --locked
    "${CARGO_TARGET_DIR:-target}/debug/examples/soak" "${TENZIK_SOAK_SECONDS:-20}"
}

# Programs of other people read a log that this project wrote.
check_interop() {
    step "other implementations check a log"
    local code=0
    tests/interop/run.sh || code=$?
    if ((code == 77)); then
        skip "other implementations did not check the log: see above"
    elif ((code != 0)); then
        echo "FAILED: another implementation does not accept the log"
        failures=$((failures + 1))
    fi
}

# New finds go to a folder of their own; the seeds in the repository stay as they are.
fuzz_one() {
    mkdir -p "fuzz/work/$1" "fuzz/corpus/$1"
    cargo ${toolchain[@]+"${toolchain[@]}"} fuzz run -s none "$1" "fuzz/work/$1" "fuzz/corpus/$1" -- \
        -max_total_time="$2" -rss_limit_mb=8192 -print_final_stats=1
}

check_fuzz() {
    local seconds=${TENZIK_FUZZ_SECONDS:-20}
    [[ $seconds == 0 ]] && return
    step "a smoke of each fuzz target, $seconds seconds each"
    cargo metadata --manifest-path fuzz/Cargo.toml --locked --format-version 1 >/dev/null
    if ! command -v cargo-fuzz >/dev/null && ! again cargo install cargo-fuzz --locked --quiet; then
        skip "no fuzz smoke: cargo-fuzz cannot be installed"
        return
    fi
    local toolchain=()
    if cargo +nightly --version >/dev/null 2>&1; then
        toolchain=(+nightly)
    else
        export RUSTC_BOOTSTRAP=1
    fi
    cargo ${toolchain[@]+"${toolchain[@]}"} fuzz build -s none
    local targets=(gateway host_calls lines log_files log_trees metering node_bodies peers_file pipeline receipt validation)
    local logs target pids lines
    logs=$(mktemp -d)
    # As many at once as there are processors: each takes one.
    while ((${#targets[@]} > 0)); do
        pids=()
        for target in "${targets[@]:0:$(nproc)}"; do
            fuzz_one "$target" "$seconds" >"$logs/$target" 2>&1 &
            pids+=("$!:$target")
        done
        for target in "${pids[@]}"; do
            lines=12
            if ! wait "${target%%:*}"; then
                echo "FAILED: the fuzz target ${target#*:}"
                failures=$((failures + 1))
                lines=60
            fi
            tail -n "$lines" "$logs/${target#*:}" | sed "s/^/${target#*:}: /"
        done
        targets=("${targets[@]:$(nproc)}")
    done
    rm -r "$logs"
    unset RUSTC_BOOTSTRAP
}

check_rust
check_release
check_capsules
check_c_capsule
check_author
check_web
check_sdk
check_soak
check_interop
check_fuzz

step "result"
for reason in ${skipped[@]+"${skipped[@]}"}; do printf 'skipped: %s\n' "$reason"; done
if ((failures > 0)); then
    echo "$failures checks failed"
    exit 1
fi
echo "all checks passed"
