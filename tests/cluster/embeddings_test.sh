#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A job with embeddings: with two parameter servers the bytes of one process, for
# rules that touch rows only and for Adam, which moves all; with a clip by the
# global norm and moving averages; and synchronously, of several batches an update.
# A trainer whose table has dense gradients is refused.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

JOB=$BUILD/tests/embed_job.so
STEPS=40

# go LOG MODEL COMMAND...: the job, in whatever host.
go() {
    local log=$WORK/$1 model=$WORK/$2
    shift 2
    if ! timeout 120 "$BIN/crew" "$@" --job "$JOB" --model-dir "$model" \
        >"$log" 2>&1; then
        fail "$* did not end well" "$log"
    fi
}

same() {
    say "$*"
    local set=("$@" --set max_steps="$STEPS") file
    rm -rf "$WORK/near" "$WORK/far"
    go near.log near run "${set[@]}"
    go far.log far local --ps 2 --workers 0 -- run "${set[@]}"
    for file in index data-00000-of-00001; do
        cmp "$WORK/near/model.ckpt-$STEPS.$file" \
            "$WORK/far/model.ckpt-$STEPS.$file" || fail "$*: other bytes"
    done
}

same --set optimizer=adagrad
same --set optimizer=adagrad --set clip=true
same --set optimizer=momentum
same --set optimizer=adam
same --set optimizer=lazy_adam
same --set optimizer=ftrl --set width=1
same --set optimizer=adagrad --set sync=true --set replicas_to_aggregate=3 \
    --set total_num_replicas=1

say "a worker whose table is regularized"
# shellcheck disable=SC2034
TINY_ARGS=(--job "$JOB")
cluster 1 1
start ps 0
start chief 0 --set max_steps=100000
start worker 0 --set max_steps=100000 --set dense=true
ends worker 0 60 78
has "$(log_of worker 0)" \
    'variable big/embeddings has gradients of the whole here, of single rows at the chief'

[ "$FAILED" -eq 0 ] && echo "tables have the same bytes everywhere"
exit "$FAILED"
