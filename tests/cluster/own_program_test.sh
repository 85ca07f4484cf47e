#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# crew_train_and_evaluate in a program of a user's own: chief, workers, ps and
# evaluator are processes of it, and TF_CONFIG says which is which. A worker waits 5 s
# before it trains, with its server up; the chief does not.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PROGRAM=$BUILD/tests/own_program
PATH=$BIN:$PATH # where crew-ps is, which a ps becomes

# own ROLE INDEX PARAM...: the program as that role, in the background.
own() {
    local role=$1 index=$2
    shift 2
    TF_CONFIG=$(tf_config "$role" "$index") "$PROGRAM" "$MODEL" "$@" \
        >>"$(log_of "$role" "$index")" 2>&1 </dev/null &
    PIDS[$role/$index]=$!
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

say "all roles, each to its end"
cluster 2 1
WORKER_PORT=$(sed -E 's/.*"worker": \["127.0.0.1:([0-9]+)".*/\1/' <<<"$CLUSTER")
own ps 0
own ps 1
own evaluator 0
own worker 0
if until_line "$(log_of worker 0)" 'Waiting 5 secs before starting training\.' 20; then
    # Nobody trains yet, but the others can see this one.
    listens "$WORKER_PORT" || fail "the worker waits and does not listen" "$(log_of worker 0)"
    has_not "$(log_of worker 0)" 'Done running local_init_op'
fi
own chief 0
ends chief 0 60 0
ends worker 0 20 0
ends evaluator 0 20 0
ends ps 1 20 0
ends ps 0 20 0
has_not "$(log_of chief 0)" 'Waiting .* secs before starting training'
has "$(log_of chief 0)" '^done$'
has "$(log_of worker 0)" '^done$'
has "$(log_of evaluator 0)" '^done$'
has "$(log_of worker 0)" 'Start server\.'
has "$(log_of evaluator 0)" 'Saving dict for global step 200: accuracy = '
is "newest checkpoint" 200 "$(last_step)"
exists "$MODEL/export/final/*/saved_model.pb"
has_not "$(log_of worker 0)" 'Saving checkpoints'

say "again: the job has ended, so does everybody"
own ps 0
own ps 1
own worker 0 experimental_max_worker_delay_secs=0
own chief 0
ends chief 0 30 0
ends worker 0 20 0
ends ps 1 20 0
ends ps 0 20 0
has "$(log_of chief 0)" 'Skipping training since max_steps has already saved'

say "more steps; no delay, and another"
: >"$(log_of worker 0)"
own ps 0
own ps 1
own worker 0 experimental_max_worker_delay_secs=0 max_steps=220
own chief 0 max_steps=220
ends chief 0 60 0
ends worker 0 20 0
ends ps 1 20 0
ends ps 0 20 0
has_not "$(log_of worker 0)" 'Waiting .* secs before starting training'
is "newest checkpoint" 220 "$(last_step)"

say "tasks that are none"
CLUSTER=${CLUSTER%\}}', "other_type": ["127.0.0.1:4002"]}'
TF_CONFIG=$(tf_config other_type 0) run 78 other "$PROGRAM" "$MODEL"
has "$WORK/other.log" "Task type other_type is not supported\. Supported task types are \['chief', 'evaluator', 'master', 'ps', 'worker'\]"
TF_CONFIG=$(tf_config evaluator 1) run 78 second "$PROGRAM" "$MODEL"

say "a model_dir that RunConfig and TF_CONFIG have differently"
config=$(tf_config chief 0)
TF_CONFIG="${config%\}}, \"model_dir\": \"/elsewhere\"}" run 78 dirs "$PROGRAM" "$MODEL"
has "$WORK/dirs.log" 'must have the same value as the model_dir in TF_CONFIG\. model_dir: '
run 64 empty "$PROGRAM" ""
has "$WORK/empty.log" 'model_dir should be non-empty\.'

say "a cluster of one node starts no server"
CLUSTER="{\"chief\": [\"127.0.0.1:$CHIEF_PORT\"]}"
TF_CONFIG=$(tf_config chief 0) run 0 single "$PROGRAM" "$WORK/single" max_steps=20
has "$WORK/single.log" \
    'Skip starting Tensorflow server as there is only one node in the cluster\.'
has_not "$WORK/single.log" 'Start server'
exists "$WORK/single/model.ckpt-20.index"
TF_CONFIG=$(tf_config chief 0) run 0 twice "$PROGRAM" "$WORK/single" max_steps=20
has "$WORK/twice.log" 'Skipping training since max_steps has already saved'

say "alone"
unset TF_CONFIG
run 0 alone "$PROGRAM" "$WORK/alone" max_steps=100
has "$WORK/alone.log" 'Saving dict for global step 100: accuracy = '
run 64 unsaved "$PROGRAM" "$WORK/unsaved" save_checkpoints_steps=None
has "$WORK/unsaved.log" 'There should be a CheckpointSaverHook to use saving_listeners'

finish
