# SPDX-License-Identifier: Apache-2.0
"""examples/mnist.c as a model of TensorFlow's Estimator, for accuracy_tf.py and
speed_tf.py: the same network and data. It needs TensorFlow 2.15 or older.

`trainers` and `rank` are this process's place in TF_CONFIG's cluster; each
trainer reads its own part of the images, as ours do by default."""
import json
import os

import tensorflow as tf

tf1 = tf.compat.v1
config = json.loads(os.environ.get("TF_CONFIG", "{}"))
cluster = config.get("cluster", {})
task = config.get("task", {"type": "chief", "index": 0})
trainers = 1 + len(cluster.get("worker", []))
rank = 0 if task["type"] == "chief" else 1 + task["index"]


def images(data_dir, kind):
    def records(name, size, header):
        return tf.data.FixedLengthRecordDataset(
            os.path.join(data_dir, kind + name), size, header_bytes=header,
            compression_type="GZIP")

    def decode(image, label):
        pixels = tf.cast(tf.io.decode_raw(image, tf.uint8), tf.float32) / 255.0
        return {"x": pixels}, tf.cast(tf.io.decode_raw(label, tf.uint8)[0], tf.int32)

    return tf.data.Dataset.zip((records("-images-idx3-ubyte.gz", 784, 16),
                                records("-labels-idx1-ubyte.gz", 1, 8))).map(decode)


def train_input(data_dir, seed, batch=100):
    data = images(data_dir, "train").shard(trainers, rank)
    return data.shuffle(60000, seed=seed * 100 + rank).repeat().batch(batch, drop_remainder=True)


def eval_input(data_dir):
    return images(data_dir, "t10k").batch(100)


def model_fn(features, labels, mode, params):
    """params: `optimizer`, a function that makes one."""
    x = tf.reshape(features["x"], [-1, 28, 28, 1])
    x = tf1.layers.conv2d(x, 32, 5, padding="same", activation=tf.nn.relu)
    x = tf1.layers.max_pooling2d(x, 2, 2)
    x = tf1.layers.conv2d(x, 64, 5, padding="same", activation=tf.nn.relu)
    x = tf1.layers.max_pooling2d(x, 2, 2)
    x = tf1.layers.dense(tf.reshape(x, [-1, 7 * 7 * 64]), 1024, activation=tf.nn.relu)
    x = tf1.layers.dropout(x, 0.4, training=mode == tf.estimator.ModeKeys.TRAIN)
    logits = tf1.layers.dense(x, 10)
    answers = {"classes": tf.argmax(logits, 1), "probabilities": tf.nn.softmax(logits)}
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions=answers)
    loss = tf1.losses.sparse_softmax_cross_entropy(labels, logits)
    if mode == tf.estimator.ModeKeys.TRAIN:
        train_op = params["optimizer"]().minimize(loss, tf1.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)
    accuracy = tf1.metrics.accuracy(labels, answers["classes"])
    return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": accuracy})
