#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A training that is stopped and started again reads what it would have read: the
# weights are those of one that was never stopped, byte for byte; in one process and
# with a chief, a worker and a ps that train synchronously. Without checkpoint_input
# they are others. The same cluster with more ps begins with the same weights.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

JOB=(--job "$TINY" --set data="$WORK/data" --set hidden=8
    --set save_summary_steps=0 --set save_checkpoints_steps=1000)

# alone NAME STEPS [--set ...]: one process
alone() {
    local name=$1 steps=$2
    shift 2
    run 0 "$name-$steps" "$BIN/crew" run "${JOB[@]}" --model-dir "$WORK/$name" \
        --set max_steps="$steps" "$@"
}

# cluster NAME STEPS PS [--set ...]
cluster() {
    local name=$1 steps=$2 ps=$3
    shift 3
    run 0 "$name-$steps" "$BIN/crew" local --ps "$ps" --workers 1 -- run \
        "${JOB[@]}" --model-dir "$WORK/$name" --set max_steps="$steps" \
        --set sync=true "$@"
}

# same A B STEP / differ A B STEP
weights() { cat "$WORK/$1/model.ckpt-$2.data-00000-of-00001"; }
same() {
    exists "$WORK/$1/model.ckpt-$3.data-00000-of-00001"
    cmp -s <(weights "$1" "$3") <(weights "$2" "$3") ||
        fail "step $3: $1 and $2 have other weights"
}
differ() {
    ! cmp -s <(weights "$1" "$3") <(weights "$2" "$3") ||
        fail "step $3: $1 and $2 have the same weights"
}

say "one process, stopped in the middle of the second epoch"
alone whole 60 --set checkpoint_input=true
alone parts 23 --set checkpoint_input=true
exists "$WORK/parts/.crew/input-local-23"
alone parts 60 --set checkpoint_input=true
has "$WORK/parts-60.log" 'The input goes on after 23 batches\.'
same whole parts 60
alone anew 23
alone anew 60
has_not "$WORK/anew-60.log" 'The input goes on'
differ whole anew 60

say "one process, stopped by a signal"
timeout --preserve-status -s INT 1.5 "$BIN/crew" run "${JOB[@]}" \
    --model-dir "$WORK/int" --set max_steps=60 --set checkpoint_input=true \
    --set step_ms=100 >"$WORK/int.log" 2>&1 </dev/null
is "exit code of the one interrupted" 130 $? "$WORK/int.log"
alone int 60 --set checkpoint_input=true
has "$WORK/int-60.log" 'The input goes on after [0-9]+ batches\.'
same whole int 60

say "a position that is gone is said"
rm -f "$WORK"/parts/.crew/input-*
alone parts 70 --set checkpoint_input=true
has "$WORK/parts-70.log" 'No position of the input was saved with step 60'

say "chief, worker and ps, synchronous"
cluster c-whole 40 1 --set checkpoint_input=true
cluster c-parts 17 1 --set checkpoint_input=true
exists "$WORK/c-parts/.crew/input-chief-0-17"
exists "$WORK/c-parts/.crew/input-worker-0-17"
cluster c-parts 40 2 --set checkpoint_input=true
is "inputs that go on" 2 \
    "$(grep -c 'The input goes on after 17 batches\.' "$WORK/c-parts-40.log")"
same c-whole c-parts 40

say "the first weights depend on the seed alone"
cluster one 1 1
cluster three 1 3
alone none 1
same one three 0
same one none 0
alone other 1 --set tf_random_seed=8
differ one other 0
