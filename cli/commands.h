/* SPDX-License-Identifier: Apache-2.0
 * The sub-commands of `crew`. argv[0] is the command's own name ("ckpt"); each
 * answers --help on stdout with 0, and returns the process's exit code. Results
 * go to stdout, errors as one line "crew ckpt: ..." to stderr. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

int cmd_run(int argc, char **argv);
int cmd_local(int argc, char **argv);
int cmd_tf_config(int argc, char **argv);
int cmd_health(int argc, char **argv);
int cmd_ckpt(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_records(int argc, char **argv);
int cmd_evaluate(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_saved_model(int argc, char **argv);
int cmd_predict(int argc, char **argv);

/* crew predict --job ...: from a checkpoint. */
int predict_from_checkpoint(int argc, char **argv);

#endif
