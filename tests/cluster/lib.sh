# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For the scripts that run the real programs: source it with the build folder and the
# source folder as $1 and $2. It gives a working folder that is removed in the end
# (kept when something failed), the tiny job's data, processes that are all ended,
# and assertions that say what they wanted and what there was.
set -u

BUILD=${1:?usage: SCRIPT BUILD SOURCE}
# shellcheck disable=SC2034
SOURCE=${2:?usage: SCRIPT BUILD SOURCE}
BIN=$BUILD/bin
TINY=$BUILD/tests/tiny_job.so
WORK=$(mktemp -d "${TMPDIR:-/tmp}/crew-test-XXXXXX")
MODEL=$WORK/model
FAILED=0
declare -A PIDS=()
unset TF_CONFIG CREW_PROGRESS_FD

cleanup() {
    local pid
    for pid in "${PIDS[@]}"; do
        kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    if [ "$FAILED" -eq 0 ]; then
        rm -rf "$WORK"
    else
        echo "logs are in $WORK"
        exit 1
    fi
}
trap cleanup EXIT

mkdir -p "$WORK/data"
"$BUILD/tests/tiny_data" "$WORK/data" || exit 1

say() { printf -- '-- %s\n' "$*"; }

# fail TEXT [LOG]: note a failure, with the end of a log.
fail() {
    FAILED=1
    printf 'FAILED: %s\n' "$1"
    if [ -n "${2:-}" ] && [ -e "$2" ]; then
        printf '  the last lines of %s:\n' "$(basename "$2")"
        tail -n 15 "$2" | sed 's/^/  | /'
    fi
}

# has FILE REGEX [WHAT]
has() {
    if ! grep -qE -- "$2" "$1"; then
        fail "${3:-$(basename "$1")}: no line like: $2" "$1"
    fi
}

has_not() {
    if grep -qE -- "$2" "$1"; then
        fail "${3:-$(basename "$1")}: a line like: $2" "$1"
    fi
}

# is WHAT WANTED GOT [LOG]; wanted is a regular expression
is() {
    if ! [[ $3 =~ ^($2)$ ]]; then
        fail "$1: wanted $2, got $3" "${4:-}"
    fi
}

exists() {
    if ! compgen -G "$1" >/dev/null; then
        fail "there is no $1"
    fi
}

# run CODE LOG COMMAND...: run it to its end (60 s at most), expect the exit code.
run() {
    local want=$1 log=$WORK/$2.log got
    shift 2
    timeout -k 2 60 "$@" >"$log" 2>&1 </dev/null
    got=$?
    is "exit code of $(basename "$log" .log)" "$want" "$got" "$log"
}

# tiny OPTIONS...: what every run of the tiny job is given.
TINY_ARGS=(--job "$TINY" --set "data=$WORK/data")

# free_port: one that nobody listens on, below the ports of outgoing connections.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

# cluster PS WORKERS: choose the addresses; CLUSTER is TF_CONFIG's "cluster".
cluster() {
    local i ps='' workers=''
    PS_PORTS=()
    CHIEF_PORT=$(free_port)
    for ((i = 0; i < $1; i++)); do
        PS_PORTS[i]=$(free_port)
        ps+="${ps:+, }\"127.0.0.1:${PS_PORTS[i]}\""
    done
    for ((i = 0; i < $2; i++)); do
        workers+="${workers:+, }\"127.0.0.1:$(free_port)\""
    done
    CLUSTER="{\"chief\": [\"127.0.0.1:$CHIEF_PORT\"], \"ps\": [$ps]"
    CLUSTER+="${workers:+, \"worker\": [$workers]}}"
}

tf_config() {
    printf '{"cluster": %s, "task": {"type": "%s", "index": %d}}' \
        "$CLUSTER" "$1" "$2"
}

# log_of ROLE INDEX
log_of() { echo "$WORK/$1_$2.log"; }

# start ROLE INDEX OPTIONS...: the daemon, in the background; its log is appended to.
start() {
    local role=$1 index=$2
    shift 2
    TF_CONFIG=$(tf_config "$role" "$index") "$BIN/crew-$role" \
        --model-dir "$MODEL" "${TINY_ARGS[@]}" \
        --default experimental_max_worker_delay_secs=0 \
        --default start_delay_secs=0 --default throttle_secs=1 "$@" \
        >>"$(log_of "$role" "$index")" 2>&1 </dev/null &
    PIDS[$role/$index]=$!
}

# start_all PS WORKERS OPTIONS...: a cluster without an evaluator.
start_all() {
    local ps=$1 workers=$2 i
    shift 2
    cluster "$ps" "$workers"
    restart_all "$ps" "$workers" "$@"
}

# restart_all PS WORKERS OPTIONS...: the same on the same addresses.
restart_all() {
    local ps=$1 workers=$2 i
    shift 2
    for ((i = 0; i < ps; i++)); do start ps "$i" "$@"; done
    start chief 0 "$@"
    for ((i = 0; i < workers; i++)); do start worker "$i" "$@"; done
}

# ends ROLE INDEX SECS CODE: it ends by itself, with this code.
ends() {
    local name=$1/$2 pid=${PIDS[$1/$2]} i code
    for ((i = 0; i < $3 * 10; i++)); do
        if ! kill -0 "$pid" 2>/dev/null; then
            break
        fi
        sleep 0.1
    done
    if kill -0 "$pid" 2>/dev/null; then
        fail "$name still runs after $3 s" "$(log_of "$1" "$2")"
        kill -KILL "$pid"
    fi
    wait "$pid" 2>/dev/null
    code=$?
    unset "PIDS[$name]"
    is "exit code of $name" "$4" "$code" "$(log_of "$1" "$2")"
}

# kill_task ROLE INDEX SIGNAL
kill_task() { kill "-$3" "${PIDS[$1/$2]}"; }

# gone ROLE INDEX: forget a process that was killed.
gone() {
    wait "${PIDS[$1/$2]}" 2>/dev/null
    unset "PIDS[$1/$2]"
}

# until_line FILE REGEX SECS: wait for a line.
until_line() {
    local i
    for ((i = 0; i < $3 * 20; i++)); do
        if grep -qE -- "$2" "$1" 2>/dev/null; then
            return 0
        fi
        sleep 0.05
    done
    fail "no line like '$2' within $3 s" "$1"
    return 1
}

# last_step: the step of the newest checkpoint.
last_step() {
    sed -n 's/^model_checkpoint_path: "model.ckpt-\([0-9]*\)"$/\1/p' \
        "$MODEL/checkpoint" 2>/dev/null
}

finish() {
    if [ "$FAILED" -eq 0 ]; then
        say "passed"
    fi
    exit "$FAILED"
}
