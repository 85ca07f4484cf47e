#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# examples/text.c on made-up texts of 0 to 40 words, liked when they have more good
# words than bad ones: lists of any length, hashed words, an AUC that shows it has been
# learnt, on one process and on two parameter servers, and the export asked.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

# texts ROWS SEED: CSV on stdout
texts() {
    awk -v rows="$1" -v seed="$2" 'BEGIN {
        srand(seed)
        print "label,text"
        for (i = 0; i < rows; i++) {
            n = i % 50 ? int(40 * rand()) : 0; sum = 0; text = ""
            for (k = 0; k < n; k++) {
                good = int(6 * rand()) - 2 # -2 to 3: bad, bad, the rest neutral
                if (good == -2 || good == -1) { sum--; word = "bad" int(50 * rand()) }
                else if (good > 1) { sum++; word = "good" int(50 * rand()) }
                else { word = "word" int(500 * rand()) }
                text = text (k ? " " : "") word
            }
            print (sum > 0 ? 1 : 0) "," text
        }
    }'
}

mkdir -p "$WORK/texts"
texts 6000 1 >"$WORK/texts/train.csv"
texts 1000 2 >"$WORK/texts/eval.csv"
JOB=(--job "$BUILD/examples/text.so" --set tf_random_seed=1
    --set "data_dir=$WORK/texts")

say "one process"
run 0 alone "$BIN/crew" run "${JOB[@]}" --model-dir "$MODEL"
has "$WORK/alone.log" 'auc = 0\.9[0-9]*, global_step = 1000,'
dir=$(echo "$MODEL"/export/final/*)
run 0 show "$BIN/crew" saved-model show --all --dir "$dir"
has "$WORK/show.log" "inputs\['words'\]"
has "$WORK/show.log" 'shape: \(-1, -1\)'
run 0 ask "$BIN/crew" saved-model run --dir "$dir" --tag_set serve \
    --signature_def serving_default --input_exprs 'words=[[3,5,-1],[7,-1,-1]]'
has "$WORK/ask.log" '^ *\[\[?0\.[0-9]+'

say "two parameter servers, two workers"
run 0 cluster "$BIN/crew" local --ps 2 --workers 2 --evaluator -- run \
    "${JOB[@]}" --model-dir "$WORK/cluster"
has "$WORK/cluster.log" 'auc = 0\.9[0-9]*, global_step = 1000,'
finish
