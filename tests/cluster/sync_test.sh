#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Synchronous training with real processes: the same bytes in every run and with
# any number of parameter servers, one trainer as asynchronous, backup workers,
# and nobody who waits for one that is dead, has left, or has other settings.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fresh() {
    rm -rf "$MODEL" "$WORK"/*.log
}

# all_end SECS ROLE INDEX...: with 0.
all_end() {
    local secs=$1
    shift
    while [ $# -gt 0 ]; do
        ends "$1" "$2" "$secs" 0
        shift 2
    done
}

# keep NAME STEP: the checkpoint of that step under a name.
keep() {
    local file
    for file in index data-00000-of-00001; do
        cp "$MODEL/model.ckpt-$2.$file" "$WORK/$1.$file" ||
            fail "no checkpoint of step $2"
    done
}

same() {
    local file
    for file in index data-00000-of-00001; do
        cmp "$WORK/$1.$file" "$WORK/$2.$file" || fail "$1 and $2: other bytes"
    done
}

SYNC=(--set sync=true --set max_steps=60 --set hidden=8 --set optimizer=adam)

say "chief and two workers, twice, and with one ps: the same bytes"
for run in 2a 2b 1c; do
    fresh
    start_all "${run%[abc]}" 2 "${SYNC[@]}"
    all_end 60 chief 0 worker 0 worker 1 ps 0
    if [ "$run" != 1c ]; then
        all_end 20 ps 1
    fi
    is "newest checkpoint" 60 "$(last_step)"
    keep "$run" 60
done
same 2a 2b
same 2a 1c

say "one trainer: the bytes of asynchronous training, and of one process"
for run in true false; do
    fresh
    start_all 2 0 "${SYNC[@]}" --set sync=$run
    all_end 60 chief 0 ps 0 ps 1
    keep "one-$run" 60
done
same one-true one-false
for run in true false; do
    rm -rf "$MODEL"
    run 0 "alone-$run" "$BIN/crew" run --model-dir "$MODEL" "${TINY_ARGS[@]}" \
        "${SYNC[@]}" --set sync=$run
    keep "alone-$run" 60
done
same one-true alone-true
same one-true alone-false

say "kill -9 a worker: the others go on without it"
fresh
start_all 2 2 --set sync=true --set max_steps=400 --set step_ms=10
until_line "$(log_of worker 1)" 'loss = .*, step = ' 30
kill_task worker 1 KILL
gone worker 1
all_end 60 chief 0
all_end 20 worker 0 ps 0 ps 1
has "$(log_of ps 0)" 'worker/1 on .* has lost its connections; synchronous training goes on without it'
is "newest checkpoint" 400 "$(last_step)"

say "SIGTERM at a worker that waits for a slow one: it leaves, the others go on"
fresh
cluster 1 2
ARGS=(--set sync=true --set max_steps=60)
start ps 0 "${ARGS[@]}"
start chief 0 "${ARGS[@]}" --set step_ms=100
start worker 0 "${ARGS[@]}"
start worker 1 "${ARGS[@]}"
until_line "$(log_of worker 0)" 'loss = .*, step = ' 30
kill_task worker 0 TERM
ends worker 0 25 143
all_end 60 chief 0
all_end 20 worker 1 ps 0
is "newest checkpoint" 60 "$(last_step)"

say "kill -9 the chief, start it again: synchronous training goes on"
fresh
start_all 2 1 --set sync=true --set max_steps=300 --set step_ms=5
until_line "$(log_of chief 0)" 'Saving checkpoints for [1-9]' 30
kill_task chief 0 KILL
gone chief 0
start chief 0 --set sync=true --set max_steps=300 --set step_ms=5
all_end 60 chief 0
all_end 20 worker 0 ps 0 ps 1
has "$(log_of chief 0)" 'Restoring parameters from .*model\.ckpt-'
is "newest checkpoint" 300 "$(last_step)"

say "a slow backup worker is not waited for, and is told"
fresh
cluster 1 2
ARGS=(--set replicas_to_aggregate=2 --set max_steps=150)
start ps 0 "${ARGS[@]}"
start chief 0 "${ARGS[@]}" --set step_ms=5
start worker 0 "${ARGS[@]}" --set step_ms=5
start worker 1 "${ARGS[@]}" --set step_ms=300
all_end 60 chief 0
all_end 20 worker 0 worker 1 ps 0
has "$(log_of worker 1)" "was made without this trainer's gradients, which came too late"
is "newest checkpoint" 150 "$(last_step)"

say "a worker whose input ends is not waited for; several batches an update"
fresh
cluster 1 1
ARGS=(--set replicas_to_aggregate=4 --set total_num_replicas=2 --set max_steps=60)
start ps 0 "${ARGS[@]}"
start chief 0 "${ARGS[@]}"
start worker 0 "${ARGS[@]}" --set repeat=1
all_end 60 chief 0
all_end 20 worker 0 ps 0
is "newest checkpoint" 60 "$(last_step)"

say "a worker that never comes: the others begin without it, once"
fresh
cluster 1 2
ARGS=(--set sync=true --set max_steps=60)
start ps 0 "${ARGS[@]}"
start chief 0 "${ARGS[@]}"
start worker 0 "${ARGS[@]}"
all_end 30 chief 0
all_end 20 worker 0 ps 0
has "$(log_of ps 0)" 'begun without 1 of 3 trainers, which have not come within 10 s'
is "newest checkpoint" 60 "$(last_step)"

say "a worker with other settings is refused in words"
fresh
cluster 1 1
start ps 0 --set max_steps=60
start worker 0 --set max_steps=60
until_line "$(log_of worker 0)" 'Graph was finalized' 30
start chief 0 --set sync=true --set max_steps=60
ends worker 0 30 78
has "$(log_of worker 0)" 'sync is false here, true at the chief\. Fix: give all roles the same options'
start worker 0 --set replicas_to_aggregate=1 --set max_steps=60
ends worker 0 30 78
has "$(log_of worker 0)" 'replicas_to_aggregate is 1 here, 2 at the chief\. Fix: give all roles the same options'
kill_task chief 0 TERM
ends chief 0 25 143
ends ps 0 25 143
run 64 both "$BIN/crew" run --model-dir "$MODEL" "${TINY_ARGS[@]}" \
    --set sync=true --set max_staleness=3
has "$WORK/both.log" 'max_staleness is 3, but training is synchronous'

say "bounded staleness: nobody runs away from a slow worker"
fresh
cluster 1 1
ARGS=(--set max_staleness=2 --set max_steps=60)
start ps 0 "${ARGS[@]}"
start chief 0 "${ARGS[@]}"
start worker 0 "${ARGS[@]}" --set step_ms=50
until_line "$(log_of worker 0)" 'loss = .*, step = ' 30
all_end 60 chief 0
all_end 20 worker 0 ps 0
is "newest checkpoint" 60 "$(last_step)"
lines=$(grep -c 'loss = .*, step = ' "$(log_of worker 0)")
[ "$lines" -ge 2 ] || fail "the slow worker did $lines lines of steps, wanted 2" "$(log_of worker 0)"

finish
