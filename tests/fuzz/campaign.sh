#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Fuzzes every reader with libFuzzer under AddressSanitizer and
# UndefinedBehaviorSanitizer, one after the other.
#
# Usage: tests/fuzz/campaign.sh SECONDS [NAME...]
#   SECONDS  for each of them
#   NAME     only these: frame, bundle, ... (fuzz_NAME.c); nothing: all
#
# What a fuzzer learns stays in build-fuzz/found/NAME/, so that the next
# campaign goes on from there. An input that crashes, takes more than 20 s or
# more than 2 GiB ends that fuzzer and is left in build-fuzz/crashes/: mend the
# code, and add the input to tests/fuzz/corpus/NAME/, which the tests replay.
# Exit codes: 0 nothing found; 1 an input; 64 usage; 69 no clang or libFuzzer.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
    sed -n '3,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 64
}

need_libfuzzer() {
    local runtime
    if ! command -v clang >/dev/null; then
        echo "campaign.sh: no clang. Fix: apt-get install clang" >&2
        exit 69
    fi
    runtime=$(clang -print-file-name=libclang_rt.fuzzer-x86_64.a)
    if [ ! -e "$runtime" ] &&
        ! echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n)
                { return d == 0 && n == 1; }' |
        clang -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null; then
        echo "campaign.sh: clang has no libFuzzer. Fix: apt-get install" \
            "libclang-rt-14-dev (of clang's version)" >&2
        exit 69
    fi
}

# fuzz NAME SECONDS: one fuzzer; 1 when it finds something.
fuzz() {
    local name=$1 seconds=$2 found=build-fuzz/found/$1 log runs rc=0
    log=build-fuzz/found/$name.log
    mkdir -p "$found" build-fuzz/crashes
    local corpora=("$found")
    if [ -d "tests/fuzz/corpus/$name" ]; then
        corpora+=("tests/fuzz/corpus/$name")
    fi
    ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
        nice "build-fuzz/tests/fuzz-$name" -max_total_time="$seconds" \
        -timeout=20 -rss_limit_mb=2048 -max_len=65536 -use_value_profile=1 \
        -print_final_stats=1 -artifact_prefix="build-fuzz/crashes/$name-" \
        "${corpora[@]}" >"$log" 2>&1 || rc=1
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ "$rc" -eq 0 ]; then
        echo "$name: nothing found by ${runs:-0} inputs in $seconds s"
    else
        echo "$name: FOUND by ${runs:-few} inputs, see $log"
        grep -hE '^SUMMARY|: runtime error: |Test unit written' "$log" || true
    fi
    return "$rc"
}

main() {
    if [ $# -lt 1 ] || ! [[ $1 =~ ^[1-9][0-9]*$ ]]; then
        usage
    fi
    local seconds=$1 name failed=0
    shift
    need_libfuzzer
    cmake --preset fuzz >/dev/null
    cmake --build --preset fuzz -j"$(nproc)" >/dev/null
    if [ $# -eq 0 ]; then
        for name in tests/fuzz/fuzz_*.c; do
            name=${name##*/fuzz_}
            set -- "$@" "${name%.c}"
        done
    fi
    for name in "$@"; do
        if [ ! -e "build-fuzz/tests/fuzz-$name" ]; then
            echo "campaign.sh: no fuzzer '$name'" >&2
            exit 64
        fi
        fuzz "$name" "$seconds" || failed=1
    done
    exit "$failed"
}

main "$@"
