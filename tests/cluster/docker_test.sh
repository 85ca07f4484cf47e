#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Trains with six containers, for a short while: every one ends with 0 by
# itself, and the model that comes out can be served. Skipped (77) without
# Docker, docker compose or a Debian image to build on.
set -euo pipefail

source_dir=$2
base=debian:bookworm-slim
base_maker=$source_dir/../shared/tools/docker-base-image

skip() {
    echo "skipped: $1"
    exit 77
}

command -v docker >/dev/null || skip "docker is not installed"
docker version >/dev/null 2>&1 || skip "the Docker daemon does not answer"
docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null ||
    skip "there is neither docker compose nor docker-compose"
docker image inspect "$base" >/dev/null 2>&1 ||
    timeout 120 docker pull -q "$base" 2>/dev/null ||
    { [ -x "$base_maker" ] && "$base_maker"; } ||
    skip "no image $base, and no registry to pull it from"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
TRAINCREW_MAX_STEPS=60 TRAINCREW_WAIT=300 TRAINCREW_TAG=test \
    "$source_dir/deploy/cluster-in-docker.sh" "$out/model" >"$out/log" 2>&1 || {
    code=$?
    tail -n 100 "$out/log"
    echo "cluster-in-docker.sh ended with $code"
    exit 1
}

fail() {
    tail -n 60 "$out/log"
    echo "$1"
    exit 1
}

for role in ps-0 ps-1 chief worker-0 worker-1 evaluator; do
    grep -q "^$role ended with 0 after 0 restarts$" "$out/log" ||
        fail "no line that $role ended with 0"
done
find "$out/model/export" -name saved_model.pb | grep -q . ||
    fail "nothing was exported"
[ -f "$out/model/model.ckpt-60.index" ] ||
    fail "no checkpoint at step 60"
echo "six containers ended with 0; the export is there"
