#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# How well a model learns: examples/mnist.c on Fashion-MNIST, Adam, batches of
# 100, the accuracy on the 10,000 test images; in one process ("single") and as a
# chief, a worker and a ps ("async", so two trainers).
#
#   bench/accuracy.sh [--tensorflow PYTHON] [--seeds N] [--steps N]
#                     [--modes "single async"] [--data DIR] [--out FILE]
#                     [BUILD_DIR]
#
# With --tensorflow, a python that has TensorFlow 2.15 or older, its Estimator
# does the same (accuracy_tf.py), and the exit code is 1 when our mean is below
# its by more than half a point. Every run is a line in FILE; one that is there
# already is not done again, so that a comparison can be stopped and go on.
set -euo pipefail

python='' seeds=5 steps=600 modes='single async' out=''
data=/usr/share/datasets/fashion-mnist build=''
while [ $# -gt 0 ]; do
    case $1 in
        --tensorflow) python=$2 && shift ;;
        --seeds) seeds=$2 && shift ;;
        --steps) steps=$2 && shift ;;
        --modes) modes=$2 && shift ;;
        --data) data=$2 && shift ;;
        --out) out=$2 && shift ;;
        -*) echo "accuracy.sh: $1: not understood" >&2 && exit 64 ;;
        *) build=$1 ;;
    esac
    shift
done
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${build:-$here/../build}" && pwd)
work=$(mktemp -d)
out=${out:-$work/results}
touch "$out"
pids=()
cleanup() {
    [ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

ours() { # MODE SEED
    local run=(run --job "$build/examples/mnist.so" --model-dir "$work/model"
        --set "data_dir=$data" --set optimizer=adam --set learning_rate=0.001
        --set "max_steps=$steps" --set "save_checkpoints_steps=$steps"
        --set "tf_random_seed=$2")
    [ "$1" = single ] || run=(local --ps 1 --workers 1 -- "${run[@]}")
    env -u TF_CONFIG "$build/bin/crew" "${run[@]}" >"$work/log" 2>&1
}

tensorflow_role() { # CLUSTER TYPE
    TF_CONFIG="{\"cluster\": $1, \"task\": {\"type\": \"$2\", \"index\": 0}}" \
        "$python" "$here/accuracy_tf.py" --model_dir "$work/model" \
        --data_dir "$data" --steps "$steps" --seed "$seed" >"$work/log.$2" 2>&1
}

tensorflow() { # MODE SEED
    local seed=$2 base=$((20000 + RANDOM % 12000)) cluster role
    if [ "$1" = single ]; then
        env -u TF_CONFIG "$python" "$here/accuracy_tf.py" \
            --model_dir "$work/model" --data_dir "$data" --steps "$steps" \
            --seed "$seed" >"$work/log" 2>&1
        return
    fi
    cluster="{\"chief\": [\"localhost:$base\"], \"worker\": [\"localhost:$((base + 1))\"]"
    cluster+=", \"ps\": [\"localhost:$((base + 2))\"]}"
    pids=()
    for role in ps worker; do # in the background; a ps never ends by itself
        TF_CONFIG="{\"cluster\": $cluster, \"task\": {\"type\": \"$role\", \"index\": 0}}" \
            "$python" "$here/accuracy_tf.py" --model_dir "$work/model" \
            --data_dir "$data" --steps "$steps" --seed "$seed" \
            >"$work/log.$role" 2>&1 &
        pids+=($!)
    done
    tensorflow_role "$cluster" chief
    kill -KILL "${pids[@]}" 2>/dev/null || true
    wait "${pids[@]}" 2>/dev/null || true
    pids=()
    cp "$work/log.chief" "$work/log"
}

accuracy_of() { # LOG: the last one it tells
    sed -nE 's/.*accuracy = ([0-9.]+).*/\1/p' "$1" | tail -n 1
}

one() { # SYSTEM MODE SEED
    local found
    if grep -q "^$1 $2 $steps $3 " "$out"; then
        return
    fi
    rm -rf "$work/model" "$work"/log*
    if ! "$1" "$2" "$3"; then
        tail -n 20 "$work"/log* >&2
        exit 1
    fi
    found=$(accuracy_of "$work/log")
    [ -n "$found" ] || { tail -n 20 "$work/log" >&2 && exit 1; }
    echo "$1 $2 $steps $3 $found" >>"$out"
    printf '%-10s %-6s seed %s: %s\n' "$1" "$2" "$3" "$found"
}

systems=ours
[ -z "$python" ] || systems='ours tensorflow'
for ((seed = 1; seed <= seeds; seed++)); do
    for mode in $modes; do
        for system in $systems; do
            one "$system" "$mode" "$seed"
        done
    done
done

awk -v steps="$steps" -v seeds="$seeds" -v modes="$modes" '
    $3 == steps && $4 <= seeds {
        key = $1 " " $2
        n[key]++
        sum[key] += $5
        square[key] += $5 * $5
        all[key] = all[key] " " $5
    }
    function row(who, mode, key, mean, spread) {
        key = who " " mode
        if (n[key] == 0) {
            return
        }
        mean = sum[key] / n[key]
        spread = square[key] - n[key] * mean * mean
        spread = n[key] > 1 && spread > 0 ? sqrt(spread / (n[key] - 1)) : 0
        printf "%-10s %-6s mean %.4f  sd %.4f  of%s\n", who, mode, mean,
            spread, all[key]
    }
    END {
        count = split(modes, list, " ")
        printf "%d steps of Adam, accuracy on 10,000 test images\n", steps
        for (i = 1; i <= count; i++) {
            row("ours", list[i])
            row("tensorflow", list[i])
            a = "ours " list[i]
            b = "tensorflow " list[i]
            if (n[a] > 0 && n[b] > 0) {
                d = 100 * (sum[a] / n[a] - sum[b] / n[b])
                printf "%-17s ours less TensorFlow: %+.2f points, wanted >= -0.5\n", list[i], d
                missed = missed || d < -0.5
            }
        }
        exit missed
    }' "$out"
