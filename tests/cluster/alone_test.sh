#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# All in one process: the letter of TensorFlow's lines and their order, resume, the
# finished job, NaN, signals, the temporary folder.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

alone() {
    local code=$1 log=$2
    shift 2
    run "$code" "$log" "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$MODEL" "$@"
}

# The lines of TensorFlow's train_and_evaluate with what varies taken out, from the
# transcript of the same run (steps 0 to 300, a save every 100, throttle 600).
say "the lines and their order"
alone 0 first --set max_steps=100 --set throttle_secs=600 --set eval_steps=2
sed -nE 's/^[^ ]+ (INFO|WARN|ERROR) +[^ ]+ //p' "$WORK/first.log" |
    sed -E "s|$MODEL|DIR|; s/[0-9]+\.[0-9e+-]+/X/g; s/at 20.*/at T/; s/^Using config: .*/Using config/" >"$WORK/got"
cat >"$WORK/want" <<'END'
Using config
Not using Distribute Coordinator.
Running training and evaluation locally (non-distributed).
Start train and evaluate loop. The evaluate will happen after every checkpoint. Checkpoint frequency is determined based on RunConfig arguments: save_checkpoints_steps 50 or save_checkpoints_secs None.
Calling model_fn.
Done calling model_fn.
Create CheckpointSaverHook.
Graph was finalized.
Running local_init_op.
Done running local_init_op.
Calling checkpoint listeners before saving checkpoint 0...
Saving checkpoints for 0 into DIR/model.ckpt.
Calling checkpoint listeners after saving checkpoint 0...
loss = X, step = 0
global_step/sec: X
loss = X, step = 20 (X sec)
global_step/sec: X
loss = X, step = 40 (X sec)
Calling checkpoint listeners before saving checkpoint 50...
Saving checkpoints for 50 into DIR/model.ckpt.
Calling checkpoint listeners after saving checkpoint 50...
Calling model_fn.
Done calling model_fn.
Starting evaluation at T
Graph was finalized.
Restoring parameters from DIR/model.ckpt-50
Running local_init_op.
Done running local_init_op.
Evaluation [1/2]
Evaluation [2/2]
Inference Time : Xs
Finished evaluation at T
Saving dict for global step 50: accuracy = X, global_step = 50, loss = X
Saving 'checkpoint_path' summary for global step 50: DIR/model.ckpt-50
Calling model_fn.
Done calling model_fn.
Signatures INCLUDED in export for Classify: None
Signatures INCLUDED in export for Regress: None
Signatures INCLUDED in export for Predict: ['serving_default']
Signatures INCLUDED in export for Train: None
Signatures INCLUDED in export for Eval: None
Restoring parameters from DIR/model.ckpt-50
Assets added to graph.
No assets to write.
SavedModel written to: DIR/export/latest/N/saved_model.pb
global_step/sec: X
loss = X, step = 60 (X sec)
global_step/sec: X
loss = X, step = 80 (X sec)
Calling checkpoint listeners before saving checkpoint 100...
Saving checkpoints for 100 into DIR/model.ckpt.
Calling checkpoint listeners after saving checkpoint 100...
Skip the current checkpoint eval due to throttle secs (600 secs).
Calling model_fn.
Done calling model_fn.
Starting evaluation at T
Graph was finalized.
Restoring parameters from DIR/model.ckpt-100
Running local_init_op.
Done running local_init_op.
Evaluation [1/2]
Evaluation [2/2]
Inference Time : Xs
Finished evaluation at T
Saving dict for global step 100: accuracy = X, global_step = 100, loss = X
Saving 'checkpoint_path' summary for global step 100: DIR/model.ckpt-100
Calling model_fn.
Done calling model_fn.
Signatures INCLUDED in export for Classify: None
Signatures INCLUDED in export for Regress: None
Signatures INCLUDED in export for Predict: ['serving_default']
Signatures INCLUDED in export for Train: None
Signatures INCLUDED in export for Eval: None
Restoring parameters from DIR/model.ckpt-100
Assets added to graph.
No assets to write.
SavedModel written to: DIR/export/latest/N/saved_model.pb
Performing the final export in the end of training.
Calling model_fn.
Done calling model_fn.
Signatures INCLUDED in export for Classify: None
Signatures INCLUDED in export for Regress: None
Signatures INCLUDED in export for Predict: ['serving_default']
Signatures INCLUDED in export for Train: None
Signatures INCLUDED in export for Eval: None
Restoring parameters from DIR/model.ckpt-100
Assets added to graph.
No assets to write.
SavedModel written to: DIR/export/final/N/saved_model.pb
Loss for final step: X.
END
# A rate that is whole has no point, a loss of 1.0 has; both are X here.
sed -i -E 's/(global_step.sec: |Time : )[0-9.e+]+/\1X/; s|/[0-9]{10}/|/N/|' "$WORK/got"
if ! diff "$WORK/want" "$WORK/got" >"$WORK/diff"; then
    fail "the log differs from TensorFlow's (< wanted, > got)"
    head -20 "$WORK/diff"
fi
exists "$MODEL/export/final/[0-9]*/saved_model.pb"
exists "$MODEL/eval/events.out.tfevents.*"
exists "$MODEL/events.out.tfevents.*"
exists "$MODEL/.crew/DONE"
is "newest checkpoint" 100 "$(last_step)"

say "every log line is <RFC 3339 time> <LEVEL> <who> <text>"
if grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z (DEBUG|INFO|WARN|ERROR) +local ' \
    "$WORK/first.log" | grep -vE '^(accuracy|model_dir|checkpoint|export|next|  )'; then
    fail "lines of another form"
fi

say "finished: says so and ends with 0"
alone 0 finished --set max_steps=100
has "$WORK/finished.log" 'Skipping training since max_steps has already saved\.'
has_not "$WORK/finished.log" 'Saving checkpoints'

say "a higher max_steps goes on from the last checkpoint"
alone 0 resumed --set max_steps=130
has "$WORK/resumed.log" 'Restoring parameters from .*/model\.ckpt-100$'
has "$WORK/resumed.log" 'loss = [0-9.e-]+, step = 100$'
is "newest checkpoint" 130 "$(last_step)"

say "throttle_secs 0: every save is evaluated, but for the first of the session"
alone 0 throttle0 --set max_steps=250 --set throttle_secs=0
has_not "$WORK/throttle0.log" 'Skip the current checkpoint eval'
is "number of evaluations" 3 "$(grep -c 'Starting evaluation' "$WORK/throttle0.log")"
is "number of final exports" 1 "$(grep -c 'Performing the final' "$WORK/throttle0.log")"

say "two runs with one seed are the same, bit for bit"
for i in a b; do
    rm -rf "$MODEL"
    alone 0 "once_$i" --set max_steps=60 --set optimizer=adam
    cp "$MODEL/model.ckpt-60.data-00000-of-00001" "$WORK/data.$i"
done
cmp "$WORK/data.a" "$WORK/data.b" || fail "two runs with one seed differ"

say "what is restored is saved again, bit for bit (values, slots, powers)"
alone 0 again --set max_steps=61 --set optimizer=adam
has "$WORK/again.log" 'Saving checkpoints for 60 into '
cmp "$WORK/data.a" "$MODEL/model.ckpt-60.data-00000-of-00001" ||
    fail "model.ckpt-60 has changed"

say "NaN: TensorFlow's words, exit 1, no checkpoint of the diverged model"
rm -rf "$MODEL"
alone 1 nan --set learning_rate=1e38 --set save_checkpoints_steps=1
has "$WORK/nan.log" 'ERROR +local Model diverged with loss = (NaN|inf)\.'
has "$WORK/nan.log" '(NaN|Infinite) loss during training\.'
"$BIN/crew" ckpt verify "$MODEL/model.ckpt-$(last_step)" >/dev/null 2>&1 ||
    fail "no good checkpoint is left"

say "the end of the input ends the job"
rm -rf "$MODEL"
alone 0 input_end --set max_steps=None --set repeat=2
is "newest checkpoint" 32 "$(last_step)"
has "$WORK/input_end.log" 'Performing the final export'

say "no --model-dir: a temporary folder, with TensorFlow's warning"
TMPDIR=$WORK run 0 temporary "$BIN/crew" run "${TINY_ARGS[@]}" --set max_steps=5
has "$WORK/temporary.log" 'WARN +local Using temporary folder as model directory: '

for signal in TERM:143 INT:130; do
    say "SIG${signal%:*}: saves, says how to resume, ends with ${signal#*:}"
    rm -rf "$MODEL"
    rm -f "$WORK/signal.log" # the lines waited for are this run's
    # bash lets background children ignore SIGINT; env sets it back.
    env --default-signal=INT "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$MODEL" \
        --set max_steps=100000 --set step_ms=5 >"$WORK/signal.log" 2>&1 &
    PIDS[alone/0]=$!
    until_line "$WORK/signal.log" 'loss = .*step = 20 ' 20
    kill "-${signal%:*}" "${PIDS[alone/0]}"
    wait "${PIDS[alone/0]}"
    is "exit code after SIG${signal%:*}" "${signal#*:}" $? "$WORK/signal.log"
    unset 'PIDS[alone/0]'
    has "$WORK/signal.log" 'To resume, run the same command again\.'
    step=$(last_step)
    [ "${step:-0}" -ge 20 ] || fail "the newest checkpoint is of step ${step:-none}"
done
alone 0 after_signal --set max_steps=$((step + 10))
has "$WORK/after_signal.log" "Restoring parameters from .*/model\.ckpt-$step\$"

finish
