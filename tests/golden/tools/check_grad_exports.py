"""Lets TensorFlow run what tests/grad/grad_export.c wrote, one graph a case.

    GRAD_EXPORT_DIR=DIR build/tests/grad_test && python check_grad_exports.py DIR
"""
import glob
import os
import sys

import numpy as np
import tensorflow as tf

X = np.array([[-0.6, 0.07, 0.73, -0.27], [0.4, -0.6, 0.07, 0.73], [-0.27, 0.4, -0.6, 0.07]], np.float32)
LABELS = np.array([4, 0, 2], np.int32)
bad = 0
paths = sorted(glob.glob(os.path.join(sys.argv[1], "*.pb")))
for path in paths:
    name = os.path.basename(path)[:-3]
    with open(path[:-3] + ".txt") as f:
        fetch, *numbers = f.read().split()
    want = np.array([float(x) for x in numbers])
    definition = tf.compat.v1.GraphDef()
    with open(path, "rb") as f:
        definition.ParseFromString(f.read())
    with tf.Graph().as_default() as g, tf.compat.v1.Session() as s:
        tf.import_graph_def(definition, name="")
        nodes = {n.name for n in definition.node}
        feeds = {k + ":0": v for k, v in (("x", X), ("labels", LABELS)) if k in nodes and g.get_operation_by_name(k).type == "Placeholder"}
        got = s.run(fetch, feeds).astype(np.float64).reshape(-1)
    limit = 1e-5 * max(abs(want)) + 1e-6
    if got.shape != want.shape or not np.all(abs(got - want) <= limit):
        bad += 1
        print("%s: differs by %g" % (name, np.max(abs(got - want))) if got.shape == want.shape else "%s: other shape" % name)
print("%d cases, %d differ" % (len(paths), bad))
sys.exit(bad > 0)
