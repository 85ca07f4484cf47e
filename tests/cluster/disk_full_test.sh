#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A disk that is full in the middle: training goes on; if the last save cannot be
# made either, 138, and the checkpoints there were are still good.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mkdir "$WORK/disk"
if ! mount -t tmpfs -o size=256k tmpfs "$WORK/disk" 2>/dev/null; then
    echo "skipped: cannot mount a small tmpfs (needs root and CAP_SYS_ADMIN)"
    FAILED=0
    exit 77
fi
trap 'umount "$WORK/disk"; cleanup' EXIT
MODEL=$WORK/disk/model

"$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$MODEL" --set max_steps=400 \
    --set step_ms=5 --set keep_checkpoint_max=0 >"$WORK/full.log" 2>&1 &
PIDS[alone/0]=$!
until_line "$WORK/full.log" 'Saving checkpoints for 50 ' 20
sleep 0.1
dd if=/dev/zero of="$WORK/disk/filler" bs=4k status=none 2>/dev/null
until_line "$WORK/full.log" 'ERROR .*Could not save checkpoint [0-9]+: .*Training goes on' 20
rm "$WORK/disk/filler"
until_line "$WORK/full.log" 'Calling checkpoint listeners after saving checkpoint 200' 20
wait "${PIDS[alone/0]}"
is "exit code when there was room again" 0 $? "$WORK/full.log"
is "newest checkpoint" 400 "$(last_step)"

say "no room for the last one: 138, and the one before is still good"
rm -rf "$MODEL"
"$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$MODEL" --set max_steps=120 \
    --set step_ms=10 >"$WORK/never.log" 2>&1 &
PIDS[alone/0]=$!
until_line "$WORK/never.log" 'loss = .*, step = 60 ' 20
dd if=/dev/zero of="$WORK/disk/filler" bs=4k status=none 2>/dev/null
wait "${PIDS[alone/0]}"
is "exit code" 138 $? "$WORK/never.log"
unset 'PIDS[alone/0]'
has "$WORK/never.log" 'could not save the last checkpoint: '
rm "$WORK/disk/filler"
is "newest checkpoint" 50 "$(last_step)"
"$BIN/crew" ckpt verify "$MODEL/model.ckpt-50" >/dev/null || fail "model.ckpt-50 is damaged"
run 0 resumed "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$MODEL" --set max_steps=120
has "$WORK/resumed.log" 'Restoring parameters from .*model\.ckpt-50$'
finish
