#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Real clusters whose processes are killed and stopped at random, one after the
# other: chief, workers and evaluator, never a ps. Each must come to its last step
# all the same, with nothing rolled back and every process ending with 0.
#
# Usage: tests/cluster/kill_campaign.sh BUILD SOURCE SECONDS [SEED]
#   SECONDS  for as long clusters are begun
#   SEED     of bash's RANDOM; printed, for the same choices again
# Not part of the suite. Exit codes: 0 all clusters came through; 1 one did not,
# its logs are kept.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=${3:?usage: kill_campaign.sh BUILD SOURCE SECONDS [SEED]}
seed=${4:-$$}
RANDOM=$seed
echo "seed $seed"

# below N: a random number from 0 to N - 1.
below() { echo $((RANDOM % $1)); }

nap() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }

alive() { kill -0 "${PIDS[$1]:-0}" 2>/dev/null && [ -n "${PIDS[$1]:-}" ]; }

# hit ROLE/INDEX: kill it and start it again after a while, or stop it for a while.
hit() {
    local role=${1%/*} index=${1#*/} pid=${PIDS[$1]}
    if [ "$(below 3)" -eq 0 ]; then
        stops=$((stops + 1))
        kill -STOP "$pid"
        nap $((100 + $(below 4000)))
        kill -CONT "$pid"
        return
    fi
    kills=$((kills + 1))
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    nap "$(below 3000)"
    start "$role" "$index" "${options[@]}"
}

# saves: the steps of the checkpoints, in the order in which they were written.
saves() { sed -n 's/.*Saving checkpoints for \([0-9]*\) .*/\1/p' "$(log_of chief 0)"; }

round() {
    local tasks=(chief/0 worker/0 worker/1 evaluator/0) task
    options=(--set "max_steps=$((400 + $(below 800)))" --set step_ms=10
        --set "save_checkpoints_steps=$((20 + $(below 200)))")
    [ "$(below 2)" -eq 0 ] || options+=(--set sync=true)
    rm -rf "$MODEL" "$WORK"/*.log
    start_all 2 2 "${options[@]}"
    start evaluator 0 "${options[@]}"
    while nap $((200 + $(below 2500))) && ! grep -q 'Loss for final step' "$(log_of chief 0)"; do
        task=${tasks[$(below 4)]}
        if alive "$task"; then
            hit "$task" 2>/dev/null
        fi
    done
    for task in chief/0 worker/0 worker/1 evaluator/0 ps/0 ps/1; do
        ends "${task%/*}" "${task#*/}" 60 0
    done
    is "the saves in the order of their steps" "$(saves | sort -n | tr '\n' ' ')" \
        "$(saves | tr '\n' ' ')" "$(log_of chief 0)"
    is "newest checkpoint" "${options[1]#max_steps=}" "$(last_step)" "$(log_of chief 0)"
}

rounds=0 kills=0 stops=0
while [ "$FAILED" -eq 0 ] && [ "$SECONDS" -lt "$seconds" ]; do
    round
    rounds=$((rounds + 1))
done
echo "$rounds clusters, $kills kills, $stops stops: $([ "$FAILED" -eq 0 ] && echo all came through || echo one did not)"
finish
