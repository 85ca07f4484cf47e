#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# crew evaluate, crew predict and crew export on a checkpoint: results as text and as
# JSON, an older checkpoint, another name, and what is said when there is none.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

run 0 train "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --set max_steps=20 --set save_checkpoints_steps=10 --set throttle_secs=0

say "evaluate: the newest, an older one, into a folder of its own"
run 0 text "$BIN/crew" evaluate "${TINY_ARGS[@]}" --model-dir "$MODEL"
has "$WORK/text.log" '^accuracy = [0-9.]+, global_step = 20, loss = [0-9.]+'
has "$WORK/text.log" "Saving 'checkpoint_path' summary for global step 20"
run 0 json "$BIN/crew" evaluate "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --format json --checkpoint-path "$MODEL/model.ckpt-10" --set name=older
has "$WORK/json.log" '^\{"accuracy": [0-9.]+, "global_step": 10, "loss": [0-9.]+'
is "the named evaluation's folder" yes \
    "$([ -d "$MODEL/eval_older" ] && echo yes)" "$WORK/json.log"

say "predict: a line an example"
run 0 lines "$BIN/crew" predict "${TINY_ARGS[@]}" --model-dir "$MODEL"
has "$WORK/lines.log" '^classes = [0-3], probabilities = \[[0-9.e-]+ '
run 0 objects "$BIN/crew" predict "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --format json --predict-keys classes
has "$WORK/objects.log" '^\{"classes": [0-3]\}$'
run 64 keys "$BIN/crew" predict "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --predict-keys logits
has "$WORK/keys.log" "Expected to run at least one output from dict_keys"

say "predict: the model's prediction hooks run"
run 0 hooked "$BIN/crew" predict "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --set log_classes=true
has "$WORK/hooked.log" 'INFO +[^ ]+ classes = \[[0-3] '
has_not "$WORK/lines.log" 'INFO +[^ ]+ classes = '

say "export"
run 0 export "$BIN/crew" export "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --dir "$WORK/served"
has "$WORK/export.log" "^$WORK/served/[0-9]+$"

say "what cannot be"
run 66 none "$BIN/crew" evaluate "${TINY_ARGS[@]}" --model-dir "$WORK/empty"
has "$WORK/none.log" "Could not find trained model in model_dir: $WORK/empty"
run 66 nothing "$BIN/crew" predict "${TINY_ARGS[@]}" --model-dir "$WORK/empty"
run 64 nowhere "$BIN/crew" evaluate "${TINY_ARGS[@]}"
run 64 format "$BIN/crew" evaluate "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --format xml
run 64 value "$BIN/crew" evaluate "${TINY_ARGS[@]}" --model-dir "$MODEL" --format
run 78 other "$BIN/crew" evaluate "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --set hidden=3
run 0 help "$BIN/crew" evaluate --help
run 0 help2 "$BIN/crew" predict --job x.so --help
