"""Makes tests/golden/metrics/more.json with TensorFlow 2.15: cases, in the shape
of streaming.json, of the metrics of tf.compat.v1.metrics that it leaves out.

    python make_metrics_more.py OUT_DIR
"""
import json
import os
import sys

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
M = v1.metrics
rng = np.random.default_rng(20240812)
cases = []
SIZES = [7, 1, 12, 5]


def number(x):
    if isinstance(x, (bool, np.bool_)):
        return bool(x)
    if isinstance(x, (int, np.integer)):
        return int(x)
    x = float(x)
    return "NaN" if np.isnan(x) else ("Inf" if x > 0 else "-Inf") if np.isinf(x) else float("%.9g" % x)


def plain(a):
    a = np.asarray(a)
    return number(a[()]) if a.shape == () else arr(a)


def arr(a):
    a = np.asarray(a)
    dtype = "float32" if a.dtype == np.float64 else a.dtype.name
    return {"shape": list(a.shape), "dtype": dtype, "data": [number(x) for x in a.reshape(-1)]}


def add(name, arguments, feeds, weights=None, static=False, note=None):
    batches = len(next(iter(feeds.values())))
    with tf.Graph().as_default(), v1.Session() as s:
        head = lambda b: list(b.shape) if static else [None] + list(b.shape[1:])
        ph = {k: v1.placeholder(b[0].dtype, head(b[0])) for k, b in feeds.items()}
        kw = dict(arguments)
        if weights is not None:
            ph["weights"] = v1.placeholder(np.float32, head(weights[0]))
            feeds = dict(feeds, weights=weights)
        value, update = getattr(M, name)(**ph, **kw)
        local = v1.local_variables()
        s.run(v1.local_variables_initializer())
        before, rows = plain(s.run(value)), []
        for i in range(batches):
            up = s.run(update, {ph[k]: b[i] for k, b in feeds.items()})
            rows.append({"update_op": plain(up), "value": plain(s.run(value))})
        final = s.run(local)
    c = {"metric": name, "arguments": arguments, "batches": [{k: arr(b[i]) for k, b in feeds.items()} for i in range(batches)],
         "value_before": before, "after_batch": rows, "state_names": [v.op.name for v in local], "final_state": [arr(x) for x in final]}
    if note:
        c["note"] = note
    cases.append(c)


def weights():
    w = [np.round(rng.uniform(0, 2, size=n), 2).astype(np.float32) for n in SIZES]
    w[0][0] = 0
    return w


classes = lambda k, cols=(): [rng.integers(0, k, (n,) + cols).astype(np.int64) for n in SIZES]
prob = lambda: [np.round(rng.uniform(0, 1, size=n), 3).astype(np.float32) for n in SIZES]
truth = lambda: [rng.integers(0, 2, n).astype(np.bool_) for n in SIZES]
scores = lambda k: [np.round(rng.normal(size=(n, k)), 1).astype(np.float32) for n in SIZES]


def best(k, n):
    return [np.stack([rng.permutation(n)[:k] for _ in range(m)]).astype(np.int64) for m in SIZES]


for W in (lambda: None, weights):
    add("mean_iou", {"num_classes": 4}, {"labels": classes(4), "predictions": classes(4)}, W())
    add("mean_iou", {"num_classes": 6}, {"labels": classes(3), "predictions": classes(3)}, W(), note="classes that are never met")
    for target in (0.0, 0.3, 0.5, 0.8, 1.0):
        for n in (11, 40) if target == 0.5 else (11,):
            add("sensitivity_at_specificity", {"specificity": target, "num_thresholds": n}, {"labels": truth(), "predictions": prob()}, W())
            add("specificity_at_sensitivity", {"sensitivity": target, "num_thresholds": n}, {"labels": truth(), "predictions": prob()}, W())
    for cols in (1, 3):
        for k in (1, 3):
            add("average_precision_at_k", {"k": k}, {"labels": classes(6, (cols,)), "predictions": scores(6)}, W())
            add("precision_at_top_k", {"k": k}, {"labels": classes(6, (cols,)), "predictions_idx": best(k, 6)}, W())
            add("recall_at_top_k", {"k": k}, {"labels": classes(6, (cols,)), "predictions_idx": best(k, 6)}, W())
            add("precision_at_k", {"k": k}, {"labels": classes(6, (cols,)), "predictions": scores(6)}, W())
            add("recall_at_k", {"k": k}, {"labels": classes(6, (cols,)), "predictions": scores(6)}, W())
            add("precision_at_k", {"k": k, "class_id": 2}, {"labels": classes(6, (cols,)), "predictions": scores(6)}, W())
            add("recall_at_k", {"k": k, "class_id": 2}, {"labels": classes(6, (cols,)), "predictions": scores(6)}, W())
            add("precision_at_top_k", {"k": k, "class_id": 1}, {"labels": classes(6, (cols,)), "predictions_idx": best(k, 6)}, W())
            add("recall_at_top_k", {"k": k, "class_id": 1}, {"labels": classes(6, (cols,)), "predictions_idx": best(k, 6)}, W())
steady = lambda *shape: [rng.normal(size=shape).astype(np.float32) for _ in range(4)]
wt = lambda *shape: [np.round(rng.uniform(0, 2, size=shape) * (rng.uniform(size=shape) > 0.5), 2).astype(np.float32) for _ in range(4)]
add("mean_tensor", {}, {"values": steady(3, 4)}, static=True)
add("mean_tensor", {}, {"values": steady(3, 4)}, wt(3, 4), static=True)
add("mean_tensor", {}, {"values": steady(3, 4)}, wt(3, 1), static=True)
add("mean_tensor", {}, {"values": steady(5)}, wt(5), static=True)

head = {"family": "metrics", "what": "more of tf.compat.v1.metrics", "made_with": "tensorflow " + tf.__version__}
with open(os.path.join(sys.argv[1], "more.json"), "w") as out:
    out.write(json.dumps(head, separators=(",", ":"))[:-1] + ',"cases":[\n')
    out.write(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
    out.write("\n]}\n")
print(len(cases), "cases")
