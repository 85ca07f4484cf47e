#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# golden-check can fail: of each kind of expectation one number, sum or word is
# changed, and it must notice. A family that compares nothing would pass always.
#
# Usage: changed_test.sh GOLDEN-CHECK FOLDER-WITH-THE-FAMILIES
set -u

check=$1
golden=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/crew-golden-XXXXXX")
trap 'rm -rf "$work"' EXIT
failed=0
tried=0

# change FAMILY FILE REGEX REPLACEMENT: the first match (of an extended regular
# expression) in the file.
change() {
    local family=$1 file=$2 out code
    rm -rf "${work:?}/copy"
    cp -r "$golden/$family" "$work/copy"
    chmod -R u+w "$work/copy"
    sed -i -E -z "s/$3/$4/" "$work/copy/$file"
    tried=$((tried + 1))
    if cmp -s "$work/copy/$file" "$golden/$family/$file"; then
        echo "FAILED: $family/$file has nothing like $3"
        failed=1
        return
    fi
    out=$("$check" "$family" "$work/copy" 2>&1)
    code=$?
    if [ "$code" -ne 1 ] || ! grep -qE '^[0-9]+ passed, [1-9][0-9]* failed$' \
        <<<"$out"; then
        echo "FAILED: $family/$file, $3 -> $4: exit code $code"
        tail -n 2 <<<"$out" | cut -c1-300
        failed=1
    fi
}

change records records.json '"sha256": "e3' '"sha256": "e4'
change records records.json '"length": 4,' '"length": 5,'
change records corrupt.json '"records_ok": 0' '"records_ok": 1'
change records corrupt.json '"text": "corrupted record at 0' \
    '"text": "corrupted record at 7'
change records examples.json '9223372036854775807' '9223372036854775806'
change records examples.json '0\.00867252331' '0.00867252431'
change records wire.json '("shape": \[[^0-9]*)3' '\14'
change records parse_example.json '("expected": \{[^.]*[0-9]\.[0-9]*)[0-9](,)' \
    '\17\2'

change metrics heads_v1.json '("batch_loss":\[)[0-9]' '\19'
change metrics heads_v1.json '("classes":[^]]*\],"dtype":"string","data":\[)"0"' \
    '\1"2"'
change metrics heads_v1.json '("dtype":"int)32(","data":\[0,1)' '\164\2'
change metrics heads_v2.json '"accuracy_baseline"' '"accuracy_base"'
change metrics heads_more.json '("average_loss\/late":)[0-9]' '\19'

change events histograms.json '("sum":)0' '\11'
change events histograms.json '("bucket":\[)0' '\11'
change events v1.json '("step": )1' '\12'
change events v2.json '("step": )1' '\12'

change checkpoints single/expected.json '"sha256": "3' '"sha256": "4'
change checkpoints single/expected.json '0\.034741886' '0.034741887'
change checkpoints single/expected.json '("shape": \[[^0-9]*)1,' '\12,'
change checkpoints single/expected.json '"bool",' '"int8",'
change checkpoints sharded_2/expected.json '("sha256": ")[0-9a-f]' '\1x'
change checkpoints partitioned/expected.json \
    '("slice_reads":.*"values": \[[^0-9]*)[0-9]' '\10'
change checkpoints partitioned/expected.json 'shape_and_slice spec \[1' \
    'shape_and_slice spec [2'
change checkpoints partitioned/expected.json 'expected dtype double' \
    'expected dtype int32'
change checkpoints corrupt/expected.json 'stored [0-9]' 'stored 0'
change checkpoints corrupt/expected.json '"ok": "6' '"ok": "7'
change checkpoints corrupt/expected.json 'DataLossError' 'NotFoundError'
change checkpoints state/expected.json '("max_to_keep": )3' '\14'
change checkpoints state/expected.json 'model\.ckpt-300\.index' \
    'model.ckpt-301.index'
change checkpoints state/expected.json '("odd".*"model_checkpoint_path": ".DIR\/[a-z.-]*)' '\1x'

change saved_models linear_regressor/expected.json \
    '("signatures":.*"values": \[[^0-9]*)[0-9]' '\19'
change saved_models linear_regressor/saved_model_cli_show.txt 'shape: \(-1' \
    'shape: (-2'

change hash hash.json '"fingerprint64":"1' '"fingerprint64":"2'
change hash hash.json '"buckets":\[0,1,3' '"buckets":[0,1,4'
change hash ints.json '"text":"99"' '"text":"98"'
change hash crosses.json '("ids":.*"values":\[)[0-9]' '\177'

change tf_config tf_config.json '("num_worker_replicas": )1' '\12'
change tf_config tf_config.json '"is_chief": true' '"is_chief": false'

change tf_config tf_config.json '("sleep": )10' '\111'
change tf_config arguments.json '("value": )600' '\1601'
change tf_config arguments.json '"m"' '"n"'
change tf_config arguments.json 'save_summary_steps should be >= 0' \
    'save_summary_steps should be >= 1'
change tf_config arguments.json '(callable, given: )3' '\14'

echo "$tried changes"
exit "$failed"
