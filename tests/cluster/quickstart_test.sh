#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The quickstart's run: six processes end with 0 by themselves, the CNN learns, the
# export is there, and a second run takes a new folder. By default 300 steps; with
# CREW_TEST_SLOW=1 the whole run as a newcomer has it, which must reach 0.89 on all
# 10,000 test images.
set -euo pipefail

build_dir=$1
source_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$1"
    cat "$work"/out* 2>/dev/null
    tail -n 100 "$work"/fashion-mnist-1/log.txt 2>/dev/null
    exit 1
}

if [ ! -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ]; then
    echo "skipped: no data. Fix: apt-get install dataset-fashion-mnist"
    exit 77
fi

if [ "${CREW_TEST_SLOW:-0}" = 1 ]; then
    args=() steps=2200 wanted=0.89
else
    args=(--set max_steps=300) steps=300 wanted=0.75
fi

export TRAINCREW_BUILD=$build_dir TRAINCREW_RUNS=$work
begin=$SECONDS
"$source_dir/deploy/quickstart.sh" "${args[@]}" >"$work/out1" 2>&1 ||
    fail "the quickstart ended with $?"
took=$((SECONDS - begin))

log=$work/fashion-mnist-1/log.txt
if grep -E 'exited with code|killed by signal' "$log"; then
    fail "a process did not end with 0"
fi
for role in ps/0 ps/1 chief/0 worker/0 worker/1 evaluator/0; do
    grep -q "^$role " "$log" || fail "no line from $role"
done
accuracy=$(grep -o "Saving dict for global step $steps: accuracy = [0-9.]*" "$log" |
    tail -n 1 | grep -o '[0-9.]*$') || fail "no evaluation of step $steps"
awk -v got="$accuracy" -v wanted="$wanted" 'BEGIN { exit !(got >= wanted) }' ||
    fail "accuracy $accuracy; wanted $wanted at least"
# 10,000 images: accuracy * 10000 is a whole number.
awk -v got="$accuracy" 'BEGIN { n = got * 10000; d = n - int(n + 0.5)
    exit !(d < 0.01 && d > -0.01) }' ||
    fail "accuracy $accuracy was not taken over 10,000 images"
find "$work/fashion-mnist-1/model/export" -name saved_model.pb | grep -q . ||
    fail "nothing was exported"

"$source_dir/deploy/quickstart.sh" --set max_steps=20 >"$work/out2" 2>&1 ||
    fail "the second run ended with $?"
[ -f "$work/fashion-mnist-2/model/model.ckpt-20.index" ] ||
    fail "the second run did not take the folder fashion-mnist-2"
echo "accuracy $accuracy after $steps steps, $took s"
