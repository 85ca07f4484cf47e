#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the programs are made of: crew-ps knows no models, and every program and the
# library are hardened.
set -euo pipefail

build_dir=$1
problems=0

complain() {
    echo "$1"
    problems=1
}

programs=(crew crew-chief crew-worker crew-ps crew-evaluator)
for name in "${programs[@]}"; do
    file=$build_dir/bin/$name
    [ -x "$file" ] || complain "$name: was not built"
    "$file" --version >/dev/null || complain "$name --version fails"
    "$file" --help >/dev/null || complain "$name --help fails"
    readelf -h "$file" | grep -q 'Type: *DYN' ||
        complain "$name: is not position independent"
done

for file in "${programs[@]/#/$build_dir/bin/}" "$build_dir/lib/libcrew.so"; do
    name=$(basename "$file")
    readelf -lW "$file" | grep -q GNU_RELRO || complain "$name: no RELRO"
    readelf -dW "$file" | grep -qE 'BIND_NOW|NOW' ||
        complain "$name: binds lazily"
    if readelf -lW "$file" | grep GNU_STACK | grep -q RWE; then
        complain "$name: its stack is executable"
    fi
done

# Functions of graphs, plans and jobs in crew-ps would mean that it knows models.
models=$(nm "$build_dir/bin/crew-ps" |
    grep -E ' [TtRrDd] (plan_|graph_|crew_graph_|crew_dense|crew_job_|model_|run_in_|run_chief|run_dry)' || true)
if [ -n "$models" ]; then
    complain "crew-ps knows models: $models"
fi
if ldd "$build_dir/bin/crew-ps" | grep -qE 'libcrew|blas'; then
    complain "crew-ps links libcrew.so or a BLAS"
fi
exit "$problems"
