# SPDX-License-Identifier: Apache-2.0
"""examples/mnist.c as a program of TensorFlow's Estimator, for accuracy.sh: the
same network, data, batches and optimizer. It needs TensorFlow 2.15 or older.

TF_CONFIG makes it a role of a cluster; each trainer then reads its own part of
the images, as ours do by default, and the chief waits with its first step for
the workers, who join ten seconds late otherwise. The last line is
`accuracy = A`: of the 10,000 test images, with the final checkpoint."""
import argparse
import json
import os
import time

import tensorflow as tf

tf1 = tf.compat.v1
parser = argparse.ArgumentParser()
parser.add_argument("--model_dir", required=True)
parser.add_argument("--data_dir", required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--seed", type=int, required=True)
args = parser.parse_args()
config = json.loads(os.environ.get("TF_CONFIG", "{}"))
cluster = config.get("cluster", {})
task = config.get("task", {"type": "chief", "index": 0})
trainers = 1 + len(cluster.get("worker", []))
rank = 0 if task["type"] == "chief" else 1 + task["index"]


def images(kind):
    def records(name, size, header):
        return tf.data.FixedLengthRecordDataset(
            os.path.join(args.data_dir, kind + name), size, header_bytes=header,
            compression_type="GZIP")

    def decode(image, label):
        pixels = tf.cast(tf.io.decode_raw(image, tf.uint8), tf.float32) / 255.0
        return {"x": pixels}, tf.cast(tf.io.decode_raw(label, tf.uint8)[0], tf.int32)

    return tf.data.Dataset.zip((records("-images-idx3-ubyte.gz", 784, 16),
                                records("-labels-idx1-ubyte.gz", 1, 8))).map(decode)


def train_input():
    data = images("train").shard(trainers, rank)
    return data.shuffle(60000, seed=args.seed * 100 + rank).repeat().batch(100, drop_remainder=True)


def eval_input():
    return images("t10k").batch(100)


def model_fn(features, labels, mode):
    x = tf.reshape(features["x"], [-1, 28, 28, 1])
    x = tf1.layers.conv2d(x, 32, 5, padding="same", activation=tf.nn.relu)
    x = tf1.layers.max_pooling2d(x, 2, 2)
    x = tf1.layers.conv2d(x, 64, 5, padding="same", activation=tf.nn.relu)
    x = tf1.layers.max_pooling2d(x, 2, 2)
    x = tf1.layers.dense(tf.reshape(x, [-1, 7 * 7 * 64]), 1024, activation=tf.nn.relu)
    x = tf1.layers.dropout(x, 0.4, training=mode == tf.estimator.ModeKeys.TRAIN)
    logits = tf1.layers.dense(x, 10)
    loss = tf1.losses.sparse_softmax_cross_entropy(labels, logits)
    if mode == tf.estimator.ModeKeys.TRAIN:
        train_op = tf1.train.AdamOptimizer(0.001).minimize(loss, tf1.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)
    accuracy = tf1.metrics.accuracy(labels, tf.argmax(logits, 1))
    return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": accuracy})


class StartTogether(tf1.train.SessionRunHook):
    """Every trainer leaves a file; each waits for all files."""

    def after_create_session(self, session, coord):
        flag = os.path.join(args.model_dir, "trainer-%d")
        open(flag % rank, "w").close()
        while not all(os.path.exists(flag % i) for i in range(trainers)):
            time.sleep(0.05)


def main():
    run_config = tf.estimator.RunConfig(
        model_dir=args.model_dir, tf_random_seed=args.seed, save_checkpoints_steps=args.steps,
        log_step_count_steps=100, experimental_max_worker_delay_secs=5)
    estimator = tf.estimator.Estimator(model_fn, config=run_config)
    if not cluster:
        estimator.train(train_input, max_steps=args.steps)
    else:
        os.makedirs(args.model_dir, exist_ok=True)
        tf.estimator.train_and_evaluate(
            estimator,
            tf.estimator.TrainSpec(train_input, max_steps=args.steps, hooks=[StartTogether()]),
            tf.estimator.EvalSpec(eval_input, steps=None))
    if rank == 0:
        os.environ.pop("TF_CONFIG", None)
        judge = tf.estimator.Estimator(model_fn, args.model_dir)
        print("accuracy = %.4f" % judge.evaluate(eval_input)["accuracy"])


tf1.logging.set_verbosity(tf1.logging.INFO)
main()
