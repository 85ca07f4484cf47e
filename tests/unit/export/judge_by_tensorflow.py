#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Let TensorFlow judge the exports of test_forms.

    CREW_FORMS_DIR=DIR test_forms; python judge_by_tensorflow.py DIR

Loads every form with tf.saved_model.load and in a Session, runs each signature
and compares with the same numbers computed by NumPy from the model's weights.
Needs TensorFlow 2.15 (any with tf.compat.v1); no test runs this.
"""
import glob
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow.core.protobuf import saved_model_pb2  # noqa: E402

LABELS = np.array([b"cat", b"dog", b"emu"], object)
B = 5
RNG = np.random.RandomState(3)
X = (RNG.randint(-8, 8, (B, 4)) / 2).astype(np.float32)
PICTURE = RNG.randint(0, 256, (B, 2, 2)).astype(np.uint8)
WORD = RNG.randint(0, 5, B).astype(np.int32)


def weights(path):
    """By name: from variables/, or from the Consts."""
    prefix = os.path.join(path, "variables", "variables")
    if os.path.exists(prefix + ".index"):
        reader = tf.train.load_checkpoint(prefix)
        assert reader.get_tensor("global_step") == 50
        return {k: reader.get_tensor(k) for k in reader.get_variable_to_shape_map()}
    model = saved_model_pb2.SavedModel.FromString(open(os.path.join(path, "saved_model.pb"), "rb").read())
    return {n.name: tf.make_ndarray(n.attr["value"].tensor) for n in model.meta_graphs[0].graph_def.node if n.op == "Const"}


def expected(w, x, picture, word):
    rows = np.concatenate([x, picture.reshape(-1, 4), w["embedding"][word]], 1)
    logits = rows @ w["classes/kernel"] + w["classes/bias"]
    e = np.exp(logits - logits.max(1, keepdims=True))
    scores = e / e.sum(1, keepdims=True)
    value = rows @ w["number/kernel"] + w["number/bias"] if "number/kernel" in w else None  # not exported by each form
    return scores, scores.argmax(1), value


def feature(v):
    v = np.asarray(v).reshape(-1)
    if v.dtype.kind == "f":
        return tf.train.Feature(float_list=tf.train.FloatList(value=v))
    if v.dtype.kind in "iu":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=v))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=list(v)))


def example(**features):
    return tf.train.Example(features=tf.train.Features(feature={k: feature(v) for k, v in features.items()})).SerializeToString()


def inputs(form):
    """Serialized Examples, and the tensors they stand for."""
    x, picture, word = X.copy(), PICTURE.astype(np.float32), WORD.copy()
    if form == "spelt":
        x[2, 3] = x[1, 0] = 0
        x[1] = 0
        word[4] = 3
        rows = []
        for i in range(B):
            f = {"picture": np.array([PICTURE[i].tobytes()], object), "tags": np.array([b"a"] * i, object)}
            if i != 1:
                f["x"] = x[i, :3] if i == 2 else x[i]
            if i != 4:
                f["word"] = word[i]
            rows.append(example(**f))
        return rows, x, picture / np.float32(255), word
    if form == "best":
        picture[0] = np.array([[0.25, 0.5], [0.75, 1]])
        rows = [example(x=(2 * x[i]).astype(np.int64), word=word[i], **({} if i == 0 else {"picture": picture[i]})) for i in range(B)]
        return rows, x, picture, word
    return [example(x=x[i], picture=picture[i], word=word[i]) for i in range(B)], x, picture, word


def check(form, what, out, scores, best, value):
    texts = LABELS if form != "best" else np.array([b"0", b"1", b"2"], object)
    for key, got in out.items():
        got = np.asarray(got)
        if key == "scores":
            np.testing.assert_allclose(got, scores, rtol=1e-5, atol=1e-6)
        elif key == "id":
            assert (got == best).all(), (what, got, best)
        elif key == "best":
            assert (got == texts[best]).all(), (what, got)
        elif key == "outputs":
            np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-6)
        elif key == "classes" and form == "best":
            assert got.shape == (B, 1) and (got == LABELS[best][:, None]).all(), got
        elif key == "classes":
            assert got.shape == (B, 3) and (got == LABELS).all(), got
        else:
            raise AssertionError(key)


def judge(path):
    form = os.path.basename(os.path.dirname(path))
    w = weights(path)
    examples, x, picture, word = inputs(form)
    want = expected(w, x, picture, word)
    with tf.Graph().as_default(), tf.compat.v1.Session() as s:
        m = tf.compat.v1.saved_model.load(s, ["serve"], path)
        signatures = dict(m.signature_def)
        for key, sd in signatures.items():
            feed = {}
            for k, t in sd.inputs.items():
                feed[t.name] = examples if k in ("inputs", "examples") else {"x": x, "picture": picture, "word": word}[k]
            check(form, key, s.run({k: t.name for k, t in sd.outputs.items()}, feed), *want)
    loaded = tf.saved_model.load(path)
    assert set(loaded.signatures) == set(signatures)
    for key, fn in loaded.signatures.items():
        args = fn.structured_input_signature[1]
        feed = {k: tf.constant(examples) if k in ("inputs", "examples") else tf.constant({"x": x, "picture": picture, "word": word}[k]) for k in args}
        check(form, key, fn(**feed), *want)
    print(form, ", ".join("%s (%s)" % (k, sd.method_name.split("/")[-1]) for k, sd in sorted(signatures.items())), flush=True)


if __name__ == "__main__":
    for d in sorted(glob.glob(os.path.join(sys.argv[1], "*", "[0-9]*"))):
        judge(d)
