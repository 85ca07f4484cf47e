#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs into an empty folder and builds the tutorial's job against it, as a
# user would: once with one command and pkg-config, once with three lines of
# CMake. Both jobs then train for a few steps.
set -euo pipefail

build_dir=$1
data=/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$1"
    exit 1
}

prefix=$work/prefix
cmake --install "$build_dir" --prefix "$prefix" >/dev/null
for file in bin/crew bin/crew-chief bin/crew-worker bin/crew-ps \
    bin/crew-evaluator lib/libcrew.so include/crew.h \
    lib/pkgconfig/crew.pc lib/cmake/crew/crewConfig.cmake \
    lib/traincrew/jobs/mnist.so share/traincrew/examples/mnist.c; do
    [ -e "$prefix/$file" ] || fail "not installed: $file"
done
"$prefix/bin/crew" --version >/dev/null || fail "the installed crew does not run"
if ldd "$prefix/bin/crew-ps" | grep -q libcrew; then
    fail "crew-ps links libcrew.so: it must know no models"
fi

mkdir "$work/job"
cp "$prefix/share/traincrew/examples/mnist.c" "$work/job/"
cd "$work/job"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
# shellcheck disable=SC2046  # flags are words
cc -shared -fPIC mnist.c -o by_hand.so $(pkg-config --cflags --libs crew)

cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(job LANGUAGES C)
find_package(crew REQUIRED)
add_library(mnist MODULE mnist.c)
target_link_libraries(mnist PRIVATE crew::crew)
END
if ! { cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" &&
    cmake --build build; } >log 2>&1; then
    cat log
    fail "find_package(crew) did not build the job"
fi

if [ ! -e "$data" ]; then
    echo "skipped the training: no data; apt-get install dataset-fashion-mnist"
    exit 77
fi
for job in by_hand.so build/libmnist.so; do
    rm -rf "$work/model"
    env -u TF_CONFIG "$prefix/bin/crew" run --job "$PWD/$job" \
        --model-dir "$work/model" --set max_steps=3 --set eval_steps=1 \
        >log 2>&1 || {
        cat log
        fail "crew run with $job failed"
    }
    [ -f "$work/model/model.ckpt-3.index" ] || fail "$job left no checkpoint"
done
echo "installed, built both ways, trained"
