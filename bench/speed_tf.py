# SPDX-License-Identifier: Apache-2.0
"""examples/mnist.c as a program of TensorFlow's Estimator, for speed.sh:

  train     max_steps steps, alone or as the role that TF_CONFIG names
  evaluate  the 10,000 test images, with the last checkpoint
  predict   the same, batches of 100
"""
import argparse

import tensorflow as tf

import mnist_tf

tf1 = tf.compat.v1
parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["train", "evaluate", "predict"])
parser.add_argument("--model_dir", required=True)
parser.add_argument("--data_dir", required=True)
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--log_steps", type=int, default=10)
args = parser.parse_args()


def train_input():
    return mnist_tf.train_input(args.data_dir, 1)


def eval_input():
    return mnist_tf.eval_input(args.data_dir)


def main():
    run_config = tf.estimator.RunConfig(
        model_dir=args.model_dir, tf_random_seed=1, save_checkpoints_steps=100000,
        save_summary_steps=100000, log_step_count_steps=args.log_steps)
    estimator = tf.estimator.Estimator(
        mnist_tf.model_fn, config=run_config,
        params={"optimizer": lambda: tf1.train.GradientDescentOptimizer(0.001)})
    if args.mode == "evaluate":
        print(estimator.evaluate(eval_input))
    elif args.mode == "predict":
        print(sum(int(answer["classes"]) for answer in estimator.predict(eval_input)))
    elif mnist_tf.cluster:
        tf.estimator.train_and_evaluate(
            estimator, tf.estimator.TrainSpec(train_input, max_steps=args.steps),
            tf.estimator.EvalSpec(eval_input, steps=None))
    else:
        estimator.train(train_input, max_steps=args.steps)


tf1.logging.set_verbosity(tf1.logging.INFO)
main()
