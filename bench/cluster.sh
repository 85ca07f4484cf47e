#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a cluster costs, with real processes on this machine:
#   launch  from `crew local` to the last worker's first step   goal < 1 s
#   memory  a ps's peak resident set less its shard             goal <= 32 MB
#   idle    CPU of each waiting process over 30 s               goal <= 0.2 % of a core
#
#   bench/cluster.sh [BUILD_DIR]
#
# Prints a line a figure with its goal; exits 1 when one is missed.
set -euo pipefail

build=$(cd "${1:-$(dirname "$0")/../build}" && pwd)
crew=$build/bin/crew
job=$build/examples/mnist.so
work=$(mktemp -d)
missed=0
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

# report NAME VALUE UNIT GOAL: VALUE and GOAL are numbers, less is better
report() {
    local verdict=ok
    if awk -v v="$2" -v g="$4" 'BEGIN { exit !(v > g) }'; then
        verdict=MISSED
        missed=1
    fi
    printf '%-28s %10s %-5s goal <= %-6s %s\n' "$1" "$2" "$3" "$4" "$verdict"
}

ms_of() { # an RFC 3339 time -> ms since 1970
    date -u -d "$1" +%s%3N
}

# One training run: launch and memory.
run_cluster() {
    local start first worker pid
    start=$(date +%s%3N)
    "$crew" local --ps 2 --workers 2 --evaluator -- run --job "$job" \
        --model-dir "$work/model" --set max_steps=60 --set eval_steps=1 \
        >"$work/out" 2>"$work/log" &
    local cluster=$!
    : >"$work/memory"
    while kill -0 "$cluster" 2>/dev/null; do
        for pid in $(pgrep -P "$cluster" crew-ps || true); do
            awk -v pid="$pid" '/^VmHWM/ { print pid, $2 }' \
                "/proc/$pid/status" 2>/dev/null >>"$work/memory" || true
        done
        sleep 0.1
    done
    wait "$cluster"
    first=0
    for worker in worker/0 worker/1; do
        local stamp
        stamp=$(grep -oE "[0-9T:.-]+Z INFO +$worker loss = " "$work/log" |
            head -n 1 | cut -d' ' -f1)
        [ -n "$stamp" ] || { echo "$worker made no step" >&2; exit 1; }
        stamp=$(($(ms_of "$stamp") - start))
        [ "$stamp" -le "$first" ] || first=$stamp
    done
    report "launch, last worker's step" \
        "$(awk -v ms="$first" 'BEGIN { printf "%.2f", ms / 1000 }')" s 1.0
    # The model is 3,274,634 floats: half of them are a ps's shard.
    local peak shard=6.25
    peak=$(awk '$2 > most { most = $2 } END { printf "%.1f", most / 1024 }' \
        "$work/memory")
    report "ps memory over its shard" \
        "$(awk -v p="$peak" -v s="$shard" 'BEGIN { printf "%.1f", p - s }')" MB 32
}

cpu_ticks() { # PID -> user + system ticks
    awk '{ print $14 + $15 }' "/proc/$1/stat"
}

# A cluster without its chief waits.
run_idle() {
    local cluster pids=() names=() before=() i hz
    hz=$(getconf CLK_TCK)
    cluster='{"chief":["127.0.0.1:23900"],"ps":["127.0.0.1:23901","127.0.0.1:23902"],"worker":["127.0.0.1:23903"]}'
    start() { # PROGRAM TYPE INDEX
        TF_CONFIG="{\"cluster\":$cluster,\"task\":{\"type\":\"$2\",\"index\":$3}}" \
            "$build/bin/$1" --job "$job" --model-dir "$work/idle" \
            --default experimental_max_worker_delay_secs=0 \
            --default start_delay_secs=0 2>>"$work/idle.log" &
        pids+=($!)
        names+=("$2/$3")
    }
    start crew-ps ps 0
    start crew-ps ps 1
    start crew-worker worker 0
    start crew-evaluator evaluator 0
    sleep 3
    for i in "${!pids[@]}"; do before[i]=$(cpu_ticks "${pids[i]}"); done
    sleep 30
    for i in "${!pids[@]}"; do
        report "idle CPU of ${names[i]}" \
            "$(awk -v a="${before[i]}" -v b="$(cpu_ticks "${pids[i]}")" \
                -v hz="$hz" 'BEGIN { printf "%.3f", (b - a) / hz / 30 * 100 }')" % 0.2
    done
    kill -9 "${pids[@]}" 2>/dev/null || true
}

printf '%s, %s cores, load %s\n' \
    "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)" "$(nproc)" \
    "$(cut -d' ' -f1-3 /proc/loadavg)"
run_cluster
run_idle
exit "$missed"
