#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every optimizer, with a schedule, a clip by the global norm and moving
# averages, beside another for the second layer: 64 steps in one process have the
# bytes of 32 steps with two parameter servers and, after a restart, 32 with
# three. Averages are evaluated only where that is asked for, and a trainer with
# another schedule is refused.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

JOB=$BUILD/tests/optim_job.so
# A pass over the 512 images is 16 batches: a restart begins with the first.
HALF=32 WHOLE=64

# go LOG MODEL COMMAND...: the job, in whatever host.
go() {
    local log=$WORK/$1 model=$WORK/$2
    shift 2
    if ! timeout 120 "$BIN/crew" "$@" --job "$JOB" --model-dir "$model" \
        --set data="$WORK/data" >"$log" 2>&1; then
        fail "$* did not end well" "$log"
    fi
}

same_files() {
    local file
    for file in index data-00000-of-00001; do
        cmp "$WORK/near/model.ckpt-$WHOLE.$file" \
            "$WORK/far/model.ckpt-$WHOLE.$file" || fail "$1: other bytes"
    done
}

# pair FIRST SECOND OPTIONS...
pair() {
    say "$*"
    rm -rf "$WORK/near" "$WORK/far"
    local set=(--set first="$1" --set second="$2" "${@:3}")
    go near.log near run "${set[@]}" --set max_steps=$WHOLE
    go far1.log far local --ps 2 --workers 0 -- run "${set[@]}" \
        --set max_steps=$HALF
    go far2.log far local --ps 3 --workers 0 -- run "${set[@]}" \
        --set max_steps=$WHOLE
    has "$WORK/far2.log" "Restoring parameters from .*model.ckpt-$HALF"
    same_files "$1 and $2"
}

pair adam rmsprop
"$BIN/crew" ckpt ls "$WORK/far" >"$WORK/ls" 2>&1
"$BIN/crew" ckpt dump "$WORK/far/model.ckpt-$WHOLE" >"$WORK/dump" 2>&1
for name in hidden/kernel/Adam_1 hidden/bias/ExponentialMovingAverage \
    out/kernel/RMSProp_1 beta2_power global_step; do
    has "$WORK/dump" "$name"
done
loss() { sed -n 's/.*Saving dict.* loss = //p' "$1" | tail -n 1; }

say "averages are evaluated"
value=$(loss "$WORK/near.log")
rm -rf "$WORK/near"
go averages.log near run --set first=adam --set second=rmsprop \
    --set max_steps=$WHOLE --set averages=true
average=$(loss "$WORK/averages.log")
if [ -z "$value" ] || [ -z "$average" ] || [ "$value" = "$average" ]; then
    fail "the loss is '$value' of the values, '$average' of the averages"
fi

pair ftrl adagrad
pair adamw momentum
pair adadelta proximal
pair adagrad_da proximal_adagrad

# What no optimizer trains: the moving averages, which the parameter servers keep,
# and what has begun by each initializer.
pair sgd adam --set norm=true
averages() {
    local name
    for name in moving_mean moving_variance; do
        "$BIN/crew" ckpt dump "$WORK/near/model.ckpt-$1" \
            batch_normalization/$name || fail "no $name at step $1"
    done
}
"$BIN/crew" ckpt ls "$WORK/near/model.ckpt-$WHOLE" >"$WORK/ls" 2>&1
for name in moving_mean moving_variance gamma beta; do
    has "$WORK/ls" "batch_normalization/$name"
done
if [ "$(averages 0)" = "$(averages $WHOLE)" ]; then
    fail "the moving averages have not moved"
fi
say "initial values with no, one, two and five parameter servers"
for ps in 1 2 5; do
    go "first$ps.log" "first$ps" local --ps $ps --workers 0 -- run \
        --set first=sgd --set second=adam --set norm=true --set max_steps=1
    cmp "$WORK/near/model.ckpt-0.data-00000-of-00001" \
        "$WORK/first$ps/model.ckpt-0.data-00000-of-00001" ||
        fail "$ps parameter servers: other initial values"
done

say "a schedule that no rule can take"
rm -rf "$WORK/near"
timeout 60 "$BIN/crew" run --job "$JOB" --model-dir "$WORK/near" \
    --set data="$WORK/data" --set first=ftrl --set max_steps=9 \
    --set decay_rate=0 >"$WORK/zero.log" 2>&1
[ $? -eq 1 ] || fail "it should end with 1" "$WORK/zero.log"
has "$WORK/zero.log" 'Ftrl optimizer: .* learning rate of 0 at step 1'

[ "$FAILED" -eq 0 ] && echo "ten optimizers, batch normalisation and initial values have the same bytes everywhere"
