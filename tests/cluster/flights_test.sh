#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# examples/flights.c on made-up flights, late when the carrier says so: words
# through hashes and embeddings, empty fields, an AUC that shows it has been learnt,
# the best model exported, on one process and on two parameter servers; it stops early
# when there is nothing to learn.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

# flights ROWS SEED RULE: CSV on stdout; RULE is an awk condition for being late
flights() {
    awk -v rows="$1" -v seed="$2" 'BEGIN {
        srand(seed)
        print "late,month,weekday,hour,carrier,origin,dest,tailnum," \
            "distance,temp,dewp,humid,wind_speed,precip,visib"
        split("UA AA DL B6 WN", carriers, " ")
        split("EWR LGA JFK", origins, " ")
        for (i = 0; i < rows; i++) {
            c = 1 + int(5 * rand()); o = 1 + int(3 * rand())
            late = '"$3"'
            printf "%d,%d,%d,%d,%s,%s,D%d,%s,%d,%.2f,,60,10,0,10\n", late,
                1 + int(12 * rand()), int(7 * rand()), int(24 * rand()),
                carriers[c], origins[o], int(100 * rand()),
                i % 10 ? "N" int(1000 * rand()) : "", 200 + int(2000 * rand()),
                30 + 50 * rand()
        }
    }' | gzip
}

# make DIR RULE
make() {
    mkdir -p "$WORK/$1"
    flights 40000 1 "$2" >"$WORK/$1/flights13-train.csv.gz"
    flights 4000 2 "$2" >"$WORK/$1/flights13-eval.csv.gz"
}

JOB=(--job "$BUILD/examples/flights.so" --set tf_random_seed=1)
make learnable 'c % 2'
make noise 'rand() < 0.5'

say "one process"
run 0 alone "$BIN/crew" run "${JOB[@]}" --model-dir "$MODEL" \
    --set data_dir="$WORK/learnable"
has "$WORK/alone.log" 'auc = (0\.99|1)[0-9.]*, .*global_step = 235,'
has "$WORK/alone.log" 'Performing best model export\.'
exists "$MODEL/export/best/*/saved_model.pb"

say "two parameter servers"
run 0 cluster "$BIN/crew" local --ps 2 --workers 1 --evaluator -- run \
    "${JOB[@]}" --model-dir "$WORK/cluster" --set data_dir="$WORK/learnable"
has "$WORK/cluster.log" 'auc = (0\.99|1)[0-9.]*, .*global_step = '
exists "$WORK/cluster/export/best/*/saved_model.pb"

say "nothing to learn"
run 0 noise "$BIN/crew" run "${JOB[@]}" --model-dir "$WORK/noise-model" \
    --set data_dir="$WORK/noise" --set epochs=100
has "$WORK/noise.log" 'No increase in metric "auc" for [0-9]+ steps'
