#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# crew local: one command, prefixed lines, one exit code, nobody left behind.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

leftovers() { pgrep -f -- "--model-dir $MODEL" | wc -l; }

say "six processes, one exit code"
begin=$(date +%s%N)
run 0 six "$BIN/crew" local --ps 2 --workers 2 --evaluator -- run "${TINY_ARGS[@]}" \
    --model-dir "$MODEL" --set max_steps=200 --set step_ms=2
log=$WORK/six.log
for who in ps/0 ps/1 chief/0 worker/0 worker/1 evaluator/0; do
    has "$log" "^$who +\| "
done
has "$log" '^evaluator/0 \| .*Saving dict for global step 200: accuracy = '
has "$log" '^chief/0 +\| .*model_dir '
is "processes left" 0 "$(leftovers)"

say "the last worker's first step comes within a second"
first_steps=$(sed -nE 's/^worker\/[0-9] +\| ([^ ]+) .* loss = [^,]*, step = [0-9]+$/\1/p' "$log")
last=$(for t in $first_steps; do date -d "$t" +%s%N; done | sort -n | tail -1)
ms=$(((last - begin) / 1000000))
echo "   $ms ms"
if [ -z "$first_steps" ] || [ "$ms" -gt "${CREW_TEST_START_MS:-60000}" ]; then
    fail "the last worker's first step came after $ms ms" "$log"
fi

say "a mistake is the chief's exit code, and everybody ends"
run 64 mistake "$BIN/crew" local --ps 1 --workers 1 -- run "${TINY_ARGS[@]}" \
    --model-dir "$WORK/other" --set max_step=5
has "$WORK/mistake.log" "max_step.*max_steps"
run 64 no_run "$BIN/crew" local --ps 1

for signal in TERM:143 INT:130; do
    say "SIG${signal%:*} is forwarded: saved, ${signal#*:}, nobody left"
    rm -rf "$MODEL"
    env --default-signal=INT "$BIN/crew" local --ps 1 --workers 1 -- run "${TINY_ARGS[@]}" \
        --model-dir "$MODEL" --set max_steps=100000 --set step_ms=5 >"$WORK/signal.log" 2>&1 &
    PIDS[local/0]=$!
    until_line "$WORK/signal.log" '^worker/0 .*loss = .*, step = ' 20
    sleep 0.5
    kill "-${signal%:*}" "${PIDS[local/0]}"
    wait "${PIDS[local/0]}"
    is "exit code of crew local" "${signal#*:}" $? "$WORK/signal.log"
    unset 'PIDS[local/0]'
    has "$WORK/signal.log" 'To resume, run the same command again\.'
    is "processes left" 0 "$(leftovers)"
done

say "killed with SIGKILL, its children die with it"
rm -rf "$MODEL"
"$BIN/crew" local --ps 1 --workers 1 -- run "${TINY_ARGS[@]}" --model-dir "$MODEL" \
    --set max_steps=100000 --set step_ms=5 >"$WORK/killed.log" 2>&1 &
PIDS[local/0]=$!
until_line "$WORK/killed.log" '^worker/0 .*loss = .*, step = ' 20
kill -KILL "${PIDS[local/0]}"
wait "${PIDS[local/0]}" 2>/dev/null
unset 'PIDS[local/0]'
for ((i = 0; i < 50 && $(leftovers) > 0; i++)); do sleep 0.1; done
is "processes left" 0 "$(leftovers)"

finish
