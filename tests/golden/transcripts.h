/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the family transcripts: the rules, which say what need not be
 * the same and why; the processes of a run; what they leave. */
#ifndef GOLDEN_TRANSCRIPTS_H
#define GOLDEN_TRANSCRIPTS_H

#include "golden.h"

/* Texts, owned. */
struct texts {
    char **items;
    int n;
};
void texts_add(struct texts *, CREW_TAKES char *);
void texts_remove(struct texts *, int from, int n);
bool texts_has(const struct texts *, const char *);
void texts_sort(struct texts *);
void texts_release(struct texts *);

/* ------------------------------------------------------------------- rules */

/* A line of transcripts_rules.txt: KIND WHERE REGEX [=> TEXT] -- REASON. WHERE
 * is a pattern of "<run>/<role>", "<run>/tree", "<run>/events". */
enum rule_kind {
    RULE_MASK,   /* what matches becomes TEXT */
    RULE_THEIRS, /* a line of TensorFlow's that we lack */
    RULE_OURS,   /* a line of ours */
    RULE_FREE,   /* may be anywhere and any number of times, but not never */
    RULE_SPAN,   /* the same of all lines from REGEX to TEXT */
    RULE_REPEAT, /* how often in a row lines repeat does not count */
    RULE_EXIT,   /* our exit code is TEXT */
    NUM_RULE_KINDS
};
struct rules;

/* NULL after a message. Owner: caller. */
struct rules *rules_load(const char *path);
void rules_free(CREW_NULLABLE struct rules *);
/* The masked text, white space as single spaces. Owner: caller. */
char *rules_mask(const struct rules *,
                 const char *where,
                 CREW_TAKES char *text);
bool rules_match(const struct rules *,
                 enum rule_kind,
                 const char *where,
                 const char *text);
/* The exit code that is wanted of us. */
int rules_exit_code(const struct rules *, const char *where, int theirs);
/* Take out what the rules let differ, and compare the rest in order. */
void rules_compare(const struct rules *,
                   struct golden_report *,
                   const char *where,
                   struct texts *got,
                   struct texts *want);

/* --------------------------------------------------------------- processes */

struct process {
    const char *role; /* "" when there is one only; borrowed */
    char *tf_config;  /* owned; NULL: unset */
    char **argv;      /* owned, ends with NULL */
    int exit_code;
    int pid;
    char *stdout_path, *stderr_path; /* owned */
};
/* Run them at once in the folder `cwd`, to their end; who has not ended after
 * so many seconds is killed. Errors: as text on stderr, not 0. */
int processes_run(struct process *, int n, const char *cwd, int secs);
void processes_release(struct process *, int n);
/* A port that nobody listens on now. */
int free_port(void);

/* -------------------------------------------------------------------- lines */

/* All of a file; "" if there is none. Owner: caller. */
char *read_text(const char *path);
/* With $MODEL_DIR for the path. Owner: caller. */
char *without_paths(const char *model_dir, CREW_TAKES char *text);
/* The lines of a log: TensorFlow's "INFO:tensorflow:text" or ours, as "INFO
 * text"; one that goes on behind its line end is one. */
void log_lines(const char *text, bool ours, struct texts *out);
void plain_lines(const char *text, struct texts *out);

/* ------------------------------------------------------------------- files */

/* Compare model_dir with run.json's tree: names, event files, "checkpoint". */
void compare_tree(const struct rules *,
                  struct golden_report *,
                  const char *run,
                  const char *model_dir,
                  const cJSON *want);

#endif
