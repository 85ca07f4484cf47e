#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A short run of six real processes; small enough for the sanitizers' builds. All
# end with 0 by themselves, at the very step asked for, and a second start with
# more steps goes on from there with another number of ps.
set -euo pipefail

build_dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset TF_CONFIG

fail() {
    echo "$1"
    cat "$work/log"
    exit 1
}

if [ ! -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ]; then
    echo "skipped: no data. Fix: apt-get install dataset-fashion-mnist"
    exit 77
fi

# cluster STEPS [crew local's options]: everybody ends with 0.
cluster() {
    local steps=$1
    shift
    timeout 250 "$build_dir/bin/crew" local --workers 2 --evaluator "$@" -- \
        run --job "$build_dir/examples/softmax.so" --model-dir "$work/model" \
        --set max_steps="$steps" --set eval_steps=20 \
        --set log_step_count_steps=10 >"$work/log" 2>&1 ||
        fail "crew local ended with $?"
    if grep -E 'exited with code|killed by signal' "$work/log"; then
        fail "a process did not end with 0"
    fi
    if grep -E 'Sanitizer|runtime error:' "$work/log"; then
        fail "a sanitizer has something to say"
    fi
}

trained_to() {
    [ -f "$work/model/model.ckpt-$1.index" ] || fail "no checkpoint at step $1"
    grep -q "Saving dict for global step $1:" "$work/log" ||
        fail "no evaluation of step $1"
    "$build_dir/bin/crew" ckpt verify "$work/model/model.ckpt-$1" \
        >"$work/verify" 2>&1 || fail "the checkpoint is bad: $(cat "$work/verify")"
}

cluster 60 --ps 2
trained_to 60
cluster 90 --ps 3
trained_to 90
grep -q 'Restoring parameters from .*model.ckpt-60' "$work/log" ||
    fail "the second start did not restore step 60"
# A job that has finished is finished for who comes late.
cluster 90 --ps 2
grep -q 'Skipping training since max_steps has already saved.' "$work/log" ||
    fail "the third start did not say that there is nothing to do"
echo "60 steps with 2 ps, 30 more with 3, nothing to do the third time"
