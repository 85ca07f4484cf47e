#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# crew saved-model and crew predict, on exports of TensorFlow's and on one of our own:
# texts, numbers, files, and what is said of wrong inputs.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

GOLDEN=$SOURCE/tests/golden/saved_models
REGRESSOR=$GOLDEN/linear_regressor/saved_model

say "show: saved_model_cli's text"
run 0 show "$BIN/crew" saved-model show --dir "$REGRESSOR" --all
has "$WORK/show.log" "^MetaGraphDef with tag-set: 'serve' contains"
has "$WORK/show.log" "^    inputs\['examples'\] tensor_info:"
has "$WORK/show.log" '^        shape: \(-1, 1\)'
run 0 tags "$BIN/crew" saved-model show --dir "$REGRESSOR"
has "$WORK/tags.log" "^'serve'"
run 0 keys "$BIN/crew" saved-model show --dir "$REGRESSOR" --tag_set serve
has "$WORK/keys.log" '^SignatureDef key: "predict"'
run 65 tag "$BIN/crew" saved-model show --dir "$REGRESSOR" --tag_set gpu
run 66 nowhere "$BIN/crew" saved-model show --dir "$WORK/nowhere" --all
run 64 usage "$BIN/crew" saved-model show
run 0 help "$BIN/crew" saved-model --help

say "run: a canned model on an example, as saved_model_cli computes it"
EXAMPLE='examples=[{"age":[39.0],"income":[1.0,2.0],"city":["paris"],"user":["u1"],"tags":["t1","t2"]}]'
run 0 regress "$BIN/crew" saved-model run --dir "$REGRESSOR" \
    --signature_def predict --input_examples "$EXAMPLE" --outdir "$WORK/out"
has "$WORK/regress.log" '^Result for output key predictions:'
has "$WORK/regress.log" '^\[\[1\.674284'
exists "$WORK/out/predictions.npy"
run 73 again "$BIN/crew" saved-model run --dir "$REGRESSOR" \
    --signature_def predict --input_examples "$EXAMPLE" --outdir "$WORK/out"
has "$WORK/again.log" 'Add --overwrite to overwrite'
run 0 json "$BIN/crew" saved-model run --dir "$REGRESSOR" --format json \
    --signature_def predict --input_examples "$EXAMPLE"
has "$WORK/json.log" '"predictions":\{"dtype":"float32","shape":\[1,1\]'

say "run: wrong inputs"
run 64 key "$BIN/crew" saved-model run --dir "$REGRESSOR" --input_exprs 'y=[1.0]'
has "$WORK/key.log" '"y" is not a valid input key'
run 64 syntax "$BIN/crew" saved-model run --dir "$REGRESSOR" \
    --signature_def predict --input_examples 'examples=[{"age":[39.0}]'
run 65 missing "$BIN/crew" saved-model run --dir "$REGRESSOR" \
    --signature_def predict --input_examples 'examples=[{"city":["paris"]}]'
has "$WORK/missing.log" 'Feature: age \(data type: float\) is required'
run 65 unfed "$BIN/crew" saved-model run --dir "$REGRESSOR"
has "$WORK/unfed.log" 'You must feed a value for placeholder'

say "a stranger's export: links that lead out of it, files that are not there"
COMBINED=$GOLDEN/dnn_linear_combined_classifier/saved_model
hostile() {
    rm -rf "$WORK/hostile"
    cp -r "$COMBINED"/* "$WORK/hostile"
}
EXAMPLE='examples=[""]'
hostile
VOCABULARY=$(compgen -G "$WORK/hostile/assets/*" | head -n 1)
ln -sf /etc/passwd "$VOCABULARY"
run 65 link "$BIN/crew" saved-model run --dir "$WORK/hostile" \
    --input_examples "$EXAMPLE"
has "$WORK/link.log" 'is no asset of the model$'
hostile
mv "$WORK/hostile/assets" "$WORK/elsewhere"
ln -s "$WORK/elsewhere" "$WORK/hostile/assets"
run 65 folder "$BIN/crew" saved-model run --dir "$WORK/hostile" \
    --input_examples "$EXAMPLE"
has "$WORK/folder.log" 'is no asset of the model$'
hostile
rm "$WORK"/hostile/variables/*.data-*
run 65 variables "$BIN/crew" saved-model run --dir "$WORK/hostile" \
    --input_examples "$EXAMPLE"
has "$WORK/variables.log" 'RestoreV2.*No such file or directory$'
run 0 shape "$BIN/crew" saved-model show --dir "$COMBINED" --format json
has "$WORK/shape.log" '"method_name":"tensorflow/serving/classify"'

say "an export of our own: show, run, predict"
run 0 train "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --set max_steps=20 --set step_ms=0
exists "$MODEL/export/*/*/saved_model.pb"
OURS=$(dirname "$(compgen -G "$MODEL/export/*/*/saved_model.pb" | head -n 1)")
OURS=$(dirname "$OURS")
run 0 ours "$BIN/crew" saved-model show --dir "$OURS" --all
has "$WORK/ours.log" "signature_def\['serving_default'\]"

say "the graph that is evaluated: exported, shown, run; train is refused"
run 0 eval "$BIN/crew" export "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --dir "$WORK/eval" --mode eval
has "$WORK/eval.log" "Signatures INCLUDED in export for Eval: \['eval'\]"
run 0 eval_show "$BIN/crew" saved-model show --dir "$WORK/eval" --all
has "$WORK/eval_show.log" "Method name is: tensorflow/supervised/eval"
has "$WORK/eval_show.log" "outputs\['metrics/accuracy/update_op'\] tensor_info:"
run 0 eval_run "$BIN/crew" saved-model run --dir "$WORK/eval" --tag_set eval \
    --input_exprs 'x=[[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]];label=[1]'
has "$WORK/eval_run.log" '^Result for output key metrics/accuracy/update_op:'
has "$WORK/eval_run.log" '^Result for output key loss:'
run 64 train_mode "$BIN/crew" export "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --dir "$WORK/train" --mode train
has "$WORK/train_mode.log" 'cannot export in mode train: the ps apply the updates'
run 64 any_mode "$BIN/crew" export "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --dir "$WORK/train" --mode infer
has "$WORK/any_mode.log" 'is none of predict, eval, train'
finish
