#!/usr/bin/env bash
# Every fuzz target of the tree, one after another: `make fuzz`. FUZZTIME=1m each; ONLY=auth takes those whose package or
# name has that in it. What breaks one is kept in its testdata, where every later test run tries it again.
set -euo pipefail
cd "$(dirname "$0")/.."

report=$(mktemp)
trap 'rm -f "$report"' EXIT
passed=0 failed=()
while IFS=: read -r file line; do
    target=${line#func } target=${target%%(*}
    package=./$(dirname "$file") module=.
    if [[ $package == ./tools/* ]]; then module=tools package=./${package#./tools/}; fi
    if [[ "$package $target" != *"${ONLY:-}"* ]]; then continue; fi
    printf '%-28s %s\n' "$target" "$(dirname "$file")"
    if go test -C "$module" -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1m}" -parallel "${PARALLEL:-2}" "$package" >"$report" 2>&1; then
        passed=$((passed + 1))
        grep -E 'execs' "$report" | tail -1
    else
        failed+=("$target")
        cat "$report"
    fi
done < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -H '^func Fuzz')
echo "$passed targets ran clean, ${#failed[@]} did not: ${failed[*]:-}"
[[ ${#failed[@]} = 0 ]]
