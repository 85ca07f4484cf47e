#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# docs/estimator-behaviours.md: lines 1 to 90, each once and in order, each with a
# mark, each proof a test that there is.
# Usage: behaviours_test.sh SOURCE [TABLE]
set -u
cd "${1:?usage: behaviours_test.sh SOURCE [TABLE]}" || exit 1
TABLE=${2:-docs/estimator-behaviours.md}
LAST=90
FAILED=0

complain() {
    FAILED=1
    echo "$TABLE: line $1: $2"
}

# has_case FILE NAME: is there such a case, and is it run?
has_case() {
    case $1 in
    *.c)
        if grep -q "^START_TEST($2)" "$1"; then
            tr -d '\n' <"$1" | grep -qE "tcase_add_(loop_)?test\([^;]*\b$2\b"
        else # a function that a program of its own calls
            grep -qE "^[a-z].*\b$2\(" "$1"
        fi
        ;;
    *.sh) grep -qF -- "say \"$2" "$1" ;;
    *.json) grep -qF -- "\"$2\"" "$1" ;;
    *) return 1 ;;
    esac
}

# check_proof N PROOF
check_proof() {
    local file=tests/${2%%: *} name=${2#*: }

    if [ "$file" = "tests/$name" ]; then
        complain "$1" "'$2' is no '<file>: <case>'"
    elif [ ! -e "$file" ]; then
        complain "$1" "there is no $file"
    elif ! has_case "$file" "$name"; then
        complain "$1" "$file has no case '$name'"
    fi
}

# check_row N MARK PROOFS
check_row() {
    local proof

    case $2 in
    kept | better)
        [ -n "$3" ] || complain "$1" "'$2', but without a proof"
        ;;
    missing) ;;
    *) complain "$1" "the mark is '$2', wanted kept, better or missing" ;;
    esac
    while read -r proof; do
        [ -z "$proof" ] || check_proof "$1" "$proof"
    done <<<"${3//<br>/$'\n'}"
}

want=1
while IFS='|' read -r _ n _ mark proofs _; do
    n=${n// /}
    [[ $n =~ ^[0-9]+$ ]] || continue
    [ "$n" -eq "$want" ] || complain "$n" "wanted line $want here"
    want=$((n + 1))
    read -r proofs <<<"$proofs"
    check_row "$n" "${mark// /}" "$proofs"
done <"$TABLE"
[ "$want" -eq $((LAST + 1)) ] || complain "$((want - 1))" "is the last, wanted $LAST"

# A table that has rotted in five places has five complaints.
if [ -z "${2:-}" ]; then
    ROTTEN=$(mktemp)
    trap 'rm -f "$ROTTEN"' EXIT
    sed -e 's/test_watch.c: start_delay/test_watch.c: start_dela/' \
        -e 's/sim.test_waits.c: worker_begins/sim\/test_wait.c: worker_begins/' \
        -e '/^| 7 |/d' -e 's/^\(| 1 .*\)| kept | .* |$/\1| kept | |/' \
        -e 's/^\(| 2 .*\)| kept |/\1| kpet |/' "$TABLE" >"$ROTTEN"
    noticed=$(bash tests/behaviours_test.sh . "$ROTTEN" | wc -l)
    [ "$noticed" -eq 5 ] || complain 0 "$noticed of 5 mistakes were noticed"
fi
if [ "$FAILED" -eq 0 ]; then
    echo "$LAST lines; missing: $(grep -cE '^\| [0-9]+ \|.*\| missing \|' "$TABLE")"
fi
exit "$FAILED"
