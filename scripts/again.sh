# shellcheck shell=bash
# For scripts that are at the root of the repository: `source scripts/again.sh`.

# again COMMAND...: three times, with pauses, what takes something from a registry.
again() {
    local pause
    for pause in 5 15; do
        "$@" && return 0
        sleep "$pause"
    done
    "$@"
}
