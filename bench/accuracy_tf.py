# SPDX-License-Identifier: Apache-2.0
"""examples/mnist.c as a program of TensorFlow's Estimator, for accuracy.sh: the
same network, data, batches and optimizer. It needs TensorFlow 2.15 or older.

TF_CONFIG makes it a role of a cluster; the chief waits with its first step for
the workers, who join ten seconds late otherwise. The last line is
`accuracy = A`: of the 10,000 test images, with the final checkpoint."""
import argparse
import os
import time

import tensorflow as tf

import mnist_tf

tf1 = tf.compat.v1
parser = argparse.ArgumentParser()
parser.add_argument("--model_dir", required=True)
parser.add_argument("--data_dir", required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--seed", type=int, required=True)
args = parser.parse_args()


def train_input():
    return mnist_tf.train_input(args.data_dir, args.seed)


def eval_input():
    return mnist_tf.eval_input(args.data_dir)


class StartTogether(tf1.train.SessionRunHook):
    """Every trainer leaves a file; each waits for all files."""

    def after_create_session(self, session, coord):
        flag = os.path.join(args.model_dir, "trainer-%d")
        open(flag % mnist_tf.rank, "w").close()
        while not all(os.path.exists(flag % i) for i in range(mnist_tf.trainers)):
            time.sleep(0.05)


def main():
    params = {"optimizer": lambda: tf1.train.AdamOptimizer(0.001)}
    run_config = tf.estimator.RunConfig(
        model_dir=args.model_dir, tf_random_seed=args.seed, save_checkpoints_steps=args.steps,
        log_step_count_steps=100, experimental_max_worker_delay_secs=5)
    estimator = tf.estimator.Estimator(mnist_tf.model_fn, config=run_config, params=params)
    if not mnist_tf.cluster:
        estimator.train(train_input, max_steps=args.steps)
    else:
        os.makedirs(args.model_dir, exist_ok=True)
        tf.estimator.train_and_evaluate(
            estimator,
            tf.estimator.TrainSpec(train_input, max_steps=args.steps, hooks=[StartTogether()]),
            tf.estimator.EvalSpec(eval_input, steps=None))
    if mnist_tf.rank == 0:
        os.environ.pop("TF_CONFIG", None)
        judge = tf.estimator.Estimator(mnist_tf.model_fn, args.model_dir, params=params)
        print("accuracy = %.4f" % judge.evaluate(eval_input)["accuracy"])


tf1.logging.set_verbosity(tf1.logging.INFO)
main()
