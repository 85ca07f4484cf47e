#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# crew records on TensorFlow's damaged files: how many records come before which
# of its texts, what is left out, what is only warned of.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BAD=$SOURCE/tests/golden/records/corrupt

say "TensorFlow's texts, and records before them"
run 65 cut "$BIN/crew" records ls --format json "$BAD"/gzip_truncated.tfrecord.gz
has "$WORK/cut.log" '"records_ok":14,.*"error":\{"type":"DataLossError","message":"truncated record at [0-9]+. failed with EOF reached"\}'
run 65 gzip "$BIN/crew" records dump --compression gzip "$BAD"/base.tfrecord
has "$WORK/gzip.log" 'inflate\(\) failed with error -3: incorrect header check'
run 65 length "$BIN/crew" records verify "$BAD"/len_flip_rec2.tfrecord
has "$WORK/length.log" 'corrupted record at [0-9]+; it cannot be skipped'
run 65 text "$BIN/crew" records ls "$BAD"/text.tfrecord
has "$WORK/text.log" 'corrupted record at 0 \(Is this even a TFRecord file\?\)$'

say "verify counts to the end; ls stops; both can leave out"
run 65 verify "$BIN/crew" records verify "$BAD"/data_flip_rec0.tfrecord
has "$WORK/verify.log" '^  3 records, '
has "$WORK/verify.log" 'corrupted record at 12$'
run 65 ls "$BIN/crew" records ls "$BAD"/data_flip_rec0.tfrecord
has "$WORK/ls.log" '^  0 records, '
run 0 skip "$BIN/crew" records ls --max-bad-records 1 "$BAD"/data_flip_rec0.tfrecord
has "$WORK/skip.log" '^  3 records, '

say "what TensorFlow takes for the end"
run 0 short "$BIN/crew" records verify "$BAD"/gzip_cut_trailer.tfrecord.gz
has "$WORK/short.log" 'warning: the gzip stream is cut short'
run 0 tail "$BIN/crew" records ls "$BAD"/tail_garbage.tfrecord
has "$WORK/tail.log" 'warning: 3 bytes at the end'

say "the first damaged file names the exit code, the others are shown"
run 66 many "$BIN/crew" records ls "$BAD"/nowhere "$BAD"/text.tfrecord "$BAD"/base.tfrecord
has "$WORK/many.log" '^  4 records, '
finish
