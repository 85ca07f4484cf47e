#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The evaluator beside a training whose checkpoints go while it wants to read them.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

say "a checkpoint that has gone before it is read"
start_all 1 0 --set max_steps=150 --set step_ms=40
until_line "$(log_of chief 0)" 'Saving checkpoints for 50 into ' 30
until_line "$(log_of chief 0)" 'after saving checkpoint 50\.\.\.' 10
mv "$MODEL/model.ckpt-50.data-00000-of-00001" "$WORK/taken"
start evaluator 0 --set max_steps=150
evaluator=$(log_of evaluator 0)
until_line "$evaluator" 'WARN .*model\.ckpt-50 was removed before it was read \(.*\); the next newest is taken\.' 20
ends chief 0 40 0
ends evaluator 0 20 0
ends ps 0 20 0
has_not "$evaluator" 'Saving dict for global step 50:'
has "$evaluator" 'Saving dict for global step 150: accuracy = '
has "$evaluator" 'Exiting evaluation, global_step=150 >= train max_steps=150'
is "lines of the checkpoint that has gone" 1 \
    "$(grep -c 'model\.ckpt-50 was removed before it was read' "$evaluator")"

finish
