#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Warm start with the real program: alone and with two ps the first checkpoint
# has the values the other run ended with, and slots of its own; a second start
# goes on from its own checkpoint; what does not exist is an error.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

train() {
    local code=$1 log=$2 dir=$3
    shift 3
    run "$code" "$log" "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$dir" \
        --set eval_steps=1 "$@"
}

# same_values A B: only the step and what the optimizer keeps differ.
same_values() {
    "$BIN/crew" ckpt diff "$1" "$2" >"$WORK/diff" 2>&1
    is "exit code of crew ckpt diff" 1 "$?" "$WORK/diff"
    has "$WORK/diff" '^global_step: '
    if grep -vE '^(global_step|[^:]*/Momentum): ' "$WORK/diff"; then
        fail "the values of $2 are not those of $1" "$WORK/diff"
    fi
}

say "from a model_dir"
train 0 old "$WORK/old" --set max_steps=20
train 0 warm "$WORK/warm" --set max_steps=10 --set "warm_start_from=$WORK/old"
has "$WORK/warm.log" "Warm-starting with WarmStartSettings: WarmStartSettings\\(ckpt_to_initialize_from='$WORK/old', vars_to_warm_start='\\.\\*', var_name_to_vocab_info=\\{\\}, var_name_to_prev_var_name=\\{\\}\\)"
has "$WORK/warm.log" "Warm-starting from: $WORK/old\$"
has "$WORK/warm.log" 'Warm-started [1-9][0-9]* variables\.'
same_values "$WORK/old/model.ckpt-20" "$WORK/warm/model.ckpt-0"

say "the second start goes on from its own checkpoint"
train 0 again "$WORK/warm" --set max_steps=15 --set "warm_start_from=$WORK/old"
has "$WORK/again.log" "Restoring parameters from $WORK/warm/model.ckpt-10"
has_not "$WORK/again.log" 'Warm-start'

say "a cluster, from a prefix"
run 0 cluster "$BIN/crew" local --ps 2 --workers 1 -- run "${TINY_ARGS[@]}" \
    --model-dir "$WORK/cluster" --set max_steps=10 --set eval_steps=1 \
    --set "warm_start_from=$WORK/old/model.ckpt-20"
same_values "$WORK/old/model.ckpt-20" "$WORK/cluster/model.ckpt-0"

say "nothing to start from"
train 66 missing "$WORK/none" --set max_steps=10 --set warm_start_from=/nothere
has "$WORK/missing.log" 'Failed to find any matching files for /nothere'
