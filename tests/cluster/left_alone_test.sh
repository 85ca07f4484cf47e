#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Who is left when another is gone for good: a ps that is silent or out of reach, a
# chief that is killed and never started again, a disk that is full under a cluster;
# and a job that is not to save anything.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fresh() {
    rm -rf "$MODEL" "$WORK"/*.log
}

# within SECS CODE TASK...: all end by then.
within() {
    local begin=$SECONDS secs=$1 code=$2 task
    shift 2
    for task in "$@"; do
        # shellcheck disable=SC2086
        ends $task "$secs" "$code"
    done
    [ $((SECONDS - begin)) -le "$secs" ] ||
        fail "it took $((SECONDS - begin)) s, wanted at most $secs"
}

say "operation_timeout_in_ms: a ps that does not answer is waited for that long"
for signal in KILL STOP; do
    fresh
    start_all 2 1 --set max_steps=100000 --set step_ms=5 \
        --set session_config.operation_timeout_in_ms=3000
    until_line "$(log_of chief 0)" 'Saving checkpoints for [1-9][0-9]* ' 30
    until_line "$(log_of worker 0)" 'loss = .*, step = ' 30
    kill_task ps 1 $signal
    # 30 s without the option
    within 20 138 'chief 0' 'worker 0'
    has "$(log_of chief 0)" "ERROR .*(ps/1|${PS_PORTS[1]})"
    has "$(log_of worker 0)" "ERROR .*(ps/1|${PS_PORTS[1]})"
    kill_task ps 1 KILL 2>/dev/null
    gone ps 1
    ends ps 0 30 138
done

say "a chief that is killed for good: all end with 138 after session_creation_timeout_secs"
fresh
start_all 2 2 --set max_steps=100000 --set step_ms=5 \
    --set session_creation_timeout_secs=8
start evaluator 0 --set max_steps=100000 --set session_creation_timeout_secs=8
until_line "$(log_of evaluator 0)" 'Saving dict for global step ' 30
kill_task chief 0 KILL
gone chief 0
within 30 138 'worker 0' 'worker 1' 'ps 0' 'ps 1' 'evaluator 0'
has "$(log_of ps 0)" 'no chief for 8 s'
has "$(log_of worker 0)" 'no chief for 8 s'
step=$(last_step)
run 0 verify "$BIN/crew" ckpt verify "$MODEL/model.ckpt-$step"
rm -f "$WORK"/*.log
start_all 1 1 --set max_steps=$((step + 30))
within 40 0 'chief 0' 'worker 0' 'ps 0'
has "$(log_of chief 0)" "Restoring parameters from .*model\.ckpt-$step\$"

say "nothing is to be saved: no checkpoint, nothing to evaluate, 0"
fresh
start_all 1 1 --set max_steps=60 --set save_checkpoints_steps=None
within 40 0 'chief 0' 'worker 0' 'ps 0'
has "$(log_of chief 0)" 'WARN .*Nothing was saved, as RunConfig'
[ ! -e "$MODEL/checkpoint" ] || fail "there is a checkpoint"
exists "$MODEL/.crew/DONE"

mkdir "$WORK/disk"
if ! mount -t tmpfs -o size=512k tmpfs "$WORK/disk" 2>/dev/null; then
    echo "not tried: a full disk (cannot mount a small tmpfs)"
    finish
fi
trap 'umount "$WORK/disk"; cleanup' EXIT
MODEL=$WORK/disk/model

say "a disk that is full under a cluster: training goes on, and so does the job"
rm -f "$WORK"/*.log
start_all 1 1 --set max_steps=1500 --set step_ms=5
start evaluator 0 --set max_steps=1500
until_line "$(log_of evaluator 0)" 'Saving dict for global step ' 30
dd if=/dev/zero of="$WORK/disk/filler" bs=4k status=none 2>/dev/null
until_line "$(log_of chief 0)" 'ERROR .*Could not save checkpoint [0-9]+: .*Training goes on' 20
rm "$WORK/disk/filler"
within 60 0 'chief 0' 'worker 0' 'ps 0' 'evaluator 0'
is "newest checkpoint" 1500 "$(last_step)"
has "$(log_of evaluator 0)" 'Saving dict for global step 1500:'

say "no room for the last one: 138 everywhere, and the one before is still good"
rm -rf "$MODEL" "$WORK"/*.log
start_all 1 1 --set max_steps=400 --set step_ms=10
until_line "$(log_of chief 0)" 'after saving checkpoint [1-9][0-9]*' 20
dd if=/dev/zero of="$WORK/disk/filler" bs=4k status=none 2>/dev/null
start evaluator 0 --set max_steps=400
within 60 138 'chief 0' 'worker 0' 'ps 0' 'evaluator 0'
has "$(log_of chief 0)" 'could not save the last checkpoint: '
has "$(log_of evaluator 0)" 'ERROR .*Could not write what the evaluation of .* gives: .*No space'
rm "$WORK/disk/filler"
step=$(last_step)
run 0 verify "$BIN/crew" ckpt verify "$MODEL/model.ckpt-$step"
[ "$step" -lt 400 ] || fail "the newest checkpoint is $step"
finish
