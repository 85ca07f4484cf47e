#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Processes that die, are stopped, or never come.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fresh() {
    rm -rf "$MODEL" "$WORK"/*.log
}

say "kill -9 a worker, start it again: the job ends with 0 at max_steps"
fresh
start_all 1 2 --set max_steps=600 --set step_ms=10
until_line "$(log_of worker 0)" 'loss = .*, step = ' 20
kill_task worker 0 KILL
gone worker 0
start worker 0 --set max_steps=600 --set step_ms=10
for task in 'chief 0' 'worker 0' 'worker 1' 'ps 0'; do
    # shellcheck disable=SC2086
    ends $task 40 0
done
is "lines of first steps of worker/0" 2 "$(grep -c 'loss = [^,]*, step = [0-9]*$' "$(log_of worker 0)")"
is "newest checkpoint" 600 "$(last_step)"

say "kill -9 the chief, start it again: the job ends with 0 at max_steps"
fresh
start_all 2 1 --set max_steps=600 --set step_ms=10
until_line "$(log_of chief 0)" 'Saving checkpoints for [1-9]' 20
kill_task chief 0 KILL
gone chief 0
start chief 0 --set max_steps=600 --set step_ms=10
for task in 'chief 0' 'worker 0' 'ps 0' 'ps 1'; do
    # shellcheck disable=SC2086
    ends $task 40 0
done
# restores: how often the chief has restored a checkpoint to train from it.
restores() {
    awk '/Create CheckpointSaverHook/ {starts = 1} /Running local_init_op/ {starts = 0}
        starts && /Restoring parameters/ {n++} END {print n + 0}' "$(log_of chief 0)"
}
# Nothing is rolled back: the ps live, so the second chief goes on with their state.
is "restores before the trainings of the chief" 0 "$(restores)"
has "$(log_of chief 0)" "The parameter servers still have this job's state"
has "$(log_of ps 0)" 'the chief is back; on from step [1-9]'
saves() { sed -n 's/.*Saving checkpoints for \([0-9]*\) .*/\1/p' "$(log_of chief 0)"; }
is "saves, in the order of their steps" "$(saves | sort -n | tr '\n' ' ')" "$(saves | tr '\n' ' ')"
is "newest checkpoint" 600 "$(last_step)"

say "kill -9 the chief, start it with another model: made anew from the checkpoint"
fresh
start_all 1 0 --set max_steps=100000 --set step_ms=5
until_line "$(log_of chief 0)" 'Saving checkpoints for [1-9]' 20
kill_task chief 0 KILL
gone chief 0
start chief 0 --set max_steps=600 --set step_ms=1 --set learning_rate=0.001
ends chief 0 40 0
ends ps 0 20 0
has "$(log_of chief 0)" "what the parameter servers hold is made anew: .*optimizer's learning_rate"
has "$(log_of chief 0)" 'Restoring parameters from .*model\.ckpt-'

say "kill -9 the chief, start one of another job: made anew, in its own folder"
fresh
start_all 1 0 --set max_steps=100000 --set step_ms=5
until_line "$(log_of chief 0)" 'Saving checkpoints for [1-9]' 20
kill_task chief 0 KILL
gone chief 0
MODEL=$WORK/other start chief 0 --set max_steps=50 --set step_ms=1
ends chief 0 40 0
ends ps 0 20 0
has "$(log_of chief 0)" "made anew: .*it holds the state of the job in $WORK/model, not in $WORK/other"
is "restores before the trainings of the chiefs" 0 "$(restores)"
exists "$WORK/other/model.ckpt-50.index"
rm -rf "$WORK/other"

say "SIGTERM at the chief: saved, all end, it says how to resume"
fresh
start_all 1 1 --set max_steps=100000 --set step_ms=5
until_line "$(log_of worker 0)" 'loss = .*, step = ' 20
sleep 0.5
kill_task chief 0 TERM
ends chief 0 25 143
ends worker 0 25 143
ends ps 0 25 143
has "$(log_of chief 0)" 'To resume, run the same command again\.'
step=$(last_step)
restart_all 1 1 --set max_steps=$((step + 40))
for task in 'chief 0' 'worker 0' 'ps 0'; do
    # shellcheck disable=SC2086
    ends $task 40 0
done
has "$(log_of chief 0)" "Restoring parameters from .*model\.ckpt-$step\$"

say "SIGTERM at a worker: it leaves, the others go on"
fresh
start_all 1 1 --set max_steps=400 --set step_ms=5
until_line "$(log_of worker 0)" 'loss = .*, step = ' 20
kill_task worker 0 TERM
ends worker 0 25 143
ends chief 0 40 0
ends ps 0 20 0

say "SIGTERM at a ps: the chief saves first; at all at once: the same"
for who in ps all; do
    fresh
    start_all 2 1 --set max_steps=100000 --set step_ms=5
    until_line "$(log_of worker 0)" 'loss = .*, step = [2-9][0-9] ' 20
    if [ "$who" = ps ]; then
        kill_task ps 1 TERM
    else
        kill -TERM "${PIDS[@]}"
    fi
    for task in 'chief 0' 'worker 0' 'ps 0' 'ps 1'; do
        # shellcheck disable=SC2086
        ends $task 25 143
    done
    has_not "$(log_of chief 0)" 'ERROR'
    [ "$(last_step)" -ge 20 ] || fail "saved is step $(last_step)" "$(log_of chief 0)"
done

say "NaN at the chief: 1 everywhere"
fresh
start_all 1 1 --set max_steps=400 --set learning_rate=1e38
ends chief 0 30 1
ends ps 0 30 1
has "$(log_of chief 0)" '(NaN|Infinite) loss during training|[Nn]ot finite|nan|inf'

say "NaN with fail_on_nan_loss False: a stop, 0 everywhere, the state before it is saved"
fresh
start_all 2 1 --set max_steps=4000 --set learning_rate=1e38 --set soft_nan=true
for task in 'chief 0' 'worker 0' 'ps 0' 'ps 1'; do
    # shellcheck disable=SC2086
    ends $task 30 0
done
has "$(log_of chief 0)" 'WARN +chief/0 Model diverged with loss = NaN\.'
has_not "$(log_of chief 0)" ' ERROR '
has "$MODEL/.crew/DONE" 'NaN loss'
run 0 verify "$BIN/crew" ckpt verify "$MODEL/model.ckpt-$(last_step)"

say "two processes in one role: the job still ends"
fresh
start_all 1 0 --set max_steps=300 --set step_ms=10
until_line "$(log_of chief 0)" 'loss = .*, step = ' 20
port=$CHIEF_PORT
TF_CONFIG=$(tf_config chief 0) timeout 60 "$BIN/crew-chief" \
    --model-dir "$MODEL" "${TINY_ARGS[@]}" --set max_steps=300 >"$WORK/second.log" 2>&1
second=$?
case $second in
138 | 78) has "$WORK/second.log" "$port|taken|role" ;;
0) ;; # it came when the first had ended
*) fail "exit code of the second chief: $second" "$WORK/second.log" ;;
esac
ends chief 0 40 0
ends ps 0 20 0

say "a peer that never comes: 138 after session_creation_timeout_secs"
fresh
cluster 1 0
start chief 0 --set session_creation_timeout_secs=3
ends chief 0 20 138
has "$(log_of chief 0)" "ERROR .*(ps/0|${PS_PORTS[0]})"

say "garbage at the port of a ps does no harm"
fresh
start_all 1 1 --set max_steps=200 --set step_ms=5
until_line "$(log_of worker 0)" 'loss = .*, step = ' 20
for ((i = 0; i < 5; i++)); do
    head -c 20000 /dev/urandom >"/dev/tcp/127.0.0.1/${PS_PORTS[0]}" 2>/dev/null
    printf 'GET / HTTP/1.0\r\n\r\n' >"/dev/tcp/127.0.0.1/${PS_PORTS[0]}" 2>/dev/null
done
for task in 'chief 0' 'worker 0' 'ps 0'; do
    # shellcheck disable=SC2086
    ends $task 40 0
done
is "newest checkpoint" 200 "$(last_step)"

finish
