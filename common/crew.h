/* SPDX-License-Identifier: Apache-2.0
 *
 * crew.h: what a job is written against. One header, C11, usable from C++.
 *
 * A job is one C file that exports one `struct crew_job`: a model function,
 * which builds a graph, and a configure function, which says where the data
 * is and for how long to train. The same object runs in one process and on a
 * cluster of chief, workers, parameter servers and evaluator; only the
 * environment variable TF_CONFIG differs. examples/mnist.c is a full job.
 *
 * Contents, in this order; each name stands between dashes below
 *   errors                           codes, messages, exit codes
 *   tensors                          dtypes and shapes
 *   params                           hyper-parameters
 *   input: sources                   arrays, .npy, idx, CSV, TFRecord files
 *   input: combinators               map, zip, shuffle, repeat, batch, ...
 *   input: the function              what it is called with and returns
 *   graph                            features, scopes, names, the first error
 *   initializers                     how a variable begins
 *   variables                        trainable, fixed, moving averages
 *   ops: arithmetic                  matmul, add, ..., constants
 *   ops: of every element            exp, activations, casts
 *   ops: along dimensions            softmax, argmax, reductions
 *   ops: shapes                      concat, transpose, pad, reshape, one_hot
 *   layers                           dense, conv, norms, pooling, dropout
 *   embeddings                       gather, embedding lookups
 *   ops of the job's own             crew_custom_op
 *   losses                           tf.losses, regularizers, total loss
 *   metrics                          tf.metrics
 *   optimizers: learning rates       tf.train's decays
 *   optimizers: gradients, averages  clipping, ExponentialMovingAverage
 *   optimizers: update rules         tf.train's optimizers, sync replicas
 *   EstimatorSpec: the model         predictions, loss, optimizers, metrics
 *   EstimatorSpec: exports           export_outputs, by signature
 *   EstimatorSpec: summaries         scalars, histograms, images, text
 *   EstimatorSpec: scaffold          init_fn, saver
 *   EstimatorSpec: heads             tf.estimator's, a whole spec of logits
 *   the model function               crew_model_fn
 *   hooks: of your own               SessionRunHook, CheckpointSaverListener
 *   hooks: those there are           tf.train's, early stopping
 *   warm start                       WarmStartSettings, VocabInfo
 *   RunConfig                        and ConfigProto
 *   TrainSpec                        and its hooks
 *   exporters                        receivers, LatestExporter, Final-, Best-
 *   EvalSpec                         and its exporters
 *   job                              struct crew_job, CREW_JOB, crew_job_main
 *   Estimator                        train, evaluate, predict, export
 *
 * Conventions
 * - A function that can fail returns 0 (CREW_OK) or an enum crew_code and
 *   fills `err`, its last parameter. Outputs are untouched on error. `err` may
 *   be NULL: then the words are dropped, and the code is all there is.
 * - Graph builders never fail and never return NULL: the first error sticks in
 *   the graph with the op's scoped name and the shapes that do not fit; ask
 *   once, at the end, with crew_graph_status().
 * - CREW_TAKES: the callee owns the argument, also on error. CREW_NULLABLE:
 *   NULL is allowed. CREW_OUT: written by the callee. A pointer without a mark
 *   is borrowed for the call and not NULL. One that is NULL all the same is an
 *   error with words, where the function has a way to say it (`err`, or what
 *   the graph, spec, dataset or hook keeps); else nothing happens.
 * - Threads: building a graph, and everything a job's functions are called
 *   with, belongs to the calling thread.
 * - Element counts, steps and dimensions are int64_t; sizes in bytes size_t.
 */
#ifndef CREW_H
#define CREW_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CREW_API __attribute__((visibility("default")))
#define CREW_OUT
#define CREW_TAKES
#define CREW_NULLABLE
/* A result that must be looked at, or thrown away by a cast to void, which gcc
 * does not accept as an answer; clang does and watches over it. */
#ifdef __clang__
#define CREW_MUST_CHECK __attribute__((warn_unused_result))
#else
#define CREW_MUST_CHECK
#endif

/* Raised whenever a struct of this header changes. A job built against another
 * number is refused when it is loaded. */
#define CREW_ABI_VERSION 4

/* The library's release, e.g. "0.1.0". Owner: the library. */
CREW_API const char *crew_version(void);

/* ------------------------------------------------------------------ errors */

/* The numbers are those of TensorFlow's error_codes.proto. */
enum crew_code {
    CREW_OK = 0,
    CREW_CANCELLED = 1,
    CREW_UNKNOWN = 2,
    CREW_INVALID_ARGUMENT = 3,
    CREW_DEADLINE_EXCEEDED = 4,
    CREW_NOT_FOUND = 5,
    CREW_ALREADY_EXISTS = 6,
    CREW_PERMISSION_DENIED = 7,
    CREW_RESOURCE_EXHAUSTED = 8,
    CREW_FAILED_PRECONDITION = 9,
    CREW_ABORTED = 10,
    CREW_OUT_OF_RANGE = 11, /* end of input */
    CREW_UNIMPLEMENTED = 12,
    CREW_INTERNAL = 13,
    CREW_UNAVAILABLE = 14,
    CREW_DATA_LOSS = 15
};

/* One line of text: what happened, to which value, what to do. `exit_code` is
 * what a program that gives up on this error exits with; 0 derives it from the
 * code (docs/guide.md lists them). Zero-initialise before use. */
struct crew_err {
    int code;
    int exit_code;
    char msg[1024];
};

/* Set the error. The first one wins: an error that is already set is kept.
 * Returns the error's code (`code`, when there was none before), so that a
 * function can end with `return crew_err_set(...)`. err NULL: returns `code`,
 * and the words are dropped. */
CREW_API int crew_err_set(struct crew_err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, naming the exit code (64 usage, 65 bad data, 66 missing input,
 * 73 cannot create, 74 I/O, 78 bad configuration, 138 peers unreachable). */
CREW_API int crew_err_exit(struct crew_err *err,
                           int code,
                           int exit_code,
                           const char *fmt,
                           ...) __attribute__((format(printf, 4, 5)));

/* Prefix the message with context and ": " while the error climbs. Returns
 * err->code; err NULL: CREW_UNKNOWN. */
CREW_API int crew_err_wrap(struct crew_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "INVALID_ARGUMENT" for 3 and so on; "UNKNOWN" for what is no code. */
CREW_API const char *crew_code_name(int code);

/* The exit code a program ends with on this error. */
CREW_API int crew_err_exit_code(const struct crew_err *err);

/* ----------------------------------------------------------------- tensors */

/* The numbers are those of TensorFlow's types.proto. */
enum crew_dtype {
    CREW_INVALID_DTYPE = 0,
    CREW_FLOAT = 1,
    CREW_DOUBLE = 2,
    CREW_INT32 = 3,
    CREW_UINT8 = 4,
    CREW_STRING = 7,
    CREW_INT64 = 9,
    CREW_BOOL = 10
};

#define CREW_MAX_RANK 8

/* Dimensions, outermost first. -1 is unknown (the batch). rank 0 is a scalar.
 */
struct crew_shape {
    int rank;
    int64_t dim[CREW_MAX_RANK];
};

CREW_API struct crew_shape crew_scalar_shape(void);
CREW_API struct crew_shape crew_shape1(int64_t a);
CREW_API struct crew_shape crew_shape2(int64_t a, int64_t b);
CREW_API struct crew_shape crew_shape4(int64_t a,
                                       int64_t b,
                                       int64_t c,
                                       int64_t d);

/* ------------------------------------------------------------------ params */

/* The job's hyper-parameters: --config's JSON object with --set key=value on
 * top. A getter returns the value or `fallback`; asking declares the key, and a
 * key given by the user that nobody asked for by the end of start-up is an
 * error that names the nearest known one. A value of the wrong type is an error
 * too (exit code 64), reported after configure() and model_fn() returned.
 * Owner: returned strings live as long as the params. */
struct crew_params;
CREW_API double crew_params_float(const struct crew_params *,
                                  const char *key,
                                  double fallback);
CREW_API int64_t crew_params_int(const struct crew_params *,
                                 const char *key,
                                 int64_t fallback);
CREW_API bool crew_params_bool(const struct crew_params *,
                               const char *key,
                               bool fallback);
CREW_API const char *crew_params_str(const struct crew_params *,
                                     const char *key,
                                     CREW_NULLABLE const char *fallback);

/* ---------------------------------------------------------- input: sources */

enum crew_mode { CREW_TRAIN = 0, CREW_EVAL = 1, CREW_PREDICT = 2 };

/* A stream of elements. Its element (names, dtypes, shapes) is declared without
 * opening a file; files are opened when the first element is asked for. The
 * combinators take the dataset they are given and return a new one. */
struct crew_dataset;

/* Images and labels in the idx format of MNIST, plain or gzipped. One element
 * is {feature: float32 (rows*cols) scaled to [0, 1], label: int32 ()}; rows and
 * cols are declared here and checked against the file.
 * Errors when read: NOT_FOUND (exit 66) no such file; DATA_LOSS (exit 65)
 * truncated, corrupt, or another shape. Source: the MNIST page's idx format. */
CREW_API struct crew_dataset *crew_dataset_idx(const char *images_path,
                                               const char *labels_path,
                                               const char *feature,
                                               int64_t rows,
                                               int64_t cols);
/* A component of an element: a feature, or the label. Of shape (-1) it is a
 * list of int64 or float32 of any length: a feature for the lookups that
 * combine. Lists come from records, CSV files and maps. */
struct crew_column {
    const char *name;
    enum crew_dtype dtype;   /* float32, int32 or int64 */
    struct crew_shape shape; /* of one element */
    bool is_label;
};
/* Arrays of the caller's, which must outlive the dataset: data[i] holds `rows`
 * elements of columns[i], row-major. The twin of numpy_input_fn (add shuffle,
 * repeat and batch). */
CREW_API struct crew_dataset *crew_dataset_arrays(
    const struct crew_column *columns,
    const void *const *data,
    int n,
    int64_t rows);
/* The same from .npy files, plain or gzipped, of n rows each; numbers are
 * converted to the column's dtype. Errors when read: NOT_FOUND (66), DATA_LOSS
 * (65) no .npy file, short, or another shape. */
CREW_API struct crew_dataset *crew_dataset_npy(
    const struct crew_column *columns,
    const char *const *paths,
    int n);
/* The first `size` lines (0: all) of a vocabulary file, for what follows:
 * categorical_column_with_vocabulary_file's. Owner: caller, one free() of
 * *words. Errors: NOT_FOUND (66) no file; INVALID_ARGUMENT (65) fewer lines. */
CREW_API int crew_vocabulary_read(const char *path,
                                  int64_t size,
                                  CREW_OUT const char *const **words,
                                  CREW_OUT int64_t *n,
                                  struct crew_err *err);
/* Rows of a CSV file, plain or gzipped. A scalar component for every column
 * with a name; name NULL: the field is passed over. An empty field takes the
 * default; NAN: it is required. Of CREW_STRING the component is an int64: the
 * bucket of the word's hash (Fingerprint64, as TensorFlow's
 * to_hash_bucket_fast) or its place in the vocabulary; -1: an empty field, a
 * word that is not in it. With both, hash_buckets are num_oov_buckets: words
 * that are not in the vocabulary get ids behind it, by their hash. With a
 * list_delimiter, such as ' ', the field holds any number of them and the
 * component is a list, as of tf.strings.split. Errors when read: NOT_FOUND
 * (66), DATA_LOSS (65) with file, line and field.
 */
struct crew_csv_column {
    CREW_NULLABLE const char *name;
    enum crew_dtype dtype;
    double default_value;
    bool is_label;
    char list_delimiter; /* 0: one value; nothing between two: left out */
    int64_t hash_buckets;
    CREW_NULLABLE const char *const *vocabulary;
    int64_t vocabulary_size;
};
struct crew_csv {
    bool header;    /* the first line is one */
    char delimiter; /* 0: a comma */
};
CREW_API struct crew_dataset *crew_dataset_csv(
    const char *path,
    const struct crew_csv_column *columns, /* all of the file's, in order */
    int n,
    struct crew_csv);

/* A feature of tf.Examples: a FixedLenFeature of that shape, required unless it
 * has a default; with var_len a VarLenFeature: of shape (-1) a list of any
 * length, all the values there are, for the lookups that combine; of shape (n)
 * the first n values, filled up. Strings become int64 on the way: a bucket of
 * their hash (tf.strings.to_hash_bucket_fast) or their place in a vocabulary,
 * -1 for a word that is not in it, or with both ids behind it by their hash. */
struct crew_record_feature {
    const char *name;
    enum crew_dtype
        dtype; /* in the file: CREW_FLOAT, CREW_INT64, CREW_STRING */
    struct crew_shape shape; /* of one element; zeroed: a scalar */
    bool is_label;
    bool has_default;
    double default_value; /* of each value that is missing; var_len: what fills
                             up, without has_default 0, of words -1 */
    bool var_len;
    int64_t hash_buckets;
    CREW_NULLABLE const char *const *vocabulary;
    int64_t vocabulary_size;
};
/* TFRecord files of tf.Examples. A name may have *, ? and [...] in its last
 * part: files in order of their names. Zeroed fields are the defaults. On a
 * cluster each trainer reads every n-th file when there are that many, else
 * every n-th record, unless the job calls crew_dataset_shard itself. */
struct crew_tfrecord {
    const char *const *files;
    int num_files;
    CREW_NULLABLE const char *compression; /* "", "GZIP", "ZLIB"; NULL: look */
    int64_t max_bad_records; /* records with a wrong CRC to leave out */
    /* tf's interleave: so many files in turn, so many records of each. */
    int64_t cycle_length, block_length;
};
/* All is copied. Errors when read: NOT_FOUND (66) no file, or a pattern that
 * matches none; DATA_LOSS (65) with file and offset; INVALID_ARGUMENT (65) with
 * file, record and parse_example's text. */
CREW_API struct crew_dataset *crew_dataset_tfrecord(
    const struct crew_tfrecord *,
    const struct crew_record_feature *features,
    int n);

/* ------------------------------------------------------ input: combinators */

/* A list, as a function of a map gets and makes it: in[k] is a const struct
 * crew_list *, out[k] an empty one to add to. */
struct crew_list;
CREW_API int64_t crew_list_size(const struct crew_list *);
/* int64_t or float; NULL when there are none. Valid until the function
 * returns. */
CREW_API const void *crew_list_values(const struct crew_list *);
CREW_API void crew_list_add_int(struct crew_list *, int64_t value);
CREW_API void crew_list_add_float(struct crew_list *, float value);

/* Each element through a function: in[k] are the source's components, out[k] is
 * where those of `columns` go. Not 0: an error, said in err. Called on the
 * input thread. */
typedef int (*crew_map_fn)(void *self,
                           const void *const *in,
                           void *const *out,
                           struct crew_err *err);
CREW_API struct crew_dataset *crew_dataset_map(
    CREW_TAKES struct crew_dataset *,
    const struct crew_column *columns,
    int n,
    crew_map_fn fn,
    void *self);
/* Blocks of `block_length` elements of each in turn, until all have ended.
 * Takes the datasets of the list. */
CREW_API struct crew_dataset *crew_dataset_interleave(
    struct crew_dataset *const *sources,
    int n,
    int64_t block_length);
/* Elements side by side, until one has ended: the components of all, whose
 * names differ. Takes the datasets of the list. */
CREW_API struct crew_dataset *crew_dataset_zip(
    struct crew_dataset *const *sources,
    int n);
/* The elements of the first, then those of the second, which has the same
 * components. */
CREW_API struct crew_dataset *crew_dataset_concatenate(
    CREW_TAKES struct crew_dataset *first,
    CREW_TAKES struct crew_dataset *second);
/* Uniform shuffle in a buffer of `buffer` elements. seed 0: from the run's seed
 * and the worker's place, so that workers read in different orders. */
CREW_API struct crew_dataset *crew_dataset_shuffle(
    CREW_TAKES struct crew_dataset *,
    int64_t buffer,
    uint64_t seed);
/* The same; reshuffle_each_iteration false: every pass in the order of the
 * first. */
CREW_API struct crew_dataset *crew_dataset_shuffle_with(
    CREW_TAKES struct crew_dataset *,
    int64_t buffer,
    uint64_t seed,
    bool reshuffle_each_iteration);
/* times < 0: for ever. */
CREW_API struct crew_dataset *crew_dataset_repeat(
    CREW_TAKES struct crew_dataset *,
    int64_t times);
/* The first n elements; n < 0: all. */
CREW_API struct crew_dataset *crew_dataset_take(
    CREW_TAKES struct crew_dataset *,
    int64_t n);
/* Without the first n elements; n < 0: without any. */
CREW_API struct crew_dataset *crew_dataset_skip(
    CREW_TAKES struct crew_dataset *,
    int64_t n);
/* Every num-th element beginning with `index`. By default, in training on a
 * cluster, a dataset is sharded at its source, by (num_workers, worker_index)
 * of struct crew_input_ctx; a call of this, be it with 1 and 0, leaves that to
 * the job. */
CREW_API struct crew_dataset *crew_dataset_shard(
    CREW_TAKES struct crew_dataset *,
    int64_t num,
    int64_t index);
/* Batches of `size`; the last one may be smaller unless drop_remainder. */
CREW_API struct crew_dataset *crew_dataset_batch(
    CREW_TAKES struct crew_dataset *,
    int64_t size,
    bool drop_remainder);
/* tf's prefetch: that many batches are kept ready by the input thread while the
 * model computes. The last combinator; without it two are. */
CREW_API struct crew_dataset *crew_dataset_prefetch(
    CREW_TAKES struct crew_dataset *,
    int64_t n);
/* numpy_input_fn over crew_dataset_arrays or crew_dataset_npy: batches of
 * batch_size (tf: 128) that may reach over the end of an epoch, the last one
 * smaller; num_epochs (tf: 1) below 0: for ever (None); shuffled, or not, among
 * queue_capacity (tf: 1000) elements. */
CREW_API struct crew_dataset *crew_dataset_numpy_input(
    CREW_TAKES struct crew_dataset *arrays,
    int64_t batch_size,
    int64_t num_epochs,
    bool shuffle,
    int64_t queue_capacity);

/* ----------------------------------------------------- input: the function */

/* What an input function may want to know. */
struct crew_input_ctx {
    enum crew_mode mode;
    const struct crew_params *params;
    int64_t num_workers;  /* trainers (chief and workers); 1 in one process */
    int64_t worker_index; /* this trainer's place, 0 is the chief */
    uint64_t seed;
    CREW_NULLABLE void *self; /* what an Estimator's caller gave with it */
};

/* Make the (batched) dataset. Called once at start and again for every
 * evaluation. Owner: the caller gets the dataset. */
typedef int (*crew_input_fn)(const struct crew_input_ctx *ctx,
                             CREW_OUT struct crew_dataset **dataset,
                             struct crew_err *err);

/* ------------------------------------------------------------------- graph */

struct crew_graph;
struct crew_node;
struct crew_features;
struct crew_spec;
struct crew_metric;

enum crew_activation {
    CREW_LINEAR = 0,
    CREW_RELU,
    CREW_SIGMOID,
    CREW_TANH,
    CREW_RELU6,
    CREW_ELU,
    CREW_SELU,
    CREW_SOFTPLUS,
    CREW_SOFTSIGN,
    CREW_LEAKY_RELU, /* alpha 0.2 */
    CREW_SWISH,      /* x sigmoid(x) */
    CREW_GELU        /* by erf */
};
enum crew_padding { CREW_VALID = 0, CREW_SAME };

/* The graph's first error, or CREW_OK. Call it last in a model function. */
CREW_API int crew_graph_status(const struct crew_graph *, struct crew_err *err);

/* The input named `key`: float32, int32 or int64 with the batch in front, or
 * ragged, a list of any length a row. An unknown
 * key poisons the graph with the names there are. */
CREW_API struct crew_node *crew_feature(const struct crew_features *,
                                        const char *key);

/* Prefix for the names of what is built until the matching pop. */
CREW_API void crew_scope_push(struct crew_graph *, const char *name);
CREW_API void crew_scope_pop(struct crew_graph *);

/* Give the op that made `x` another name (tf's name=). The name must be free.
 */
CREW_API struct crew_node *crew_named(struct crew_graph *,
                                      struct crew_node *x,
                                      const char *name);

/* ------------------------------------------------------------ initializers */

/* How a variable begins: tf.initializers, by value. A zeroed one means zeros.
 * The numbers depend on the run's seed, the variable's name and the element's
 * place only, not on the number of processes. */
enum crew_init_kind {
    CREW_INIT_ZEROS = 0,
    CREW_INIT_CONSTANT,         /* a */
    CREW_INIT_UNIFORM,          /* in [a, b) */
    CREW_INIT_NORMAL,           /* mean a, standard deviation b */
    CREW_INIT_TRUNCATED_NORMAL, /* the same, drawn again beyond 2 b */
    CREW_INIT_VARIANCE_SCALING, /* scale a, over the fan */
    CREW_INIT_UNIT_SCALING,     /* uniform, a sqrt(3 / inputs) at most */
    CREW_INIT_IDENTITY,         /* a on the diagonal of a matrix */
    CREW_INIT_ORTHOGONAL        /* a times one, of 2 dimensions or more */
};
enum crew_fan { CREW_FAN_IN = 0, CREW_FAN_OUT, CREW_FAN_AVG };
enum crew_distribution {
    CREW_DIST_TRUNCATED_NORMAL = 0, /* of the wanted deviation once truncated */
    CREW_DIST_UNTRUNCATED_NORMAL,
    CREW_DIST_UNIFORM
};
struct crew_init {
    enum crew_init_kind kind;
    float a, b;
    enum crew_fan fan;
    enum crew_distribution distribution;
};
CREW_API struct crew_init crew_init_zeros(void);
CREW_API struct crew_init crew_init_ones(void);
CREW_API struct crew_init crew_init_constant(double value);
CREW_API struct crew_init crew_init_uniform(double minval, double maxval);
CREW_API struct crew_init crew_init_normal(double mean, double stddev);
CREW_API struct crew_init crew_init_truncated_normal(double mean,
                                                     double stddev);
CREW_API struct crew_init crew_init_variance_scaling(double scale,
                                                     enum crew_fan,
                                                     enum crew_distribution);
CREW_API struct crew_init crew_init_uniform_unit_scaling(double factor);
CREW_API struct crew_init crew_init_identity(double gain);
CREW_API struct crew_init crew_init_orthogonal(double gain);
/* Those with names: variance scaling by 1 (he: 2) over the average (glorot) or
 * the input fan (he, lecun). */
CREW_API struct crew_init crew_init_glorot_uniform(void);
CREW_API struct crew_init crew_init_glorot_normal(void);
CREW_API struct crew_init crew_init_he_uniform(void);
CREW_API struct crew_init crew_init_he_normal(void);
CREW_API struct crew_init crew_init_lecun_uniform(void);
CREW_API struct crew_init crew_init_lecun_normal(void);

/* --------------------------------------------------------------- variables */

/* A trainable float32 variable. Its scoped name is its identity in the graph,
 * on the parameter servers, in checkpoints and in exports. */
CREW_API struct crew_node *crew_variable(struct crew_graph *,
                                         const char *name,
                                         struct crew_shape,
                                         struct crew_init);

/* One that no optimizer trains (tf's trainable=False): it is restored, saved
 * and exported as the others are, and stays as it is but for what follows. */
CREW_API struct crew_node *crew_variable_fixed(struct crew_graph *,
                                               const char *name,
                                               struct crew_shape,
                                               struct crew_init);
/* In CREW_TRAIN each step moves v (of crew_variable_fixed) to the value that
 * `value` had in it: v -= (v - value) (1 - decay), tf's assign_moving_average.
 * The parameter server does it, in one go, once a trainer's step, so no
 * trainer's update is lost. */
CREW_API void crew_assign_moving_average(struct crew_graph *,
                                         struct crew_node *v,
                                         struct crew_node *value,
                                         double decay);

/* --------------------------------------------------------- ops: arithmetic */

/* Ops. Each names the TensorFlow op it is exported as. */
CREW_API struct crew_node *crew_matmul(struct crew_graph *,  /* MatMul */
                                       struct crew_node *a,  /* (m, k) */
                                       struct crew_node *b); /* (k, n) */
/* BatchMatMulV2: a (..., m, k), b (..., k, n), equal in front of that. */
CREW_API struct crew_node *crew_batch_matmul(struct crew_graph *,
                                             struct crew_node *a,
                                             struct crew_node *b);
/* A float32 scalar: Const. */
CREW_API struct crew_node *crew_constant(struct crew_graph *, float value);
CREW_API struct crew_node *crew_bias_add(struct crew_graph *,     /* BiasAdd */
                                         struct crew_node *x,     /* (..., n) */
                                         struct crew_node *bias); /* (n) */
/* Arithmetic of two, broadcast as NumPy does: AddV2, Sub, Mul, RealDiv, ... */
CREW_API struct crew_node *crew_add(struct crew_graph *,
                                    struct crew_node *a,
                                    struct crew_node *b);
CREW_API struct crew_node *crew_sub(struct crew_graph *,
                                    struct crew_node *a,
                                    struct crew_node *b);
CREW_API struct crew_node *crew_mul(struct crew_graph *,
                                    struct crew_node *a,
                                    struct crew_node *b);
CREW_API struct crew_node *crew_div(struct crew_graph *,
                                    struct crew_node *a,
                                    struct crew_node *b);
CREW_API struct crew_node *crew_maximum(struct crew_graph *,
                                        struct crew_node *a,
                                        struct crew_node *b);
CREW_API struct crew_node *crew_minimum(struct crew_graph *,
                                        struct crew_node *a,
                                        struct crew_node *b);
CREW_API struct crew_node *crew_scale(struct crew_graph *, /* Mul by a Const */
                                      struct crew_node *x,
                                      float factor);
CREW_API struct crew_node *crew_shift(struct crew_graph *, /* AddV2 a Const */
                                      struct crew_node *x,
                                      float constant);

/* --------------------------------------------------- ops: of every element */

/* Functions of every element. */
CREW_API struct crew_node *crew_exp(struct crew_graph *, struct crew_node *x);
CREW_API struct crew_node *crew_log(struct crew_graph *, struct crew_node *x);
CREW_API struct crew_node *crew_sqrt(struct crew_graph *, struct crew_node *x);
CREW_API struct crew_node *crew_rsqrt(struct crew_graph *, struct crew_node *x);
CREW_API struct crew_node *crew_square(struct crew_graph *,
                                       struct crew_node *x);
CREW_API struct crew_node *crew_abs(struct crew_graph *, struct crew_node *x);
CREW_API struct crew_node *crew_neg(struct crew_graph *, struct crew_node *x);
CREW_API struct crew_node *crew_erf(struct crew_graph *, struct crew_node *x);
CREW_API struct crew_node *crew_leaky_relu(struct crew_graph *,
                                           struct crew_node *x,
                                           float alpha);
CREW_API struct crew_node *crew_activate(struct crew_graph *, /* Relu, ... */
                                         struct crew_node *x,
                                         enum crew_activation);
#define CREW_ACTIVATION(name)                                   \
    CREW_API struct crew_node *crew_##name(struct crew_graph *, \
                                           struct crew_node *x)
CREW_ACTIVATION(relu);
CREW_ACTIVATION(relu6);
CREW_ACTIVATION(elu);
CREW_ACTIVATION(selu);
CREW_ACTIVATION(sigmoid);
CREW_ACTIVATION(tanh);
CREW_ACTIVATION(softplus);
CREW_ACTIVATION(softsign);
CREW_ACTIVATION(swish); /* silu */
CREW_ACTIVATION(log_sigmoid);
CREW_ACTIVATION(crelu); /* relu of x and of -x, side by side */
CREW_API struct crew_node *crew_gelu(struct crew_graph *,
                                     struct crew_node *x,
                                     bool approximate);
/* Integers as float32: Cast. Floats are given back. */
CREW_API struct crew_node *crew_to_float(struct crew_graph *,
                                         struct crew_node *x);

/* --------------------------------------------------- ops: along dimensions */

CREW_API struct crew_node *crew_softmax(struct crew_graph *,       /* Softmax */
                                        struct crew_node *logits); /* (b, n) */
CREW_API struct crew_node *crew_log_softmax(
    struct crew_graph *,                                    /* LogSoftmax */
    struct crew_node *logits);                              /* (b, n) */
CREW_API struct crew_node *crew_argmax(struct crew_graph *, /* ArgMax, int64 */
                                       struct crew_node *x, /* (b, n) -> (b) */
                                       int axis);
/* Over the dimensions `axes` (negative ones count from the end; num_axes 0: all
 * of them), which go, or stay as 1 with keepdims. */
enum crew_reduction {
    CREW_REDUCE_SUM = 0,
    CREW_REDUCE_MEAN,
    CREW_REDUCE_MAX,
    CREW_REDUCE_MIN
};
CREW_API struct crew_node *crew_reduce(struct crew_graph *,
                                       enum crew_reduction,
                                       struct crew_node *x,
                                       CREW_NULLABLE const int *axes,
                                       int num_axes,
                                       bool keepdims);
/* sum(x^2) / 2: tf.nn.l2_loss. */
CREW_API struct crew_node *crew_l2_loss(struct crew_graph *,
                                        struct crew_node *x);
/* Mean over everything: a scalar. */
CREW_API struct crew_node *crew_reduce_mean(struct crew_graph *,
                                            struct crew_node *x);

/* ------------------------------------------------------------- ops: shapes */

/* Moving elements. The batch stays the first dimension. */
CREW_API struct crew_node *crew_concat(struct crew_graph *, /* ConcatV2 */
                                       struct crew_node *const *xs,
                                       int n,
                                       int axis);
CREW_API struct crew_node *crew_transpose(struct crew_graph *,
                                          struct crew_node *x,
                                          struct crew_shape perm);
/* Zeros around: before[i] and after[i] of dimension i. */
CREW_API struct crew_node *crew_pad(struct crew_graph *,
                                    struct crew_node *x,
                                    const int64_t *before,
                                    const int64_t *after);
/* Reshape. One dimension may be -1. */
CREW_API struct crew_node *crew_reshape(struct crew_graph *,
                                        struct crew_node *x,
                                        struct crew_shape shape);
/* tf.layers.flatten: (b, everything else). */
CREW_API struct crew_node *crew_flatten(struct crew_graph *,
                                        struct crew_node *x);
/* float32 (..., depth): 1 at each of the integers ids, a row of zeros for one
 * that is not in [0, depth). */
CREW_API struct crew_node *crew_one_hot(struct crew_graph *,
                                        struct crew_node *ids,
                                        int64_t depth);

/* ------------------------------------------------------------------ layers */

/* Layers, as tf.layers: they make their variables `<name>/kernel` (Glorot
 * uniform) and `<name>/bias` (zeros). name NULL: "dense", "dense_1", ...;
 * "conv2d", "conv2d_1", ... */
CREW_API struct crew_node *crew_dense(struct crew_graph *,
                                      CREW_NULLABLE const char *name,
                                      struct crew_node *x, /* (b, n) */
                                      int64_t units,
                                      enum crew_activation);
CREW_API struct crew_node *crew_conv2d(struct crew_graph *, /* NHWC, stride 1 */
                                       CREW_NULLABLE const char *name,
                                       struct crew_node *x, /* (b, h, w, c) */
                                       int64_t filters,
                                       int64_t kernel_size,
                                       enum crew_padding,
                                       enum crew_activation);
/* How a filter moves. Strides of 0 are 1. */
struct crew_conv {
    int64_t strides[2]; /* down, across */
    enum crew_padding padding;
};
CREW_API struct crew_node *crew_conv2d_with(struct crew_graph *,
                                            CREW_NULLABLE const char *name,
                                            struct crew_node *x,
                                            int64_t filters,
                                            int64_t kernel_size,
                                            struct crew_conv,
                                            enum crew_activation);
/* Each channel through `multiplier` filters of its own: variables
 * <name>/depthwise_kernel (k, k, channels, multiplier) and <name>/bias. */
CREW_API struct crew_node *crew_depthwise_conv2d(
    struct crew_graph *,
    CREW_NULLABLE const char *name, /* NULL: "depthwise_conv2d" */
    struct crew_node *x,
    int64_t multiplier,
    int64_t kernel_size,
    struct crew_conv,
    enum crew_activation);

/* x along its last dimension to mean 0 and variance 1, times `gamma` (ones at
 * first), plus `beta` (zeros): variables <name>/gamma, <name>/beta. name NULL:
 * "layer_normalization". TensorFlow's epsilon is 0.001. */
CREW_API struct crew_node *crew_layer_norm(struct crew_graph *,
                                           CREW_NULLABLE const char *name,
                                           struct crew_node *x,
                                           float epsilon);

/* tf.layers.batch_normalization over the last dimension. A zeroed struct is
 * TensorFlow's default. In CREW_TRAIN x is normalised by the moments of its
 * batch and the moving averages follow them; in other modes it is normalised by
 * the averages. Variables <name>/gamma (ones), <name>/beta (zeros), and, fixed,
 * <name>/moving_mean (zeros) and <name>/moving_variance (ones); name NULL:
 * "batch_normalization". Fused (images only): the variance that moves the
 * average is unbiased, and the export is FusedBatchNormV3. */
struct crew_batch_norm {
    double momentum; /* 0: 0.99 */
    double epsilon;  /* 0: 0.001 */
    bool no_center;  /* tf's center=False: no beta */
    bool no_scale;   /* tf's scale=False: no gamma */
    bool not_fused;  /* tf's fused=False; else fused when x has 4 dimensions */
};
CREW_API struct crew_node *crew_batch_normalization(
    struct crew_graph *,
    CREW_NULLABLE const char *name,
    struct crew_node *x, /* (b, c), (b, n, c), (b, h, w, c) */
    struct crew_batch_norm,
    enum crew_mode mode);

/* Pooling, NHWC, square window (1 to 15) and stride: MaxPool, AvgPool. Without
 * a word on padding it is VALID. */
CREW_API struct crew_node *crew_max_pool2d(struct crew_graph *,
                                           struct crew_node *x,
                                           int64_t size,
                                           int64_t stride);
CREW_API struct crew_node *crew_max_pooling2d(struct crew_graph *,
                                              struct crew_node *x,
                                              int64_t size,
                                              int64_t stride,
                                              enum crew_padding);
CREW_API struct crew_node *crew_average_pooling2d(struct crew_graph *,
                                                  struct crew_node *x,
                                                  int64_t size,
                                                  int64_t stride,
                                                  enum crew_padding);
/* Over the whole image: (b, h, w, c) -> (b, c). Mean, Max. */
CREW_API struct crew_node *crew_global_average_pooling2d(struct crew_graph *,
                                                         struct crew_node *x);
CREW_API struct crew_node *crew_global_max_pooling2d(struct crew_graph *,
                                                     struct crew_node *x);
/* Inverted dropout: in CREW_TRAIN each element is kept with probability
 * 1 - rate and divided by it; in other modes the identity. */
CREW_API struct crew_node *crew_dropout(struct crew_graph *,
                                        struct crew_node *x,
                                        float rate,
                                        enum crew_mode mode);

/* -------------------------------------------------------------- embeddings */

/* Rows `ids` (integers of any shape) of params (v, ...): GatherV2. */
CREW_API struct crew_node *crew_gather(struct crew_graph *,
                                       struct crew_node *params,
                                       struct crew_node *ids);

/* tf.nn.embedding_lookup: the same under that name. */
CREW_API struct crew_node *crew_embedding_lookup(struct crew_graph *,
                                                 struct crew_node *params,
                                                 struct crew_node *ids);
/* tf.clip_by_norm(x, max_norm, axes=[-1]): rows of x (..., n) that are longer
 * are scaled to max_norm. What tf.nn.embedding_lookup(..., max_norm=) does to
 * the rows it has taken. */
CREW_API struct crew_node *crew_clip_rows_by_norm(struct crew_graph *,
                                                  struct crew_node *x,
                                                  double max_norm);
/* tf.nn.embedding_lookup_sparse: for each row of the batch the rows `ids` of
 * params (v, w) combined into one: (b, w). ids: lists of any length, or
 * integers (b) or (b, k); weights in the same form. A row without ids gives
 * zeros. */
enum crew_combiner {
    CREW_COMBINE_MEAN = 0, /* divided by the sum of the weights */
    CREW_COMBINE_SUM,
    CREW_COMBINE_SQRTN /* divided by the root of the sum of their squares */
};
struct crew_embedding {
    enum crew_combiner combiner;
    float max_norm; /* longer rows are clipped to it as they are looked up; the
                       table stays as it is. 0: none */
    CREW_NULLABLE struct crew_node *weights; /* one an id; NULL: 1 */
};
CREW_API struct crew_node *crew_embedding_lookup_sparse(
    struct crew_graph *,
    struct crew_node *params,
    struct crew_node *ids,
    struct crew_embedding);
/* tf.nn.safe_embedding_lookup_sparse: ids below 0 and, but for sums, those
 * whose weight is not above 0 are left out; a row of which nothing is left gets
 * row `default_id`, or zeros when that is below 0. */
CREW_API struct crew_node *crew_safe_embedding_lookup_sparse(
    struct crew_graph *,
    struct crew_node *params,
    struct crew_node *ids,
    struct crew_embedding,
    int64_t default_id);

/* ---------------------------------------------------- ops of the job's own */

/* An op of the job's own, where the library has none. Its functions are called
 * on the thread that trains, with `self` first. */
#define CREW_OP_MAX_INPUTS 8
struct crew_op_call {
    int n_in;
    int64_t batch;       /* rows of this batch */
    uint64_t seed, step; /* the same in forward and in its backward */
    /* Row-major; float32, or int64 where the operand holds integers. */
    const void *in[CREW_OP_MAX_INPUTS];
    struct crew_shape in_shape[CREW_OP_MAX_INPUTS]; /* the batch filled in */
    float *out; /* forward writes all of it; backward reads it */
    struct crew_shape out_shape;
    void *kept; /* from forward to backward; NULL without op->kept */
    /* Backward: d loss / d out, and where each operand's gradient is to be
     * added (+=); NULL where nobody wants it. */
    const float *d_out;
    float *d_in[CREW_OP_MAX_INPUTS];
};
struct crew_op {
    const char *name; /* of its nodes, and in messages */
    /* The result's shape: *out is the first operand's and may be changed; -1,
     * the batch, only in front. NULL: like the first operand. */
    int (*infer)(void *self,
                 const struct crew_shape *in,
                 int n_in,
                 struct crew_shape *out,
                 struct crew_err *err);
    int (*forward)(void *self, const struct crew_op_call *, struct crew_err *);
    /* NULL: not differentiable; gradients end here. */
    void (*backward)(void *self, const struct crew_op_call *);
    /* Bytes of `kept` for batches up to `batch`; NULL: none. */
    size_t (*kept)(void *self, int64_t batch);
    /* The TensorFlow op of these operands and the one attribute T that it is
     * exported as, such as "Softsign". NULL: predictions must not depend on
     * it; build them of the library's ops in CREW_PREDICT. */
    CREW_NULLABLE const char *tf_name;
    void (*free)(void *self); /* NULL: self outlives the graph */
};
/* float32, of 1 to CREW_OP_MAX_INPUTS operands. *op is copied, but for its
 * functions' code; self is freed with the graph, also on error. */
CREW_API struct crew_node *crew_custom_op(struct crew_graph *,
                                          const struct crew_op *op,
                                          CREW_TAKES CREW_NULLABLE void *self,
                                          struct crew_node *const *in,
                                          int n);

/* ------------------------------------------------------------------ losses */

/* Losses: tf.losses by its names, a scalar unless the reduction is NONE. Shapes
 * of labels and predictions are the same; labels of integers are cast. A zeroed
 * struct crew_loss is TensorFlow's default: the mean over the elements whose
 * weight is not 0, and 0 when there are none. */
enum crew_loss_reduction {
    CREW_LOSS_SUM_BY_NONZERO_WEIGHTS = 0,
    CREW_LOSS_NONE,
    CREW_LOSS_SUM,
    CREW_LOSS_MEAN, /* divided by the sum of the weights */
    CREW_LOSS_SUM_OVER_BATCH_SIZE
};
struct crew_loss {
    CREW_NULLABLE struct crew_node *weights; /* a scalar, or of the losses'
                                                rank, broadcast; NULL: 1 */
    enum crew_loss_reduction reduction;
};
CREW_API struct crew_node *crew_mean_squared_error(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions,
    struct crew_loss);
CREW_API struct crew_node *crew_absolute_difference(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions,
    struct crew_loss);
CREW_API struct crew_node *crew_huber_loss(struct crew_graph *,
                                           struct crew_node *labels,
                                           struct crew_node *predictions,
                                           double delta, /* 1.0 */
                                           struct crew_loss);
CREW_API struct crew_node *crew_hinge_loss(struct crew_graph *,
                                           struct crew_node *labels, /* 0, 1 */
                                           struct crew_node *logits,
                                           struct crew_loss);
CREW_API struct crew_node *crew_log_loss(struct crew_graph *,
                                         struct crew_node *labels,
                                         struct crew_node *predictions,
                                         double epsilon, /* 1e-7 */
                                         struct crew_loss);
CREW_API struct crew_node *crew_sigmoid_cross_entropy(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *logits,
    double label_smoothing, /* 0 */
    struct crew_loss);
CREW_API struct crew_node *crew_softmax_cross_entropy(
    struct crew_graph *,
    struct crew_node *onehot_labels, /* (b, n) */
    struct crew_node *logits,
    double label_smoothing, /* 0 */
    struct crew_loss);
CREW_API struct crew_node *crew_sparse_softmax_cross_entropy_weighted(
    struct crew_graph *,
    struct crew_node *labels, /* (b) or (b, 1) int32 or int64, in [0, n) */
    struct crew_node *logits, /* (b, n) */
    struct crew_loss);
/* The same with a zeroed struct crew_loss: the mean over the batch. */
CREW_API struct crew_node *crew_sparse_softmax_cross_entropy(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *logits);

/* 1 - the product of labels and predictions, vectors of length 1 along axis. */
CREW_API struct crew_node *crew_cosine_distance(struct crew_graph *,
                                                struct crew_node *labels,
                                                struct crew_node *predictions,
                                                int axis,
                                                struct crew_loss);
/* Of the differences between a row's elements; a scalar. */
CREW_API struct crew_node *crew_mean_pairwise_squared_error(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions,
    CREW_NULLABLE struct crew_node *weights);
/* Weights and reduction of losses of your own. */
CREW_API struct crew_node *crew_compute_weighted_loss(struct crew_graph *,
                                                      struct crew_node *losses,
                                                      struct crew_loss);
/* The graph keeps every loss of the functions above, and what is added here
 * (which is given back), for crew_total_loss: tf.losses.get_total_loss. */
CREW_API struct crew_node *crew_add_loss(struct crew_graph *,
                                         struct crew_node *loss);
CREW_API struct crew_node *crew_total_loss(struct crew_graph *,
                                           bool add_regularization_losses);

/* Penalties on weights: scale sum(|x|), and scale sum(x^2) / 2 (keras' l2(s)
 * has no half: give 2 s). Scalars; the graph keeps them for
 * crew_regularization_loss, which is their sum (tf.losses.
 * get_regularization_loss), 0 when there are none: add it to the loss. */
CREW_API struct crew_node *crew_l1_regularizer(struct crew_graph *,
                                               struct crew_node *weights,
                                               double scale);
CREW_API struct crew_node *crew_l2_regularizer(struct crew_graph *,
                                               struct crew_node *weights,
                                               double scale);
CREW_API struct crew_node *crew_regularization_loss(struct crew_graph *);

/* ----------------------------------------------------------------- metrics */

/* Metrics over all batches of an evaluation: tf.metrics, by its names. labels
 * and predictions have one shape; the confusion counts, precision, recall and
 * AUC take what is not 0 for true, the ones with thresholds a prediction above
 * it. Each is a weighted mean or sum over rows with crew_metric_weighted(). */
CREW_API struct crew_metric *crew_metric_accuracy(struct crew_graph *,
                                                  struct crew_node *labels,
                                                  struct crew_node *classes);
CREW_API struct crew_metric *crew_metric_mean_per_class_accuracy(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *classes,
    int64_t num_classes);
CREW_API struct crew_metric *crew_metric_mean(struct crew_graph *,
                                              struct crew_node *x);
CREW_API struct crew_metric *crew_metric_percentage_below(struct crew_graph *,
                                                          struct crew_node *x,
                                                          double threshold);

#define CREW_METRIC_OF_PAIRS(name)                     \
    CREW_API struct crew_metric *crew_metric_##name(   \
        struct crew_graph *, struct crew_node *labels, \
        struct crew_node *predictions)
CREW_METRIC_OF_PAIRS(mean_squared_error);
CREW_METRIC_OF_PAIRS(root_mean_squared_error);
CREW_METRIC_OF_PAIRS(mean_absolute_error);
CREW_METRIC_OF_PAIRS(mean_cosine_distance); /* (b, n), of unit length */
CREW_METRIC_OF_PAIRS(true_positives);
CREW_METRIC_OF_PAIRS(false_positives);
CREW_METRIC_OF_PAIRS(true_negatives);
CREW_METRIC_OF_PAIRS(false_negatives);
CREW_METRIC_OF_PAIRS(precision);
CREW_METRIC_OF_PAIRS(recall);
/* |labels - predictions| / normalizer, 0 where that is 0. */
CREW_API struct crew_metric *crew_metric_mean_relative_error(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions,
    struct crew_node *normalizer);

/* A value for each of the n thresholds, which are copied. */
#define CREW_METRIC_AT_THRESHOLDS(name)                              \
    CREW_API struct crew_metric *crew_metric_##name##_at_thresholds( \
        struct crew_graph *, struct crew_node *labels,               \
        struct crew_node *predictions, const float *thresholds, int n)
CREW_METRIC_AT_THRESHOLDS(precision);
CREW_METRIC_AT_THRESHOLDS(recall);
CREW_METRIC_AT_THRESHOLDS(true_positives);
CREW_METRIC_AT_THRESHOLDS(false_positives);
CREW_METRIC_AT_THRESHOLDS(true_negatives);
CREW_METRIC_AT_THRESHOLDS(false_negatives);

/* tf.metrics.auc: num_thresholds is 200 by default there. Careful
 * interpolation differs from trapezoids for the PR curve only. */
enum crew_auc_curve { CREW_AUC_ROC = 0, CREW_AUC_PR };
enum crew_auc_summation {
    CREW_AUC_TRAPEZOIDAL = 0,
    CREW_AUC_CAREFUL,
    CREW_AUC_MINORING,
    CREW_AUC_MAJORING
};
CREW_API struct crew_metric *crew_metric_auc(struct crew_graph *,
                                             struct crew_node *labels,
                                             struct crew_node *predictions,
                                             int num_thresholds,
                                             enum crew_auc_curve curve,
                                             enum crew_auc_summation summation);

/* labels: integers (b), or (b, m) for several true classes a row; predictions
 * (b, classes). in_top_k is the share of rows whose label is among the k. */
CREW_API struct crew_metric *crew_metric_precision_at_k(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions,
    int64_t k);
CREW_API struct crew_metric *crew_metric_recall_at_k(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions,
    int64_t k);
CREW_API struct crew_metric *crew_metric_average_precision_at_k(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions,
    int64_t k);
CREW_API struct crew_metric *crew_metric_in_top_k(struct crew_graph *,
                                                  struct crew_node *labels,
                                                  struct crew_node *predictions,
                                                  int64_t k);
/* The same of the k best classes themselves: integers (b, k). */
CREW_API struct crew_metric *crew_metric_precision_at_top_k(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions_idx);
CREW_API struct crew_metric *crew_metric_recall_at_top_k(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions_idx);
/* tf's class_id, of precision and recall at k: only this class counts. Returns
 * `m`. */
CREW_API struct crew_metric *crew_metric_only_class(struct crew_metric *m,
                                                    int64_t class_id);

/* The mean over classes of (both) / (labelled or predicted). */
CREW_API struct crew_metric *crew_metric_mean_iou(struct crew_graph *,
                                                  struct crew_node *labels,
                                                  struct crew_node *classes,
                                                  int64_t num_classes);
/* A mean for each element of x, which has no batch in front. */
CREW_API struct crew_metric *crew_metric_mean_tensor(struct crew_graph *,
                                                     struct crew_node *x);
/* One rate at the threshold where the other is nearest to what is asked;
 * num_thresholds is 200 by default there. */
CREW_API struct crew_metric *crew_metric_sensitivity_at_specificity(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions,
    double specificity,
    int num_thresholds);
CREW_API struct crew_metric *crew_metric_specificity_at_sensitivity(
    struct crew_graph *,
    struct crew_node *labels,
    struct crew_node *predictions,
    double sensitivity,
    int num_thresholds);

/* Weights for a metric: float32, one a row or one a value. Returns `m`. */
CREW_API struct crew_metric *crew_metric_weighted(struct crew_metric *m,
                                                  struct crew_node *weights);

/* ---------------------------------------------- optimizers: learning rates */

/* How the learning rate goes with global_step: tf.train's decays, by value. A
 * zeroed one means that it stays. The step is the one that the trainer was told
 * with the right to its step, so that on a cluster the rate goes with the
 * cluster's steps, whoever makes them. */
enum crew_schedule_kind {
    CREW_SCHEDULE_NONE = 0,
    CREW_EXPONENTIAL_DECAY,
    CREW_NATURAL_EXP_DECAY,
    CREW_INVERSE_TIME_DECAY,
    CREW_POLYNOMIAL_DECAY,
    CREW_PIECEWISE_CONSTANT,
    CREW_COSINE_DECAY,
    CREW_COSINE_DECAY_RESTARTS,
    CREW_LINEAR_COSINE_DECAY,
    CREW_NOISY_LINEAR_COSINE_DECAY
};
#define CREW_MAX_BOUNDARIES 16
struct crew_schedule {
    enum crew_schedule_kind kind;
    int64_t decay_steps; /* of restarts: first_decay_steps */
    float decay_rate;
    bool staircase;
    float end_learning_rate, power; /* polynomial */
    bool cycle;
    float alpha, beta, num_periods;         /* cosines */
    float t_mul, m_mul;                     /* restarts */
    float initial_variance, variance_decay; /* noisy */
    int32_t num_boundaries;                 /* piecewise */
    int64_t boundaries[CREW_MAX_BOUNDARIES];
    float values[CREW_MAX_BOUNDARIES + 1];
};
CREW_API struct crew_schedule crew_exponential_decay(int64_t decay_steps,
                                                     double decay_rate,
                                                     bool staircase);
CREW_API struct crew_schedule crew_natural_exp_decay(int64_t decay_steps,
                                                     double decay_rate,
                                                     bool staircase);
CREW_API struct crew_schedule crew_inverse_time_decay(int64_t decay_steps,
                                                      double decay_rate,
                                                      bool staircase);
/* TensorFlow's end_learning_rate is 0.0001, its power 1. */
CREW_API struct crew_schedule crew_polynomial_decay(int64_t decay_steps,
                                                    double end_learning_rate,
                                                    double power,
                                                    bool cycle);
/* values[i] up to and with step boundaries[i], values[n] above: n + 1 values
 * instead of the optimizer's own rate. n <= CREW_MAX_BOUNDARIES. */
CREW_API struct crew_schedule crew_piecewise_constant(const int64_t *boundaries,
                                                      const double *values,
                                                      int n);
CREW_API struct crew_schedule crew_cosine_decay(int64_t decay_steps,
                                                double alpha);
/* t_mul 2, m_mul 1, alpha 0 there. */
CREW_API struct crew_schedule crew_cosine_decay_restarts(
    int64_t first_decay_steps,
    double t_mul,
    double m_mul,
    double alpha);
/* num_periods 0.5, alpha 0, beta 0.001. */
CREW_API struct crew_schedule crew_linear_cosine_decay(int64_t decay_steps,
                                                       double num_periods,
                                                       double alpha,
                                                       double beta);
/* The same with noise, drawn from the step alone, so that all trainers have the
 * same. initial_variance 1, variance_decay 0.55. */
CREW_API struct crew_schedule crew_noisy_linear_cosine_decay(
    int64_t decay_steps,
    double initial_variance,
    double variance_decay,
    double num_periods,
    double alpha,
    double beta);

/* ----------------------------------------- optimizers: gradients, averages */

/* What is done to a trainer's gradients before they leave it. A zeroed one
 * means nothing. The global norm is that of all gradients of the optimizer:
 * then none leaves before backward has ended. */
enum crew_clip_kind {
    CREW_CLIP_NONE = 0,
    CREW_CLIP_BY_VALUE,
    CREW_CLIP_BY_NORM,
    CREW_CLIP_BY_AVERAGE_NORM,
    CREW_CLIP_BY_GLOBAL_NORM
};
struct crew_clip {
    enum crew_clip_kind kind;
    float min, max; /* by value */
    float norm;
    bool along_axis; /* by norm: each vector along `axis` alone */
    int32_t axis;
};
CREW_API struct crew_clip crew_clip_by_value(double min, double max);
CREW_API struct crew_clip crew_clip_by_norm(double norm);
CREW_API struct crew_clip crew_clip_by_average_norm(double norm);
CREW_API struct crew_clip crew_clip_by_global_norm(double norm);

/* tf.train.ExponentialMovingAverage of what the optimizer trains, kept beside
 * it as "<variable>/ExponentialMovingAverage" and moved after every step. A
 * decay of 0 means none. (TensorFlow's zero_debias does nothing for variables.)
 */
struct crew_moving_average {
    float decay;
    bool num_updates; /* min(decay, (1 + global_step) / (10 + global_step)) */
    bool evaluate;    /* the averages are evaluated and exported */
};

/* ------------------------------------------------ optimizers: update rules */

enum crew_optimizer_kind {
    CREW_GRADIENT_DESCENT = 1,
    CREW_MOMENTUM = 2,
    CREW_ADAM = 3,
    CREW_ADAGRAD,
    CREW_ADADELTA,
    CREW_RMSPROP,
    CREW_FTRL,
    CREW_ADAMW,
    CREW_PROXIMAL_GRADIENT_DESCENT,
    CREW_PROXIMAL_ADAGRAD,
    CREW_ADAGRAD_DA,
    CREW_ASSIGN /* not for jobs: what crew_assign_moving_average is made of */
};

/* An update rule with its constants, by tf.train's names. It runs where the
 * variable lives: on its parameter server, or in the process when there is
 * none. Make it with one of the functions, which fill in TensorFlow's defaults,
 * then change what shall differ. A kind uses the constants it has in
 * TensorFlow. */
struct crew_optimizer {
    enum crew_optimizer_kind kind;
    float learning_rate;
    float momentum; /* Momentum, RMSProp */
    bool use_nesterov;
    float beta1, beta2; /* Adam, AdamW */
    float epsilon;      /* Adam, AdamW, Adadelta, RMSProp; of Adagrad: 0, as
                           in Keras outside the root */
    float decay;        /* RMSProp; Adadelta's rho */
    bool centered;      /* RMSProp */
    float initial_accumulator_value; /* the Adagrads, Ftrl */
    float l1, l2; /* Ftrl, proximal, AdagradDA: regularization strength */
    float l2_shrinkage, beta, learning_rate_power; /* Ftrl */
    float weight_decay;                            /* AdamW */
    /* Adam, rows of a table: leave the other rows alone, instead of moving all
     * of them in every step as TensorFlow does. */
    bool lazy;
    struct crew_schedule schedule;
    struct crew_clip clip;
    struct crew_moving_average average;
    /* crew_sync_replicas(); 0: not synchronous. */
    int32_t replicas_to_aggregate, total_num_replicas;
};
CREW_API struct crew_optimizer crew_gradient_descent(double learning_rate);
CREW_API struct crew_optimizer crew_momentum(double learning_rate,
                                             double momentum,
                                             bool use_nesterov);
/* beta1 0.9, beta2 0.999, epsilon 1e-8: TensorFlow's AdamOptimizer. */
CREW_API struct crew_optimizer crew_adam(double learning_rate);
/* Decoupled weight decay as in Keras: v -= learning_rate * weight_decay * v
 * before Adam's step. epsilon 1e-7. */
CREW_API struct crew_optimizer crew_adamw(double learning_rate,
                                          double weight_decay);
/* initial_accumulator_value 0.1. */
CREW_API struct crew_optimizer crew_adagrad(double learning_rate);
/* rho 0.95, epsilon 1e-8; TensorFlow's rate is 0.001. */
CREW_API struct crew_optimizer crew_adadelta(double learning_rate);
/* decay 0.9, momentum 0, epsilon 1e-10, not centered. */
CREW_API struct crew_optimizer crew_rmsprop(double learning_rate);
/* learning_rate_power -0.5, initial_accumulator_value 0.1, all else 0. */
CREW_API struct crew_optimizer crew_ftrl(double learning_rate);
CREW_API struct crew_optimizer
crew_proximal_gradient_descent(double learning_rate, double l1, double l2);
/* initial_accumulator_value 0.1. */
CREW_API struct crew_optimizer crew_proximal_adagrad(double learning_rate,
                                                     double l1,
                                                     double l2);
CREW_API struct crew_optimizer crew_adagrad_da(double learning_rate,
                                               double l1,
                                               double l2);
/* tf.train.SyncReplicasOptimizer: an update is the mean of
 * replicas_to_aggregate gradients, all computed from the same values, and
 * global_step counts updates. total_num_replicas: trainers there shall be,
 * chief and workers; 0: as many as the cluster has. With more trainers than
 * gradients the rest are backups: what comes too late is dropped, whole. With
 * fewer each does several batches. A trainer that dies or leaves is not waited
 * for. In one process each update is of replicas_to_aggregate /
 * total_num_replicas batches, at least one. All optimizers of a model need the
 * same numbers. */
CREW_API struct crew_optimizer crew_sync_replicas(struct crew_optimizer,
                                                  int replicas_to_aggregate,
                                                  int total_num_replicas);
/* The rate at a step, by the optimizer's schedule. */
CREW_API double crew_learning_rate(const struct crew_optimizer *,
                                   int64_t global_step);

/* ------------------------------------------------ EstimatorSpec: the model */

/* What a model function returns, by mode: PREDICT needs predictions, EVAL a
 * loss, TRAIN a loss and an optimizer. Fields a mode does not need are ignored,
 * so one body serves all three. */
CREW_API void crew_spec_prediction(struct crew_spec *,
                                   const char *key,
                                   struct crew_node *);
CREW_API void crew_spec_loss(struct crew_spec *, struct crew_node *);
CREW_API void crew_spec_minimize(struct crew_spec *, struct crew_optimizer);
/* For the variables whose names begin with `scope`, such as "linear/", instead
 * of crew_spec_minimize's; of several the longest counts. Scopes live as long
 * as the job. At most 16. */
CREW_API void crew_spec_minimize_scope(struct crew_spec *,
                                       const char *scope,
                                       struct crew_optimizer);
CREW_API void crew_spec_metric(struct crew_spec *,
                               const char *key,
                               struct crew_metric *);
/* eval_metric_ops whose value is a tf.summary: written beside the metrics of an
 * evaluation, as <key>/0, <key>/1, ...; not among its results. An image is of
 * the last batch, its first max_outputs, a histogram of that too. Without
 * meaning but in CREW_EVAL. Keys are copied. */
CREW_API void crew_spec_metric_image(struct crew_spec *,
                                     const char *key,
                                     struct crew_node *,
                                     int64_t max_outputs);
CREW_API void crew_spec_metric_histogram(struct crew_spec *,
                                         const char *key,
                                         struct crew_node *);
CREW_API void crew_spec_metric_text(struct crew_spec *,
                                    const char *key,
                                    const char *text);

/* -------------------------------------------------- EstimatorSpec: exports */

/* tf's export_outputs: what the exported model offers, by the signatures'
 * names. Without any: the predictions, as "serving_default". One alone is
 * offered as "serving_default" too; of several one must have that name. Used in
 * CREW_PREDICT only. Names and texts live as long as the job. */
#define CREW_SERVING_DEFAULT "serving_default"

/* How class ids become the strings that a client sees. Zeroed: an id as a
 * decimal number. */
struct crew_labels {
    CREW_NULLABLE const char *const *names; /* of id 0, 1, ..., n - 1; or: */
    CREW_NULLABLE const char *file; /* its n lines; exported as an asset */
    int64_t n;
};
/* PredictOutput of all predictions. */
CREW_API void crew_spec_signature(struct crew_spec *, const char *signature);
/* PredictOutput: one of its outputs. Call it for each of them. */
CREW_API void crew_spec_export_predict(struct crew_spec *,
                                       const char *signature,
                                       const char *key,
                                       struct crew_node *);
/* The same of class ids, as strings. */
CREW_API void crew_spec_export_predict_labels(struct crew_spec *,
                                              const char *signature,
                                              const char *key,
                                              struct crew_node *class_ids,
                                              struct crew_labels);
/* ClassificationOutput. `scores`: float32 (b, n), of each class in order of its
 * id, and `labels.n` labels (0: none are given) in that order. Or `class_ids`:
 * integers (b, k), such as the best k, each given as its label, and `scores` of
 * those or NULL. */
CREW_API void crew_spec_export_classify(
    struct crew_spec *,
    const char *signature,
    CREW_NULLABLE struct crew_node *scores,
    CREW_NULLABLE struct crew_node *class_ids,
    struct crew_labels labels);
/* RegressionOutput: float32 (b) or (b, 1). */
CREW_API void crew_spec_export_regress(struct crew_spec *,
                                       const char *signature,
                                       struct crew_node *value);

/* ------------------------------------------------ EstimatorSpec: summaries */

/* For TensorBoard: tf.summary.scalar, histogram, image and text, written in
 * CREW_TRAIN by the chief every save_summary_steps. Tags are copied and become
 * what TensorFlow makes of them: below the scopes that are open, other
 * characters than letters, digits and "-_./" replaced by '_', and "_1", "_2"
 * added to one that is taken. `loss` is there without a word. */
CREW_API void crew_spec_summary(struct crew_spec *, /* a scalar */
                                const char *tag,
                                struct crew_node *);
/* Of any numbers. One that is not finite ends training (exit 1). */
CREW_API void crew_spec_summary_histogram(struct crew_spec *,
                                          const char *tag,
                                          struct crew_node *);
/* A histogram of each variable that there is by now, by its name. */
CREW_API void crew_spec_summary_variables(struct crew_spec *,
                                          const struct crew_graph *);
/* float32 (b, h, w, 1, 3 or 4): the batch's first max_outputs (tf: 3) images,
 * as <name>/image/0, ... Values are stretched to the range of colours. */
CREW_API void crew_spec_summary_image(struct crew_spec *,
                                      const char *name,
                                      struct crew_node *,
                                      int64_t max_outputs);
/* Markdown, written once. */
CREW_API void crew_spec_summary_text(struct crew_spec *,
                                     const char *tag,
                                     const char *text);

/* ------------------------------------------------- EstimatorSpec: scaffold */

/* tf.train.Scaffold: how training begins and what is kept, by the model instead
 * of RunConfig. Used in CREW_TRAIN by the chief. The rest of a Scaffold has no
 * twin: there are no local variables to initialise, the parameter servers know
 * themselves whether they are ready, and summaries are merged by the library.
 */
struct crew_initial_values;
struct crew_scaffold {
    /* Called once, when there is no checkpoint, after the initializers and a
     * warm start, to change initial values. Not 0: training ends with err. */
    CREW_NULLABLE int (*init_fn)(void *self,
                                 struct crew_initial_values *,
                                 struct crew_err *err);
    CREW_NULLABLE void *init_self; /* lives as long as the job */
    /* saver=tf.train.Saver(...): instead of RunConfig's keep_checkpoint_max
     * (0: all) and keep_checkpoint_every_n_hours (0: 10000). */
    bool saver;
    int64_t max_to_keep;
    double keep_checkpoint_every_n_hours;
};
CREW_API void crew_spec_scaffold(struct crew_spec *, struct crew_scaffold);
/* In init_fn: the values of a variable, by its name, to be read and written;
 * valid until init_fn returns. Errors: NOT_FOUND (1) naming it. */
CREW_API int crew_initial_value(struct crew_initial_values *,
                                const char *name,
                                CREW_OUT struct crew_shape *shape,
                                CREW_OUT float **values,
                                struct crew_err *err);

/* ---------------------------------------------------- EstimatorSpec: heads */

/* tf.estimator's heads: from logits the whole EstimatorSpec, with TensorFlow's
 * keys. Predictions, loss, metrics ("accuracy", "auc", "average_loss", ...),
 * summaries and export_outputs ("serving_default", "classification",
 * "regression", "predict") are made; what is added to the spec beside them
 * stays. A head belongs to its graph; what is wrong with it sticks there. */
struct crew_head;

/* How the losses of a batch become one. The default is SUM_OVER_BATCH_SIZE, of
 * version 1 SUM. MEAN and SUM_BY_NONZERO_WEIGHTS are of version 1 only. */
enum crew_head_reduction {
    CREW_HEAD_DEFAULT = 0,
    CREW_HEAD_SUM_OVER_BATCH_SIZE,
    CREW_HEAD_SUM,
    CREW_HEAD_MEAN,
    CREW_HEAD_SUM_BY_NONZERO_WEIGHTS
};

/* Zeroed fields are the defaults. All is copied. */
struct crew_head_options {
    /* A feature: the weight of each row, (b) or (b, 1); of regression heads
     * (b, label_dimension) too. */
    CREW_NULLABLE const char *weight_column;
    /* In (0, 1), of the binary and the multi-label head: accuracy, precision
     * and recall at each. */
    CREW_NULLABLE const float *thresholds;
    int num_thresholds;
    /* The classes' names. Labels are places in it all the same: a dataset reads
     * words by a vocabulary of its own (struct crew_csv_column); a word that is
     * not in it, -1, is refused as in TensorFlow. */
    CREW_NULLABLE const char *const *label_vocabulary;
    int64_t vocabulary_size;
    enum crew_head_reduction loss_reduction;
    /* Multi-label: AUC and the mean probability of these classes alone. */
    CREW_NULLABLE const int64_t *classes_for_class_based_metrics;
    int num_classes_for_metrics;
    /* Regression: the mean, from the logits, such as crew_exp. */
    struct crew_node *(*inverse_link_fn)(struct crew_graph *,
                                         struct crew_node *logits);
    /* Instead of the head's own loss: (b, 1), of regression heads like logits.
     * `labels` are as the head has checked and shaped them. */
    struct crew_node *(*loss_fn)(void *self,
                                 struct crew_graph *,
                                 struct crew_node *labels,
                                 struct crew_node *logits);
    CREW_NULLABLE void *loss_self;
    bool no_full_loss; /* Poisson: compute_full_loss=False */
    /* Behind the keys of metrics and summaries: "accuracy/<name>". */
    CREW_NULLABLE const char *name;
    /* 1: as the heads of tf.compat.v1.estimator. They differ in the default
     * reduction, in auc and auc_precision_recall (other sums), in predictions
     * on a threshold. 0 or 2: tf.estimator's. */
    int version;
};
CREW_API struct crew_head *crew_binary_class_head(
    struct crew_graph *,
    CREW_NULLABLE const struct crew_head_options *);
CREW_API struct crew_head *crew_multi_class_head(
    struct crew_graph *,
    int64_t n_classes, /* above 2 */
    CREW_NULLABLE const struct crew_head_options *);
CREW_API struct crew_head *crew_multi_label_head(
    struct crew_graph *,
    int64_t n_classes, /* above 1; labels (b, n_classes) of 0 and 1 */
    CREW_NULLABLE const struct crew_head_options *);
CREW_API struct crew_head *crew_regression_head(
    struct crew_graph *,
    int64_t label_dimension,
    CREW_NULLABLE const struct crew_head_options *);
CREW_API struct crew_head *crew_poisson_regression_head(
    struct crew_graph *,
    int64_t label_dimension,
    CREW_NULLABLE const struct crew_head_options *);
CREW_API struct crew_head *crew_logistic_regression_head(
    struct crew_graph *,
    CREW_NULLABLE const struct crew_head_options *);
/* The columns that logits must have; 0 of NULL. */
CREW_API int64_t
crew_head_logits_dimension(CREW_NULLABLE const struct crew_head *);

/* create_estimator_spec. */
struct crew_head_args {
    enum crew_mode mode;
    CREW_NULLABLE const struct crew_features *features; /* weight_column's */
    struct crew_node *logits;                           /* (b, dimension) */
    CREW_NULLABLE struct crew_node *labels;             /* (b) or (b, 1), ... */
    /* In place of weight_column. */
    CREW_NULLABLE struct crew_node *weights;
    /* Of CREW_TRAIN, unless crew_spec_minimize or crew_spec_minimize_scope was
     * called before. */
    CREW_NULLABLE const struct crew_optimizer *optimizer;
    /* A scalar that is added to the loss, such as crew_regularization_loss. */
    CREW_NULLABLE struct crew_node *regularization_loss;
};
/* Fills the spec. Returns crew_graph_status(). Errors: INVALID_ARGUMENT (exit
 * 1) in TensorFlow's words. */
CREW_API int crew_head_spec(struct crew_graph *,
                            struct crew_head *,
                            const struct crew_head_args *,
                            struct crew_spec *,
                            struct crew_err *err);

/* ------------------------------------------------------ the model function */

/* labels is NULL in CREW_PREDICT. */
typedef int (*crew_model_fn)(struct crew_graph *graph,
                             const struct crew_features *features,
                             CREW_NULLABLE struct crew_node *labels,
                             enum crew_mode mode,
                             const struct crew_params *params,
                             struct crew_spec *spec,
                             struct crew_err *err);

/* ------------------------------------------------------ hooks: of your own */

/* tf's SessionRunHook. Any function may be NULL. Called on the training thread
 * in the order the hooks were added, in training, evaluation and prediction.
 *
 *   begin                 once, before the graph is finished: say here which
 *                         tensors may be asked for
 *   after_create_session  the variables have their values
 *   before_run            of each step: crew_run_fetch() asks for tensors. On a
 *                         cluster it may turn out only then that the job has
 *                         ended, and no after_run follows
 *   after_run             of each step: crew_run_value() has them
 *   end                   after a clean end only, not after an error
 *   free                  always, last
 *
 * A session is one training, evaluation or prediction. What it points to is
 * valid from begin until end or free. */
struct crew_session;

/* A step, in before_run and after_run. */
struct crew_run_context {
    int64_t global_step; /* of the cluster, after this step (after_run) */
    int64_t local_step;  /* this process's own count, from 1 */
    float loss;          /* of this step (after_run); 0 in prediction */
    bool request_stop;   /* set to end the session after this step */
    struct crew_session *session;
};
struct crew_hook_ops {
    int (*begin)(void *self, struct crew_session *, struct crew_err *err);
    int (*after_create_session)(void *self, int64_t step, struct crew_err *err);
    int (*before_run)(void *self, struct crew_run_context *, struct crew_err *);
    int (*after_run)(void *self, struct crew_run_context *, struct crew_err *);
    int (*end)(void *self, int64_t global_step, struct crew_err *err);
    void (*free)(void *self);
};

/* A hook by value. Whoever takes it frees it through ops->free, also on
 * error. */
struct crew_hook {
    const struct crew_hook_ops *ops;
    void *self;
};

/* A tensor's value, borrowed until after_run returns. Numbers are float32 or
 * int64; the batch is filled in. What a head predicts may be words
 * (CREW_STRING: data is of const char *) and all_class_ids (CREW_INT32). */
struct crew_value {
    enum crew_dtype dtype;
    struct crew_shape shape;
    const void *data;
};

/* In begin: the hook may ask for a tensor, by its name ("softmax_tensor" or
 * "softmax_tensor:0", "dense/kernel"; "global_step") or by its node. *tensor
 * gets its handle. What is only declared costs nothing in a step. Errors:
 * INVALID_ARGUMENT with TensorFlow's words: no such tensor, of another graph.
 */
CREW_API int crew_session_tensor(struct crew_session *,
                                 const char *name,
                                 CREW_OUT int *tensor,
                                 struct crew_err *err);
CREW_API int crew_session_node(struct crew_session *,
                               struct crew_node *,
                               CREW_OUT int *tensor,
                               struct crew_err *err);
/* In before_run: fetch it in this step. */
CREW_API void crew_run_fetch(struct crew_run_context *, int tensor);
/* In after_run: its value in this step; data NULL when this step has not
 * fetched it. A variable's value is the one after this step. */
CREW_API struct crew_value crew_run_value(const struct crew_run_context *,
                                          int tensor);
/* End the session, and say why: the words go into the log of the job's end and
 * into DONE. */
CREW_API void crew_run_request_stop(struct crew_run_context *, const char *why);

/* Add to what a model function returns; training_chief_hooks are run by the
 * chief alone. The spec frees them. crew_spec_hook is the same of its parts. */
CREW_API void crew_spec_hook(struct crew_spec *,
                             const struct crew_hook_ops *ops,
                             CREW_TAKES void *self,
                             bool chief_only);
CREW_API void crew_spec_training_hook(struct crew_spec *, struct crew_hook);
CREW_API void crew_spec_training_chief_hook(struct crew_spec *,
                                            struct crew_hook);
CREW_API void crew_spec_evaluation_hook(struct crew_spec *, struct crew_hook);
CREW_API void crew_spec_prediction_hook(struct crew_spec *, struct crew_hook);

/* tf's CheckpointSaverListener: what is to happen around each save, on the
 * chief. Any function may be NULL. */
struct crew_saving_listener_ops {
    int (*begin)(void *self, struct crew_err *err);
    int (*before_save)(void *self, int64_t global_step, struct crew_err *err);
    /* *request_stop: set to end training. */
    int (*after_save)(void *self,
                      int64_t global_step,
                      CREW_OUT bool *request_stop,
                      struct crew_err *err);
    int (*end)(void *self, int64_t global_step, struct crew_err *err);
    void (*free)(void *self);
};
struct crew_saving_listener {
    const struct crew_saving_listener_ops *ops;
    void *self;
};

/* -------------------------------------------------- hooks: those there are */

/* The hooks of tf.train and tf.estimator, with TensorFlow's defaults, log lines
 * and texts. 0 and NULL: not set. What is wrong with the arguments is said when
 * the session begins. Names and texts are copied. Owner: whoever the hook is
 * given to. */

/* A tensor by its name, or the node; both NULL: the name is the tag. "loss" is
 * the model's loss where no op has that name. */
struct crew_logged {
    const char *tag;
    CREW_NULLABLE const char *tensor;
    CREW_NULLABLE struct crew_node *node;
};
/* Write a line of text for the n tensors, in their order. */
typedef void (*crew_log_formatter)(void *self,
                                   const struct crew_value *values,
                                   int n,
                                   char *line,
                                   size_t size);
/* One of the first two, or at_end, or both. Every n-th of this process's own
 * steps. */
struct crew_logging {
    const struct crew_logged *tensors; /* logged in order of their tags */
    int num_tensors;
    int64_t every_n_iter;
    double every_n_secs;
    bool at_end;
    CREW_NULLABLE crew_log_formatter formatter;
    CREW_NULLABLE void *formatter_self;
};
CREW_API struct crew_hook crew_logging_tensor_hook(const struct crew_logging *);

/* One of them: steps from the session's first, or the last step. */
CREW_API struct crew_hook crew_stop_at_step_hook(int64_t num_steps,
                                                 int64_t last_step);
/* Instead of RunConfig's saver. One of save_secs and save_steps. Takes the
 * listeners of the list. Of no effect but on the chief. */
CREW_API struct crew_hook crew_checkpoint_saver_hook(
    double save_secs,
    int64_t save_steps,
    CREW_NULLABLE const struct crew_saving_listener *listeners,
    int num_listeners);
/* One of them. Beside RunConfig's log_step_count_steps. */
CREW_API struct crew_hook crew_step_counter_hook(int64_t every_n_steps,
                                                 double every_n_secs);
/* tensor NULL: the loss, which is watched in any training (exit 1); with
 * fail_on_nan_loss false a loss that is NaN ends training as a hook does, with
 * a warning, and nothing of that step is applied. */
CREW_API struct crew_hook crew_nan_tensor_hook(CREW_NULLABLE const char *tensor,
                                               bool fail_on_nan_loss);
/* The model's summaries: in training into output_dir (NULL: model_dir), in an
 * evaluation into its own folder. One of save_steps and save_secs. */
CREW_API struct crew_hook crew_summary_saver_hook(
    int64_t save_steps,
    double save_secs,
    CREW_NULLABLE const char *output_dir);
/* No step of this process before the cluster has made so many. */
CREW_API struct crew_hook crew_global_step_waiter_hook(int64_t wait_until_step);
/* The tensors' values after the last step (none was made: data NULL), handed to
 * `take` at a clean end. */
typedef int (*crew_final_values_fn)(void *self,
                                    const struct crew_value *values,
                                    int n,
                                    struct crew_err *err);
CREW_API struct crew_hook crew_final_ops_hook(const char *const *tensors,
                                              int n,
                                              crew_final_values_fn take,
                                              void *self);
/* timeline-<step>.json for chrome://tracing in output_dir (NULL: the current
 * folder): an event an op, forward and backward, of one step in save_steps or
 * save_secs. show_memory has no meaning here: buffers are made once. */
CREW_API struct crew_hook crew_profiler_hook(
    int64_t save_steps,
    double save_secs,
    CREW_NULLABLE const char *output_dir,
    bool show_dataflow,
    bool show_memory);
/* Evaluates the weights of this moment, without a checkpoint: at the start,
 * every n steps of this process, at the end. steps -1: to the end of the input.
 * Takes the hooks of the list. Without a cluster only. */
CREW_API struct crew_hook crew_in_memory_evaluator_hook(
    crew_input_fn input_fn,
    int64_t steps,
    CREW_NULLABLE const char *name,
    CREW_NULLABLE const struct crew_hook *hooks,
    int num_hooks,
    int64_t every_n_iter);

/* Early stopping, decided by the chief; the job then ends in every role with 0.
 * The predicates read the event files of eval_dir (NULL: the EvalSpec's). */
struct crew_early_stopping {
    CREW_NULLABLE const char *eval_dir;
    int64_t min_steps;
    double run_every_secs; /* 60, unless run_every_steps is set */
    int64_t run_every_steps;
};
CREW_API struct crew_hook crew_stop_if_higher_hook(const char *metric,
                                                   double threshold,
                                                   struct crew_early_stopping);
CREW_API struct crew_hook crew_stop_if_lower_hook(const char *metric,
                                                  double threshold,
                                                  struct crew_early_stopping);
CREW_API struct crew_hook crew_stop_if_no_increase_hook(
    const char *metric,
    int64_t max_steps_without_increase,
    struct crew_early_stopping);
CREW_API struct crew_hook crew_stop_if_no_decrease_hook(
    const char *metric,
    int64_t max_steps_without_decrease,
    struct crew_early_stopping);
/* A predicate of your own. */
typedef int (*crew_should_stop_fn)(void *self,
                                   CREW_OUT bool *stop,
                                   struct crew_err *err);
CREW_API struct crew_hook crew_early_stopping_hook(crew_should_stop_fn,
                                                   void *self,
                                                   struct crew_early_stopping);

/* -------------------------------------------------------------- warm start */

/* tf.train.VocabInfo: rows (or columns) of a variable belong to the lines of a
 * vocabulary file. Each line of the new file takes the row its text had in the
 * old one; rows of new texts and of the out-of-vocabulary buckets begin by
 * `backup_initializer` (zeroed: zeros). */
struct crew_vocab_info {
    const char *var_name;
    const char *new_vocab;   /* a file, a line an entry */
    int64_t new_vocab_size;  /* how many of its lines are used */
    int64_t num_oov_buckets; /* behind them */
    const char *old_vocab;
    int64_t old_vocab_size; /* 0 or -1: all of it; axis 0 only */
    struct crew_init backup_initializer;
    int axis; /* 0: rows; 1: columns, as of an output layer */
};
struct crew_prev_var_name {
    const char *var_name;      /* in this model */
    const char *prev_var_name; /* in the checkpoint */
};

/* tf.estimator.WarmStartSettings: what a model_dir without a checkpoint begins
 * with. Zeroed: nothing. The arrays and texts are borrowed for as long as the
 * job lives. Regular expressions are POSIX extended ones with \d, \w, \s, \b
 * and
 * (?:...) beside; lazy quantifiers, named groups and look-around are not known.
 * They are matched from a variable's beginning, and it ends in ":0", as in
 * TensorFlow ("dense/kernel:0"). */
struct crew_warm_start {
    /* A prefix, a model_dir (its newest checkpoint) or a SavedModel with
     * variables. NULL: no warm start. */
    CREW_NULLABLE const char *ckpt_to_initialize_from;
    /* Trainable variables that match; NULL: ".*", all of them. */
    CREW_NULLABLE const char *vars_to_warm_start;
    /* The list form, in its place: of all there is in a checkpoint, slots and
     * global_step too, what matches one of them. */
    CREW_NULLABLE const char *const *vars_to_warm_start_list;
    int num_vars_to_warm_start;
    /* vars_to_warm_start=None: only variables with a vocab_info. */
    bool only_vocab_info;
    CREW_NULLABLE const struct crew_vocab_info *var_name_to_vocab_info;
    int num_vocab_infos;
    CREW_NULLABLE const struct crew_prev_var_name *var_name_to_prev_var_name;
    int num_prev_var_names;
};

/* --------------------------------------------------------------- RunConfig */

/* tf.ConfigProto, as far as it means anything here; --set takes its fields as
 * session_config.device_filters and so on. Zeroed: TensorFlow's defaults.
 * Placement, GPUs and graph rewriting have no twin: there are no devices. */
struct crew_session_config {
    /* Of no effect: a process computes on one thread, and more cores are used
     * by more workers. */
    int64_t intra_op_parallelism_threads;
    int64_t inter_op_parallelism_threads;
    /* Whom a process may talk to, with commas: "/job:ps,/job:chief". Of no
     * effect, for a trainer talks to parameter servers only; but those must be
     * in it. */
    CREW_NULLABLE const char *device_filters;
    /* How long a training under way waits for a parameter server that cannot
     * be reached before it gives up (138); 0: 30 s. */
    int64_t operation_timeout_in_ms;
};

/* tf.estimator.RunConfig, by its field names. Filled with TensorFlow's defaults
 * before configure() is called. Texts are borrowed as long as the job lives. */
struct crew_run_config {
    /* NULL: the Estimator's, --model-dir's or TF_CONFIG's; when several are
     * given they must be the same. */
    CREW_NULLABLE const char *model_dir;
    int64_t tf_random_seed;         /* -1: none, a random one is taken */
    int64_t save_summary_steps;     /* 100; 0, or -1 for None: off */
    int64_t save_checkpoints_steps; /* -1: not set */
    double save_checkpoints_secs;   /* 600 when neither is set; -1: unset */
    int64_t keep_checkpoint_max;    /* 5; 0: keep all */
    double keep_checkpoint_every_n_hours;      /* 10000 */
    int64_t log_step_count_steps;              /* 100; 0: off */
    double experimental_max_worker_delay_secs; /* 60 */
    double session_creation_timeout_secs;      /* 7200 */
    struct crew_session_config session_config;
    /* NULL. Refused when set: training is distributed over the parameter
     * servers and trainers of TF_CONFIG, and variables are placed by size. */
    CREW_NULLABLE const char *train_distribute;
    CREW_NULLABLE const char *eval_distribute;
    CREW_NULLABLE const char *experimental_distribute;
    CREW_NULLABLE void (*device_fn)(void);
    /* NULL, "grpc" or "grpc+verbs"; of no effect, there is one protocol. */
    CREW_NULLABLE const char *protocol;
    /* 1. Of no effect: the graph is in the event file; a checkpoint has none,
     * and there are no graph.pbtxt and .meta files. */
    int64_t checkpoint_save_graph_def;
    /* How the trainers work together; not RunConfig's. Synchronous training is
     * SyncReplicasOptimizer's: crew_sync_replicas() says what the numbers are.
     */
    int64_t sync; /* 1: synchronous; 0: not; -1: as the optimizer says */
    int64_t
        replicas_to_aggregate;  /* 0: as the optimizer says, or all trainers */
    int64_t total_num_replicas; /* 0: the same */
    /* Asynchronous: the steps of its own that a trainer may be ahead of the
     * slowest living one, then it waits; -1: any number. */
    int64_t max_staleness;
    /* 1: on a cluster each trainer reads its own part of the training data
     * unless the job calls crew_dataset_shard; 0: all of it. Not RunConfig's:
     * there each worker reads everything unless input_fn shards. */
    int64_t input_sharding;
    /* Estimator's warm_start_from; --set warm_start_from=PATH sets its path. */
    struct crew_warm_start warm_start;
};

/* RunConfig.replace in place: n times "name=value", as --set takes them; None
 * and texts without quotes. rc keeps pointers into texts. On error, in
 * TensorFlow's words (64), rc is as it was. */
CREW_API int crew_run_config_replace(struct crew_run_config *rc,
                                     const char *const *changes,
                                     int n,
                                     struct crew_err *err);

/* --------------------------------------------------------------- TrainSpec */

/* tf.estimator.TrainSpec. Owns its hooks and listeners: those of configure()
 * are freed by the host. */
struct crew_train_spec {
    crew_input_fn input_fn;
    int64_t max_steps; /* -1: until the input ends */
    /* 1: who trains writes down with each checkpoint how far it has read, and
     * goes on from there when it is started again: as with
     * crew_checkpoint_input_hook(). 0: a new start reads from the beginning. */
    int64_t checkpoint_input;
    int num_hooks;
    struct crew_hook *hooks;
    int num_saving_listeners;
    struct crew_saving_listener *saving_listeners; /* chief */
};
CREW_API void crew_train_spec_add_hook(struct crew_train_spec *,
                                       struct crew_hook);
CREW_API void crew_train_spec_add_saving_listener(struct crew_train_spec *,
                                                  struct crew_saving_listener);
/* tf.data.experimental.CheckpointInputPipelineHook, for a TrainSpec: a training
 * that is stopped and started again reads the batches that it would have read.
 * The position is in model_dir/.crew/input-<task>-<step>, one file a trainer.
 * It is of (number of trainers, this one's place): with another number the
 * input begins anew, with a warning. What was read before is passed over. */
CREW_API struct crew_hook crew_checkpoint_input_hook(void);
/* Frees hooks and listeners. */
CREW_API void crew_train_spec_release(struct crew_train_spec *);

/* --------------------------------------------------------------- exporters */

/* What a server is sent: tf's serving_input_receiver_fn. TENSORS: a tensor for
 * each feature, by its name (build_raw_serving_input_receiver_fn). EXAMPLES:
 * serialized tf.Examples, as the input `examples`
 * (build_parsing_serving_input_receiver_fn); classify and regress need that. */
enum crew_receiver_kind { CREW_RECEIVER_TENSORS = 0, CREW_RECEIVER_EXAMPLES };

/* How a feature stands in an Example, where that differs from what the dataset
 * says: by itself it is a FixedLenFeature of the dataset's shape, a float list
 * for float32 and an int64 list for integers, and required. */
struct crew_example_feature {
    const char *name;
    /* CREW_FLOAT, CREW_INT64 or CREW_STRING: the kind of list; it is cast to
     * what the model takes. CREW_UINT8: one string whose bytes are the values,
     * as of an image. 0: as the dataset says. */
    enum crew_dtype dtype;
    /* Multiplied with the values after the cast (1.0 / 255); 0: not at all. */
    double scale;
    /* What counts when the feature is missing: as many values of `dtype` as the
     * feature has. NULL: that is an error. */
    CREW_NULLABLE const void *default_value;
    /* A VarLenFeature: up to as many values as the model takes, the rest
     * filled up with 0, or with the one value at `default_value`. A feature
     * that the dataset lacks is parsed and goes nowhere. */
    bool var_len;
};

#define CREW_MAX_EXAMPLE_FEATURES 16

struct crew_receiver {
    enum crew_receiver_kind kind;
    /* EXAMPLES: a second way in, with tensors, at the signatures
     * "<this>:<signature>" (receiver_tensors_alternatives). */
    CREW_NULLABLE const char *tensors_alternative;
    CREW_NULLABLE const struct crew_example_feature *features;
    int num_features;
};

/* Where an export's weights are: in saved_model.pb as constants, or in
 * variables/ beside it. AUTO: constants up to 1 GiB (a protobuf message cannot
 * have more than 2). --set export_variables=true|false has the last word. */
enum crew_export_weights {
    CREW_EXPORT_AUTO = 0,
    CREW_EXPORT_CONSTANTS,
    CREW_EXPORT_VARIABLES
};

/* A file that is copied into assets.extra/. */
struct crew_asset {
    const char *name;   /* there; may have folders */
    const char *source; /* path */
};

/* The scalars of one evaluation, by the metrics' keys, "loss" among them. */
struct crew_eval_value {
    const char *key;
    float value;
};
struct crew_eval_result {
    int64_t global_step;
    int n;
    const struct crew_eval_value *values;
};
/* The value at a key, or `fallback`. */
CREW_API float crew_eval_result_get(const struct crew_eval_result *,
                                    const char *key,
                                    float fallback);

/* BestExporter's compare_fn: *better gets whether `current` is better than
 * `best`. `best` may come from an event file and lack what was not written
 * then. Not 0: an error, said in err. */
typedef int (*crew_compare_fn)(void *self,
                               const struct crew_eval_result *best,
                               const struct crew_eval_result *current,
                               CREW_OUT bool *better,
                               struct crew_err *err);

/* LATEST: after every evaluation. FINAL: once, in the end of training. BEST:
 * after an evaluation that is better than all before it, those of earlier runs
 * too; the first one always. */
enum crew_exporter_kind {
    CREW_EXPORTER_LATEST = 1,
    CREW_EXPORTER_FINAL = 2,
    CREW_EXPORTER_BEST = 3
};

/* tf.estimator.LatestExporter / FinalExporter / BestExporter: what is written
 * under <model_dir>/export/<name>/<timestamp>/. What it points to lives as long
 * as the job. Zeroed fields are the defaults. */
struct crew_exporter {
    enum crew_exporter_kind kind;
    const char *name;
    int64_t exports_to_keep; /* the newest; Latest and Best: 5; 0: all */
    /* Best. NULL: a smaller loss is better. */
    CREW_NULLABLE crew_compare_fn compare_fn;
    CREW_NULLABLE void *compare_self;
    /* Best: where earlier evaluations are, below model_dir, with * and ?. NULL:
     * "eval/" followed by "*.tfevents.*", of a named evaluation "eval_<name>/".
     * "": none are looked for. */
    CREW_NULLABLE const char *event_file_pattern;
    struct crew_receiver receiver;
    enum crew_export_weights weights;
    CREW_NULLABLE const struct crew_asset *assets_extra;
    int num_assets_extra;
    /* Requests for TensorFlow Serving to warm up with, one a signature: the
     * first batch of the evaluation's input. */
    bool warmup;
};

#define CREW_MAX_EXPORTERS 4

/* ---------------------------------------------------------------- EvalSpec */

/* tf.estimator.EvalSpec. */
struct crew_eval_spec {
    crew_input_fn input_fn;
    int64_t steps;                  /* 100; -1: to the end of the input */
    CREW_NULLABLE const char *name; /* results go to eval_<name>/ */
    double start_delay_secs;        /* 120 */
    double throttle_secs;           /* 600 */
    int num_exporters;
    struct crew_exporter exporters[CREW_MAX_EXPORTERS];
    int num_hooks;
    struct crew_hook *hooks; /* owned; run in every evaluation */
};
CREW_API void crew_eval_spec_add_hook(struct crew_eval_spec *,
                                      struct crew_hook);
CREW_API void crew_eval_spec_release(struct crew_eval_spec *);
/* With the defaults; change es->exporters[es->num_exporters - 1] after it. */
CREW_API void crew_eval_spec_add_exporter(struct crew_eval_spec *,
                                          enum crew_exporter_kind,
                                          const char *name);

/* --------------------------------------------------------------------- job */

/* The description of a job. */
struct crew_job {
    uint32_t abi_version; /* CREW_ABI_VERSION */
    const char *name;
    crew_model_fn model_fn;
    int (*configure)(const struct crew_params *params,
                     struct crew_run_config *run_config,
                     struct crew_train_spec *train_spec,
                     struct crew_eval_spec *eval_spec,
                     struct crew_err *err);
};

/* Put once in the job's file: `CREW_JOB(my_job);`. */
#ifdef __cplusplus
#define CREW_EXTERN extern "C"
#else
#define CREW_EXTERN extern
#endif
#define CREW_JOB(job)                                                 \
    CREW_EXTERN CREW_API const struct crew_job *crew_job_entry(void); \
    const struct crew_job *crew_job_entry(void)                       \
    {                                                                 \
        return &(job);                                                \
    }                                                                 \
    CREW_EXTERN const struct crew_job *crew_job_entry(void)

/* The main() of a program that is its own host: takes the flags of `crew run`
 * but --job. Returns the exit code. */
CREW_API int crew_job_main(const struct crew_job *job, int argc, char **argv);

/* --------------------------------------------------------------- Estimator */

/* tf.estimator.Estimator: a job's model_fn with a model_dir, a RunConfig and
 * hyper-parameters, called from a program of the user's own. Any number of them
 * may live in a process; one call at a time, from any thread. Logs go to
 * stderr, in TensorFlow's words; errors are returned and not logged. Signals
 * are the program's. TF_CONFIG applies as in TensorFlow. crew_job_main() does
 * the same with a command line in front. */
struct crew_estimator;

/* Zeroed fields are the defaults. Nothing of it is needed after the call. */
struct crew_estimator_args {
    /* NULL: RunConfig's or TF_CONFIG's; without those a temporary folder, with
     * TensorFlow's warning. Made when it is needed. */
    CREW_NULLABLE const char *model_dir;
    /* NULL: what the job's configure() makes of crew_run_config_init(). */
    CREW_NULLABLE const struct crew_run_config *run_config;
    /* "key=value" each, as --set takes them: the job's hyper-parameters, and
     * fields of RunConfig, TrainSpec and EvalSpec, which win over what is given
     * in structs. */
    CREW_NULLABLE const char *const *params;
    int num_params;
    bool strict_tf_config; /* read TF_CONFIG as TensorFlow does */
    bool insecure_network; /* addresses other than loopback */
    CREW_NULLABLE const char
        *bind; /* listen here, not on TF_CONFIG's address */
};

/* TensorFlow's defaults. */
CREW_API void crew_run_config_init(struct crew_run_config *);
CREW_API void crew_train_spec_init(struct crew_train_spec *);
CREW_API void crew_eval_spec_init(struct crew_eval_spec *);

/* The job must live as long as the Estimator; its configure() may be NULL.
 * Errors: TensorFlow's for RunConfig (64) and TF_CONFIG (78); a job of another
 * ABI (78); a model_dir that cannot be written (73). Owner: caller,
 * crew_estimator_free(). */
CREW_API int crew_estimator_new(
    const struct crew_job *job,
    CREW_NULLABLE const struct crew_estimator_args *,
    CREW_OUT struct crew_estimator **,
    struct crew_err *err);
CREW_API void crew_estimator_free(CREW_NULLABLE struct crew_estimator *);
CREW_API const char *crew_estimator_model_dir(const struct crew_estimator *);

/* Estimator.train. Zeroed: until the input ends. Hooks and listeners are taken,
 * also on error. */
struct crew_train_args {
    int64_t steps;     /* this many more; 0 or -1: None */
    int64_t max_steps; /* up to this global step; 0 or -1: None */
    CREW_NULLABLE const struct crew_hook *hooks;
    int num_hooks;
    CREW_NULLABLE const struct crew_saving_listener *saving_listeners;
    int num_saving_listeners;
    CREW_NULLABLE void *input_self; /* crew_input_ctx's self */
};
/* Trains as the process that TF_CONFIG names: a chief or worker of a cluster
 * trains with the others, and a chief that has done so ends the cluster's job.
 * Training is skipped when the newest checkpoint is of max_steps or beyond.
 * Errors: TensorFlow's; FAILED_PRECONDITION as an evaluator or ps; CANCELLED
 * when the job was stopped elsewhere. */
CREW_API int crew_estimator_train(struct crew_estimator *,
                                  crew_input_fn,
                                  CREW_NULLABLE const struct crew_train_args *,
                                  struct crew_err *err);

/* What an evaluation returns: a number, or several at thresholds, by key. */
struct crew_results;
struct crew_result {
    const char *key;
    int n;
    const double *values;
};
CREW_API void crew_results_free(CREW_NULLABLE struct crew_results *);
/* In order of their keys, "loss" and "global_step" among them. */
CREW_API int crew_results_num(const struct crew_results *);
CREW_API const struct crew_result *crew_results_at(const struct crew_results *,
                                                   int i);
/* The (first) number at a key, or `fallback`. */
CREW_API double crew_results_get(const struct crew_results *,
                                 const char *key,
                                 double fallback);
/* "accuracy = 0.98, global_step = 500, loss = 0.05" */
CREW_API const char *crew_results_text(const struct crew_results *);

/* Estimator.evaluate. Zeroed: to the end of the input. Hooks are taken, also on
 * error. */
struct crew_eval_args {
    int64_t steps;                             /* batches; 0 or -1: None */
    CREW_NULLABLE const char *checkpoint_path; /* NULL: the newest */
    CREW_NULLABLE const char *name;            /* events go to eval_<name>/ */
    CREW_NULLABLE const struct crew_hook *hooks;
    int num_hooks;
    CREW_NULLABLE void *input_self;
};
/* Without a checkpoint it is the initialised model that is evaluated, and the
 * log says so. Owner: caller, crew_results_free(). */
CREW_API int crew_estimator_evaluate(
    struct crew_estimator *,
    crew_input_fn,
    CREW_NULLABLE const struct crew_eval_args *,
    CREW_OUT struct crew_results **,
    struct crew_err *err);

/* Estimator.predict. Zeroed: all predictions, one example at a time. Hooks are
 * taken, also on error. */
struct crew_predict_args {
    CREW_NULLABLE const char *const *predict_keys; /* NULL: all */
    int num_predict_keys;
    CREW_NULLABLE const char *checkpoint_path; /* NULL: the newest */
    bool yield_batches; /* yield_single_examples=False: whole batches */
    CREW_NULLABLE const struct crew_hook *hooks;
    int num_hooks;
    CREW_NULLABLE void *input_self;
};
/* What is predicted of one example, or of a batch: by the keys of
 * crew_spec_prediction(), in their order. An example's values are without the
 * batch dimension. */
struct crew_named_value {
    const char *key;
    struct crew_value value;
};
struct crew_prediction {
    int n;
    const struct crew_named_value *values;
};
struct crew_predictions;
/* The dataset's label, if it has one, is not looked at. The Estimator must live
 * until the predictions are freed. Owner: caller, crew_predictions_free(). */
CREW_API int crew_estimator_predict(
    struct crew_estimator *,
    crew_input_fn,
    CREW_NULLABLE const struct crew_predict_args *,
    CREW_OUT struct crew_predictions **,
    struct crew_err *err);
/* The next one, valid until the next call. OUT_OF_RANGE: there are no more, all
 * is well. */
CREW_API int crew_predictions_next(struct crew_predictions *,
                                   CREW_OUT struct crew_prediction *,
                                   struct crew_err *err);
CREW_API void crew_predictions_free(CREW_NULLABLE struct crew_predictions *);

/* Estimator.export_saved_model. */
struct crew_export_args {
    /* The features there are, as the model gets them; NULL: the EvalSpec's of
     * the job's configure(). */
    CREW_NULLABLE crew_input_fn input_fn;
    CREW_NULLABLE void *input_self;
    /* Receiver, weights, assets and warm-up; its kind and name do not matter.
     * NULL: tensors, by the features' names. */
    CREW_NULLABLE const struct crew_exporter *exporter;
    CREW_NULLABLE const char *checkpoint_path; /* NULL: the newest */
};
/* To a new folder below `base`; *dir gets its path. Owner: caller, free().
 * CREW_EVAL: the graph with labels, loss and metrics (tag "eval").
 * Errors: NOT_FOUND (66) no checkpoint; UNIMPLEMENTED (64) for CREW_TRAIN. */
CREW_API int crew_estimator_export_saved_model(
    struct crew_estimator *,
    const char *base,
    enum crew_mode,
    CREW_NULLABLE const struct crew_export_args *,
    CREW_OUT char **dir,
    struct crew_err *err);

/* The newest checkpoint's path, as the file `checkpoint` names it; NULL: none.
 * Owner: caller, free(). */
CREW_API char *crew_estimator_latest_checkpoint(const struct crew_estimator *);
/* The names in the newest checkpoint, in order. Owner: caller, one free() of
 * the array frees the names too. Errors: NOT_FOUND (66) there is no checkpoint.
 */
CREW_API int crew_estimator_get_variable_names(const struct crew_estimator *,
                                               CREW_OUT char ***names,
                                               CREW_OUT int *n,
                                               struct crew_err *err);
/* A tensor of it, row-major. Owner: caller, free(). Errors: NOT_FOUND, also for
 * a name that is not there; UNIMPLEMENTED for strings. */
CREW_API int crew_estimator_get_variable_value(const struct crew_estimator *,
                                               const char *name,
                                               CREW_OUT enum crew_dtype *,
                                               CREW_OUT struct crew_shape *,
                                               CREW_OUT void **data,
                                               struct crew_err *err);

/* tf.estimator.train_and_evaluate: the role that TF_CONFIG names, all of it in
 * this process without one; a ps becomes the program crew-ps and does not
 * return. NULL: the job's own specs. All three graphs and the export are tried
 * first. The specs are borrowed; their hooks stay theirs. */
CREW_API int crew_train_and_evaluate(
    struct crew_estimator *,
    CREW_NULLABLE const struct crew_train_spec *,
    CREW_NULLABLE const struct crew_eval_spec *,
    struct crew_err *err);
/* What it returns in TensorFlow: the last evaluation, NULL when this process
 * made none, and the folders exported after it. Borrowed until the next call.
 */
CREW_API const struct crew_results *crew_estimator_last_results(
    const struct crew_estimator *);
CREW_API const char *const *crew_estimator_last_exports(
    const struct crew_estimator *,
    CREW_OUT int *n);

#ifdef __cplusplus
}
#endif

#endif
