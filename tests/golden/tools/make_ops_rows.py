"""Makes tests/golden/ops/rows.json with TensorFlow 2.15: cases, in the shape of
the family's other files, of the ops that those files leave out. With them every
row of common/graph/op_list.h is met by a golden case.

    python make_ops_rows.py OUT_DIR
"""
import json
import os
import sys

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
nn, L = tf.nn, v1.losses
rng = np.random.default_rng(20240811)
cases = []


def number(x):
    x = float(x)
    return "NaN" if np.isnan(x) else ("Inf" if x > 0 else "-Inf") if np.isinf(x) else float("%.9g" % x)


def arr(a):
    a = np.asarray(a)
    a = a.astype(np.float32) if a.dtype == np.float64 else a
    return {"shape": list(a.shape), "dtype": a.dtype.name, "data": [int(x) if a.dtype.kind in "iu" else number(x) for x in a.reshape(-1)]}


def f(*shape):
    return rng.normal(size=shape).astype(np.float32)


def add(op, fn, inputs, attributes=None, diff=None, note=None):
    with tf.Graph().as_default(), v1.Session() as s:
        x = {k: tf.constant(v) for k, v in inputs.items()}
        diff = [k for k, v in inputs.items() if v.dtype == np.float32] if diff is None else diff
        out = fn(**x)
        y = s.run(out)
        c = {"op": op, "attributes": attributes or {}, "inputs": {k: arr(v) for k, v in inputs.items()}, "output": arr(y)}
        if y.dtype == np.float32:
            cot = f(*y.shape)
            grads = tf.gradients(out, [x[k] for k in diff], cot, unconnected_gradients=tf.UnconnectedGradients.ZERO) if diff else []
            c["cotangent"] = arr(cot)
            c["gradients"] = {k: arr(v) for k, v in zip(diff, s.run([tf.convert_to_tensor(g) for g in grads]))}
        if note:
            c["note"] = note
        cases.append(c)


base = np.array([-100, -20, -3, -1, -1e-3, 0, 1e-3, 1, 3, 20, 100], np.float32)
x = np.concatenate([base, f(9)])
add("neg", tf.negative, {"x": x})
add("erf", tf.math.erf, {"x": x})
add("rsqrt", tf.math.rsqrt, {"x": np.abs(x) + np.float32(1e-3)})
add("gelu_approximate", lambda x: nn.gelu(x, approximate=True), {"x": x})
add("log_sigmoid", tf.math.log_sigmoid, {"x": x})
add("crelu", lambda x: nn.crelu(x), {"x": f(3, 4)})
add("minimum", tf.minimum, {"x": f(3, 1, 4), "y": f(2, 1)}, note="broadcast")
add("minimum", tf.minimum, {"x": np.array([1, 2, 3], np.float32), "y": np.array([1, 3, 2], np.float32)}, note="of equal ones x has it")
add("reduce_min", lambda x: tf.reduce_min(x, 1), {"x": rng.integers(0, 3, size=(3, 4, 2)).astype(np.float32)}, {"axis": 1, "keepdims": False}, note="ties share the gradient equally")
add("add_constant", lambda x: x + tf.constant(1.5), {"x": f(3, 4)}, {"constant": 1.5})
add("shift", lambda x: x + 1.5, {"x": f(3, 4)}, {"constant": 1.5})
add("scale", lambda x: x * -2.5, {"x": f(3, 4)}, {"constant": -2.5})
add("argmax", lambda x: tf.argmax(x, 1), {"x": np.array([[1, 5, 5], [7, 2, 7], [-1, -3, -2]], np.float32)}, note="of equal ones the first")
add("argmax", lambda x: tf.argmax(x, 1), {"x": f(4, 6)})
add("cast", lambda ids: tf.cast(ids, tf.float32), {"ids": np.array([[0, -3, 7], [2**24, 1, 5]], np.int64)})
add("flatten", lambda x: v1.layers.flatten(x), {"x": f(2, 3, 2, 2)})
add("global_average_pooling2d", lambda x: tf.keras.layers.GlobalAveragePooling2D()(x), {"x": f(2, 3, 4, 2)})
add("global_max_pooling2d", lambda x: tf.keras.layers.GlobalMaxPooling2D()(x), {"x": f(2, 3, 4, 2)})

# Losses that the family leaves out, in graph mode: there they are per row.
REDUCTIONS = ["none", "weighted_sum", "weighted_mean", "weighted_sum_over_batch_size", "weighted_sum_by_nonzero_weights"]
b, k = 4, 5
unit = lambda a: (a / np.linalg.norm(a, axis=1, keepdims=True)).astype(np.float32)
zero = lambda w: w * (rng.uniform(size=w.shape) > 0.4).astype(np.float32)
for reduction in REDUCTIONS:
    for w in (None, np.float32(0.7), zero(np.abs(f(b, 1))), np.zeros((b, 1), np.float32)):
        inputs = {"labels": unit(f(b, k)), "predictions": unit(f(b, k))}
        if w is not None:
            inputs["weights"] = np.asarray(w)
        add("cosine_distance", lambda labels, predictions, weights=1.0: L.cosine_distance(labels, predictions, axis=1, weights=weights, reduction=reduction),
            inputs, {"axis": 1, "reduction": reduction}, ["predictions"])
        inputs = {"losses": f(b, k)}
        if w is not None:
            inputs["weights"] = np.asarray(w)
        add("compute_weighted_loss", lambda losses, weights=1.0: L.compute_weighted_loss(losses, weights, reduction=reduction),
            inputs, {"reduction": reduction}, ["losses"])
for shape in ((b, k), (b, 2, 3), (b, 1), (b,)):
    ones = (1,) * (len(shape) - 1)
    for w in (None, np.float32(0.7), zero(np.abs(f(b, *ones))), np.zeros((b,) + ones, np.float32), zero(np.abs(f(*shape))), zero(np.abs(f(1, *shape[1:])))):
        inputs = {"labels": f(*shape), "predictions": f(*shape)}
        if w is not None:
            inputs["weights"] = np.asarray(w)
        add("mean_pairwise_squared_error", lambda labels, predictions, weights=1.0: L.mean_pairwise_squared_error(labels, predictions, weights),
            inputs, {}, ["predictions"])
ids = np.array([[1], [0], [4], [2]], np.int64)
add("sparse_softmax_cross_entropy", lambda labels, logits, weights: L.sparse_softmax_cross_entropy(labels, logits, weights),
    {"labels": ids, "logits": f(4, 5), "weights": np.abs(f(4, 1))}, {"reduction": REDUCTIONS[4]}, ["logits"], note="labels and weights (b, 1)")
for name in ("mean_squared_error", "absolute_difference", "huber_loss"):
    add(name, lambda labels, predictions: getattr(L, name)(labels, predictions), {"labels": rng.integers(0, 3, size=(b, k)), "predictions": f(b, k)},
        {"reduction": REDUCTIONS[4], "delta": 1.0}, ["predictions"], note="labels of integers are cast")
add("hinge_loss", lambda labels, logits: L.hinge_loss(labels, logits), {"labels": rng.integers(0, 2, size=(b, k)), "logits": f(b, k)}, {"reduction": REDUCTIONS[4]}, ["logits"], note="labels of integers are cast")
add("sigmoid_cross_entropy", lambda multi_class_labels, logits: L.sigmoid_cross_entropy(multi_class_labels, logits),
    {"multi_class_labels": rng.integers(0, 2, size=(b, k)), "logits": f(b, k)}, {"reduction": REDUCTIONS[4], "label_smoothing": 0}, ["logits"], note="labels of integers are cast")

# Lookups with max_norm: rows below, at and above it, a row of zeros, rows taken twice.
params = f(7, 3)
params[2] = 0
params[3] = [0.8, 0, 0]
params[4] *= 0.1
indices = np.array([[0, 0], [0, 1], [0, 2], [2, 0], [2, 1], [3, 0], [3, 1], [3, 2], [3, 3]], np.int64)
ids = np.array([0, 3, 0, 2, 4, 1, 5, 6, 1], np.int64)
weights = np.array([0.5, 1, 2, 1.5, 0.3, 1, 0.7, 1.1, 2], np.float32)
for op in ("embedding_lookup_sparse", "safe_embedding_lookup_sparse"):
    for combiner in ("sum", "mean", "sqrtn"):
        for weighted in (False, True):
            for default in (None, 1) if op[0] == "s" else (None,):
                inputs = {"params": params, "indices": indices, "ids": ids, "dense_shape": np.array([4, 4], np.int64)}
                if weighted:
                    inputs["weights"] = weights
                more = {"default_id": default} if op[0] == "s" else {}
                add(op, lambda params, indices, ids, dense_shape, weights=None: getattr(nn, op)(
                    params, tf.SparseTensor(indices, ids, dense_shape), None if weights is None else tf.SparseTensor(indices, weights, dense_shape),
                    combiner=combiner, max_norm=0.8, **more), inputs, {"combiner": combiner, "weighted": weighted, "max_norm": 0.8, **more}, ["params"])
add("clip_rows_by_norm", lambda x: tf.clip_by_norm(x, 0.8, axes=[-1]), {"x": params}, {"clip_norm": 0.8})

# What heads have beside: counts beyond 1 have Stirling's part.
counts = np.float32(rng.integers(0, 6, size=(b, k)))
for full in (0, 1):
    add("log_poisson_loss", lambda labels, logits: nn.log_poisson_loss(labels, logits, compute_full_loss=bool(full)),
        {"labels": counts, "logits": f(b, k)}, {"full": full}, ["logits"])
add("column", lambda x: x[:, 1:2], {"x": f(b, k)}, {"column": 1}, [])
add("label_range", lambda x: tf.identity(x), {"x": counts}, {"most": 5}, [])

head = {"family": "ops", "what": "rows", "made_with": "tensorflow " + tf.__version__}
with open(os.path.join(sys.argv[1], "rows.json"), "w") as out:
    out.write(json.dumps(head, separators=(",", ":"))[:-1] + ',"cases":[\n')
    out.write(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
    out.write("\n]}\n")
print(len(cases), "cases")
