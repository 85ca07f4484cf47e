#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A whole job of real processes: with and without an evaluator, again when it is
# finished, with a higher max_steps; and crew local.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

say "two ps, chief, two workers, evaluator: all end with 0"
start_all 2 2 --set max_steps=200 --set step_ms=2
start evaluator 0 --set max_steps=200
ends chief 0 40 0
for task in 'ps 0' 'ps 1' 'worker 0' 'worker 1' 'evaluator 0'; do
    # shellcheck disable=SC2086
    ends $task 20 0
done
chief=$(log_of chief 0)
evaluator=$(log_of evaluator 0)
has "$chief" 'INFO +chief/0 Start server\.'
has "$chief" 'Saving checkpoints for 0 into '
has "$chief" 'Saving checkpoints for 200 into '
has "$chief" 'global_step/sec: '
has "$chief" 'Loss for final step: '
has "$(log_of worker 0)" 'loss = .*, step = '
has "$(log_of worker 1)" 'Loss for final step: '
has_not "$(log_of worker 0)" 'Saving checkpoints'
has "$evaluator" 'Saving dict for global step 200: accuracy = [0-9.]+, global_step = 200, loss = '
is "evaluations of step 200" 1 "$(grep -c 'Saving dict for global step 200' "$evaluator")"
has "$evaluator" 'Performing the final export in the end of training\.'
has "$evaluator" 'Exiting evaluation, global_step=200 >= train max_steps=200'
has_not "$chief" 'Saving dict for global step'
is "newest checkpoint" 200 "$(last_step)"
exists "$MODEL/.crew/DONE"
exists "$MODEL/export/latest/[0-9]*/saved_model.pb"
is "final exports" 1 "$(find "$MODEL/export/final" -name saved_model.pb | wc -l)"
is "left-over temporary folders" 0 "$(find "$MODEL" -name 'temp-*' -o -name 'tmp-*' | wc -l)"
accuracy=$(sed -nE 's/.*global step 200: accuracy = ([0-9.]+),.*/\1/p' "$evaluator")
awk -v a="${accuracy:-0}" 'BEGIN { exit !(a > 0.9) }' ||
    fail "accuracy after 200 steps: ${accuracy:-none}, wanted more than 0.9"

say "the workers have written nothing"
is "event files of training" 1 "$(find "$MODEL" -maxdepth 1 -name 'events.out.tfevents.*' | wc -l)"
for i in 0 1; do
    has_not "$(log_of worker $i)" 'Saving checkpoints|Calling checkpoint listeners|global_step/sec'
done

say "the finished job, started again: all end with 0, nothing is trained"
rm -f "$WORK"/*.log
restart_all 2 2 --set max_steps=200
start evaluator 0 --set max_steps=200
for task in 'chief 0' 'worker 0' 'worker 1' 'ps 0' 'ps 1' 'evaluator 0'; do
    # shellcheck disable=SC2086
    ends $task 40 0
done
has "$(log_of chief 0)" 'Skipping training since max_steps has already saved\.'
has_not "$(log_of chief 0)" 'Saving checkpoints'
has_not "$(log_of evaluator 0)" 'Saving dict'

say "a higher max_steps resumes; another number of ps; no evaluator: the chief evaluates"
rm -f "$WORK"/*.log
start_all 1 1 --set max_steps=260 --set step_ms=2
for task in 'chief 0' 'worker 0' 'ps 0'; do
    # shellcheck disable=SC2086
    ends $task 40 0
done
has "$(log_of chief 0)" 'Restoring parameters from .*/model\.ckpt-200$'
has "$(log_of chief 0)" 'No evaluator has joined this job: the chief evaluates'
has "$(log_of chief 0)" 'Saving dict for global step 260: accuracy = '
has "$(log_of chief 0)" 'Performing the final export in the end of training\.'
is "newest checkpoint" 260 "$(last_step)"

finish
