#!/usr/bin/env bash
# Does what docs/tutorial.md says, as it says it, in an empty folder. TENZIK is the program; `target/release/tenzik` without it.
# A line that begins with four blanks and `$ ` is a command; a block whose first line names a file is that file.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(realpath "${TENZIK:-${CARGO_TARGET_DIR:-target}/release/tenzik}")
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
mkdir "$folder/bin" "$folder/work"
ln -s "$program" "$folder/bin/tenzik"

source scripts/again.sh

declare -f again >"$folder/steps.sh"
awk '
    /^```[a-z]+ [a-z.]+$/ { print "cat >" $2 " <<\047END OF FILE\047"; inside = 1; next }
    /^```/ && inside { print "END OF FILE"; inside = 0; next }
    inside { print; next }
    /^    \$ / { command = substr($0, 7); print "printf \047$ %s\\n\047 " quoted(command); print tries(command) command }
    function tries(command) { return command ~ /^npm (ci|install)( |$)/ ? "again " : "" }
    function quoted(text) { gsub(/\047/, "\047\\\047\047", text); return "\047" text "\047" }
' docs/tutorial.md >>"$folder/steps.sh"
count=$(grep -c "^printf" "$folder/steps.sh")
((count >= 14)) || { echo "docs/tutorial.md has only $count commands"; exit 1; }

cd "$folder/work"
PATH="$folder/bin:$PATH" TENZIK_HOME="$folder/home" bash -euo pipefail "$folder/steps.sh"
echo "$count commands of docs/tutorial.md work as written"
