#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# From a fresh Debian 12 to a trained model: installs what is missing, builds,
# and trains the tutorial's CNN on Fashion-MNIST with a cluster of six processes
# on this machine: chief, two workers, two parameter servers and the evaluator.
#
# Usage: deploy/quickstart.sh [--set name=value]...
#   e.g. deploy/quickstart.sh --set max_steps=300
#
# Each run makes a new folder runs/fashion-mnist-N with the model and log.txt,
# which has every line of every process. Exit status: that of the run
# (docs/guide.md has the table); 70 if the build fails.
#
# Environment: TRAINCREW_RUNS, the folder in place of runs; TRAINCREW_BUILD, a
# build folder whose programs are used as they are: nothing is installed or built.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=${TRAINCREW_RUNS:-runs}
bin=${TRAINCREW_BUILD:-build}/bin
jobs=${TRAINCREW_BUILD:-build}/examples

tty=no
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
    tty=yes
fi

build() {
    mkdir -p build
    if ! { cmake -S . -B build -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DCREW_TESTS=OFF && cmake --build build -j "$(nproc)"; } \
        >build/quickstart.log 2>&1; then
        tail -n 30 build/quickstart.log
        echo "quickstart.sh: the build failed; all of it is in" \
            "build/quickstart.log" >&2
        exit 70
    fi
}

# The first free numbered folder, made.
new_run() {
    local n=1
    mkdir -p "$runs"
    while ! mkdir "$runs/fashion-mnist-$n" 2>/dev/null; do
        [ -e "$runs/fashion-mnist-$n" ] || exit 73
        n=$((n + 1))
    done
    echo "$runs/fashion-mnist-$n"
}

# Shows the cluster's lines as one progress line: redrawn on a terminal, else
# printed when it has changed, every 5 seconds at most.
progress() {
    local line step=0 loss=- accuracy=- text last=-5
    local loss_line='loss = ([0-9.e+-]+), step = ([0-9]+)'
    local eval_line='Saving dict for global step ([0-9]+): accuracy = ([0-9.]+)'
    trap '' INT
    while IFS= read -r line; do
        if [[ $line =~ $loss_line ]]; then
            loss=${BASH_REMATCH[1]}
            step=${BASH_REMATCH[2]}
        elif [[ $line =~ $eval_line ]]; then
            accuracy="${BASH_REMATCH[2]} at step ${BASH_REMATCH[1]}"
            last=-5
        else
            continue
        fi
        text="step $step   loss $loss   test accuracy $accuracy"
        if [ "$tty" = yes ]; then
            printf '\r\033[K%3d s   %s' $((SECONDS - begin)) "$text"
        elif [ $((SECONDS - last)) -ge 5 ]; then
            printf '%3d s   %s\n' $((SECONDS - begin)) "$text"
            last=$SECONDS
        fi
    done
    if [ "$tty" = yes ]; then
        printf '\n'
    fi
}

report() {
    local run=$1 export_dir accuracy prefix step
    accuracy=$(grep -o 'Saving dict for global step .*' "$run/log.txt" |
        tail -n 1 | cut -d ' ' -f 6-) || true
    prefix=$(find "$run/model" -maxdepth 1 -name 'model.ckpt-*.index' |
        sort -V | tail -n 1)
    prefix=${prefix%.index}
    step=${prefix##*-}
    export_dir=$(find "$run/model/export" -name saved_model.pb 2>/dev/null |
        sort | tail -n 1) || true

    printf '\nDone in %d s.' $((SECONDS - begin))
    printf ' On the 10,000 test images: %s\n\n' "${accuracy#*: }"
    printf '  %-52s %s\n' \
        "$run/model/" "checkpoints and event files" \
        "${export_dir%saved_model.pb}" "SavedModel, for TensorFlow Serving" \
        "$run/log.txt" "what the six processes said"
    cat <<END

Next, look into the newest checkpoint, or train on from it in one process:

  $bin/crew ckpt ls $prefix
  $bin/crew run --job $jobs/mnist.so --model-dir $run/model \\
      --set optimizer=adam --set max_steps=$((step + 300))
END
}

main() {
    local run code=0
    if [ -z "${TRAINCREW_BUILD:-}" ]; then
        deploy/install-packages.sh build run data
        echo "Building Traincrew"
        build
    fi
    run=$(new_run)
    echo "Training a CNN on Fashion-MNIST: chief, 2 workers, 2 ps, evaluator"
    begin=$SECONDS
    env -u TF_CONFIG "$bin/crew" local --ps 2 --workers 2 --evaluator -- \
        run --job "$jobs/mnist.so" --model-dir "$run/model" \
        --set optimizer=adam --set learning_rate=0.001 \
        --set max_steps=2200 --set save_checkpoints_steps=500 \
        --set start_delay_secs=1 --set throttle_secs=1 \
        --set log_step_count_steps=20 "$@" 2>&1 |
        tee -i "$run/log.txt" | progress || code=${PIPESTATUS[0]}
    if [ "$code" -ne 0 ]; then
        tail -n 20 "$run/log.txt"
        echo "quickstart.sh: the run ended with $code; every line is in" \
            "$run/log.txt" >&2
        exit "$code"
    fi
    report "$run"
    if grep -E 'exited with code|killed by signal' "$run/log.txt"; then
        echo "quickstart.sh: the chief is done, but not every process ended" \
            "with 0" >&2
        exit 1
    fi
}

main "$@"
