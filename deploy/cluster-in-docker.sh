#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Trains the tutorial's CNN on Fashion-MNIST with six containers: chief, two
# workers, two parameter servers, evaluator. Builds the image, starts
# deploy/compose.yaml, waits until every role has ended by itself, copies the
# model out and takes everything down.
#
# Usage: deploy/cluster-in-docker.sh [FOLDER]
#   FOLDER   where the model goes; it must not exist yet
#            (default: runs/docker-fashion-mnist-N, the first free N)
#
# Environment: TRAINCREW_MAX_STEPS (2200), TRAINCREW_WAIT in seconds (1200).
# Needs Docker with docker compose or docker-compose, and its daemon running.
# Exit status: the chief's; 1 if it is 0 and another container's is not.
set -euo pipefail

readonly caller=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly services=(ps-0 ps-1 chief worker-0 worker-1 evaluator)
readonly project=traincrew-$$
readonly wait_secs=${TRAINCREW_WAIT:-1200}
follower=

die() {
    echo "cluster-in-docker.sh: $2" >&2
    exit "$1"
}

if docker compose version >/dev/null 2>&1; then
    compose=(docker compose -p "$project" -f deploy/compose.yaml)
else
    compose=(docker-compose -p "$project" -f deploy/compose.yaml)
fi

container() {
    "${compose[@]}" ps -a -q "$1"
}

# shellcheck disable=SC2317  # the trap calls it
down() {
    if [ -n "$follower" ]; then
        kill "$follower" 2>/dev/null || true
    fi
    "${compose[@]}" down -v >/dev/null 2>&1 || true
}

# The first free numbered folder under runs/, made.
new_folder() {
    local n=1
    mkdir -p runs
    while ! mkdir "runs/docker-fashion-mnist-$n" 2>/dev/null; do
        [ -e "runs/docker-fashion-mnist-$n" ] || exit 73
        n=$((n + 1))
    done
    echo "runs/docker-fashion-mnist-$n"
}

still_running() {
    local id
    for id in "$@"; do
        case $(docker inspect -f '{{.State.Status}}' "$id") in
            exited | dead) ;;
            *) return 0 ;;
        esac
    done
    return 1
}

# Waits for all roles; one that was restarted counts when it is done for good.
wait_for_all() {
    local until=$((SECONDS + wait_secs))
    while still_running "$@"; do
        if [ $SECONDS -ge $until ]; then
            docker ps -a --filter "label=com.docker.compose.project=$project"
            die 138 "not all roles ended within $wait_secs s"
        fi
        sleep 1
    done
}

main() {
    local folder=${1-} service id code chief_code=1 worst=0
    local ids=()
    if [ -n "$folder" ]; then
        folder=$(cd "$caller" && realpath -m "$folder")
        mkdir "$folder" || die 73 "cannot make the new folder $folder"
    else
        folder=$(new_folder)
    fi
    docker version >/dev/null 2>&1 ||
        die 69 "the Docker daemon does not answer; start it, or join its group"

    echo "Building the image traincrew:${TRAINCREW_TAG:-latest}"
    "${compose[@]}" build -q 2>/dev/null || "${compose[@]}" build

    echo "Starting ${services[*]}"
    trap down EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    "${compose[@]}" up -d 2>&1 | tail -n 20
    for service in "${services[@]}"; do
        id=$(container "$service")
        if [ -z "$id" ]; then
            die 70 "the container of $service did not start"
        fi
        ids+=("$id")
    done

    "${compose[@]}" logs -f --no-color chief evaluator &
    follower=$!
    wait_for_all "${ids[@]}"
    kill "$follower" 2>/dev/null || true
    wait "$follower" 2>/dev/null || true
    follower=

    echo
    for ((i = 0; i < ${#services[@]}; i++)); do
        code=$(docker inspect -f '{{.State.ExitCode}}' "${ids[i]}")
        echo "${services[i]} ended with $code after" \
            "$(docker inspect -f '{{.RestartCount}}' "${ids[i]}") restarts"
        if [ "${services[i]}" = chief ]; then
            chief_code=$code
        elif [ "$code" -ne 0 ]; then
            worst=1
        fi
        if [ "$code" -ne 0 ]; then
            "${compose[@]}" logs --no-color --tail=20 "${services[i]}"
        fi
    done
    docker cp -q "${ids[2]}:/model/fashion-mnist/." "$folder" 2>/dev/null ||
        docker cp "${ids[2]}:/model/fashion-mnist/." "$folder" >/dev/null ||
        worst=1
    echo "The model is in $folder, its exports are:"
    find "$folder/export" -name saved_model.pb 2>/dev/null || true

    if [ "$chief_code" -ne 0 ]; then
        exit "$chief_code"
    fi
    exit "$worst"
}

main "$@"
