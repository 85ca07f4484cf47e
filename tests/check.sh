#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Everything that must hold before a change is merged, on Debian 12:
# installs what is missing, builds with gcc and runs every test, lints, builds
# with clang, and runs the concurrent parts under AddressSanitizer with
# UndefinedBehaviorSanitizer and under ThreadSanitizer.
#
# Usage: tests/check.sh [--quick]
#   --quick   the gcc build and its tests only (the lint is one of them)
#
# The last line is `N passed, N failed`, with `, N skipped` behind it if any
# test skipped itself. It counts what ctest ran, over all builds; a step that
# fails outside ctest, such as a build, counts as one failure. Exit status 0
# only if nothing failed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Under the sanitizers a whole cluster is slow: one run of it is enough there.
readonly asan_tests='^(unit|sim|grad|golden|fuzz|headertest)/|^cluster/local$'
readonly tsan_tests='^unit/(io|kernels|rpc|ps|cluster|hooks|estimator)/|^sim/|^cluster/local$'

passed=0
failed=0
skipped=0
broken=()
jobs=$(nproc)

say() {
    printf '\n== %s (%d min)\n' "$1" $((SECONDS / 60))
}

step_failed() {
    echo "FAILED: $1"
    broken+=("$1")
    failed=$((failed + 1))
}

# attribute NAME FILE: a number of the first <testsuite> of a JUnit file.
attribute() {
    grep -o -m 1 "$1=\"[0-9]*\"" "$2" | tr -dc '0-9'
}

build() {
    local preset=$1
    say "Building: $preset"
    if ! cmake --preset "$preset" >"build-$preset.log" 2>&1 ||
        ! cmake --build --preset "$preset" -j "$jobs" \
            >>"build-$preset.log" 2>&1; then
        grep -E -A 5 'error|Error|warning:' "build-$preset.log" | head -n 60
        step_failed "$preset build (build-$preset.log has all of it)"
        return 1
    fi
}

# run_tests PRESET [ctest options]: adds what ctest says it did to the sums.
run_tests() {
    local preset=$1 report="$PWD/build-$1.junit.xml" code=0
    local total failures not_run
    shift
    say "Tests: $preset"
    rm -f "$report"
    ctest --preset "$preset" -j "$jobs" --timeout 300 --no-tests=error \
        --output-junit "$report" "$@" || code=$?
    if [ ! -s "$report" ]; then
        step_failed "$preset tests: ctest ended with $code and no report"
        return
    fi
    total=$(attribute tests "$report")
    failures=$(attribute failures "$report")
    not_run=$(($(attribute skipped "$report") + $(attribute disabled "$report")))
    passed=$((passed + total - failures - not_run))
    failed=$((failed + failures))
    skipped=$((skipped + not_run))
    if [ "$failures" -gt 0 ]; then
        broken+=("$preset: $failures of $total tests")
    elif [ "$code" -ne 0 ]; then
        step_failed "$preset tests: ctest ended with $code"
    elif [ "$total" -eq 0 ]; then
        step_failed "$preset tests: there were none"
    fi
}

finish() {
    echo
    local what
    for what in "${broken[@]}"; do
        echo "Failed: $what"
    done
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ "$failed" -eq 0 ]
    exit
}

main() {
    local quick=no
    case ${1-} in
        '') ;;
        --quick) quick=yes ;;
        *)
            echo "check.sh: unknown option '$1'; there is --quick" >&2
            exit 64
            ;;
    esac

    if ! deploy/install-packages.sh build run data test; then
        step_failed "installing the packages"
        finish
    fi
    if build dev; then
        run_tests dev
    fi
    if [ "$quick" = yes ]; then
        finish
    fi

    say "Lint: clang-tidy"
    tests/lint.sh --tidy || step_failed "clang-tidy"
    build clang || true
    if build asan; then
        run_tests asan -R "$asan_tests"
    fi
    if build tsan; then
        run_tests tsan -R "$tsan_tests"
    fi
    finish
}

main "$@"
