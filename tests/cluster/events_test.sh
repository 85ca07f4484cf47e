#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Event files: what a run writes and in which order, as in TensorFlow's transcripts
# of the same (a start, a resume, an evaluation); `crew events` on those, on files of
# TensorFlow's, and on damaged ones.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The events without time, numbers that vary, and the folder.
events() {
    sed -nE "s|^[0-9.]+ step ||p" "$1" |
        sed -E "s|$MODEL|DIR|; s/=-?[0-9.e+-]+/=X/g; s/[0-9]+ (nodes|bytes)/N \1/g; s/ +$//"
}

train() {
    run 0 "$1" "$BIN/crew" run "${TINY_ARGS[@]}" --model-dir "$MODEL" \
        --set save_summary_steps=20 --set "max_steps=$2" --set throttle_secs=0
}

say "a start and a resume"
train first 50
train second 90
run 0 dump "$BIN/crew" events dump "$MODEL"
events "$WORK/dump.log" >"$WORK/got"
cat >"$WORK/want" <<'END'
0 file_version brain.Event:2
0 graph_def N nodes, N bytes
0 meta_graph_def N bytes
0 session_log CHECKPOINT DIR/model.ckpt
1 session_log START
1 summary half_loss=X loss=X
21 summary global_step/sec=X
21 summary half_loss=X loss=X
41 summary global_step/sec=X
41 summary half_loss=X loss=X
50 session_log CHECKPOINT DIR/model.ckpt
0 file_version brain.Event:2
0 graph_def N nodes, N bytes
0 meta_graph_def N bytes
50 session_log CHECKPOINT DIR/model.ckpt
51 session_log START
51 summary half_loss=X loss=X
71 summary global_step/sec=X
71 summary half_loss=X loss=X
90 session_log CHECKPOINT DIR/model.ckpt
END
diff -u "$WORK/want" "$WORK/got" || fail "other events than TensorFlow's"

say "an evaluation"
run 0 eval "$BIN/crew" events dump "$MODEL/eval"
events "$WORK/eval.log" | head -n 5 >"$WORK/got"
cat >"$WORK/want" <<'END'
0 file_version brain.Event:2
0 graph_def N nodes, N bytes
0 meta_graph_def N bytes
50 summary accuracy=X loss=X
50 summary checkpoint_path="DIR/model.ckpt-50"
END
diff -u "$WORK/want" "$WORK/got" || fail "other events of an evaluation"
run 0 ls "$BIN/crew" events ls "$MODEL"
has "$WORK/ls.log" '^  loss +scalar +3 points, steps 1 to 41, last [0-9.]+$'
has "$WORK/ls.log" '^  session_log START +- +1 point,  step 51$'

say "TensorFlow's own"
GOLDEN=$SOURCE/tests/golden/events
run 0 v1 "$BIN/crew" events ls "$GOLDEN/v1"
has "$WORK/v1.log" '^  graph_def +- .*, last [0-9]+ nodes$'
has "$WORK/v1.log" ' histogram +[0-9]+ points, .*, last num [0-9]+, min .*, max .*, [0-9]+ buckets$'
has "$WORK/v1.log" '^  gray/image/0 +image .*, last 6 x 3, 1 channel, [0-9]+ bytes$'
has "$WORK/v1.log" '^  note +text .*, last "hello \*markdown\* 1"$'
has "$WORK/v1.log" '^  session_log STOP '
run 0 v2 "$BIN/crew" events ls --format json "$GOLDEN/v2"
has "$WORK/v2.log" '"tag":"weights","kind":"histogram","points":1,"first_step":3,"last_step":3,"last":"num 51, '
has "$WORK/v2.log" '"tag":"picture","kind":"image",.*"last":"5 x 4, 1 of them"'
has "$WORK/v2.log" '"tag":"loss","kind":"scalar","points":6,'
run 0 dump2 "$BIN/crew" events dump "$GOLDEN/v2"
has "$WORK/dump2.log" ' step 20 summary loss=0\.25$'
has "$WORK/dump2.log" ' weights=histogram\(num 51, min -1\.62233377, max .*, 30 equal buckets\)$'

say "damage"
v1=$(compgen -G "$GOLDEN/v1/*")
head -c 9000 "$v1" >"$WORK/cut.tfevents"
run 65 cut "$BIN/crew" events dump "$WORK/cut.tfevents"
has "$WORK/cut.log" ' step 0 graph_def [0-9]+ nodes'
has "$WORK/cut.log" 'crew events: .*: truncated record at '
run 66 none "$BIN/crew" events ls "$WORK/data"
has "$WORK/none.log" 'no event file in it'
run 64 usage "$BIN/crew" events show "$MODEL"
finish
