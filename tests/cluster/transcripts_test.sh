#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# golden-check transcripts sees what is not as expected: one line of log, an exit
# code, a file, an event, an error's sentence, a rule that gives no reason.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [ ! -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ]; then
    echo "skipped: no data. Fix: apt-get install dataset-fashion-mnist"
    exit 77
fi
GOLDEN=$SOURCE/tests/golden/transcripts

# check CODE LOG RUN FILE SED: of a copy of the run with its file changed.
check() {
    local set=$WORK/set
    rm -rf "$set"
    mkdir "$set"
    cp -r "$GOLDEN/$3" "$set"
    sed -i "$5" "$set/$3/$4"
    if [ "$1" = 1 ] && cmp -s "$GOLDEN/$3/$4" "$set/$3/$4"; then
        fail "nothing was changed in $3/$4 by $5"
    fi
    run "$1" "$2" "$BIN/golden-check" transcripts "$set"
}

say "as it is"
check 0 same k_no_input stderr.txt ''
has "$WORK/same.log" '^2 passed, 0 failed$'

say "a line that TensorFlow has and we have not"
check 1 missing k_no_input stderr.txt \
    's/^INFO:tensorflow:Graph was finalized.*/&\nINFO:tensorflow:Graph was painted./'
has "$WORK/missing.log" 'k_no_input/\[[0-9]+\]: got nothing, want INFO Graph was painted\.'
has "$WORK/missing.log" '^1 passed, 1 failed$'

say "a line of ours that TensorFlow has not"
check 1 extra k_no_input stderr.txt '/^INFO:tensorflow:Graph was finalized/d'
has "$WORK/extra.log" 'got INFO Graph was finalized\., want nothing'

say "another order, and another level"
check 1 order k_no_input stderr.txt \
    '/^INFO:tensorflow:Running local_init_op/d; s/^INFO:tensorflow:Done running local_init_op.*/&\nINFO:tensorflow:Running local_init_op./'
has "$WORK/order.log" 'want INFO Done running local_init_op'
check 1 level k_no_input stderr.txt 's/^INFO:tensorflow:Loss/WARNING:tensorflow:Loss/'
has "$WORK/level.log" 'got INFO Loss for final step: None\., want WARN Loss'

say "another exit code, another file, another event"
check 1 exit k_no_input run.json 's/"exit_code": 0/"exit_code": 3/'
has "$WORK/exit.log" 'exit code: got 0, want 3'
check 1 file k_no_input run.json 's/model.ckpt-0.index/model.ckpt-1.index/'
has "$WORK/file.log" 'got model\.ckpt-0\.index, want'
check 1 event k_no_input run.json 's/"what": "session_log"/"what": "log_message"/'
has "$WORK/event.log" 'got 0 session_log 3 .MODEL_DIR/model\.ckpt, want 0 log_message'

say "another error"
check 1 sentence n_no_model_dir_steps_and_max_steps stderr.txt \
    's/^ValueError: Can not provide/ValueError: Must not provide/'
has "$WORK/sentence.log" 'error: got Can not provide both steps and max_steps\., want Must not'

say "a rule without a reason, and one that is none"
echo 'theirs * ^INFO Graph' >"$WORK/rules"
CREW_TRANSCRIPTS_RULES=$WORK/rules check 65 reason k_no_input stderr.txt ''
has "$WORK/reason.log" 'no reason is given'
echo 'sometimes * ^INFO Graph -- why' >"$WORK/rules"
CREW_TRANSCRIPTS_RULES=$WORK/rules check 65 kind k_no_input stderr.txt ''
has "$WORK/kind.log" 'of no kind that there is'

say "a run whose beginning is not there"
rm -rf "$WORK/set"
mkdir "$WORK/set"
cp -r "$GOLDEN/f_resume" "$WORK/set"
run 66 beginning "$BIN/golden-check" transcripts "$WORK/set"
has "$WORK/beginning.log" 'f_resume begins where a_train ended'
finish
