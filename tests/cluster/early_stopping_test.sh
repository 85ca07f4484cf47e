#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The chief stops early by an evaluation's metric: every role ends with 0, long before
# max_steps, and DONE has the reason.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

say "chief, worker, two ps and evaluator end with 0"
run 0 early timeout 120 "$BIN/crew" local --ps 2 --workers 1 --evaluator -- run "${TINY_ARGS[@]}" \
    --model-dir "$MODEL" --set max_steps=1000000 --set step_ms=2 --set stop_early=true \
    --set throttle_secs=0
log=$WORK/early.log
has "$log" '^chief/0 .*At step [0-9]+, metric "accuracy" has value [0-9.]+ which is greater than the configured threshold \(-1\) for early stopping\.'
has "$log" '^chief/0 .*Requesting early stopping at global step [0-9]+'
has_not "$log" '^worker/0 .*Requesting early stopping'
has_not "$log" ' ERROR '
has "$MODEL/.crew/DONE" 'metric .*accuracy.* for early stopping'
last=$(sed -nE 's/^.*"?step"?[^0-9]*([0-9]+).*$/\1/p' "$MODEL/.crew/DONE" | head -1)
has "$log" "^evaluator/0 .*Saving dict for global step $last: "

say "a resumed job is not stopped by the old signal: it goes on"
run 0 again timeout 120 "$BIN/crew" local --ps 1 --workers 1 -- run "${TINY_ARGS[@]}" \
    --model-dir "$MODEL" --set max_steps=$((last + 60)) --set stop_early=false
has "$WORK/again.log" "^chief/0 .*Restoring parameters from .*model.ckpt-$last"
has "$WORK/again.log" "Saving checkpoints for $((last + 60)) into"

finish
