#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A port that somebody else has: tried for 30 s, then 138 with the address; when it
# becomes free in between, all is well.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A ps of another cluster holds the port of the chief, or of the ps, of ours.
cluster 1 0
other_port=$(free_port)
ours=$CLUSTER
for port in "$CHIEF_PORT" "${PS_PORTS[0]}"; do
    CLUSTER="{\"chief\": [\"127.0.0.1:$other_port\"], \"ps\": [\"127.0.0.1:$port\"]}"
    start ps 0
    PIDS[holder/$port]=${PIDS[ps/0]}
    unset 'PIDS[ps/0]'
done
sleep 0.5
CLUSTER=$ours
begin=$SECONDS
start ps 0
start chief 0
ends chief 0 45 138
ends ps 0 10 138
[ $((SECONDS - begin)) -ge 28 ] || fail "given up after $((SECONDS - begin)) s"
has "$(log_of chief 0)" "ERROR .*$CHIEF_PORT"
has "$(log_of ps 0)" "ERROR .*${PS_PORTS[0]}"

say "free again after a while"
start ps 0 --set max_steps=30
start chief 0 --set max_steps=30
sleep 2
kill "${PIDS[holder/$CHIEF_PORT]}" "${PIDS[holder/${PS_PORTS[0]}]}"
ends chief 0 20 0
ends ps 0 20 0
finish
