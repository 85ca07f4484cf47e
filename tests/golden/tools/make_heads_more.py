"""Makes tests/golden/metrics/heads_more.json with TensorFlow 2.15: cases, in the
shape of heads_v2.json and with predictions, of the heads and options of
tf.estimator that it leaves out. Labels of a vocabulary are written as places in
it.

    python make_heads_more.py OUT_DIR
"""
import json
import os
import sys

import numpy as np
import tensorflow as tf

E = tf.estimator
rng = np.random.default_rng(20261128)
cases = []
SIZES = [7, 1, 5]


def number(x):
    if isinstance(x, (int, np.integer)):
        return int(x)
    return float("%.9g" % float(x))


def arr(a):
    a = np.asarray(a)
    if a.dtype == object:
        return {"shape": list(a.shape), "dtype": "string", "data": [x.decode() for x in a.reshape(-1)]}
    return {"shape": list(a.shape), "dtype": a.dtype.name, "data": [number(x) for x in a.reshape(-1)]}


def reals(*cols):
    return [np.float32(rng.normal(size=(n,) + cols)) for n in SIZES]


def below(k, *cols):
    return [rng.integers(0, k, size=(n,) + cols).astype(np.int64) for n in SIZES]


def shares(*cols):
    return [np.float32(np.round(rng.uniform(0, 1, size=(n,) + cols), 2)) for n in SIZES]


def add(head, arguments, labels, logits, weights=None, penalty=None):
    made = dict(arguments)
    for functions in ("inverse_link_fn",):
        if functions in made:
            made[functions] = {"exp": tf.exp}[made[functions]]
    h = getattr(E, head)(**made)
    vocabulary = arguments.get("label_vocabulary")
    metrics = h.metrics([0.0] if penalty else None)
    losses, rows, predictions = [], [], []
    for i in range(len(labels)):
        x = tf.constant(logits[i])
        y = tf.constant(np.array(vocabulary)[labels[i]] if vocabulary and head != "MultiLabelHead" else labels[i])
        features = {"x": tf.ones([len(labels[i]), 1])}
        if weights is not None:
            features["w"] = tf.constant(weights[i])
        extra = {"regularization_losses": [tf.constant(penalty)]} if penalty else {}
        losses.append(float(h.loss(y, x, features=features, mode="eval", **extra)))
        h.update_metrics(metrics, features, x, y, **extra)
        predictions.append({k: arr(v.numpy()) for k, v in sorted(h.predictions(x).items())})
        rows.append(dict({k: number(m.result().numpy()) for k, m in sorted(metrics.items())}, loss=number(np.float32(np.mean(losses)))))
    batches = [{"labels": arr(labels[i]), "logits": arr(logits[i])} for i in range(len(labels))]
    for b, w in zip(batches, weights or []):
        b["weights"] = arr(w)
    if penalty:
        arguments = dict(arguments, regularization_loss=penalty)
    cases.append({"head": head, "arguments": arguments, "batches": batches, "batch_loss": losses,
                  "predictions": predictions, "metrics_after_batch": rows})


add("BinaryClassHead", {"name": "late", "label_vocabulary": ["no", "yes"]}, below(2), reals(1))
add("BinaryClassHead", {"weight_column": "w", "thresholds": [0.25, 0.75]}, shares(), reals(1), below(4))
add("BinaryClassHead", {"loss_reduction": "sum"}, shares(1), reals(1), penalty=0.25)
add("MultiClassHead", {"n_classes": 4, "label_vocabulary": ["a", "b b", "\u00e7", "d"], "name": "kind"}, below(4), reals(4))
add("MultiClassHead", {"n_classes": 3, "weight_column": "w", "loss_reduction": "sum"}, below(3, 1), reals(3), shares())
add("RegressionHead", {"label_dimension": 3, "weight_column": "w", "name": "price"}, reals(3), reals(3), shares(3))
add("RegressionHead", {"inverse_link_fn": "exp"}, below(9), reals(1))
add("PoissonRegressionHead", {}, below(6), reals(1))
add("PoissonRegressionHead", {"label_dimension": 2, "weight_column": "w"}, below(4, 2), reals(2), shares(1))
add("PoissonRegressionHead", {"compute_full_loss": False}, [np.float32(x + y) for x, y in zip(below(4, 1), shares(1))], reals(1))
add("LogisticRegressionHead", {}, shares(), reals(1))
add("LogisticRegressionHead", {"weight_column": "w"}, shares(1), reals(1), shares(1))
add("MultiLabelHead", {"n_classes": 4, "thresholds": [0.5], "classes_for_class_based_metrics": [0, 3]}, below(2, 4), reals(4))
add("MultiLabelHead", {"n_classes": 2, "label_vocabulary": ["red", "blue"], "weight_column": "w", "thresholds": [0.25],
                       "classes_for_class_based_metrics": [1], "name": "hue"}, below(2, 2), reals(2), shares())

with open(os.path.join(sys.argv[1], "heads_more.json"), "w") as f:
    json.dump({"family": "metrics", "what": "heads of tf.estimator, more of them",
               "made_with": "tensorflow %s" % tf.__version__, "cases": cases}, f, separators=(",", ":"))
    f.write("\n")
