#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A ps that is killed takes the variables with it: everybody ends with 138 within a
# minute, and the next start resumes from the last checkpoint.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

start_all 2 1 --set max_steps=100000 --set step_ms=5
start evaluator 0 --set max_steps=100000
until_line "$(log_of chief 0)" 'Saving checkpoints for 1[0-9][0-9] ' 30
kill_task ps 1 KILL
gone ps 1
begin=$SECONDS
for task in 'chief 0' 'worker 0' 'ps 0' 'evaluator 0'; do
    # shellcheck disable=SC2086
    ends $task 90 138
done
[ $((SECONDS - begin)) -le 62 ] || fail "it took $((SECONDS - begin)) s, wanted at most 60"
has "$(log_of chief 0)" "ERROR .*(ps/1|${PS_PORTS[1]})"

say "the next start resumes"
step=$(last_step)
rm -f "$WORK"/*.log
restart_all 2 1 --set max_steps=$((step + 50))
for task in 'chief 0' 'worker 0' 'ps 0' 'ps 1'; do
    # shellcheck disable=SC2086
    ends $task 40 0
done
has "$(log_of chief 0)" "Restoring parameters from .*model\.ckpt-$step\$"
finish
