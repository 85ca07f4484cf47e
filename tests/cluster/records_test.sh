#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# crew records on files of TensorFlow's: good, compressed, damaged ones; and its parse.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RECORDS=$SOURCE/tests/golden/records

say "good files, plain and compressed"
run 0 ls "$BIN/crew" records ls "$RECORDS"/plain.tfrecord "$RECORDS"/gzip.tfrecord.gz
has "$WORK/ls.log" '^  [0-9]+ records, .* compression none$'
has "$WORK/ls.log" '^  [0-9]+ records, .* compression gzip$'
run 0 dump "$BIN/crew" records dump "$RECORDS"/examples.tfrecord
has "$WORK/dump.log" '^    "krypton" int64 \[2\]'
run 0 json "$BIN/crew" records dump --format json "$RECORDS"/examples.tfrecord
has "$WORK/json.log" '"sha256":"[0-9a-f]{64}"'
has "$WORK/json.log" '"features":\{'
run 0 verify "$BIN/crew" records verify "$RECORDS"/plain.tfrecord
has "$WORK/verify.log" '^  ok$'

say "a damaged payload, and leaving it out"
head -c 12 "$RECORDS"/plain.tfrecord >"$WORK/bad"
printf 'XXXX' >>"$WORK/bad"
tail -c +17 "$RECORDS"/plain.tfrecord >>"$WORK/bad"
run 65 bad "$BIN/crew" records verify "$WORK/bad"
has "$WORK/bad.log" 'corrupted record at 12'
run 0 skipped "$BIN/crew" records verify --max-bad-records 1 "$WORK/bad"
has "$WORK/skipped.log" '^  1 damaged records were left out'
run 66 nowhere "$BIN/crew" records ls "$WORK/nowhere"
run 64 usage "$BIN/crew" records ls
run 64 compression "$BIN/crew" records ls --compression lzma "$RECORDS"/plain.tfrecord

say "parse: TensorFlow's words"
run 65 parse "$BIN/crew" records parse --format json \
    --spec '{"absent": {"type": "VarLenFeature", "dtype": "int64"}}' \
    "$RECORDS"/examples.tfrecord
has "$WORK/parse.log" 'Could not parse example input' # an odd record, as there
run 65 required "$BIN/crew" records parse \
    --spec '{"none": {"type": "FixedLenFeature", "dtype": "int64", "shape": []}}' \
    "$RECORDS"/examples.tfrecord
has "$WORK/required.log" 'Feature: none \(data type: int64\) is required'
finish
