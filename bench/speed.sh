#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# How fast the tutorial's CNN is (examples/mnist.c, batches of 100, gradient
# descent) beside TensorFlow's Estimator, by whole processes, in turn:
#
#   single    one process: from launch to the first step, steps/s, CPU time a
#             step, peak memory
#   cluster   chief, worker, two ps: the same, CPU and memory of all of them;
#             steps/s and CPU while both trainers are at work
#   evaluate  the 10,000 test images with the last checkpoint: the process, and
#             what both call the inference time
#   predict   the same images, the whole process
#
#   bench/speed.sh --tensorflow PYTHON [--rounds N] [--steps N] [--data DIR]
#                  [--what "single cluster evaluate predict"] [--out FILE]
#                  [BUILD_DIR]
#
# PYTHON has TensorFlow 2.15 or older. Every figure is a line in FILE; the end is
# a table of medians and their ratios. On a busy machine CPU time is what to
# compare: it waits for nobody.
set -euo pipefail

python='' rounds=3 steps=200 what='single cluster evaluate predict' out=''
data=/usr/share/datasets/fashion-mnist build=''
while [ $# -gt 0 ]; do
    case $1 in
        --tensorflow) python=$2 && shift ;;
        --rounds) rounds=$2 && shift ;;
        --steps) steps=$2 && shift ;;
        --data) data=$2 && shift ;;
        --what) what=$2 && shift ;;
        --out) out=$2 && shift ;;
        -*) echo "speed.sh: $1: not understood" >&2 && exit 64 ;;
        *) build=$1 ;;
    esac
    shift
done
[ -n "$python" ] || { echo "speed.sh: --tensorflow PYTHON is needed" >&2 && exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${build:-$here/../build}" && pwd)
work=$(mktemp -d)
out=${out:-$work/figures}
log_steps=$((steps / 20 > 0 ? steps / 20 : 1))
hz=$(getconf CLK_TCK)
export TF_CPP_MIN_LOG_LEVEL=2 PYTHONDONTWRITEBYTECODE=1
cleanup() {
    local left
    left=$(jobs -p)
    # shellcheck disable=SC2086
    [ -z "$left" ] || kill -KILL $left 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
unset TF_CONFIG

now() { echo "${EPOCHREALTIME/./}"; } # microseconds

# figure SYSTEM WHAT NAME VALUE
figure() { echo "$1 $2 $3 $4" | tee -a "$out"; }

# The processes that a round has started: those, and what they have started.
family() { # PID...
    local pid
    for pid in "$@"; do
        echo "$pid"
        pgrep -P "$pid" || true
    done
}

# Of all of them together: CPU time in ms, and the peaks of memory in MiB.
cpu_of() {
    local pid
    for pid in "$@"; do
        cat "/proc/$pid/stat" 2>/dev/null || true
    done | awk -v hz="$hz" '{ sub(/.*\) /, ""); n += $12 + $13 } END { printf "%d\n", n * 1000 / hz }'
}
memory_of() {
    local pid
    for pid in "$@"; do
        grep VmHWM "/proc/$pid/status" 2>/dev/null || true
    done | awk '{ n += $2 } END { printf "%.0f\n", n / 1024 }'
}

# watch LOG WHO FROM PIDS: follows what WHO says of its steps in a log, to the
# end. Sets first_us, mark_us, mark_cpu, mark_step and the same at the end_, and
# memory. Counting begins with the first loss after step FROM when all are at
# work.
watch() {
    local log=$1 who=$2 from=$3 line step pids
    shift 3
    first_us='' mark_us='' end_step=0
    while read -r line; do
        step=${line##*step = }
        step=${step%% *}
        [ -n "$first_us" ] || first_us=$(now)
        if [ -z "$mark_us" ]; then
            if [ "$step" -lt "$from" ] || [ ! -e "$work/all-at-work" ]; then
                continue
            fi
            mapfile -t pids < <(family "$@")
            mark_us=$(now) mark_step=$step mark_cpu=$(cpu_of "${pids[@]}")
            continue
        fi
        end_us=$(now) end_step=$step end_cpu=$(cpu_of "${pids[@]}")
        memory=$(memory_of "${pids[@]}")
    done < <(tail -n +1 -F "$log" --pid="$1" 2>/dev/null |
        grep --line-buffered -E "${who}loss = .*, step = [0-9]+")
}

report_training() { # SYSTEM WHAT START
    figure "$1" "$2" first-step-s "$(awk -v a="$3" -v b="$first_us" 'BEGIN { printf "%.2f", (b - a) / 1e6 }')"
    if [ -z "$mark_us" ] || [ "$end_step" -le "$mark_step" ]; then
        echo "speed.sh: too few steps to count, see --steps" >&2
        exit 1
    fi
    figure "$1" "$2" steps/s "$(awk -v n=$((end_step - mark_step)) -v t=$((end_us - mark_us)) 'BEGIN { printf "%.2f", n / t * 1e6 }')"
    figure "$1" "$2" cpu-ms/step "$(awk -v n=$((end_step - mark_step)) -v t=$((end_cpu - mark_cpu)) 'BEGIN { printf "%.1f", t / n }')"
    figure "$1" "$2" memory-MiB "$memory"
}

failed() { # LOG...
    tail -n 20 "$@" >&2
    exit 1
}

settings=(--set "data_dir=$data" --set "max_steps=$steps" --set eval_steps=1
    --set "log_step_count_steps=$log_steps" --set save_checkpoints_steps=100000
    --set save_summary_steps=100000)

single() { # SYSTEM
    local start pid
    rm -rf "${work:?}/$1"
    touch "$work/all-at-work"
    start=$(now)
    if [ "$1" = ours ]; then
        "$build/bin/crew" run --job "$build/examples/mnist.so" \
            --model-dir "$work/ours" "${settings[@]}" >"$work/log" 2>&1 &
    else
        "$python" "$here/speed_tf.py" train --model_dir "$work/tensorflow" \
            --data_dir "$data" --steps "$steps" --log_steps "$log_steps" \
            >"$work/log" 2>&1 &
    fi
    pid=$!
    watch "$work/log" '' "$log_steps" "$pid"
    wait "$pid" || failed "$work/log"
    report_training "$1" single "$start"
}

# Notes when the worker has made a step, for watch() to know.
worker_joins() { # LOG PID PATTERN
    tail -n +1 -F "$1" --pid="$2" 2>/dev/null | grep -m 1 -E "$3" >/dev/null || true
    now >"$work/all-at-work"
}

cluster() { # SYSTEM
    local start pids=() base=$((20000 + RANDOM % 12000)) cluster role joins who=''
    rm -rf "${work:?}/model" "$work/all-at-work" "$work"/log*
    start=$(now)
    if [ "$1" = ours ]; then
        "$build/bin/crew" local --ps 2 --workers 1 -- run \
            --job "$build/examples/mnist.so" --model-dir "$work/model" \
            "${settings[@]}" >"$work/log" 2>&1 &
        pids=($!)
        who='INFO chief/0 '
        worker_joins "$work/log" "${pids[0]}" 'INFO worker/0 loss = ' &
    else
        cluster="{\"chief\": [\"localhost:$base\"], \"worker\": [\"localhost:$((base + 1))\"]"
        cluster+=", \"ps\": [\"localhost:$((base + 2))\", \"localhost:$((base + 3))\"]}"
        for role in 'chief 0' 'worker 0' 'ps 0' 'ps 1'; do
            TF_CONFIG="{\"cluster\": $cluster, \"task\": {\"type\": \"${role% *}\", \"index\": ${role#* }}}" \
                "$python" "$here/speed_tf.py" train --model_dir "$work/model" \
                --data_dir "$data" --steps "$steps" --log_steps "$log_steps" \
                >"$work/log${role#chief 0}" 2>&1 &
            pids+=($!)
        done
        worker_joins "$work/logworker 0" "${pids[0]}" 'loss = .*, step = ' &
    fi
    joins=$!
    watch "$work/log" "$who" 0 "${pids[@]}"
    wait "${pids[0]}" || failed "$work"/log*
    wait "$joins" || true
    kill -KILL "${pids[@]:1}" 2>/dev/null || true # a ps of TensorFlow's never ends
    wait "${pids[@]:1}" 2>/dev/null || true
    figure "$1" cluster worker-joins-s "$(awk -v a="$start" -v b="$(cat "$work/all-at-work")" 'BEGIN { printf "%.2f", (b - a) / 1e6 }')"
    report_training "$1" cluster "$start"
}

# whole SYSTEM WHAT COMMAND...: its time and CPU time.
whole() {
    local system=$1 what=$2 TIMEFORMAT='%R %U %S' took
    shift 2
    took=$({ time "$@" >"$work/log" 2>&1; } 2>&1) || failed "$work/log"
    figure "$system" "$what" whole-s "$(echo "$took" | awk '{ print $1 }')"
    figure "$system" "$what" cpu-s "$(echo "$took" | awk '{ print $2 + $3 }')"
}

evaluate() {
    if [ "$1" = ours ]; then
        whole ours evaluate "$build/bin/crew" evaluate --job "$build/examples/mnist.so" \
            --model-dir "$work/ours" --set "data_dir=$data"
    else
        whole tensorflow evaluate "$python" "$here/speed_tf.py" evaluate \
            --model_dir "$work/tensorflow" --data_dir "$data"
    fi
    figure "$1" evaluate inference-s "$(sed -nE 's/.*Inference Time : ([0-9.]+)s.*/\1/p' "$work/log")"
}

predict() {
    if [ "$1" = ours ]; then
        whole ours predict "$build/bin/crew" predict --job "$build/examples/mnist.so" \
            --model-dir "$work/ours" --set "data_dir=$data"
    else
        whole tensorflow predict "$python" "$here/speed_tf.py" predict \
            --model_dir "$work/tensorflow" --data_dir "$data"
    fi
}

printf '%s, %s cores\n' \
    "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)" "$(nproc)"
for ((round = 1; round <= rounds; round++)); do
    for one in $what; do
        printf '# round %s, load %s\n' "$round" "$(cut -d' ' -f1-3 /proc/loadavg)"
        for system in ours tensorflow; do
            "$one" "$system"
        done
    done
done

echo
sort -k2,3 -k1,1 -k4,4n "$out" | awk '
    { key = $2 " " $3; if (!(key in seen)) { seen[key] = 1; order[++keys] = key } }
    { n[$1, key]++; all[$1, key, n[$1, key]] = $4 }
    function median(who, key, m) {
        m = n[who, key]
        return m % 2 ? all[who, key, (m + 1) / 2] : (all[who, key, m / 2] + all[who, key, m / 2 + 1]) / 2
    }
    END {
        printf "%-9s %-15s %12s %12s %10s   %s\n", "what", "figure", "ours", "TensorFlow", "ratio", "(medians; the ratio says how much better ours is)"
        for (i = 1; i <= keys; i++) {
            key = order[i]
            split(key, part, " ")
            a = median("ours", key)
            b = median("tensorflow", key)
            ratio = part[2] == "steps/s" ? (b > 0 ? a / b : 0) : (a > 0 ? b / a : 0)
            printf "%-9s %-15s %12s %12s %9.2fx\n", part[1], part[2], a, b, ratio
        }
    }'
