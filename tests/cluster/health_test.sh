#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# crew health asks the event loop: every role answers, a stopped process and a missing
# one do not, and both are known within a second or so. And a second signal ends at once.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster 1 2
restart_all 1 1 --set max_steps=100000 --set step_ms=10
start evaluator 0 --set max_steps=100000
until_line "$(log_of worker 0)" 'loss = .*, step = ' 20
until_line "$(log_of evaluator 0)" 'Saving dict' 20

say "each role answers"
for role in ps chief worker; do
    TF_CONFIG=$(tf_config $role 0) run 0 "health_$role" "$BIN/crew" health
    has "$WORK/health_$role.log" ': ok, step [0-9]+'
done
run 0 health_evaluator "$BIN/crew" health "$MODEL/.crew/evaluator.sock"
run 0 health_address "$BIN/crew" health "127.0.0.1:${PS_PORTS[0]}"

say "a worker answers before its start delay is over"
start worker 1 --set max_steps=100000 --set experimental_max_worker_delay_secs=8
until_line "$(log_of worker 1)" 'Waiting 8 secs before starting training\.' 20
TF_CONFIG=$(tf_config worker 1) run 0 health_delayed "$BIN/crew" health
has_not "$(log_of worker 1)" 'Calling model_fn'

say "a stopped process and a missing one do not"
kill_task worker 0 STOP
begin=$(date +%s%N)
TF_CONFIG=$(tf_config worker 0) run 1 health_stopped "$BIN/crew" health
ms=$((($(date +%s%N) - begin) / 1000000))
[ "$ms" -lt 2000 ] || fail "it took $ms ms to know that the worker is stopped"
kill_task worker 0 CONT
run 1 health_missing "$BIN/crew" health "127.0.0.1:$(free_port)"

say "the second signal ends at once"
kill_task chief 0 STOP # so that it cannot have finished by itself in between
kill_task chief 0 TERM
kill_task chief 0 INT
kill_task chief 0 CONT
ends chief 0 5 '(130|143)'
finish
