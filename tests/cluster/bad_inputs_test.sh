#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a user can get wrong: one clear line, the documented exit code, at once.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# bad CODE REGEX COMMAND...: it ends with CODE and its only error line says so.
bad() {
    local want=$1 regex=$2 errors
    shift 2
    run "$want" bad "$@"
    has "$WORK/bad.log" "$regex" "$*"
    errors=$(grep -cE ' ERROR +|^crew' "$WORK/bad.log")
    [ "$errors" -eq 1 ] || fail "$*: $errors error lines, wanted one" "$WORK/bad.log"
}

crew_run=("$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$MODEL")

say "TF_CONFIG: TensorFlow's sentences, 78"
chief='"chief": ["127.0.0.1:3001"]'
while IFS='|' read -r config regex; do
    [ -n "$config" ] || continue
    TF_CONFIG=$config bad 78 "$regex" "${crew_run[@]}"
done <<END
{"cluster": |TF_CONFIG
[1]|TF_CONFIG
{"cluster": {"ps": ["127.0.0.1:3002"]}, "task": {"type": "ps", "index": 0}}|must have one "chief" node
{"cluster": {"chief": ["127.0.0.1:3001", "127.0.0.1:3002"], "ps": ["127.0.0.1:3003"]}, "task": {"type": "chief", "index": 0}}|must have only one "chief" node
{"cluster": {$chief, "ps": ["127.0.0.1:3002"]}}|task type must be set
{"cluster": {$chief, "ps": ["127.0.0.1:3002"]}, "task": {"type": "chief"}}|task index must be set
{"cluster": {$chief, "ps": ["127.0.0.1:3002"]}, "task": {"type": "chief", "index": -1}}|Task index must be non-negative number
{"cluster": {$chief, "ps": ["127.0.0.1:3002"]}, "task": {"type": "chief", "index": 1}}|not a valid task_id
{"cluster": {$chief, "ps": ["127.0.0.1:3002"]}, "task": {"type": "worker", "index": 0}}|not a valid task_type
{"cluster": {$chief, "ps": ["127.0.0.1:3002"]}, "task": {"type": "evaluator", "index": 1}}|one .evaluator. task
{"cluster": {$chief, "ps": ["127.0.0.1:3001"]}, "task": {"type": "chief", "index": 0}}|127.0.0.1:3001
{"cluster": {$chief, "ps": ["127.0.0.1:0"]}, "task": {"type": "chief", "index": 0}}|127.0.0.1:0
{"cluster": {$chief, "ps": ["127.0.0.1:http"]}, "task": {"type": "chief", "index": 0}}|127.0.0.1:http
{"task": {"type": "ps", "index": 0}}|task type must be WORKER
END
two='{"cluster": {"chief": ["127.0.0.1:3001"], "worker": ["127.0.0.1:3003"], "ps": ["127.0.0.1:3002"]}, "task": {"type": "worker", "index": 0}}'
TF_CONFIG=$two bad 78 'crew-chief is the role chief, but TF_CONFIG.s task is worker/0' \
    "$BIN/crew-chief" "${TINY_ARGS[@]}" --model-dir "$MODEL"
bad 78 'crew-worker needs a TF_CONFIG' "$BIN/crew-worker" "${TINY_ARGS[@]}" --model-dir "$MODEL"
TF_CONFIG=$two bad 64 'needs --model-dir' "$BIN/crew-worker" "${TINY_ARGS[@]}"
TF_CONFIG=${two//127.0.0.1:3002/10.1.2.3:3002} \
    bad 78 'insecure-network' "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$MODEL" --bind 0.0.0.0:3003

say "options: 64"
bad 64 'unknown option .--modeldir.*--model-dir' "$BIN/crew" run --modeldir x
bad 64 'give --job' "$BIN/crew" run --model-dir "$MODEL"
bad 64 'max_step.*max_steps' "${crew_run[@]}" --set max_step=5
bad 64 'learningrate.*learning_rate' "${crew_run[@]}" --set learningrate=5
bad 64 'learning_rate' "${crew_run[@]}" --set learning_rate=fast
bad 64 'Must specify max_steps > 0' "${crew_run[@]}" --set max_steps=0
bad 64 'cannot be both set' "${crew_run[@]}" --set save_checkpoints_steps=5 --set save_checkpoints_secs=5
bad 64 'log-level' "${crew_run[@]}" --log-level loud
echo '{"learning_rate": }' >"$WORK/bad.json"
bad 78 'line 1, column 19' "${crew_run[@]}" --config "$WORK/bad.json"
bad 66 'no.json' "${crew_run[@]}" --config "$WORK/no.json"

say "jobs"
bad 66 'no_such.so: No such file' "$BIN/crew" run --job "$WORK/no_such.so" --model-dir "$MODEL"
bad 64 'cannot be loaded' "$BIN/crew" run --job "$WORK/data/images.idx3.gz" --model-dir "$MODEL"
bad 64 'CREW_JOB' "$BIN/crew" run --job "$BUILD/tests/tiny_no_entry.so" --model-dir "$MODEL"
bad 78 'ABI 4711' "$BIN/crew" run --job "$BUILD/tests/tiny_wrong_abi.so" --model-dir "$MODEL"

say "nothing of this has made a model_dir"
if [ -e "$MODEL" ]; then
    fail "there is a $MODEL"
fi

say "data"
mkdir "$WORK/missing" "$WORK/short" "$WORK/corrupt" "$WORK/other"
bad 66 'missing/images.idx3.gz' "${crew_run[@]}" --set data="$WORK/missing"
cp "$WORK/data/"* "$WORK/short"
head -c 3000 "$WORK/data/images.idx3.gz" >"$WORK/short/images.idx3.gz"
bad 65 'short/images.idx3.gz' "${crew_run[@]}" --set data="$WORK/short"
cp "$WORK/data/"* "$WORK/corrupt"
printf '\377\377\377\377' |
    dd of="$WORK/corrupt/images.idx3.gz" bs=1 seek=2000 conv=notrunc status=none
bad 65 'corrupt/images.idx3.gz' "${crew_run[@]}" --set data="$WORK/corrupt"
cp "$WORK/data/labels.idx1.gz" "$WORK/other/images.idx3.gz"
cp "$WORK/data/labels.idx1.gz" "$WORK/other/"
bad 65 'other/images.idx3.gz' "${crew_run[@]}" --set data="$WORK/other"

say "model_dir"
rm -rf "$MODEL"
: >"$WORK/file"
bad 73 'cannot be written' "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$WORK/file/model"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$WORK"
    mkdir "$WORK/locked"
    chmod 555 "$WORK/locked"
    bad 73 'cannot be written' setpriv --reuid=65534 --regid=65534 --clear-groups \
        "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$WORK/locked/model"
elif [ "$(id -u)" -ne 0 ]; then
    mkdir "$WORK/locked"
    chmod 555 "$WORK/locked"
    bad 73 'cannot be written' "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$WORK/locked/model"
fi

say "a checkpoint of another model: what differs is listed, nothing is touched"
run 0 small "${crew_run[@]}" --set max_steps=10
bad 78 'checkpoint of another model: .*hidden/kernel is missing.*out/kernel has shape \(16, 4\), the model.s \(8, 4\)' \
    "${crew_run[@]}" --set max_steps=20 --set hidden=8
bad 78 'out/kernel/Adam is missing.*beta2_power is missing' \
    "${crew_run[@]}" --set max_steps=20 --set optimizer=adam
is "newest checkpoint" 10 "$(last_step)"

say "a damaged checkpoint is passed over; none left: 65"
run 0 more "${crew_run[@]}" --set max_steps=20
printf '\1' | dd of="$MODEL/model.ckpt-20.data-00000-of-00001" bs=1 seek=5 conv=notrunc status=none
run 0 damaged "${crew_run[@]}" --set max_steps=30
has "$WORK/damaged.log" 'Restoring parameters from .*model\.ckpt-10$'
for f in "$MODEL"/model.ckpt-*.data-*; do
    printf '\1' | dd of="$f" bs=1 seek=5 conv=notrunc status=none
done
bad 65 'model.ckpt|checkpoint' "${crew_run[@]}" --set max_steps=40

finish
