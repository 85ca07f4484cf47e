/* SPDX-License-Identifier: Apache-2.0
 * crew ckpt: what is in a checkpoint, whether it is whole, what differs. */
#include "cli/ckpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/manifest.h"
#include "checkpoint/save.h"
#include "cli/commands.h"
#include "base/banned.h"

static const char usage[] =
    "usage: crew ckpt ls [--format text|json] PREFIX|DIR\n"
    "       crew ckpt dump [--format text|json] PREFIX|DIR [NAME]\n"
    "       crew ckpt verify [--format text|json] PREFIX|DIR\n"
    "       crew ckpt diff [--format text|json] PREFIX|DIR PREFIX|DIR\n\n"
    "PREFIX is a checkpoint without its suffix (runs/mnist/model.ckpt-500), "
    "DIR "
    "a\nmodel_dir: the checkpoint that its file `checkpoint` names.\n\n"
    "  ls      name, dtype, shape, bytes and CRC-32C of every tensor\n"
    "  dump    the values, of all tensors or of NAME. json: of each tensor "
    "sha256 and\n"
    "          the first eight values, of NAME all values; strings are base64\n"
    "  verify  read everything and check every CRC, and each byte where "
    "there is\n          a manifest of ours (DIR/.crew/)\n"
    "  diff    what differs; exit code 1 when anything does\n\n"
    "Exit codes: 0; 1 they differ; 65 damaged; 66 not found; 64 usage.\n"
    "Next: crew events dump MODEL_DIR\n";

struct arguments {
    bool json;
    const char *rest[3];
    int n;
};

static int parse(int argc, char **argv, struct arguments *a)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--format") == 0 && i + 1 < argc &&
            (strcmp(argv[i + 1], "json") == 0 ||
             strcmp(argv[i + 1], "text") == 0)) {
            a->json = strcmp(argv[++i], "json") == 0;
        } else if (argv[i][0] == '-' || a->n == 3) {
            (void)fprintf(stderr,
                          "crew ckpt: unexpected argument '%s'; see crew ckpt "
                          "--help\n",
                          argv[i]);
            return 64;
        } else {
            a->rest[a->n++] = argv[i];
        }
    }
    return 0;
}

/* The prefix that the user means. Owner: caller; NULL on error. */
static char *find_prefix(const char *given, struct crew_err *err)
{
    struct crew_env *env = env_posix();
    size_t n = strlen(given);
    struct env_stat st;
    char *prefix = NULL;
    int64_t step;

    if (n > 6 && strcmp(given + n - 6, ".index") == 0) {
        prefix = xstrdup(given);
        prefix[n - 6] = '\0';
        return prefix;
    }
    if (env->fs->stat(env->fs, given, &st, &(struct crew_err){0}) != CREW_OK ||
        !st.is_dir) {
        return xstrdup(given);
    }
    prefix = ckpt_named(env, given);
    if (prefix == NULL &&
        ckpt_latest(env, given, &prefix, &step, err) == CREW_OK &&
        prefix == NULL) {
        crew_err_exit(err, CREW_NOT_FOUND, 66, "%s: no checkpoint in it",
                      given);
    }
    return prefix;
}

static int open_given(const char *given,
                      char **prefix,
                      struct bundle_reader **r,
                      struct crew_err *err)
{
    char *found = find_prefix(given, err);

    if (found == NULL ||
        bundle_reader_open(env_posix(), found, r, err) != CREW_OK) {
        free(found);
        return err->code;
    }
    *prefix = found;
    return CREW_OK;
}

static void list_json(const struct bundle_reader *r, const char *prefix)
{
    struct strbuf out;

    strbuf_init(&out);
    ckpt_add_start(&out, r, prefix);
    for (int i = 0; i < bundle_num_tensors(r); i++) {
        const struct bundle_tensor *t = bundle_tensor(r, i);

        strbuf_addstr(&out, i > 0 ? ",\n " : "\n ");
        ckpt_add_head(&out, t);
        strbuf_addf(&out, ", \"bytes\": %llu", (unsigned long long)t->nbytes);
        if (t->num_slices > 0) {
            strbuf_addf(&out, ", \"slices\": %d}", t->num_slices);
        } else {
            strbuf_addf(&out, ", \"shard\": %d, \"crc32c\": \"%08x\"}",
                        t->shard, t->crc32c);
        }
    }
    strbuf_addstr(&out, "\n]}");
    puts(out.data);
    strbuf_release(&out);
}

static void list_text(const struct bundle_reader *r, const char *prefix)
{
    unsigned long long total = 0;
    struct strbuf shape;
    int width = 4;

    for (int i = 0; i < bundle_num_tensors(r); i++) {
        int n = (int)strlen(bundle_tensor(r, i)->name);
        width = n > width ? n : width;
    }
    printf("%-*s  %-10s  %-18s  %12s  %s\n", width, "name", "dtype", "shape",
           "bytes", "crc32c");
    strbuf_init(&shape);
    for (int i = 0; i < bundle_num_tensors(r); i++) {
        const struct bundle_tensor *t = bundle_tensor(r, i);

        strbuf_reset(&shape);
        ckpt_add_shape(&shape, &t->shape);
        total += t->nbytes;
        printf("%-*s  %-10s  %-18s  %12llu  ", width, t->name,
               bundle_dtype_name(t->dtype), shape.data,
               (unsigned long long)t->nbytes);
        if (t->num_slices > 0) {
            printf("%d slices\n", t->num_slices);
        } else {
            printf("%08x\n", t->crc32c);
        }
    }
    strbuf_release(&shape);
    printf("\n%s: %d tensors, %llu bytes\n", prefix, bundle_num_tensors(r),
           total);
}

static int do_diff(const struct arguments *args, struct crew_err *err)
{
    struct bundle_reader *a = NULL, *b = NULL;
    char *pa = NULL, *pb = NULL;
    bool same = false;

    if (open_given(args->rest[0], &pa, &a, err) == CREW_OK &&
        open_given(args->rest[1], &pb, &b, err) == CREW_OK &&
        ckpt_diff(a, b, args->json, &same, err) == CREW_OK && same &&
        !args->json) {
        printf("%s and %s hold the same\n", pa, pb);
    }
    bundle_reader_free(a);
    bundle_reader_free(b);
    free(pa);
    free(pb);
    return same ? 0 : 1;
}

/* Damage to a tensor is told before damage to the file, which says less. */
static void verify(struct bundle_reader *r,
                   const char *prefix,
                   bool json,
                   struct crew_err *err)
{
    bool found = false;

    if (bundle_verify(r, err) == CREW_OK &&
        manifest_check(env_posix(), prefix, &found, err) == CREW_OK) {
        if (json) {
            printf("{\"tensors\": %d, \"manifest\": %s, \"ok\": true}\n",
                   bundle_num_tensors(r), found ? "true" : "false");
            return;
        }
        printf("%s: %d tensors, all CRCs are right%s\n", prefix,
               bundle_num_tensors(r),
               found ? ", each byte is as it was saved" : "");
    }
}

static int do_one(const char *command,
                  const struct arguments *a,
                  struct crew_err *err)
{
    struct bundle_reader *r = NULL;
    char *prefix = NULL;

    if (open_given(a->rest[0], &prefix, &r, err) != CREW_OK) {
        return 1;
    }
    if (strcmp(command, "ls") == 0) {
        if (a->json) {
            list_json(r, prefix);
        } else {
            list_text(r, prefix);
        }
    } else if (strcmp(command, "dump") == 0) {
        (void)ckpt_dump(r, prefix, a->rest[1], a->json, err);
    } else {
        verify(r, prefix, a->json, err);
    }
    bundle_reader_free(r);
    free(prefix);
    return 0;
}

static const struct {
    const char *name;
    int least, most;
} commands[] = {{"ls", 1, 1}, {"dump", 1, 2}, {"verify", 1, 1}, {"diff", 2, 2}};

int cmd_ckpt(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    struct crew_err err = {0};
    struct arguments a = {0};
    int rc;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(command, commands[i].name) != 0) {
            continue;
        }
        if (parse(argc, argv, &a) != 0) {
            return 64;
        }
        if (a.n < commands[i].least || a.n > commands[i].most) {
            break;
        }
        rc = a.n == 2 && strcmp(command, "diff") == 0
                 ? do_diff(&a, &err)
                 : do_one(command, &a, &err);
        if (err.code != CREW_OK) {
            (void)fflush(stdout);
            (void)fprintf(stderr, "crew ckpt: %s\n", err.msg);
            return crew_err_exit_code(&err);
        }
        return rc;
    }
    (void)fputs(usage, stderr);
    return 64;
}
